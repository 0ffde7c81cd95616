"""An office whose back office is down is paused: nothing is moved, no try counts, and one record finds out when it is up."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from adapters.interface import Delivered, Document
from adapters.kit import NotTheOffice
from consumers.delivery.failures import Failure, Stage
from consumers.delivery.ledger import Ledger
from consumers.engine import FINISHED
from consumers.settings import DeliverySettings
from schemas.errors import Blip, DestinationDown, Refused
from schemas.headers import Header
from schemas.message import Application
from tests import builders
from tests.delivery_model import APPLICATION, MAIN, RETRY, Clock, Office, Process, Wire, deliver_some
from tests.delivery_model import record as record_of


async def test_office_that_is_down_is_paused(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """Nothing is moved and no try is used up; health says why and since when; the first that gets through opens the way."""
    process = await Process(small_ledger, Office(before=[DestinationDown("refused")] * 3), wire).start()
    process.fetch(*(record_of(builders.application(), offset) for offset in range(3)))
    await process.turn()
    process.wait()
    assert (process.delivery.capacity(9), wire.sent) == (0, [])
    assert (process.delivery.guard.check() or "").startswith("the back office is down: refused; since 20")
    clock.now_s += 1
    assert (process.delivery.capacity(9), await process.turn()) == (1, [FINISHED])
    await process.go_on()
    assert (process.delivery.guard.check(), wire.states) == (None, ["delivered"] * 3)


async def test_one_record_tries_it_out(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """While one record finds out whether the office is up again no other is begun; new partitions begin without a probe under way."""
    process = await Process(small_ledger, Office(before=[DestinationDown("x")]), wire).start()
    process.fetch(*(record_of(builders.application(), offset) for offset in range(3)))
    await process.settle(await deliver_some(process, 1))
    clock.now_s += 1
    await deliver_some(process, process.delivery.capacity(9))
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
    assert (len(await process.turn()), process.delivery.guard.breaker.reason, process.delivery.capacity(9)) == (1, "x", 1)
    with structlog.testing.capture_logs() as logs:
        await process.turn()
    assert "office_up" in {entry["event"] for entry in logs}
    assert process.delivery.capacity(9) == 9


async def test_somebody_else_answers_for_hours(ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """A page in place of the office, to deliveries and to questions: nothing is parked, no try counts, and `find` comes before a repeat."""
    page = NotTheOffice("HTTP 200 with a page for people")
    office = Office(before=[page], asked=[page] * 30, after=[page])
    process = await Process(ledger, office, wire, DeliverySettings(delayed_retries=1, immediate_retries=0)).start()
    process.fetch(record_of(APPLICATION, 0))
    for _ in range(32):
        await process.turn()
        assert (process.delivery.guard.check() or "").startswith("the back office is down: HTTP 200 with a page for people; since")
        process.wait()
        clock.now_s += 60
    assert (office.calls, wire.sent) == (["deliver 1", *["find"] * 31, "deliver 32"], [])
    await process.go_on()
    assert (len(office.effects), wire.states, process.delivery.guard.check()) == (1, ["delivered"], None)


async def test_an_office_waits_as_it_says(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """Too much of us: the whole office is left alone as long as it says, and no try counts."""
    office = Office(before=[DestinationDown("HTTP 429", 25)] * 3)
    process = await Process(small_ledger, office, wire, DeliverySettings(delayed_retries=1, immediate_retries=0)).start()
    process.fetch(*(record_of(builders.application(), offset) for offset in range(3)))
    for number in range(3):
        await process.settle(await deliver_some(process, 1))
        process.wait()
        clock.now_s += 24.9
        assert (len(office.calls), process.delivery.capacity(9)) == (number + 1, 0)
        clock.now_s += 0.2
        assert process.delivery.capacity(9) == 1
    await process.go_on()
    assert wire.states == ["delivered"] * 3


class Poisoned(Office):
    """A back office that fails at some submissions, and is there when it is asked."""

    def __init__(self, error: Exception, *poison: Application) -> None:
        super().__init__()
        self.error, self.poison = error, {one.message_id for one in poison}

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        if document.submission_id in self.poison:
            self.calls.append("poison")
            raise self.error
        return await super().deliver(document, attempt)


POISON = [builders.application() for _ in range(20)]


@pytest.mark.parametrize("error", [TimeoutError(), Blip("HTTP 500"), NotTheOffice("HTTP 502"), DestinationDown("HTTP 503")])
async def test_one_portals_poison_pauses_nobody(small_ledger: Ledger, wire: Wire, clock: Clock, error: Exception) -> None:
    """However it makes the back office fail: its cases are parked after some tries, and other portals' submissions go meanwhile."""
    office, honest = Poisoned(error, *POISON), builders.application()
    process = await Process(small_ledger, office, wire).start()
    process.fetch(*(record_of(one, offset, {Header.PORTAL: b"hostile"}) for offset, one in enumerate(POISON)))
    await process.turn()
    process.fetch(record_of(honest, len(POISON)))
    assert process.delivery.capacity(9) == 9
    await process.turn()
    assert (office.effects, process.delivery.guard.check()) == ([honest.message_id], None)
    for _ in range(3):
        process.wait()
        await process.turn()
    assert (len(wire.parked), process.core.in_flight) == (len(POISON), 0)
    assert {state for state in wire.states if state != "delivered"} == {"retry_wait"}


