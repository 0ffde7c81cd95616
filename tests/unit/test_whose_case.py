"""Whose an id and a case are: the portal's that names them, whatever another portal sends; and what a message is about has been accepted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import sqlalchemy as sa

from producers.outbox import tables
from producers.outbox.identity import Named
from schemas.headers import Header
from schemas.message import Amendment, Application, Authority, Filing, MessageReference, Withdrawal
from tests import builders
from tests.builders import later
from tests.gateway import AUTHORITIES, JSON, XML, Gateway, as_json, as_xml, problem_of

OWNER, STRANGER = "portal", "other"
LATER = [Amendment, Withdrawal]
WRITTEN = [(as_xml, XML), (as_json, JSON)]
_IDS = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def first(**changes: Any) -> Application:
    """An application for an office that takes all three kinds."""
    return builders.trade_application(**builders.IN_MUNICH, **changes)


async def send(
    bus: Gateway, sent: Filing, portal: str = OWNER, body: Callable[[Filing], bytes] = as_xml, content_type: str = XML
) -> httpx.Response:
    """Send it as this portal, which is its author."""
    author = Authority(key=AUTHORITIES[portal], name="Testportal")
    return await bus.post(body(sent.model_copy(update={"author": author})), content_type, portal=portal)


async def opened_by(bus: Gateway, portal: str, **changes: Any) -> Application:
    """An application that is accepted."""
    application = first(**changes)
    assert (await send(bus, application, portal)).status_code == 202
    return application


async def keys(bus: Gateway) -> list[UUID]:
    """The keys of all records, in the order of acceptance."""
    return [one.case_key for one in await builders.waiting(bus.box)]


def but_for_ids(answer: httpx.Response) -> tuple[int, dict[str, str], str]:
    """An answer, with all ids alike, and without what is left of the caller's own rate."""
    headers = {name: value for name, value in answer.headers.items() if not name.startswith("ratelimit")}
    return answer.status_code, headers, _IDS.sub("id", answer.text)


@pytest.mark.parametrize(("body", "content_type"), WRITTEN)
@pytest.mark.parametrize("kind", LATER)
async def test_strangers_case_is_an_unknown_case(
    bus: Gateway, kind: type[Filing], body: Callable[[Filing], bytes], content_type: str
) -> None:
    """A message of another portal into a case gets, byte for byte but for ids, the answer of a case that is not there, and is not kept."""
    theirs = await opened_by(bus, OWNER)
    into_theirs = await send(bus, later(kind, theirs), STRANGER, body, content_type)
    into_none = await send(bus, later(kind, first()), STRANGER, body, content_type)
    assert problem_of(into_theirs) == (409, "reference-unknown")
    assert into_theirs.json()["where"] == ("/reference" if content_type == JSON else "bezug/bezugNachricht")
    assert but_for_ids(into_theirs) == but_for_ids(into_none)
    assert len(await keys(bus)) == 1
    assert (await send(bus, later(kind, theirs), OWNER, body, content_type)).status_code == 202


async def test_same_look_ups_for_a_strangers_case(bus: Gateway) -> None:
    """The store is asked the same, in the same order, whether a case is another portal's or none: time tells nothing either."""
    theirs = await opened_by(bus, OWNER)
    asked: list[list[str]] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        asked[-1].append(statement)

    sa.event.listen(bus.box.store._engine, "before_cursor_execute", note)
    for wanted in (theirs, first()):
        asked.append([])
        await send(bus, later(Withdrawal, wanted), STRANGER)
    assert asked[0] == asked[1] != []


async def test_application_opens_a_case_of_its_own(bus: Gateway) -> None:
    """An application under the case id of another portal is taken as under any other, into a case that never meets the first."""
    theirs = await opened_by(bus, OWNER)
    mine = await opened_by(bus, STRANGER, case_id=theirs.case_id)
    for portal, application in ((STRANGER, mine), (OWNER, theirs)):
        assert (await send(bus, later(Withdrawal, application), portal)).status_code == 202
    one, other, withdrawn_other, withdrawn_one = await keys(bus)
    assert (one, other) == (withdrawn_one, withdrawn_other)
    assert len({one, other, theirs.case_id}) == 3


