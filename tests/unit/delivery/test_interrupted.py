"""Attempts that take too long, and Kafka or a database that fails beside the back office."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from consumers.delivery.ledger import Ledger
from consumers.engine import Again
from schemas.errors import Blip, CaseNotReady, Refused
from tests.delivery_model import APPLICATION, CANARY, FOLLOWING, MAIN, Office, Process, Wire, case_records, entry_of, run
from tests.delivery_model import record as record_of


async def test_what_takes_too_long_is_parked(ledger: Ledger, wire: Wire) -> None:
    """An attempt that is given up is unclear, and parked at once."""
    office = Office()
    process = await Process(ledger, office, wire).start()
    (work,) = process.fetch(record_of(APPLICATION, 0))
    await process.delivery.begin(process.core.take(1))
    process.delivery.give_up(work, "no answer in time")
    await process.settle([work])
    row = entry_of(ledger, APPLICATION)
    assert (row.state, row.cause, wire.states) == ("parked", "unclear", ["retry_wait"])


async def test_attempt_that_was_never_made_counts_for_nothing(ledger: Ledger, wire: Wire) -> None:
    """What was begun and then never attempted comes again at once, without doubt and without an attempt less."""
    office = Office()
    process = await Process(ledger, office, wire).start()
    (work,) = process.fetch(record_of(APPLICATION, 0))
    await process.delivery.begin(process.core.take(1))
    process.delivery.give_up(work, None)
    assert await process.settle([work]) == [Again(0)]
    process.wait()
    await process.go_on()
    assert (office.calls, entry_of(ledger, APPLICATION).attempt) == (["deliver 1"], 1)


@pytest.mark.parametrize("trouble", ["unknown", "away"])
async def test_news_that_failed_is_told_later(small_ledger: Ledger, wire: Wire, trouble: str) -> None:
    """A delivery is finished only when Kafka has its event, however long that takes."""
    wire.trouble = [trouble] * 3
    process = await run(small_ledger, Office(), wire)
    assert (set(wire.states), process.core.committable()[MAIN], wire.trouble) == ({"delivered"}, 1, [])


@pytest.mark.parametrize("trouble", ["unknown", "away"])
async def test_copy_that_failed_is_written_again(ledger: Ledger, wire: Wire, trouble: str) -> None:
    """A record is parked only when Kafka has its copy; copies that are there twice are absorbed."""
    wire.trouble = [trouble] * 2
    office = Office(before=[CaseNotReady("x")])
    process = await run(ledger, office, wire, *case_records(2))
    assert office.effects == [APPLICATION.message_id, FOLLOWING[0].message_id]
    assert (process.core.in_flight, process.core._special, process.core.uncommittable) == (0, {}, 0)


async def test_kafka_away_for_hours(small_ledger: Ledger, wire: Wire) -> None:
    """However often Kafka does not answer, the news waits."""
    wire.trouble = ["away"] * 5_000
    await run(small_ledger, Office(), wire)
    assert wire.states == ["delivered"]


async def test_store_that_fails_is_asked_again(small_ledger: Ledger, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is away holds everything up and loses nothing."""
    fails = itertools.cycle([True, True, False])

    def sometimes(method: Any) -> Any:
        async def call(*arguments: Any) -> Any:
            if next(fails):
                raise sa.exc.OperationalError("statement", {}, Exception(CANARY))
            return await method(*arguments)

        return call

    for name in ("take_over", "cases", "begin_new", "begin", "note_outcomes"):
        monkeypatch.setattr(small_ledger, name, sometimes(getattr(small_ledger, name)))
    office = Office(before=[CaseNotReady("x")])
    with structlog.testing.capture_logs() as logs:
        await run(small_ledger, office, wire, *case_records(2))
    assert (len(office.effects), wire.states) == (2, ["parked", "parked", "delivered", "delivered"])
    assert {entry["event"] for entry in logs} == {"store_failed", "delivery_failed"}
    assert CANARY not in str(logs)


@pytest.mark.parametrize(
    ("failure", "state"),
    [([], "delivered"), ([CaseNotReady("x")] * 9, "parked"), ([Refused("x")], "dead_letter"), ([Blip("x")] * 9, "retry_wait")],
)
async def test_news_of_what_is_known_is_told_again(ledger: Ledger, wire: Wire, failure: list[Exception], state: str) -> None:
    """A record that comes again after its event may have been lost brings the same event, and nothing else."""
    office = Office(before=list(failure))
    process = await Process(ledger, office, wire).start()
    process.fetch(record_of(APPLICATION, 0))
    while not wire.events:
        await process.turn()
        process.wait()
    calls, copies = list(office.calls), len(wire.parked) + len(wire.dead)
    again = await Process(ledger, office, wire).start()
    again.fetch(record_of(APPLICATION, 0))
    await again.turn()
    assert (again.core.committable()[MAIN], office.calls, len(wire.parked) + len(wire.dead)) == (1, calls, copies)
    first, second = wire.events
    assert (first["id"], first["data"]["state"]) == (second["id"], second["data"]["state"]) == (first["id"], state)