async def test_one_portals_poison_keeps_nobody_paused(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """After a moment in which several portals met errors, the poison of one is not what tries the office out again and again."""
    office, honest = Poisoned(Blip("HTTP 500"), *POISON), builders.application()
    process = await Process(small_ledger, office, wire).start()
    for portal in ("hostile", "honest") * 5:
        process.delivery.guard.breaker.note_answer(Failure.of(Blip("HTTP 500"), Stage.DELIVER), clock.now_s, portal)
    process.fetch(*(record_of(one, offset, {Header.PORTAL: b"hostile"}) for offset, one in enumerate(POISON)))
    process.fetch(record_of(honest, len(POISON), {Header.PORTAL: b"honest"}))
    for _ in range(2):
        clock.now_s = process.delivery.guard.breaker._probe_at_s
        process.wait()
        while not office.effects and await process.turn():
            pass
    assert (office.calls, office.effects) == (["poison", "deliver 1"], [honest.message_id])
    assert process.delivery.guard.check() is None


async def test_a_poison_that_is_asked_for_first_is_not_the_office(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """A hundred that fail together ask the back office once."""
    office = Poisoned(NotTheOffice("HTTP 502"), *POISON)
    asked = 0

    async def check() -> str:
        nonlocal asked
        asked += 1
        return "fine"

    office.check = check  # type: ignore[method-assign]
    process = await Process(small_ledger, office, wire).start()
    process.fetch(*(record_of(one, offset) for offset, one in enumerate(POISON)))
    await process.turn()
    assert (asked, process.delivery.guard.check()) == (1, None)


async def test_a_back_office_that_answers_nothing_is_down(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """Doubtful answers to one portal pause the office where it does not answer a question of its own either; nothing is moved."""
    office = Poisoned(TimeoutError(), *POISON)
    office.down = True
    process = await Process(small_ledger, office, wire, DeliverySettings(failure_threshold=1)).start()
    process.fetch(*(record_of(one, offset) for offset, one in enumerate(POISON)))
    await process.turn()
    assert ((process.delivery.guard.check() or "").startswith("the back office is down: TimeoutError"), wire.sent) == (True, [])


async def test_what_was_begun_when_the_office_went_down_is_not_sent(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """Records that the ledger has begun while the breaker opened stay undelivered, as if they had not been begun; then one tries it out."""
    process = await Process(small_ledger, Office(), wire).start()
    process.fetch(*(record_of(builders.application(), offset) for offset in range(5)))
    begun, _ = await process.delivery.begin(process.core.take(5))
    process.delivery.guard.breaker.note_answer(Failure.of(DestinationDown("away"), Stage.DELIVER), clock.now_s)
    for work in begun:
        await process.delivery.deliver(work)
    await process.settle(begun)
    assert (process.office.calls, process.wait(), process.delivery.capacity(9)) == ([], [0.0] * 5, 0)
    clock.now_s += 1
    await process.settle(await deliver_some(process, process.delivery.capacity(9)))
    assert process.office.calls == ["deliver 1"]
    await process.go_on()
    assert sorted(set(process.office.calls)) == ["deliver 1"]


async def test_the_breaker_opens_while_records_are_begun(small_ledger: Ledger, wire: Wire, clock: Clock) -> None:
    """Of those that the ledger was asked for meanwhile none is sent: the pause has just begun."""
    process = await Process(small_ledger, Office(), wire).start()
    process.fetch(*(record_of(builders.application(), offset) for offset in range(5)))
    works = process.core.take(5)
    beginning = asyncio.create_task(process.delivery.begin(works))
    await asyncio.sleep(0)
    process.delivery.guard.breaker.note_answer(Failure.of(DestinationDown("away"), Stage.DELIVER), clock.now_s)
    begun, _ = await beginning
    for work in begun:
        await process.delivery.deliver(work)
    assert (len(begun), process.office.calls) == (5, [])


async def test_a_translation_that_says_down_pauses_nobody(small_ledger: Ledger, wire: Wire) -> None:
    """Nobody was asked: it is tried a few times, and parked."""
    process = await Process(small_ledger, Office(translating=[DestinationDown("x")] * 9), wire).start()
    process.fetch(record_of(APPLICATION, 0))
    for _ in range(3):
        await process.turn()
        process.wait()
    assert (process.delivery.guard.check(), len(wire.parked), process.core.in_flight) == (None, 1, 0)
