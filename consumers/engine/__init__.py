"""The delivery engine: ordered, at least once, many cases at a time. A pure core decides, a thin shell speaks Kafka."""

from consumers.engine.core import Core, Work
from consumers.engine.shell import Engine, Limits

__all__ = ["Core", "Engine", "Limits", "Work"]
