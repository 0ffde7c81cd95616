"""Submissions on their way to the back office: one effect each, order per case, failures by cause, and the news for portals."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from adapters.interface import Delivered, Document, Submission
from adapters.kit import NotTheOffice, UnclearAnswer
from consumers.delivery.entry import LedgerEntry
from consumers.delivery.handler import Delivery
from consumers.delivery.ledger import Ledger
from consumers.engine import FINISHED, Again, CaseState
from consumers.engine.starts import Known, Start
from consumers.settings import DeliverySettings
from infra.kafka import sender
from infra.kafka.outgoing import Outgoing
from infra.settings import StoreSettings
from schemas import topics
from schemas.errors import Blip, CaseNotReady, DestinationDown, Refused
from schemas.events import StatusEvent
from schemas.headers import CopyHeader, Header
from schemas.message import Application
from tests import builders
from tests.delivery_model import (
    FOREIGN,
    MAIN,
    OFFICE,
    RETRY,
    TIMESTAMP_MS,
    TRACE,
    Mute,
    Office,
    Process,
    Wire,
    block,
    entry_of,
    put_into_retry,
)
from tests.delivery_model import record as record_of

APPLICATION = builders.application()
CANARY = "Kanarienvogel"
FOLLOWING = [builders.application(case_id=APPLICATION.case_id) for _ in range(3)]
"""Later submissions of the same case."""
CASE = str(APPLICATION.case_id).encode()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for Kafka or a store here."""
    monkeypatch.setattr(sender, "_RESEND_PAUSE_S", 0)
    monkeypatch.setattr("consumers.delivery.handler._STORE_PAUSE_S", 0)


class Clock:
    """A clock that tests move."""

    now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return 1_772_355_600.0 + self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of deliveries."""
    moved = Clock()
    monkeypatch.setattr("consumers.delivery.handler.time", moved)
    return moved


@pytest.fixture
def ledger(store_settings: StoreSettings) -> Iterator[Ledger]:
    """The ledger of the office, on both databases."""
    opened = Ledger(store_settings, OFFICE)
    yield opened
    opened.close()


@pytest.fixture
def small_ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger for what has nothing to do with the database."""
    opened = Ledger(StoreSettings(folder=tmp_path), OFFICE)
    yield opened
    opened.close()


@pytest.fixture
def wire() -> Wire:
    """The topics."""
    return Wire()


def case_records(count: int = 4) -> list[Any]:
    """The records of one case."""
    return [record_of(application, offset) for offset, application in enumerate([APPLICATION, *FOLLOWING][:count])]


async def run(ledger: Ledger, office: Office, wire: Wire, *records: Any, turns: int = 100, **values: Any) -> Process:
    """A new process that reads these from the submissions topic, and goes on until nothing is left to do."""
    process = await Process(ledger, office, wire, **values).start()
    process.fetch(*(records or [record_of(APPLICATION, 0)]))
    await process.go_on(turns)
    return process


# --- delivered


async def test_delivered_once_however_often_it_comes(ledger: Ledger, wire: Wire) -> None:
    """A record that is there three times, and again after a restart, is handed over once; its events have one id."""
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


# --- failures by cause, in the submissions topic


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
    """When the back office surely did not take it nobody asks; after anything else somebody does, and hands over if it is not there."""
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


