"""What follows from a failure, by its cause: the ledger, the copy, and what the portal hears."""

from __future__ import annotations

import pytest
import structlog

from adapters.kit import UnclearAnswer
from consumers.delivery.ledger import Ledger
from consumers.settings import DeliverySettings
from schemas.copies import Copy, take_apart
from schemas.errors import Blip, CaseNotReady, DestinationDown, Refused
from schemas.headers import CopyHeader, RawHeaders
from tests.delivery_model import APPLICATION, CASE, FOREIGN, MAIN, TIMESTAMP_MS, Office, Process, Wire, block, entry_of, run
from tests.delivery_model import record as record_of


@pytest.mark.parametrize(
    ("failure", "state", "cause"),
    [
        pytest.param([Blip("x")] * 2, "not taken", None, id="blip"),
        pytest.param([DestinationDown("x")], "not taken", None, id="down"),
        pytest.param([TimeoutError()] * 2, "not taken", None, id="unclear"),
        pytest.param([Blip("x")] * 3, "parked", "blip", id="blips"),
        pytest.param([TimeoutError()] * 3, "parked", "unclear", id="unclear again and again"),
        pytest.param([CaseNotReady("x")], "parked", "case-not-ready", id="case not ready"),
        pytest.param([Refused("x")], "dead", "permanent", id="refused"),
    ],
)
async def test_consequence_of_a_cause(ledger: Ledger, wire: Wire, failure: list[Exception], state: str, cause: str | None) -> None:
    """What the ledger says, where the copy is, and what the portal hears; what comes again in place says nothing."""
    process = await Process(ledger, Office(before=list(failure)), wire).start()
    process.fetch(record_of(APPLICATION, 7))
    for _ in failure:
        process.wait()
        await process.turn()
    row = entry_of(ledger, APPLICATION)
    assert (row.state, row.cause, row.attempt) == (state, cause, len(failure))
    copies = {"parked": wire.parked, "dead": wire.dead}.get(state, [])
    assert len(wire.parked) + len(wire.dead) == len(copies)
    assert [block(copy).block[CopyHeader.ERROR_CLASS] for copy in copies] == [cause] * len(copies)
    heard = {"parked": "parked" if cause == "case-not-ready" else "retry_wait", "dead": "dead_letter"}
    assert wire.states == [heard.get(state)] * len(copies)
    assert process.core.committable()[MAIN] == (8 if copies else 0)


@pytest.mark.parametrize(("failure", "asked"), [(Blip("x"), 0), (CaseNotReady("x"), 0), (TimeoutError(), 1)])
async def test_only_doubt_is_asked_about(ledger: Ledger, wire: Wire, failure: Exception, asked: int) -> None:
    """When the back office surely did not take it nobody asks; after anything else somebody does, and delivers if it is not there."""
    office = Office(before=[failure])
    await run(ledger, office, wire)
    assert office.calls == ["deliver 1", *["find"] * asked, "deliver 2"]
    assert len(office.effects) == 1


async def test_copies_are_the_record(small_ledger: Ledger, wire: Wire) -> None:
    """Key, value, timestamp, partition number and all headers are those of the record; ours come behind them."""
    original = record_of(APPLICATION, 7)
    process = await Process(small_ledger, Office(before=[CaseNotReady("locked"), Refused("no")]), wire).start()
    process.fetch(original)
    await process.go_on()
    for copy in (*wire.parked, *wire.dead):
        assert (copy.key, copy.value, copy.partition, copy.timestamp_ms) == (CASE, original.value, MAIN.partition, TIMESTAMP_MS)
        assert list(block(copy).original) == original.headers
        assert block(copy).original[-3:] == FOREIGN
        assert str(block(copy).origin) == f"{MAIN.topic}/1/7"
        assert set(block(copy).block) <= set(CopyHeader)
    parked, dead = block(wire.parked[0]).block, block(wire.dead[0]).block
    assert parked[CopyHeader.MESSAGE] == "locked"
    assert parked[CopyHeader.FIRST_FAILURE] == dead[CopyHeader.FIRST_FAILURE]
    assert (dead[CopyHeader.MESSAGE], dead[CopyHeader.STAGE], dead[CopyHeader.EXCEPTION]) == ("no", "DELIVER", "Refused")
    assert (dead[CopyHeader.ATTEMPT], dead[CopyHeader.SPRING_TOPIC]) == ("2", MAIN.topic)


async def test_the_class_in_the_headers_of_a_copy_stays(small_ledger: Ledger, wire: Wire) -> None:
    """Whatever the code is called, tools that read Connect's headers find the name that dead letters have had from the first version on."""
    await run(small_ledger, Office(before=[CaseNotReady("x"), Refused("x")]), wire)
    assert [block(copy).block[CopyHeader.CLASS] for copy in (*wire.parked, *wire.dead)] == ["consumers.delivery"] * 2


async def test_headers_of_a_copy_are_taken_apart_once(small_ledger: Ledger, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading, copying and telling all use the same reading of a record from the retry topic."""
    taken: list[RawHeaders] = []

    def counted(headers: RawHeaders) -> Copy:
        taken.append(headers)
        return take_apart(headers)

    monkeypatch.setattr("consumers.delivery.job.take_apart", counted)
    await run(small_ledger, Office(before=[CaseNotReady("x"), Refused("x")]), wire)
    assert (len(wire.dead), len(taken)) == (1, 1)


async def test_a_dead_letter_keeps_why_it_was_unclear(small_ledger: Ledger, wire: Wire) -> None:
    """Our own sentence stands in the log and in the headers of the copy."""
    unclear: list[BaseException] = [UnclearAnswer("the answer has no aktenzeichen")]
    process = await Process(small_ledger, Office(after=unclear), wire, DeliverySettings(immediate_retries=0)).start()
    process.fetch(record_of(APPLICATION, 0))
    with structlog.testing.capture_logs() as logs:
        await process.turn()
    assert [entry["reason"] for entry in logs if entry["event"] == "delivery_failed"] == ["the answer has no aktenzeichen"]
    assert block(wire.parked[0]).block[CopyHeader.MESSAGE] == "the answer has no aktenzeichen"
