"""Parked submissions: their case waits in order, by a schedule, over restarts and crashes."""

from __future__ import annotations

import pytest

from consumers.delivery.ledger import Ledger
from consumers.engine import CaseState
from schemas.errors import CaseNotReady, Refused
from schemas.headers import CopyHeader
from tests.delivery_model import APPLICATION, CASE, FOLLOWING, Clock, Office, Process, Wire, block, case_records, entry_of, run
from tests.delivery_model import record as record_of


async def test_case_waits_in_order(ledger: Ledger, wire: Wire) -> None:
    """While a submission is parked those of its case that follow are parked behind it, untried; then all go, in order."""
    office = Office(before=[CaseNotReady("x")])
    process = await run(ledger, office, wire, *case_records())
    assert office.effects == [one.message_id for one in [APPLICATION, *FOLLOWING]]
    causes = [block(copy).block[CopyHeader.ERROR_CLASS] for copy in wire.parked]
    assert causes == ["case-not-ready", *["case-parked"] * 3]
    assert wire.states == ["parked"] * 4 + ["delivered"] * 4
    assert [event["data"]["attempt"] for event in wire.events] == [1, 0, 0, 0, 2, 1, 1, 1]
    assert (process.core.parked_cases, process.core.in_flight) == (0, 0)


async def test_waits_grow_and_end(ledger: Ledger, wire: Wire) -> None:
    """A parked submission is tried by the schedule; after ten tries it is a dead letter, and holds its case."""
    office = Office(before=[CaseNotReady("x")] * 20)
    process = await Process(ledger, office, wire).start()
    process.fetch(record_of(APPLICATION, 0))
    waits: list[float] = []
    for _ in range(30):
        process.fetch_parked()
        await process.turn()
        waits += process.wait()
    assert [round(wait_s) for wait_s in waits] == [30, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    row = entry_of(ledger, APPLICATION)
    assert (row.state, row.cause, row.attempt, row.holds) == ("dead", "tries-spent", 11, True)
    assert wire.states == ["parked", *["retry_wait"] * 9, "dead_letter"]
    assert len({event["id"] for event in wire.events}) == 11


async def test_tries_are_counted_over_restarts(ledger: Ledger, wire: Wire) -> None:
    """A restart begins neither the tries nor the waits of a parked submission anew."""
    office = Office(before=[CaseNotReady("x")] * 4)
    await run(ledger, office, wire, turns=5)
    before = entry_of(ledger, APPLICATION)
    process = await Process(ledger, office, wire).start()
    process.fetch_parked()
    await process.turn()
    assert process.wait() == [pytest.approx(30 * 2 ** (before.tries - 1), abs=5)]
    assert entry_of(ledger, APPLICATION).tries == before.tries > 0


async def test_time_of_a_wrong_clock_is_not_waited_for(ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """A due time that a clock far ahead has written is waited for no longer than the longest wait."""
    clock.now_s += 1e9
    await run(ledger, Office(before=[CaseNotReady("x")]), wire, turns=2)
    clock.now_s -= 1e9
    process = await Process(ledger, Office(), wire).start()
    process.fetch_parked()
    await process.turn()
    assert process.wait() == [process.settings.longest_backoff_s]


async def test_dead_after_parking_holds_over_a_restart(ledger: Ledger, wire: Wire) -> None:
    """A parked submission that died holds its case by its place in the submissions topic, also when all its records come again."""
    office = Office(before=[CaseNotReady("x"), Refused("x")])
    first, second = (record_of(one, offset) for one, offset in ((APPLICATION, 7), (FOLLOWING[0], 9)))
    await run(ledger, office, wire, first)
    assert await ledger.cases([1]) == {CASE: CaseState(held={str(APPLICATION.message_id): 7})}
    process = await run(ledger, office, wire, first)
    process.fetch(second)
    await process.go_on()
    assert block(wire.dead[-1]).block[CopyHeader.ERROR_CLASS] == "case-held"
    assert process.core._special[CASE].held == {str(APPLICATION.message_id): 7, str(FOLLOWING[0].message_id): 9}


async def test_doubt_survives_parking_and_restart(ledger: Ledger, wire: Wire) -> None:
    """An unclear attempt that was parked is asked about first, by whichever process tries it next, and has one effect."""
    office = Office(after=[TimeoutError()], asked=[OSError(), OSError()])
    process = await Process(ledger, office, wire).start()
    process.fetch(record_of(APPLICATION, 0))
    for _ in range(3):
        await process.turn()
        process.wait()
    assert (office.calls, len(wire.parked)) == (["deliver 1", "find", "find"], 1)
    await run(ledger, office, wire)
    assert (office.calls, len(office.effects)) == (["deliver 1", "find", "find", "find"], 1)
    assert entry_of(ledger, APPLICATION).state == "delivered"


async def test_what_a_crash_left_is_asked_about(ledger: Ledger, wire: Wire) -> None:
    """A process that dies after the back office took it: the next one asks, and hands nothing over."""
    office = Office()
    process = await Process(ledger, office, wire).start()
    works = process.fetch(record_of(APPLICATION, 0))
    await process.delivery.begin(process.core.take(1))
    await process.delivery.deliver(works[0])
    await run(ledger, office, wire)
    assert (office.calls, wire.states) == (["deliver 1", "find"], ["delivered"])


async def test_copy_without_a_row_is_absorbed(ledger: Ledger, wire: Wire) -> None:
    """A process that dies when the copy is written and the ledger does not know: the case is delivered once, in order."""
    office = Office(before=[CaseNotReady("x")])
    process = await Process(ledger, office, wire).start()
    works = process.fetch(*case_records(2))
    begun, _ = await process.delivery.begin(process.core.take(1))
    await process.delivery.deliver(begun[0])
    process.delivery._decide(works[0], 1)
    await process.delivery._copy(works[:1])
    after = await run(ledger, office, wire, *case_records(2))
    assert office.effects == [APPLICATION.message_id, FOLLOWING[0].message_id]
    assert (after.core.in_flight, after.core._special) == (0, {})
