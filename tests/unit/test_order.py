"""What happened to a submission is ordered by the log, whatever any clock says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from infra.kafka import order
from infra.kafka.records import EventRecord
from schemas.events import State
from tests import builders

ONE = uuid4()
WAITING = (State.RETRY_WAIT, State.PARKED, State.DEAD_LETTER)
ENDS = ((), (State.DELIVERED,), (State.DELIVERED, State.ACCEPTED), (State.DELIVERED, State.REJECTED), (State.REJECTED,))
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)).map(datetime.isoformat)  # noqa: DTZ001 - bounds


def row(record: EventRecord) -> dict[str, Any]:
    """As a store has it."""
    return {"state": record.event.data.state.value, "at": record.event.time} | order.values(record)


@st.composite
def lives(draw: st.DrawFn) -> list[State]:
    """What happens to a submission, as its office tells it."""
    return [*draw(st.lists(st.sampled_from(WAITING), max_size=5)), *draw(st.sampled_from(ENDS))]


@given(life=lives(), data=st.data())
def test_order_is_that_of_the_log(life: list[State], data: st.DataObject) -> None:
    """Whatever the clocks of the machines say, and in whatever order the events are stored: they stand as they were told."""
    events = [builders.event(ONE, state, at=data.draw(MOMENTS), attempt=number) for number, state in enumerate(life, 1)]
    stored = data.draw(st.permutations([row(record) for record in builders.records(*events)]))
    assert [one["state"] for one in order.in_order(stored)] == life


@given(life=lives().filter(lambda life: bool(life) and life[-1].once), late=st.lists(st.sampled_from(WAITING), max_size=3), data=st.data())
def test_final_state_wins(life: list[State], late: list[State], data: st.DataObject) -> None:
    """What a process that was overtaken tells behind the end, and a decision that reaches the topic before the delivery, change no end."""
    told = [*life, *late]
    if State.DELIVERED in life[:-1] and data.draw(st.booleans()):
        told[len(life) - 2 : len(life)] = reversed(life[-2:])
    events = [builders.event(ONE, state, at=data.draw(MOMENTS), attempt=number) for number, state in enumerate(told, 1)]
    ordered = [one["state"] for one in order.in_order([row(record) for record in builders.records(*events)])]
    assert ordered[-1] == life[-1]
    assert sorted(ordered) == sorted(told)
    if State.DELIVERED in life[:-1]:
        assert ordered[-2] == State.DELIVERED


@given(before=st.lists(st.sampled_from(WAITING), min_size=1, max_size=3), partition=st.integers(0, 9), data=st.data())
def test_two_partitions_stand_by_their_attempts(before: list[State], partition: int, data: st.DataObject) -> None:
    """After a topic has grown a submission may go on in another partition, whatever its number: the earlier attempts come first."""
    old = [builders.event(ONE, state, at=data.draw(MOMENTS), attempt=number) for number, state in enumerate(before, 1)]
    new = [builders.event(ONE, State.DEAD_LETTER, at=data.draw(MOMENTS), attempt=len(before) + 1)]
    records = [*builders.records(*old, partition=5, first=1_000), *builders.records(*new, partition=partition if partition != 5 else 4)]
    ordered = order.in_order(data.draw(st.permutations([row(record) for record in records])))
    assert [one["state"] for one in ordered] == [*before, State.DEAD_LETTER]


def test_rows_of_earlier_versions_come_first() -> None:
    """They know no position, so they keep the order of their times, and a final one still wins."""
    known = [row(record) for record in builders.records(builders.event(ONE, State.PARKED, at="2026-01-01T00:00:00Z"), first=7)]
    unknown = [
        {"state": state.value, "at": datetime(2026, 3, day, tzinfo=UTC), "attempt": None, "partition": None, "record_offset": None}
        for state, day in ((State.DELIVERED, 1), (State.DEAD_LETTER, 3), (State.RETRY_WAIT, 2))
    ]
    assert [one["state"] for one in order.in_order([*known, *unknown])] == ["retry_wait", "dead_letter", "parked", "delivered"]


def test_every_state_that_ends_is_final() -> None:
    """A state that the bus has nothing to hand over after is never hidden by one that waits."""
    for state in (state for state in State if state.once):
        events = [builders.event(UUID(int=1), one, attempt=number) for number, one in enumerate((state, *WAITING))]
        assert order.in_order([row(record) for record in builders.records(*events)])[-1]["state"] == state
