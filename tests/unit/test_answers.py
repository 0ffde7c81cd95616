"""Answers in our own XML: receipt, rejection and status are valid messages of the family, and say what the JSON says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from infra.settings import KafkaSettings, SchemaSettings, StoreSettings
from producers.feedback import status_feed
from producers.gateway import answers, openapi
from producers.gateway import app as gateway
from producers.intake.form import SubmissionForm
from producers.outbox.outbox import Outbox
from producers.settings import GatewaySettings
from schemas import catalogue, message, problems, xml
from schemas.din91379 import first_disallowed
from schemas.errors import Rejected
from schemas.events import State
from schemas.examination.schema_table import OWN
from schemas.findings import Finding, Severity
from schemas.message import Authority, Message, Receipt, RejectionMessage, StatusMessage, xsd
from schemas.problems import Problem
from tests import builders, family
from tests.gateway import page, register_of

XML, JSON = "application/xml", "application/json"
TOKEN = "token-of-portal"
PORTAL = Authority(key="kop:00000001", name="Testportal")
BUS = Authority(key="kop:09000000", name="Stadtbus")
CANARY = "Kanarienvogel"


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Outbox:
    """An empty outbox, which is the gateway's."""
    box = Outbox(StoreSettings(folder=tmp_path), limit=1)
    monkeypatch.setattr(gateway, "Outbox", lambda *_, **__: box)
    return box


@pytest.fixture
def app(box: Outbox, tmp_path: Path) -> FastAPI:
    """The gateway as an ASGI app that never starts, so that nothing looks for Kafka."""
    portals = register_of(tmp_path / "portals", {"portal": page(PORTAL.key, TOKEN)})
    settings = GatewaySettings(accept_test=True, authority=BUS.key)
    return gateway.create_app(catalogue.load(), portals, settings, KafkaSettings(), StoreSettings(), SchemaSettings())


@pytest.fixture
async def portal(app: FastAPI, box: Outbox) -> AsyncIterator[httpx.AsyncClient]:
    """A portal that asks for XML, unless a call says otherwise."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": XML, "Content-Type": XML}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bus", headers=headers) as client:
        yield client
    app.state.intake.close()
    box.store.close()


def read(response: httpx.Response) -> Message:
    """The message that an answer holds, which has to be a valid one."""
    assert response.headers["content-type"] == XML
    root = xml.parse(response.content)
    assert OWN.findings(root) == []
    return message.read(root)


async def test_receipt(portal: httpx.AsyncClient) -> None:
    """Who asks for XML gets a receipt from the bus that says what the JSON says, and the hash of what was sent."""
    application = builders.application()
    body = message.write(application)
    response = await portal.post("/v1/submissions", content=body)
    told = (await portal.post("/v1/submissions", content=body, headers={"Accept": JSON})).json()
    receipt = read(response)
    assert isinstance(receipt, Receipt)
    assert (response.status_code, response.headers["Location"]) == (202, told["status_url"])
    assert (str(receipt.submission_id), receipt.hotline_code) == (told["id"], told["hotline_code"])
    assert receipt.accepted_at.isoformat(timespec="milliseconds") == datetime.fromisoformat(told["accepted_at"]).isoformat(
        timespec="milliseconds"
    )
    assert (receipt.reference.message_id, receipt.case_id) == (application.message_id, application.case_id)
    assert receipt.content_sha512 == hashlib.sha512(body).hexdigest()
    assert (receipt.reader, receipt.author, receipt.test) == (PORTAL, BUS, False)


async def test_repeat_gets_the_same_receipt(portal: httpx.AsyncClient) -> None:
    """A repeated call gets the same bytes: the same message may be received twice, but is one (XÖV-Basisnachricht)."""
    body = message.write(builders.application())
    first, second = [await portal.post("/v1/submissions", content=body) for _ in range(2)]
    assert first.content == second.content


async def test_form_may_be_answered_in_xml_too(portal: httpx.AsyncClient) -> None:
    """What is sent and what is answered are chosen apart from each other."""
    form = SubmissionForm.of(builders.application()).model_dump_json(exclude_defaults=True)
    assert isinstance(read(await portal.post("/v1/submissions", content=form, headers={"Content-Type": JSON})), Receipt)


async def test_answer_to_a_test_is_a_test(portal: httpx.AsyncClient) -> None:
    """A test never looks like something real."""
    application = builders.application(test=True)
    receipt = read(await portal.post("/v1/submissions", content=message.write(application)))
    status = read(await portal.get(f"/v1/submissions/{application.message_id}"))
    assert (receipt.test, status.test) == (True, True)


async def test_status(portal: httpx.AsyncClient, box: Outbox) -> None:
    """The status message tells the last state, since when, the office's number and what happens next."""
    application = builders.application()
    await portal.post("/v1/submissions", content=message.write(application))
    first = read(await portal.get(f"/v1/submissions/{application.message_id}"))
    event = builders.event(application.message_id, reference="M-7")
    await box.store.write(lambda connection: status_feed.store_events(connection, builders.records(event)))
    last = read(await portal.get(f"/v1/submissions/{application.message_id}"))
    assert isinstance(first, StatusMessage)
    assert isinstance(last, StatusMessage)
    assert (first.state, first.reference.file_number) == (State.SUBMITTED, None)
    assert (last.state, last.reference.file_number, last.since) == (State.DELIVERED, "M-7", builders.CREATED_AT)
    assert (last.case_id, last.reference.message_id, last.reader, last.author) == (application.case_id, application.message_id, PORTAL, BUS)
    assert first.message_id != last.message_id


