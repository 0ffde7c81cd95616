"""What processes and operators have said, as the watch keeps it, and what it puts together of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from consumers.watch.collector import Collector
from consumers.watch.hearing import Hearing
from consumers.watch.observe import observation
from consumers.watch.observed import ConsumerSeen
from consumers.watch.watched import all_watched
from schemas.catalogue.expected import Expected
from schemas.heartbeats import Heartbeat, ProcessKind, SetAsideCount
from schemas.operations import Operation, OperatorAction

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
OFFICE = "muenchen.gewerbe"


def said(instance: str, **more: SetAsideCount) -> Heartbeat:
    """A heartbeat of an adapter."""
    return Heartbeat(at=NOW, instance=instance, process=ProcessKind.ADAPTER, office=OFFICE, version="1", started_at=NOW, **more)


def office_of(hearing: Hearing, now: datetime = NOW) -> ConsumerSeen:
    """What is observed of the office, when Kafka has told nothing."""
    watched = all_watched([OFFICE], {})
    return observation(watched, Collector(watched), hearing, now, 10, now).consumers[0]


def test_the_last_word_counts_for_the_office() -> None:
    """Of two processes of an office, each of which counts for both, the one that was heard last says how many are set aside."""
    hearing = Hearing({OFFICE: Expected()})
    hearing.hear(said("a@b:1", dead_letters=SetAsideCount(count=40, oldest_at=NOW), parked=SetAsideCount(count=1)), NOW)
    hearing.hear(said("a@c:1", dead_letters=SetAsideCount(count=39, oldest_at=NOW)), NOW + timedelta(seconds=2))
    seen = office_of(hearing)
    assert seen.dead_letters is not None
    assert (seen.dead_letters.count, seen.dead_letters.as_of) == (39, NOW + timedelta(seconds=2))
    assert seen.parked is not None
    assert seen.parked.count == 1


def test_nobody_has_counted() -> None:
    """Dead letters that no process has counted are unknown, never none."""
    hearing = Hearing({OFFICE: Expected()})
    hearing.hear(said("a@b:1"), NOW)
    assert office_of(hearing).dead_letters is None


def test_pause_and_operations_of_the_last_day() -> None:
    """A pause holds however long ago it was said; what operators did is kept for a day."""
    hearing = Hearing({OFFICE: Expected()})
    for days, action in ((9, OperatorAction.PAUSE), (0, OperatorAction.REPLAY)):
        done = Operation(at=NOW, actor="berta", action=action, office=OFFICE, reason="the office moves")
        hearing.note(done, NOW - timedelta(days=days))
    seen = office_of(hearing)
    assert seen.pause is not None
    assert (seen.pause.actor, seen.pause.since) == ("berta", NOW - timedelta(days=9))
    assert [one.operation.action for one in seen.operations] == [OperatorAction.REPLAY]
    assert office_of(hearing, NOW + timedelta(days=2)).operations == ()


def test_instances_do_not_grow_for_ever() -> None:
    """Who has been silent for a week is forgotten when somebody new is heard."""
    hearing = Hearing({OFFICE: Expected()})
    for day in range(30):
        hearing.hear(said(f"a@host{day}:1"), NOW + timedelta(days=day))
    assert sorted(hearing.heard) == sorted(f"a@host{day}:1" for day in range(23, 30))
