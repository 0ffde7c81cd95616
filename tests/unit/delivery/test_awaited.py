"""A delivery and the wait for its outcome are noted together, or neither is."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from adapters.interface import Accepted, Refusal
from consumers.delivery import awaited as rows
from consumers.delivery import states
from consumers.delivery.awaited import AWAITED
from consumers.delivery.ledger import Ledger
from schemas.errors import Blip
from schemas.headers import CopyHeader
from tests.delivery_model import APPLICATION, Mute, Office, Process, Wire, entry_of, put_into_retry, record, run


class Later(Office):
    """A back office that decides later."""

    async def outcome(self, reference: str) -> Accepted | Refusal | None:
        raise AssertionError(reference)


class MuteAndLater(Mute, Later):
    """One that can never say what it has."""


def awaited(ledger: Ledger) -> list[sa.Row[Any]]:
    """What is awaited."""
    return list(ledger.store.read_now(lambda connection: connection.execute(sa.select(AWAITED)).all()))


async def test_a_delivery_is_awaited(ledger: Ledger) -> None:
    """The row has what the event will say, and the moments of the ledger; a restart changes nothing."""
    office, wire = Later(), Wire()
    for _ in range(2):
        await run(ledger, office, wire)
    (row,) = awaited(ledger)
    entry = entry_of(ledger, APPLICATION)
    assert (row.submission, row.case) == (str(APPLICATION.message_id), str(APPLICATION.case_id))
    assert (row.reference, row.partition, row.attempt) == ("M-1", 1, 1)
    assert (row.begun_ms, row.delivered_ms) == (entry.started_ms, entry.ended_ms)
    assert row.record_key == str(APPLICATION.case_id).encode()
    assert row.traceparent is not None
    assert {event["data"]["final"] for event in wire.events} == {False}


async def test_where_the_delivery_is_the_acceptance_nothing_is_awaited(ledger: Ledger) -> None:
    """An office that decides when it takes something has no such rows."""
    wire = Wire()
    await run(ledger, Office(), wire)
    assert entry_of(ledger, APPLICATION).state == states.DELIVERED
    assert {event["data"]["final"] for event in wire.events} == {True}
    assert awaited(ledger) == []


async def test_what_is_found_is_awaited(ledger: Ledger) -> None:
    """An attempt that was unclear and is found at the back office is awaited as well, once."""
    await run(ledger, Later(after=[TimeoutError()]), Wire())
    assert len(awaited(ledger)) == 1


async def test_what_failed_is_not_awaited(ledger: Ledger) -> None:
    """A submission that waits in the retry topic is awaited only from its delivery on."""
    office, wire = Later(before=[Blip("busy")] * 3), Wire()
    process = await Process(ledger, office, wire).start()
    process.fetch(record(APPLICATION, 0))
    for _ in range(3):
        await process.turn()
        process.wait()
    assert entry_of(ledger, APPLICATION).state == states.PARKED
    assert awaited(ledger) == []
    await process.go_on()
    assert len(awaited(ledger)) == 1


async def test_what_an_operator_settles_is_awaited(ledger: Ledger) -> None:
    """A dead letter that a person found at the back office has the reference that the person gave."""
    wire = Wire()
    office = MuteAndLater(after=[TimeoutError()])
    await run(ledger, office, wire)
    await put_into_retry(wire, wire.dead[0], {CopyHeader.SETTLED: "GM-7"})
    await run(ledger, office, wire)
    assert [row.reference for row in awaited(ledger)] == ["GM-7"]


async def test_neither_without_the_other(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the row cannot be written, the delivery is not noted either; both are when the store works again."""
    failures = [sa.exc.OperationalError("", {}, ValueError())]

    def expect(*arguments: Any) -> None:
        seen.append(len(awaited(ledger)))
        if failures:
            raise failures.pop()
        rows.note_awaited(*arguments)

    seen: list[int] = []
    monkeypatch.setattr("consumers.delivery.ledger.note_awaited", expect)
    await run(ledger, Later(), Wire())
    assert entry_of(ledger, APPLICATION).state == states.DELIVERED
    assert (seen, len(awaited(ledger))) == ([0, 0], 1)