async def test_office_that_is_down_is_paused(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """Nothing is moved and no try is used up; health says why and since when; the first that gets through opens the way."""
    process = await Process(small_ledger, Office(before=[DestinationDown("refused")] * 3), wire).start()
    process.fetch(*(record_of(builders.application(), offset) for offset in range(3)))
    await process.turn()
    process.wait()
    assert (process.delivery.capacity(9), wire.sent) == (0, [])
    assert (process.delivery.finding() or "").startswith("the back office is down: refused; since 20")
    clock.now_s += 1
    assert (process.delivery.capacity(9), await process.turn()) == (1, [FINISHED])
    await process.go_on()
    assert (process.delivery.finding(), wire.states) == (None, ["delivered"] * 3)


async def test_one_record_tries_it_out(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """While one record finds out whether the office is up again no other is begun; new partitions begin without a probe under way."""
    process = await Process(small_ledger, Office(before=[DestinationDown("x")]), wire).start()
    process.fetch(*(record_of(builders.application(), offset) for offset in range(3)))
    await process.settle(await _handed_over(process, 1))
    clock.now_s += 1
    await _handed_over(process, process.delivery.capacity(9))
    assert process.delivery.capacity(9) == 0
    await process.delivery.on_assigned([MAIN, RETRY])
    assert process.delivery.capacity(9) == 1


async def test_translation_that_fails_says_nothing_of_the_office(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """While the office is down a probe that cannot be translated is a dead letter, and the next record tries it out."""
    office = Office(before=[DestinationDown("x"), Refused("x")])
    process = await Process(small_ledger, office, wire).start()
    process.fetch(record_of(APPLICATION, 0))
    await process.turn()
    clock.now_s += 1
    process.fetch(record_of(builders.application(), 1, value=b"<broken"), record_of(builders.application(), 2))
    assert (len(await process.turn()), process.delivery.breaker.reason, process.delivery.capacity(9)) == (1, "x", 1)
    with structlog.testing.capture_logs() as logs:
        await process.turn()
    assert "office_up" in {entry["event"] for entry in logs}
    assert process.delivery.capacity(9) == 9


async def test_somebody_else_answers_for_hours(ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """A page in place of the office, to hand-overs and to questions: nothing is parked, no try counts, and `find` comes before a repeat."""
    page = NotTheOffice("HTTP 200 with a page for people")
    office = Office(before=[page], asked=[page] * 30, after=[page])
    process = await Process(ledger, office, wire, DeliverySettings(delayed_retries=1, immediate_retries=0)).start()
    process.fetch(record_of(APPLICATION, 0))
    for _ in range(32):
        await process.turn()
        assert (process.delivery.finding() or "").startswith("the back office is down: HTTP 200 with a page for people; since")
        process.wait()
        clock.now_s += 60
    assert (office.calls, wire.sent) == (["deliver 1", *["find"] * 31, "deliver 32"], [])
    await process.go_on()
    assert (len(office.effects), wire.states, process.delivery.finding()) == (1, ["delivered"], None)


async def test_an_office_waits_as_it_says(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """Too much of us: the whole office is left alone as long as it says, and no try counts."""
    office = Office(before=[DestinationDown("HTTP 429", 25)] * 3)
    process = await Process(small_ledger, office, wire, DeliverySettings(delayed_retries=1, immediate_retries=0)).start()
    process.fetch(*(record_of(builders.application(), offset) for offset in range(3)))
    for number in range(3):
        await process.settle(await _handed_over(process, 1))
        process.wait()
        clock.now_s += 24.9
        assert (len(office.calls), process.delivery.capacity(9)) == (number + 1, 0)
        clock.now_s += 0.2
        assert process.delivery.capacity(9) == 1
    await process.go_on()
    assert wire.states == ["delivered"] * 3


async def test_a_dead_letter_keeps_why_it_was_unclear(small_ledger: Ledger, wire: Wire) -> None:
    """Our own sentence stands in the log and in the headers of the copy."""
    unclear: list[BaseException] = [UnclearAnswer("the answer has no aktenzeichen")]
    process = await Process(small_ledger, Office(after=unclear), wire, DeliverySettings(immediate_retries=0)).start()
    process.fetch(record_of(APPLICATION, 0))
    with structlog.testing.capture_logs() as logs:
        await process.turn()
    assert [entry["reason"] for entry in logs if entry["event"] == "delivery_failed"] == ["the answer has no aktenzeichen"]
    assert block(wire.parked[0]).block[CopyHeader.MESSAGE] == "the answer has no aktenzeichen"


async def _handed_over(process: Process, limit: int) -> list[Any]:
    """Begin so many, and hand them over."""
    begun, _ = await process.delivery.begin(process.core.take(limit))
    for work in begun:
        await process.delivery.deliver(work)
    return begun


# --- parked


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
    """An unclear hand-over that was parked is asked about first, by whichever process tries it next, and has one effect."""
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


# --- dead letters


async def test_dead_letter_holds_its_case(ledger: Ledger, wire: Wire) -> None:
    """What follows a dead letter follows it there, untried; over a restart as well."""
    office = Office(before=[Refused("x")])
    for _ in range(2):
        process = await run(ledger, office, wire, *case_records(3))
        assert process.core._special[CASE].held.keys() == {str(one.message_id) for one in [APPLICATION, *FOLLOWING[:2]]}
    assert (office.calls, office.effects) == (["deliver 1"], [])
    assert [block(copy).block[CopyHeader.ERROR_CLASS] for copy in wire.dead] == ["permanent", "case-held", "case-held"]
    assert wire.states == ["dead_letter"] * 6
    assert len({event["id"] for event in wire.events}) == 3


async def test_service_whose_cases_go_on(ledger: Ledger, wire: Wire) -> None:
    """Where the catalogue says so, a dead letter holds nothing."""
    office = Office(before=[Refused("x")])
    process = await run(ledger, office, wire, *case_records(2), continuing={APPLICATION.service.code})
    assert (office.effects, len(wire.dead)) == ([FOLLOWING[0].message_id], 1)
    assert (process.core._special, await ledger.cases([1])) == ({}, {})


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0, 1, 2)])
async def test_replay_frees_the_case_in_order(ledger: Ledger, wire: Wire, order: tuple[int, ...]) -> None:
    """Whatever the order in which an operator replays, the case gets through in its own."""
    office = Office(before=[Refused("x")])
    process = await run(ledger, office, wire, *case_records(3))
    letters = list(wire.dead)
    for number in order:
        await put_into_retry(wire, letters[number], {CopyHeader.REPLAYED_FROM: f"x/0/{number}"})
    await process.go_on()
    assert office.effects == [APPLICATION.message_id, FOLLOWING[0].message_id, FOLLOWING[1].message_id]
    assert (process.core._special, process.core.in_flight, await ledger.cases([1])) == ({}, 0, {})


async def test_replay_that_was_put_off_is_put_off_once(ledger: Ledger, wire: Wire) -> None:
    """A later dead letter that was replayed too early, and dead again, is not touched when its record comes again after a restart."""
    office = Office(before=[Refused("x")])
    process = await run(ledger, office, wire, *case_records(2))
    for _ in range(2):
        await put_into_retry(wire, wire.dead[1], {})
    await process.go_on()
    assert len(wire.dead) == 4
    await run(ledger, office, wire, *case_records(2))
    assert (len(wire.dead), office.calls) == (4, ["deliver 1"])


async def test_replay_that_fails_again_is_a_new_dead_letter(ledger: Ledger, wire: Wire) -> None:
    """A replay that is refused again leaves a dead letter more, and holds the case on; the old one can be replayed too."""
    office = Office(before=[Refused("x"), Refused("y")])
    process = await run(ledger, office, wire)
    await put_into_retry(wire, wire.dead[0], {})
    await process.go_on()
    assert ([block(copy).block[CopyHeader.MESSAGE] for copy in wire.dead], office.effects) == (["x", "y"], [])
    assert str(block(wire.dead[1]).origin) == f"{MAIN.topic}/1/0"
    await put_into_retry(wire, wire.dead[0], {})
    await process.go_on()
    assert (wire.states, office.calls) == (["dead_letter", "dead_letter", "delivered"], ["deliver 1", "deliver 2", "deliver 3"])


async def test_discarded_ends_as_rejected(ledger: Ledger, wire: Wire) -> None:
    """An operator ends a dead letter with a reason: the portal hears it, the case goes on, the back office hears nothing."""
    office = Office(before=[Refused("x")])
    process = await run(ledger, office, wire)
    await put_into_retry(wire, wire.dead[0], {CopyHeader.DISCARDED: "withdrawn"})
    await process.go_on()
    process.fetch(record_of(FOLLOWING[0], 1))
    await process.go_on()
    assert (wire.states, wire.events[1]["data"]["reason"]) == (["dead_letter", "rejected", "delivered"], "withdrawn")
    assert (entry_of(ledger, APPLICATION).state, office.effects) == ("refused", [FOLLOWING[0].message_id])


async def test_settled_counts_as_delivered(ledger: Ledger, wire: Wire) -> None:
    """What an operator has found in the back office is noted with its number there, and nothing is handed over; the case goes on."""
    office = Office(before=[Refused("x")])
    process = await run(ledger, office, wire)
    await put_into_retry(wire, wire.dead[0], {CopyHeader.SETTLED: "M-000815"})
    await process.go_on()
    process.fetch(record_of(FOLLOWING[0], 1))
    await process.go_on()
    assert (wire.states, wire.events[1]["data"]["reference"]) == (["dead_letter", "delivered", "delivered"], "M-000815")
    assert (entry_of(ledger, APPLICATION).reference, office.effects) == ("M-000815", [FOLLOWING[0].message_id])


async def test_discarding_what_follows_a_dead_letter(small_ledger: Ledger, wire: Wire) -> None:
    """A held submission can be discarded while the one that holds it is still dead."""
    office = Office(before=[Refused("x")])
    process = await run(small_ledger, office, wire, *case_records(2))
    await put_into_retry(wire, wire.dead[1], {CopyHeader.DISCARDED: "withdrawn"})
    await process.go_on()
    assert wire.states == ["dead_letter", "dead_letter", "rejected"]
    assert process.core._special[CASE].held.keys() == {str(APPLICATION.message_id)}


async def test_nobody_can_say_goes_to_a_person(ledger: Ledger, wire: Wire) -> None:
    """Where the back office cannot be asked an unclear hand-over is a dead letter; after a replay it is delivered without asking."""
    office = Mute(before=[TimeoutError()])
    process = await run(ledger, office, wire)
    row = entry_of(ledger, APPLICATION)
    assert (row.state, row.cause, office.calls) == ("dead", "cannot-find", ["deliver 1", "find"])
    await put_into_retry(wire, wire.dead[0], {})
    await process.go_on()
    assert (office.calls[2:], wire.states) == (["deliver 3"], ["dead_letter", "delivered"])


async def test_brake_stops_the_office(ledger: Ledger, wire: Wire) -> None:
    """After so many dead letters in a row nothing more is set aside: the rest stays where it is, and a new process goes on."""
    records = [record_of(builders.application(), offset) for offset in range(6)]
    office, settings = Office(before=[Refused("x")] * 6), DeliverySettings(brake_in_a_row=3)
    process = await Process(ledger, office, wire, settings).start()
    process.fetch(*records)
    ends = await process.turn()
    assert ([isinstance(end, Again) for end in ends], len(wire.dead)) == ([False] * 3 + [True] * 3, 3)
    process.wait()
    assert (process.delivery.capacity(9), await process.turn(), process.core.committable()[MAIN]) == (0, [], 3)
    assert (process.delivery.finding() or "").startswith("stopped: 3 dead letters in a row")
    await run(ledger, office, wire, *records)
    assert (len(office.effects), len(wire.dead)) == (3, 3)


async def test_brake_counts_only_what_follows_each_other(small_ledger: Ledger, wire: Wire) -> None:
    """A delivery between two dead letters begins the count anew."""
    process = await Process(small_ledger, Office(), wire, DeliverySettings(brake_in_a_row=1)).start()
    for offset in range(6):
        process.office.before = [Refused("x")] * (offset % 2)
        process.fetch(record_of(builders.application(), offset))
        await process.turn()
    assert (len(wire.dead), process.delivery.finding()) == (3, None)


# --- records that are not what they should be


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({Header.OFFICE: b"augsburg.gewerbe"}, "header bus_office names another office", id="another office"),
        pytest.param({Header.SUBMISSION: None}, "a header is not text", id="null"),
        pytest.param({Header.CASE: b"\xff"}, "a header is not text", id="binary"),
        pytest.param({Header.SUBMISSION: CANARY.encode()}, "a header is malformed", id="id"),
        pytest.param({Header.SUBMISSION: str(APPLICATION.message_id).upper().encode()}, "a header is malformed", id="capitals"),
        pytest.param({Header.PORTAL: b'","x":"'}, "a header is malformed", id="quotes"),
        pytest.param({Header.CASE: b"x" * 301}, "a header is malformed", id="long"),
        pytest.param({Header.CASE: b""}, "a header is malformed", id="empty"),
    ],
)
async def test_unreadable_record_is_a_dead_letter(ledger: Ledger, wire: Wire, changes: dict[str, bytes | None], says: str) -> None:
    """A record that does not say what it is goes to a person as it is, without event and row, and holds up nobody."""
    foreign = record_of(APPLICATION, 0, changes)
    office = Office()
    process = await run(ledger, office, wire, foreign, record_of(FOLLOWING[0], 1))
    assert office.effects == [FOLLOWING[0].message_id]
    (letter,) = wire.dead
    assert (list(block(letter).original), letter.value) == (foreign.headers, foreign.value)
    assert block(letter).block[CopyHeader.MESSAGE] == says
    assert CANARY not in str(block(letter).block)
    assert (wire.states, process.core.committable()[MAIN], ledger.known([APPLICATION.message_id.bytes])) == (["delivered"], 2, {})