async def test_asking_again_gets_the_same_status(portal: httpx.AsyncClient) -> None:
    """While nothing happens the status is the same message."""
    application = builders.application()
    await portal.post("/v1/submissions", content=message.write(application))
    first, second = [await portal.get(f"/v1/submissions/{application.message_id}") for _ in range(2)]
    assert first.content == second.content


@pytest.mark.parametrize(
    ("state", "answers_later", "final", "awaiting"),
    [
        (State.RETRY_WAIT, True, False, "delivery"),
        (State.PARKED, False, False, "delivery"),
        (State.DEAD_LETTER, False, False, "operator"),
        (State.DELIVERED, True, False, "decision"),
        (State.DELIVERED, False, True, None),
        (State.ACCEPTED, True, True, None),
        (State.REJECTED, True, True, None),
    ],
)
async def test_the_end_is_told_as_such(
    portal: httpx.AsyncClient, box: Outbox, state: State, answers_later: bool, final: bool, awaiting: str | None
) -> None:
    """A portal that asks until the end learns when that is, also where the office decides later; XML and JSON agree."""
    application = builders.application()
    await portal.post("/v1/submissions", content=message.write(application))
    address = f"/v1/submissions/{application.message_id}"
    before = (await portal.get(address, headers={"Accept": JSON})).json()
    event = builders.event(application.message_id, state, answers_later=answers_later)
    await box.store.write(lambda connection: status_feed.store_events(connection, builders.records(event)))
    told = (await portal.get(address, headers={"Accept": JSON})).json()
    status = read(await portal.get(address))
    assert (before["final"], before["awaiting"]) == (False, "delivery")
    assert (told["state"], told["final"], told["awaiting"]) == (state, final, awaiting)
    assert isinstance(status, StatusMessage)
    assert ("entscheidet noch" in (status.next_step or "")) == (awaiting == "decision")


