"""An office whose back office is down is paused: nothing is moved, no try counts, and one record finds out when it is up."""

from __future__ import annotations

import structlog

from adapters.kit import NotTheOffice
from consumers.delivery.ledger import Ledger
from consumers.engine import FINISHED
from consumers.settings import DeliverySettings
from schemas.errors import DestinationDown, Refused
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
    assert (process.delivery.check() or "").startswith("the back office is down: refused; since 20")
    clock.now_s += 1
    assert (process.delivery.capacity(9), await process.turn()) == (1, [FINISHED])
    await process.go_on()
    assert (process.delivery.check(), wire.states) == (None, ["delivered"] * 3)


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
    assert (len(await process.turn()), process.delivery.breaker.reason, process.delivery.capacity(9)) == (1, "x", 1)
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
        assert (process.delivery.check() or "").startswith("the back office is down: HTTP 200 with a page for people; since")
        process.wait()
        clock.now_s += 60
    assert (office.calls, wire.sent) == (["deliver 1", *["find"] * 31, "deliver 32"], [])
    await process.go_on()
    assert (len(office.effects), wire.states, process.delivery.check()) == (1, ["delivered"], None)


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