@pytest.mark.parametrize("name", ["bus_submission", "bus_case", "bus_office", "bus_service", "bus_portal", "bus_accepted_at"])
async def test_header_that_is_missing_is_named(small_ledger: Ledger, wire: Wire, name: str) -> None:
    """Each header that delivery needs is asked for by name."""
    complete = record_of(APPLICATION, 0)
    headers = [(key, value) for key, value in complete.headers if key != name]
    await run(small_ledger, Office(), wire, record_of(APPLICATION, 0, headers=headers))
    assert block(wire.dead[0]).block[CopyHeader.MESSAGE] == f"header {name} is missing"


async def test_of_repeated_headers_the_first_counts(small_ledger: Ledger, wire: Wire) -> None:
    """Headers that somebody adds behind ours change nothing."""
    record = record_of(APPLICATION, 0)
    record.headers += [(Header.OFFICE.value, b"augsburg.gewerbe"), (Header.SUBMISSION.value, None)]
    await run(small_ledger, Office(), wire, record)
    assert wire.states == ["delivered"]


async def test_only_an_operators_copy_discards(small_ledger: Ledger, wire: Wire) -> None:
    """Headers like those of a discarded copy, on a record of the submissions topic, discard nothing."""
    record = record_of(APPLICATION, 0)
    record.headers += [(CopyHeader.TOPIC.value, b"t"), (CopyHeader.DISCARDED.value, b"withdrawn")]
    await run(small_ledger, Office(), wire, record)
    assert wire.states == ["delivered"]


