"""Outcomes that back offices tell later: asked for until they are known, told at least once, on both databases."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
import structlog

from adapters.interface import Accepted, Refusal
from consumers.delivery.awaited import note_awaited
from infra.stores import Store
from schemas.errors import DestinationDown
from schemas.events import State
from tests.outcome_model import OFFICE, TRACE, BackOffice, EventsTopic, PollClock, poller, put, round_of, row, rows


async def test_accepted_is_told_and_let_go(store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic) -> None:
    """An accepted submission makes one event with its reference, key, partition and trace, and is not asked for again."""
    one = row()
    back_office.answers[one.reference] = Accepted()
    await put(store, one)
    poll_clock.now_ms += 2_000
    for _ in range(2):
        await round_of(poller(store, back_office, topic))
    (sent,), (event,) = topic.sent, topic.events
    assert (sent.topic, sent.key, sent.partition) == ("muenchen.events", b"case", 3)
    assert ("traceparent", TRACE) in sent.headers
    assert (event.data.state, event.data.reference, event.data.attempt) == (State.ACCEPTED, "GM-1", 2)
    assert (str(event.data.submission), event.data.office) == (one.submission, OFFICE)
    assert back_office.asked == ["GM-1"]
    assert rows(store) == []


async def test_refused_is_told_with_its_code(store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic) -> None:
    """What the back office turns down after delivery is rejected, with its code as the reason."""
    back_office.answers["GM-1"] = Refusal("UNZUSTAENDIG")
    await put(store, row())
    poll_clock.now_ms += 2_000
    await round_of(poller(store, back_office, topic))
    (event,) = topic.events
    assert (event.data.state, event.data.reason) == (State.REJECTED, "UNZUSTAENDIG")
    assert rows(store) == []


async def test_a_question_that_fails_is_asked_again(
    store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic
) -> None:
    """A back office that is down loses no outcome; one line says how many questions failed, whatever their number."""
    await put(store, row(1), row(2))
    back_office.answers = {"GM-1": DestinationDown("no answer"), "GM-2": ValueError("Kanarienvogel")}
    poll_clock.now_ms += 2_000
    with structlog.testing.capture_logs() as logs:
        await round_of(poller(store, back_office, topic))
    assert [(line["event"], line["count"], line["reason"]) for line in logs] == [("outcomes_not_known", 2, "no answer")]
    assert "Kanarienvogel" not in str(logs)
    back_office.answers = {"GM-1": Accepted(), "GM-2": Accepted()}
    poll_clock.now_ms += 2_000
    await round_of(poller(store, back_office, topic))
    assert [event.data.reference for event in topic.events] == ["GM-1", "GM-2"]


async def test_killed_before_it_is_told(store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic) -> None:
    """A process that dies between the answer and the event leaves the row; the next one asks and tells."""
    back_office.answers["GM-1"] = Accepted()
    await put(store, row())
    poll_clock.now_ms += 2_000
    topic.failures = [RuntimeError("killed")]
    with pytest.raises(RuntimeError):
        await round_of(poller(store, back_office, topic))
    await round_of(poller(store, back_office, topic))
    assert [event.data.state for event in topic.events] == [State.ACCEPTED]


async def test_killed_before_the_row_goes(
    store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies between event and row tells again after its restart, with the same id."""
    back_office.answers["GM-1"] = Accepted()
    await put(store, row())
    poll_clock.now_ms += 2_000
    with monkeypatch.context() as patch:
        patch.setattr(store, "write", None)
        with pytest.raises(TypeError):
            await round_of(poller(store, back_office, topic))
    poll_clock.now_ms += 60_000
    await round_of(poller(store, back_office, topic))
    first, again = topic.events
    assert first.id == again.id
    assert rows(store) == []


async def test_no_row_without_its_delivery(store: Store) -> None:
    """When the transaction that notes the delivery fails, nothing is awaited."""

    def operation(connection: sa.Connection) -> None:
        note_awaited(connection, OFFICE, [row()])
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        await store.write(operation)
    assert rows(store) == []


async def test_noted_twice_is_awaited_once(store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic) -> None:
    """A transaction that ran twice has one row, which keeps its place."""
    one = row()
    await put(store, one)
    poll_clock.now_ms += 2_000
    await round_of(poller(store, back_office, topic))
    await put(store, one)
    assert rows(store) == [(one.submission, 1)]


@pytest.mark.parametrize("end", [asyncio.CancelledError, SystemExit])
async def test_an_end_out_of_a_question_is_a_failure(
    store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic, end: type[BaseException]
) -> None:
    """What somebody cancels below an adapter, or its `sys.exit`, ends nothing here: the question is asked again."""
    back_office.answers["GM-1"] = end()  # type: ignore[assignment]
    await put(store, row())
    poll_clock.now_ms += 2_000
    process = poller(store, back_office, topic)
    await round_of(process)
    back_office.answers["GM-1"] = Accepted()
    poll_clock.now_ms += 10_000
    await round_of(process)
    assert (len(topic.events), rows(store)) == (1, [])


async def test_an_event_that_kafka_refuses_waits_for_another_round(
    store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic
) -> None:
    """The row stays until the event is written."""
    back_office.answers["GM-1"] = Accepted()
    await put(store, row())
    poll_clock.now_ms += 2_000
    topic.refuses = "TopicAuthorizationFailed"
    process = poller(store, back_office, topic)
    await round_of(process)
    assert (topic.events, len(rows(store))) == ([], 1)
    topic.refuses = None
    poll_clock.now_ms += 10_000
    await round_of(process)
    assert (len(topic.events), rows(store)) == (1, [])
