"""The delivery engine: ordered, at least once, many cases at a time. A pure core decides, a thin shell speaks Kafka."""

from consumers.engine.core import Action, CaseState, Core, Work
from consumers.engine.engine import FINISHED, Again, Dead, End, Engine, Handler, KafkaWork, Parked, Waits

__all__ = ["FINISHED", "Action", "Again", "CaseState", "Core", "Dead", "End", "Engine", "Handler", "KafkaWork", "Parked", "Waits", "Work"]