@pytest.mark.parametrize(("value", "stage"), [(b"<broken", "PARSE"), (None, "PARSE"), (b"", "PARSE")])
async def test_message_that_cannot_be_read_is_a_dead_letter(small_ledger: Ledger, wire: Wire, value: bytes | None, stage: str) -> None:
    """What is no message ends as a dead letter, and its portal hears of it."""
    office = Office()
    await run(small_ledger, office, wire, record_of(APPLICATION, 0, value=value))
    assert (block(wire.dead[0]).block[CopyHeader.STAGE], wire.dead[0].value) == (stage, value)
    assert (wire.states, office.calls) == (["dead_letter"], [])


async def test_submission_without_a_form_for_the_office_is_a_dead_letter(small_ledger: Ledger, wire: Wire) -> None:
    """What the adapter cannot translate ends as a dead letter that says so."""
    office = Talkative(after=[KeyError(CANARY)])
    await run(small_ledger, office, wire)
    letter = block(wire.dead[0]).block
    assert (letter[CopyHeader.STAGE], letter[CopyHeader.MESSAGE], letter[CopyHeader.ERROR_CLASS]) == ("TRANSLATE", "KeyError", "permanent")
    assert (office.calls, entry_of(small_ledger, APPLICATION).unclear) == ([], False)