@pytest.mark.parametrize(
    ("state", "final", "awaiting"),
    [
        (State.DELIVERED, None, None),
        (State.PARKED, False, "delivery"),
        (State.DEAD_LETTER, False, "operator"),
        (State.REJECTED, True, None),
    ],
)
async def test_an_end_that_nobody_told_is_not_guessed(
    portal: httpx.AsyncClient, box: Outbox, state: State, final: bool | None, awaiting: str | None
) -> None:
    """Of events of an earlier version only `delivered` leaves open whether something follows, and that is said."""
    application = builders.application()
    await portal.post("/v1/submissions", content=message.write(application))
    event = builders.event(application.message_id, state)
    old = event.model_copy(update={"data": event.data.model_copy(update={"final": None})})
    await box.store.write(lambda connection: status_feed.store_events(connection, builders.records(old)))
    told = (await portal.get(f"/v1/submissions/{application.message_id}", headers={"Accept": JSON})).json()
    assert (told["final"], told["awaiting"]) == (final, awaiting)


@pytest.mark.parametrize("state", State)
async def test_every_state_can_be_told(portal: httpx.AsyncClient, box: Outbox, state: State) -> None:
    """Each state has a text for people, and odd numbers of offices and reasons do no harm."""
    application = builders.application()
    await portal.post("/v1/submissions", content=message.write(application))
    event = builders.event(application.message_id, state, reference=" ", reason="a\u0001" * 200)
    await box.store.write(lambda connection: status_feed.store_events(connection, builders.records(event)))
    status = read(await portal.get(f"/v1/submissions/{application.message_id}"))
    assert isinstance(status, StatusMessage)
    assert (status.reference.file_number, status.text) == (None, "a " * 125)
    assert status.next_step


async def test_status_of_nothing_is_a_problem(portal: httpx.AsyncClient) -> None:
    """Asking for what is not there is not answered by a message."""
    response = await portal.get(f"/v1/submissions/{uuid4()}")
    assert (response.status_code, response.headers["content-type"]) == (404, openapi.PROBLEM_JSON)


REFUSED: dict[str, tuple[bytes, int]] = {
    "not well-formed": (b"<a", 422),
    "author of another portal": (message.write(builders.application(author=Authority(key="kop:1", name="x"))), 403),
    "breach of the schema": (message.write(builders.application()).replace(b"true<", CANARY.encode() + b"<"), 422),
    "unknown root": (f"<{CANARY}/>".encode(), 422),
}


@pytest.mark.parametrize(("body", "status"), REFUSED.values(), ids=REFUSED)
async def test_rejection(portal: httpx.AsyncClient, body: bytes, status: int) -> None:
    """A refusal comes as a rejection that says what the problem says, with the same status, and repeats nothing of the message."""
    response = await portal.post("/v1/submissions", content=body)
    problem = (await portal.post("/v1/submissions", content=body, headers={"Accept": JSON})).json()
    rejection = read(response)
    assert isinstance(rejection, RejectionMessage)
    ground = rejection.grounds[0]
    assert (response.status_code, ground.code) == (status, problem["code"])
    assert (ground.title, ground.hint, ground.xoev) == (problem["title"], problem["hint"], problem.get("xoev"))
    assert (rejection.reader, rejection.author) == (PORTAL, BUS)
    assert CANARY not in response.text


NAMED: dict[str, bytes] = {
    "author of another portal": REFUSED["author of another portal"][0],
    "breach of a rule": message.write(builders.application()).replace(b">ags:", b">psw:"),
    "login too weak": message.write(builders.application()).replace(b"Level-3<", b"Level-1<"),
    "answer of the bus": family.SAMPLES[message.RECEIPT],
}


@pytest.mark.parametrize("body", NAMED.values(), ids=NAMED)
async def test_rejection_names_the_message(portal: httpx.AsyncClient, body: bytes) -> None:
    """A message that can be read is named in its rejection, whatever it is that is wrong with it."""
    rejection = read(await portal.post("/v1/submissions", content=body))
    assert isinstance(rejection, RejectionMessage)
    assert rejection.reference is not None
    assert str(rejection.reference.message_id) == xml.parse(body).findtext(".//nachrichtenUUID")


