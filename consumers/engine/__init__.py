"""The delivery engine: ordered, at least once, many cases at a time (docs/decisions/0006).

`Engine` is what a process runs, `Handler` what it asks of the delivery.
"""

from consumers.engine.core import Action, CaseState, Core, Work
from consumers.engine.engine import Engine
from consumers.engine.handler import FINISHED, Again, Dead, End, Handler, KafkaWork, Parked, Waits

__all__ = ["FINISHED", "Action", "Again", "CaseState", "Core", "Dead", "End", "Engine", "Handler", "KafkaWork", "Parked", "Waits", "Work"]