async def test_time_that_is_none_is_a_dead_letter(small_ledger: Ledger, wire: Wire) -> None:
    """A moment of acceptance that is none does not stop the others."""
    await run(small_ledger, Office(), wire, record_of(APPLICATION, 0, {Header.ACCEPTED_AT: b"yesterday"}))
    assert wire.states == ["dead_letter"]


async def test_record_without_key(small_ledger: Ledger, wire: Wire) -> None:
    """A record without key is delivered, parked and dead like others, and leaves nothing behind."""
    office = Office(before=[CaseNotReady("x"), Refused("x")])
    process = await run(small_ledger, office, wire, record_of(APPLICATION, 0, key=None), record_of(builders.application(), 1, key=None))
    assert ([copy.key for copy in wire.parked + wire.dead], process.core._special) == ([None, None], {})


async def test_one_submission_under_two_keys(ledger: Ledger, wire: Wire) -> None:
    """Should a submission be there twice under different keys, its two records do not go side by side."""
    office = Office()
    process = await run(ledger, office, wire, record_of(APPLICATION, 0), record_of(APPLICATION, 1, key=b"other"))
    assert (office.calls, wire.states, process.core.in_flight) == (["deliver 1"], ["delivered"] * 2, 0)


# --- what takes too long, and what fails beside the back office


