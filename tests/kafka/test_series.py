"""One portal's series on a real Kafka: what it sends stops nobody else (S3), and comes through when its cause is mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from adapters.interface import Delivered, Document, Submission
from adapters.kit import NotTheOffice
from consumers.delivery.brake import SeriesName
from infra.kafka.admin import count_records
from schemas import topics
from schemas.errors import Refused
from tests.delivery_model import Office as BackOffice
from tests.kafka.helpers import eventually
from tests.kafka.live_office import LiveOffice


class Picky(BackOffice):
    """A back office that is told whose submissions it cannot take, and how it fails at them."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses: set[UUID] = set()
        self.poison: set[UUID] = set()
        self.mended = False

    def translate(self, submission: Submission) -> Document:
        if submission.id in self.refuses and not self.mended:
            raise Refused("the applicant is an organisation")
        return super().translate(submission)

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        if document.submission_id in self.poison:
            raise NotTheOffice("HTTP 502")
        return await super().deliver(document, attempt)


async def sent_by(one: LiveOffice, portal: str, count: int, into: set[UUID]) -> None:
    """So many submissions of a portal, each of a case of its own, that the back office does not take."""
    await one.submit(count, cases=count, portal=portal)
    into.update(application.message_id for application in one.sent[-count:])


@pytest.fixture
async def picky(make_office: Callable[[BackOffice], LiveOffice]) -> tuple[LiveOffice, Picky]:
    """An office whose back office is picky."""
    office = Picky()
    one = make_office(office)
    await one.create()
    return one, office


async def test_fifty_refusable_messages_stop_nobody_else(picky: tuple[LiveOffice, Picky]) -> None:
    """Another portal's message is delivered without a restart; twenty are dead, and what waits is delivered when the cause is mended."""
    one, office = picky
    await sent_by(one, "hostile", 50, office.refuses)
    async with one.process(first_backoff_s=600, longest_backoff_s=600) as (engine, delivery):
        await eventually(lambda: delivery.guard.notice() is not None and engine.core.in_flight == 30)
        await one.submit(1, cases=1, portal="honest")
        honest: Any = one.sent[-1]
        await eventually(lambda: office.effects == [honest.message_id])
        assert await count_records(one.kafka, [topics.deadletters(one.name)]) == 20
        assert delivery.guard.check() is None
        office.mended = True
        delivery.guard.release(SeriesName("hostile"))
        await eventually(lambda: len(office.effects) == 31 and engine.core.in_flight == 0)
        assert (delivery.guard.notice(), engine.core.parked_cases) == (None, 0)


async def test_two_portals_that_fail_do_not_stop_a_third(picky: tuple[LiveOffice, Picky]) -> None:
    """Also where nothing was delivered in between: theirs wait, and the third one's delivery opens the office."""
    one, office = picky
    for portal in ("hostile", "broken"):
        await sent_by(one, portal, 40, office.refuses)
    async with one.process(first_backoff_s=600, longest_backoff_s=600) as (_, delivery):
        await eventually(lambda: delivery.guard.check() is not None)
        await one.submit(1, cases=1, portal="honest")
        await eventually(lambda: len(office.effects) == 1 and delivery.guard.check() is None)


async def test_poison_of_one_portal_pauses_nobody_else(picky: tuple[LiveOffice, Picky]) -> None:
    """Messages at which the back office breaks down wait with their cases; another portal's goes at once, and health says nothing of the office."""
    one, office = picky
    await sent_by(one, "hostile", 30, office.poison)
    async with one.process(first_backoff_s=600, longest_backoff_s=600) as (engine, delivery):
        await eventually(lambda: engine.core.parked_cases > 0)
        await one.submit(1, cases=1, portal="honest")
        await eventually(lambda: len(office.effects) == 1)
        await eventually(lambda: engine.core.parked_cases == 30)
        assert delivery.guard.check() is None
