"""One portal's series on a real Kafka: what it sends stops nobody else (S3), and comes through when its cause is mended."""

from __future__ import annotations

import asyncio
import json
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
from tests.kafka.helpers import eventually, fill
from tests.kafka.live_office import LiveOffice
from tests.kafka.town import DELIVERY, Town, refused, submission


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


async def test_an_operator_releases_without_a_restart(town: Town) -> None:
    """The command shows what two instances hold, and changes nothing; with --go both open it at once, and it is on record who did it and why."""
    limits = DELIVERY.model_copy(update={"brake_in_a_row": 3, "first_backoff_s": 600, "longest_backoff_s": 600})
    async with town.adapter(limits, port=8084) as first, town.adapter(limits, port=8085) as second:
        await eventually(lambda: bool(second._assignment.topic_ids and first._assignment.topic_ids))  # what moves later waits by itself
        bad = await refused(town, 12)

        async def held() -> list[dict[str, object]]:
            code, output, error = await town.command("office", "release", town.office, "--reason", "ticket 4711", "--json")
            found: list[dict[str, object]] = json.loads(output)["held"]
            assert code == (1 if found else 0), error
            return found

        async with asyncio.timeout(60):
            while not (found := await held()):
                await asyncio.sleep(0.5)
        assert {one["portal"] for one in found} == {"portal"}
        assert await town.operations() == []
        town.back_office.refuses.clear()
        code, output, error = await town.command(
            "office", "release", town.office, "--portal", "portal", "--reason", "ticket 4711", "--actor", town.name, "--go"
        )
        assert (code, "Released" in output) == (0, True), error
        async with asyncio.timeout(60):  # one that was refused just before may still become a dead letter
            while len(town.back_office.got) + len((await town.letters()).open) < len(bad) or first.core.in_flight + second.core.in_flight:
                await asyncio.sleep(0.2)
        one, record = submission(town, refused=False)
        await fill(town.kafka, [record])
        await eventually(lambda: one in town.back_office.got)
    (operation,) = await town.operations()
    assert (operation["action"], operation["portal"], operation["reason"], operation.get("fingerprint")) == (
        "release",
        "portal",
        "ticket 4711",
        None,
    )