@pytest.mark.parametrize("kind", [Application, *LATER])
async def test_what_it_is_about_is_of_the_same_case(bus: Gateway, kind: type[Filing]) -> None:
    """A reference to nothing, to a message of another case, of another portal or of another office, or to one that was refused, is refused."""
    mine, another_case = await opened_by(bus, OWNER), await opened_by(bus, OWNER)
    theirs = await opened_by(bus, STRANGER, case_id=mine.case_id)
    elsewhere = builders.trade_application(case_id=mine.case_id)
    assert (await bus.post(as_xml(elsewhere))).json()["office"] == "augsburg.gewerbe"
    refused = later(Withdrawal, mine, reference=MessageReference(message_id=uuid4()))
    assert problem_of(await bus.post(as_xml(refused))) == (409, "reference-unknown")
    for meant in (uuid4(), another_case.message_id, theirs.message_id, elsewhere.message_id, refused.message_id):
        sent = later(kind, mine, reference=MessageReference(message_id=meant))
        assert problem_of(await bus.post(as_xml(sent))) == (409, "reference-unknown")
    itself = later(kind, mine)
    assert (
        problem_of(await bus.post(as_xml(itself.model_copy(update={"reference": MessageReference(message_id=itself.message_id)}))))[0]
        == 409
    )
    assert len(await keys(bus)) == 4


async def test_refused_for_its_reference_may_come_again(bus: Gateway) -> None:
    """An amendment that comes before its application is refused, and taken unchanged as soon as that one is accepted."""
    application = first()
    amendment = as_xml(later(Amendment, application))
    assert problem_of(await bus.post(amendment)) == (409, "reference-unknown")
    assert [(await bus.post(body)).status_code for body in (as_xml(application), amendment)] == [202, 202]
    assert len(set(await keys(bus))) == 1


@pytest.mark.parametrize(("body", "content_type"), WRITTEN)
@pytest.mark.parametrize("squatter", [OWNER, STRANGER])
async def test_an_id_is_the_portals(bus: Gateway, body: Callable[[Filing], bytes], content_type: str, squatter: str) -> None:
    """Whoever used an id first, another portal uses it too: same answer as for a new one, own status, own code; what travels differs."""
    message_id = uuid4()
    portals = [squatter, STRANGER if squatter == OWNER else OWNER]
    receipts = []
    for portal in portals:
        answer = await send(bus, first(message_id=message_id), portal, body, content_type)
        receipts.append(answer.json())
        assert (answer.status_code, receipts[-1]["id"]) == (202, str(message_id))
        status = await bus.call("GET", f"/v1/submissions/{message_id}", portal=portal)
        assert status.json()["hotline_code"] == receipts[-1]["hotline_code"]
    assert receipts[0]["hotline_code"] != receipts[1]["hotline_code"]
    records = [one.headers for one in await builders.waiting(bus.box)]
    assert [record[Header.MESSAGE_ID] for record in records] == [str(message_id)] * 2
    assert len({record[name] for record in records for name in (Header.SUBMISSION, Header.CASE)}) == 4


async def test_withdrawal_names_the_submission_of_its_portal(bus: Gateway) -> None:
    """Where two portals used one id, what travels says which of the two submissions is meant: a stranger cannot mean the other's."""
    theirs = await opened_by(bus, OWNER)
    mine = await opened_by(bus, STRANGER, message_id=theirs.message_id, case_id=theirs.case_id)
    await send(bus, later(Withdrawal, mine), STRANGER)
    one, other, withdrawal = [record.headers for record in await builders.waiting(bus.box)]
    assert one[Header.SUBMISSION] != other[Header.SUBMISSION]
    assert withdrawal[Header.ABOUT] == other[Header.SUBMISSION]


async def test_conflict_is_about_own_ids(bus: Gateway) -> None:
    """409 id-conflict tells a portal of its own ids only."""
    theirs = await opened_by(bus, OWNER)
    answers = [await send(bus, first(message_id=one), STRANGER) for one in (theirs.message_id, uuid4())]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert problem_of(await bus.post(as_xml(first(message_id=theirs.message_id)))) == (409, "id-conflict")


async def test_first_messages_of_a_case_at_once(bus: Gateway) -> None:
    """Messages that open a case at the same time are of one case, for each of the portals that name it so."""
    case_id = uuid4()
    calls = [send(bus, first(case_id=case_id), portal) for portal in [OWNER, STRANGER] * 5]
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {202}
    assert len(set(await keys(bus))) == 2


async def test_a_code_is_given_once(bus: Gateway) -> None:
    """Where a code is taken, the next one is given; both are found by theirs."""
    taken = await opened_by(bus, OWNER)
    again = first()
    identities = bus.box._identities
    code = tables.submission.update().where(tables.submission.c.message_id == taken.message_id)
    wanted = bus.box.store.read_now(lambda connection: identities.give(connection, named_of(again))).hotline_code
    await bus.box.store.write(lambda connection: connection.execute(code.values(hotline_code=wanted)))
    given = (await bus.post(as_xml(again))).json()["hotline_code"]
    assert given != wanted


def named_of(application: Application) -> Named:
    """What the outbox is told of an application."""
    return Named(OWNER, "muenchen.gewerbe", application.message_id, application.case_id)