async def test_what_takes_too_long_is_parked(ledger: Ledger, wire: Wire) -> None:
    """A hand-over that is given up is unclear, and parked at once."""
    office = Office()
    process = await Process(ledger, office, wire).start()
    (work,) = process.fetch(record_of(APPLICATION, 0))
    await process.delivery.begin(process.core.take(1))
    process.delivery.give_up(work, "no answer in time")
    await process.settle([work])
    row = entry_of(ledger, APPLICATION)
    assert (row.state, row.cause, wire.states) == ("parked", "unclear", ["retry_wait"])


async def test_hand_over_that_never_began_counts_for_nothing(ledger: Ledger, wire: Wire) -> None:
    """What was begun and then not handed over comes again at once, without doubt and without an attempt less."""
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

    for name in ("take_over", "cases", "begin_new", "begin", "end"):
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


# --- nothing personal


class Talkative(Office):
    """An adapter that quotes the message in everything that goes wrong."""

    def translate(self, submission: Submission) -> Document:
        if self.after and isinstance(self.after[0], KeyError):
            raise self.after.pop(0)
        return super().translate(submission)


def named(**changes: Any) -> Application:
    """A submission of somebody whose name must not be seen."""
    return builders.application(applicants=(builders.person(CANARY, CANARY),), **changes)


async def test_nothing_personal_leaves_the_message(ledger: Ledger, wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever fails, the name of a person stands in values of submissions and their copies, and nowhere else."""
    first = named()
    rest = [named(case_id=first.case_id), named(), named()]
    office = Talkative(before=[ValueError(CANARY)] * 4, after=[KeyError(CANARY), TimeoutError(CANARY)], asked=[OSError(CANARY)] * 9)
    with structlog.testing.capture_logs() as logs:
        await run(ledger, office, wire, *(record_of(one, offset) for offset, one in enumerate([first, *rest])))
    assert {one.topic for one in wire.sent} == {topics.retry(OFFICE), topics.deadletters(OFFICE), "muenchen.events"}
    for one in wire.sent:
        seen = [one.topic, one.key, one.headers, one.value if topics.is_events(one.topic) else b""]
        assert CANARY not in repr(seen)
    assert "delivery_failed" in {entry["event"] for entry in logs}
    assert CANARY not in str(logs) + "".join(capsys.readouterr())


@pytest.mark.parametrize("reference", ["", "x" * 81, "two\nlines", "nul\0"])
def test_reference_is_short_and_printable(reference: str) -> None:
    """A back office's own number that is no number does not get into events."""
    with pytest.raises(ValueError, match="printable"):
        Delivered(reference)


# --- what the engine is told


async def test_restart_knows_its_cases(ledger: Ledger, wire: Wire) -> None:
    """A process that takes partitions over hears which cases are parked, and how far."""
    await run(ledger, Office(before=[CaseNotReady("x")] * 99), wire, *case_records(2), turns=3)
    delivery = Process(ledger, Office(), wire).delivery
    known, cases = await delivery.on_assigned([MAIN])
    assert (known, cases) == ({MAIN: Known()}, {CASE: CaseState(parked_through=1)})


async def test_committed_offsets_are_noted(ledger: Ledger, wire: Wire) -> None:
    """What is about to be committed is in the ledger, so that a commit that is gone, or that somebody else made, is noticed."""
    process = await Process(ledger, Office(), wire).start()
    await process.delivery.committing({MAIN: 4}, {})
    known, _ = await process.delivery.on_assigned([MAIN])
    assert known == {MAIN: Known(4)}


@pytest.mark.parametrize("arrived", [True, False])
async def test_record_that_others_may_have_delivered_is_asked_for(ledger: Ledger, wire: Wire, arrived: bool) -> None:
    """What Kafka had behind it and the ledger knows nothing of is looked for before it is delivered; what comes behind it is not."""
    office = Office()
    if arrived:
        office.effects.append(APPLICATION.message_id)
    process = await Process(ledger, office, wire).start()
    await process.delivery.starts({MAIN: Start(0, "topic", ask_before=1, moved=1)})
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
    assert (process.delivery.finding(), process.delivery.capacity(3), LedgerEntry(b"").final) == (None, 3, False)