async def test_rejection_of_other_content(portal: httpx.AsyncClient) -> None:
    """A UUID that was used for other content is rejected with the code of XÖV for it."""
    body = message.write(builders.application())
    await portal.post("/v1/submissions", content=body)
    response = await portal.post("/v1/submissions", content=body.replace(b"Augsburg", b"Aichach"))
    rejection = read(response)
    assert isinstance(rejection, RejectionMessage)
    assert (response.status_code, rejection.grounds[0].xoev) == (409, "S050")


async def test_rejection_of_a_form_with_odd_names(portal: httpx.AsyncClient) -> None:
    """Names that only JSON can carry do not break the rejection."""
    form = json.dumps(SubmissionForm.of(builders.application()).model_dump(mode="json") | {"a\u0001\ud800": 1})
    response = await portal.post("/v1/submissions", content=form, headers={"Content-Type": JSON})
    assert isinstance(read(response), RejectionMessage)


@pytest.mark.parametrize(
    ("headers", "status"), [({"Authorization": ""}, 401), ({"Authorization": "Bearer wrong"}, 401)], ids=["no token", "wrong token"]
)
async def test_stranger_gets_no_message(portal: httpx.AsyncClient, headers: dict[str, str], status: int) -> None:
    """Nobody who is not known is written to."""
    response = await portal.post("/v1/submissions", content=b"<a/>", headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (status, openapi.PROBLEM_JSON)


async def test_what_passes_is_not_rejected(portal: httpx.AsyncClient) -> None:
    """A full outbox is no rejection: the same message may be sent again."""
    for _ in range(2):
        response = await portal.post("/v1/submissions", content=message.write(builders.application()))
    assert (response.status_code, response.headers["content-type"]) == (503, openapi.PROBLEM_JSON)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        (JSON, False),
        (XML, True),
        ("Application/XML;q=0.9, application/json", True),
        ("application/json, application/xml", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9", False),
    ],
)
def test_what_is_wanted(accept: str | None, expected: bool) -> None:
    """The first type in Accept decides; browsers and those who name nothing get JSON."""
    assert answers.wanted(accept) is expected


@pytest.mark.parametrize("problem", problems.PROBLEMS, ids=lambda problem: problem.code)
def test_any_problem_fits_a_rejection(problem: Problem) -> None:
    """Every code, title and hint fits the fields of a rejection and DIN 91379, also with the longest detail and place."""
    error = Rejected(problem, "d" * 3000, where="w" * 300)
    error.message_id = uuid4()
    root = xml.parse(answers.rejection(error, BUS, PORTAL))
    assert OWN.findings(root) == []
    assert first_disallowed("".join(map(str, root.itertext())), xsd.datatypes()["grund/hinweis"]) is None
    rejection = message.read(root)
    assert isinstance(rejection, RejectionMessage)
    assert rejection.reference is not None
    assert rejection.reference.message_id == error.message_id


def test_rejection_gives_every_error_as_a_ground() -> None:
    """Each error found is a ground of its own, with its place; warnings are none."""
    error = Rejected(problems.NOT_VALID, "SCHEMAV_ELEMENT_CONTENT", where="/e:a/b")
    error.findings = (
        Finding(problems.NOT_VALID, "xsd", "SCHEMAV_ELEMENT_CONTENT", 7, "/e:a/b"),
        Finding(problems.TEXT_NOT_NFC, "text-in-nfc", line=9, value=CANARY),
        Finding(problems.NOT_CHECKED, "xsd", severity=Severity.WARNING),
    )
    body = answers.rejection(error, BUS, PORTAL)
    rejection = message.read(xml.parse(body))
    assert isinstance(rejection, RejectionMessage)
    assert [(one.code, one.where, one.detail) for one in rejection.grounds] == [
        ("not-schema-valid", "/e:a/b", "SCHEMAV_ELEMENT_CONTENT"),
        ("text-not-nfc", "line 9", None),
    ]
    assert CANARY.encode() not in body
