"""Which consumers the watch judges, and what each reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consumers.watch.observed import Kind
from schemas import topics
from schemas.catalogue.expected import Expected, Freshness
from schemas.heartbeats import Heartbeat, ProcessKind

GATEWAY: Final = "gateway"
RECORDERS: Final = (topics.GROUP_STATUS, topics.GROUP_AUDIT, topics.GROUP_STATISTICS)


@dataclass(frozen=True, slots=True)
class Watched:
    """One consumer. Its group has its name; the outbox has none, and reads nothing."""

    name: str
    kind: Kind
    topics: tuple[str, ...]
    needs: tuple[str, ...]
    """The topics without which it does not work; an office writes dead letters, too."""
    target_s: float
    """What waits may wait for so long."""


def all_watched(offices: Sequence[str], expected: Mapping[str, Expected]) -> list[Watched]:
    """Offices first, then those who record, then the outbox."""
    recorded = tuple(topics.recorded(offices))
    events = tuple(name for name in recorded if topics.is_events(name))
    usual_s = Freshness().within.total_seconds()
    return [
        *(_office(office, expected.get(office, Expected())) for office in offices),
        Watched(topics.GROUP_STATUS, Kind.RECORDER, events, events, usual_s),
        *(Watched(name, Kind.RECORDER, recorded, recorded, usual_s) for name in (topics.GROUP_AUDIT, topics.GROUP_STATISTICS)),
        Watched(GATEWAY, Kind.OUTBOX, (), (), usual_s),
    ]


def _office(office: str, expected: Expected) -> Watched:
    needs = tuple(topic.name for topic in topics.of_office(office))
    return Watched(office, Kind.OFFICE, needs[:2], needs, expected.freshness.within.total_seconds())


def works_for(heartbeat: Heartbeat) -> tuple[str, ...]:
    """Which of these consumers a process is: the gateway publishes what is in the outbox, and records the status feed."""
    if heartbeat.process is ProcessKind.GATEWAY:
        return (GATEWAY, topics.GROUP_STATUS)
    return (heartbeat.office or heartbeat.process.value,)
