"""What the watch found out last, as a page (`/verdicts.json`): screens and commands read it, and nobody asks Kafka twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter

from consumers.watch.model import Judgement
from consumers.watch.observed import BrokerSeen, Heard
from infra.kafka.survey import Fault

PATH: Final = "/verdicts.json"


@dataclass(frozen=True, slots=True)
class Effort:
    """What one look has cost."""

    took_s: float
    cpu_s: float
    """Of this process, with what it did beside the look."""
    requests: int
    """Sent to Kafka."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The verdicts of one moment, and what they rest on."""

    at: datetime
    """When the look ended."""
    interval_s: float
    """Between two looks; 0 where this is a look of its own, without a watch."""
    effort: Effort
    judgements: tuple[Judgement, ...]
    brokers: tuple[BrokerSeen, ...]
    processes: tuple[Heard, ...]
    """Everybody's last heartbeat, also of those who have stopped or fallen silent."""
    faults: tuple[Fault, ...] = ()
    """What Kafka did not answer."""
    kafka_fault: str = ""
    """Why nothing of Kafka could be asked: code and sentence."""


_ADAPTER: Final = TypeAdapter(Snapshot)


def write(snapshot: Snapshot) -> bytes:
    """As JSON."""
    return _ADAPTER.dump_json(snapshot)


def read(page: bytes) -> Snapshot:
    """The snapshot on a page.

    Raises:
        ValidationError: it is none, or one of another version.
    """
    return _ADAPTER.validate_json(page)
