"""Submissions that are delivered: once, with the right event, case by case, and what the engine is told."""

from __future__ import annotations

import pytest

from consumers.delivery.entry import LedgerEntry
from consumers.delivery.handler import Delivery
from consumers.delivery.ledger import Ledger
from consumers.engine import FINISHED, CaseState
from consumers.engine.starts import LedgerPosition, Start
from infra.kafka.outgoing import Outgoing
from schemas import topics
from schemas.errors import CaseNotReady, Refused
from schemas.events import StatusEvent
from tests import builders
from tests.delivery_model import APPLICATION, CASE, FOLLOWING, MAIN, OFFICE, TRACE, Office, Process, Wire, case_records, entry_of, run
from tests.delivery_model import record as record_of


async def test_delivered_once_however_often_it_comes(ledger: Ledger, wire: Wire) -> None:
    """A record that is there three times, and again after a restart, is delivered once; its events have one id."""
    office = Office()
    records = [record_of(APPLICATION, offset) for offset in range(3)]
    for _ in range(2):
        process = await run(ledger, office, wire, *records)
        assert process.core.committable()[MAIN] == 3
    assert (office.calls, wire.states) == (["deliver 1"], ["delivered"] * 6)
    assert len({event["id"] for event in wire.events}) == 1
    assert {event["data"]["final"] for event in wire.events} == {True}
    row = entry_of(ledger, APPLICATION)
    assert (row.state, row.attempt, row.reference) == ("delivered", 1, "M-1")


async def test_event_speaks_for_the_submission(small_ledger: Ledger, wire: Wire) -> None:
    """The event goes to the city's topic, under key and partition number of the record, with the trace."""
    await run(small_ledger, Office(), wire)
    (sent,) = wire.sent
    event = StatusEvent.model_validate_json(sent.value or b"")
    assert (sent.topic, sent.key, sent.partition) == ("muenchen.events", CASE, MAIN.partition)
    assert dict(sent.headers) == {"content-type": b"application/cloudevents+json", "traceparent": TRACE.encode()}
    assert (event.data.submission, event.data.case) == (APPLICATION.message_id, str(APPLICATION.case_id))
    assert (event.data.reference, event.data.attempt, event.data.reason) == ("M-1", 1, None)
    assert event.data.begun_at is not None
    assert event.data.begun_at <= event.time


async def test_cases_go_side_by_side(small_ledger: Ledger, wire: Wire) -> None:
    """Records of different cases are handed out together, those of one case one after the other."""
    process = await Process(small_ledger, Office(), wire).start()
    process.fetch(*case_records(2), record_of(builders.application(), 2))
    assert [len(await process.turn()) for _ in range(3)] == [2, 1, 0]


# --- what the engine is told


async def test_restart_knows_its_cases(ledger: Ledger, wire: Wire) -> None:
    """A process that takes partitions over hears which cases are parked, and how far."""
    await run(ledger, Office(before=[CaseNotReady("x")] * 99), wire, *case_records(2), turns=3)
    delivery = Process(ledger, Office(), wire).delivery
    known, cases = await delivery.on_assigned([MAIN])
    assert (known, cases) == ({MAIN: LedgerPosition()}, {CASE: CaseState(parked_through=1)})


async def test_committed_offsets_are_noted(ledger: Ledger, wire: Wire) -> None:
    """What is about to be committed is in the ledger, so that a commit that is gone, or that somebody else made, is noticed."""
    process = await Process(ledger, Office(), wire).start()
    await process.delivery.note_offsets({MAIN: 4}, {})
    known, _ = await process.delivery.on_assigned([MAIN])
    assert known == {MAIN: LedgerPosition(4)}


@pytest.mark.parametrize("arrived", [True, False])
async def test_record_that_others_may_have_delivered_is_asked_for(ledger: Ledger, wire: Wire, arrived: bool) -> None:
    """What Kafka had behind it and the ledger knows nothing of is looked for before it is delivered; what comes behind it is not."""
    office = Office()
    if arrived:
        office.effects.append(APPLICATION.message_id)
    process = await Process(ledger, office, wire).start()
    await process.delivery.note_starts({MAIN: Start(0, "topic", ask_before=1, moved=1)})
    process.fetch(record_of(APPLICATION, 0), record_of(FOLLOWING[0], 1))
    await process.go_on()
    assert office.calls == ["find", *(["deliver 1"] * (1 if arrived else 2))]
    assert office.effects == [APPLICATION.message_id, FOLLOWING[0].message_id]
    assert wire.states == ["delivered", "delivered"]


async def test_record_that_is_no_copy_of_ours_comes_first(small_ledger: Ledger, wire: Wire) -> None:
    """What somebody else puts into the retry topic is not held by a dead letter of its case."""
    process = await run(small_ledger, Office(before=[Refused("x")]), wire)
    foreign = record_of(FOLLOWING[0], 0)
    await wire.send_until_known([Outgoing(topics.retry(OFFICE), CASE, foreign.value, foreign.headers, 1)])
    process.fetch_parked()
    assert await process.turn() == [FINISHED]
    assert entry_of(small_ledger, FOLLOWING[0]).state == "delivered"


def test_delivery_begins_quietly(small_ledger: Ledger, wire: Wire) -> None:
    """A process that has done nothing yet finds nothing wrong."""
    process = Process(small_ledger, Office(), wire)
    assert isinstance(process.delivery, Delivery)
    assert (process.delivery.guard.check(), process.delivery.capacity(3), LedgerEntry(b"").final) == (None, 3, False)
