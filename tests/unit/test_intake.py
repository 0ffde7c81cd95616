"""What intake accepts and what then lies in the outbox; and the same again, which has one effect and one answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas import message, xml
from schemas.headers import Header
from schemas.message import (
    Amendment,
    Application,
    Filing,
    Withdrawal,
)
from tests import builders, calls, outboxes
from tests.calls import VALID, VALID_JSON
from tests.gateway import JSON, XML, Gateway, as_json, as_xml, opened, problem_of


@pytest.fixture
def lenient(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that takes test messages, of a system without real back offices."""
    yield from opened(tmp_path, accept_test=True)


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway whose outbox holds one submission."""
    yield from opened(tmp_path, limit=1)


@pytest.mark.parametrize(
    ("sent", "held"),
    [
        ("2026-03-01T09:30:00.2501234+01:00", "2026-03-01T09:30:00.250+01:00"),
        ("2026-03-01T09:30:00.123456789Z", "2026-03-01T09:30:00.123+00:00"),
        ("2026-03-01T09:30:00.5Z", "2026-03-01T09:30:00.500+00:00"),
        ("2026-03-01T09:30:00Z", "2026-03-01T09:30:00.000+00:00"),
        ("2026-03-01t09:30:00z", "2026-03-01T09:30:00.000+00:00"),
    ],
)
async def test_times_of_forms(bus: Gateway, sent: str, held: str) -> None:
    """A form takes what RFC 3339 takes, with any number of digits; the message says it with milliseconds."""
    assert (await bus.post(calls.form(created_at=sent), JSON)).status_code == 202
    (pending,) = await builders.waiting(bus.box)
    assert pending.headers[Header.TIME] == held
    assert f"<erstellungszeitpunkt>{held}<".encode() in pending.content


@pytest.mark.parametrize(("body", "content_type"), [(as_xml, XML), (as_xml, "text/xml; charset=utf-8"), (as_json, JSON)])
@pytest.mark.parametrize(
    ("build", "office"), [(builders.application, "muenchen.meldewesen"), (builders.trade_application, "augsburg.gewerbe")]
)
async def test_taken(
    bus: Gateway, build: Callable[[], Application], office: str, body: Callable[[Application], bytes], content_type: str
) -> None:
    """Both services are taken as message and as form; the answer is a receipt, and the outbox has the message."""
    application = build()
    response = await bus.post(body(application), content_type)
    receipt = response.json()
    assert (response.status_code, receipt["id"], receipt["office"]) == (202, str(application.message_id), office)
    assert response.headers["Location"] == receipt["status_url"] == f"/v1/submissions/{application.message_id}"
    (pending,) = (await builders.waiting(bus.box))[:2]
    assert (pending.office, outboxes.case_ids(bus.box)) == (office, [application.case_id])
    if body is as_xml:
        assert pending.content == as_xml(application)


@pytest.mark.parametrize(("coding", "status"), [("", 202), ("identity", 202), ("Identity", 202), ("GZIP", 415), ("identity, br", 415)])
async def test_content_codings(bus: Gateway, coding: str, status: int) -> None:
    """A body as it is passes, however that is written (RFC 9110, 8.4.1: capitals do not count); anything compressed does not."""
    assert (await bus.post(as_json(builders.application()), JSON, Content_Encoding=coding)).status_code == status


async def test_area_as_ags(bus: Gateway) -> None:
    """The eight digits of the AGS lead to the same office."""
    assert (await bus.post(calls.form(area="09162000"), JSON)).json()["office"] == "muenchen.meldewesen"


async def test_headers_of_a_record(lenient: Gateway) -> None:
    """The headers are those of the closed list, with values that everybody may read."""
    application = builders.application(test=True)
    receipt = (await lenient.post(as_xml(application))).json()
    (pending,) = (await builders.waiting(lenient.box))[:1]
    message_id = str(application.message_id)
    assert {str(name): value for name, value in pending.headers.items()} == {
        "ce_specversion": "1.0",
        "ce_id": message_id,
        "ce_source": "//stadtbus.example/portals/portal",
        "ce_type": "einreichung.antrag.0100",
        "ce_time": "2026-03-01T08:30:00.000+00:00",
        "ce_subject": message_id,
        "ce_dataschema": message.NAMESPACE,
        "content-type": "application/xml",
        "bus_submission": message_id,
        "bus_case": outboxes.key(lenient.box, application.case_id).decode(),
        "bus_hotline_code": receipt["hotline_code"],
        "bus_city": "muenchen",
        "bus_office": "muenchen.meldewesen",
        "bus_service": "99115005104000",
        "bus_portal": "portal",
        "bus_trust": "3",
        "bus_test": "true",
        "bus_accepted_at": pending.headers[Header.ACCEPTED_AT],
    }
    assert receipt["accepted_at"].startswith(pending.headers[Header.ACCEPTED_AT].removesuffix("+00:00"))


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True), ("00-Mueller", False), ("x" * 300, False)],
)
async def test_trace_travels(bus: Gateway, sent: str, kept: bool) -> None:
    """A trace of the portal goes with the record; whatever is no trace is dropped, not forwarded."""
    await bus.post(as_xml(builders.application()), traceparent=sent)
    (pending,) = (await builders.waiting(bus.box))[:1]
    assert pending.headers.get(Header.TRACEPARENT) == (sent if kept else None)


@pytest.mark.parametrize(("body", "content_type"), [(as_xml, XML), (as_json, JSON)])
@pytest.mark.parametrize("kind", [Amendment, Withdrawal])
async def test_later_messages_go_where_they_are_taken(
    bus: Gateway, kind: type[Amendment | Withdrawal], body: Callable[[Filing], bytes], content_type: str
) -> None:
    """An office that takes amendments and withdrawals gets them like applications, also from forms; for another they are no content."""
    first = builders.trade_application(**builders.IN_MUNICH)
    await bus.post(body(first), content_type)
    sent = builders.later(kind, first)
    taken = await bus.post(body(sent), content_type)
    assert (taken.status_code, taken.json()["office"]) == (202, "muenchen.gewerbe")
    application, pending = await builders.waiting(bus.box)
    assert (pending.headers[Header.TYPE], pending.case_key) == (message.NAMES[kind], application.case_key)
    assert pending.headers[Header.ABOUT] == application.headers[Header.SUBMISSION]
    arrived = message.read(xml.parse(pending.content))
    assert isinstance(arrived, kind)
    told = ("message_id", "created_at", "case_id", "applicants", "reference", "reason" if kind is Withdrawal else "content")
    assert [getattr(arrived, name) for name in told] == [getattr(sent, name) for name in told]
    refused = await bus.post(body(builders.later(kind, builders.trade_application())), content_type)
    assert problem_of(refused) == (422, "content-not-served")
    assert refused.json()["detail"] == f"augsburg.gewerbe takes: {'application' if content_type == JSON else message.APPLICATION}"


def reordered(body: bytes) -> bytes:
    """The same JSON with other blanks, keys in another order, and letters written out."""
    return json.dumps(dict(reversed(json.loads(body).items())), indent=3, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("body", "again", "content_type"),
    [
        pytest.param(VALID, VALID, XML, id="message"),
        pytest.param(VALID_JSON, VALID_JSON, JSON, id="form"),
        pytest.param(VALID_JSON, reordered(VALID_JSON), JSON, id="form in other order"),
    ],
)
async def test_repeat_gets_the_same_answer(bus: Gateway, body: bytes, again: bytes, content_type: str) -> None:
    """The same id with the same content has one effect and one answer."""
    first, second = await bus.post(body, content_type), await bus.post(again, content_type)
    assert (second.status_code, second.json(), second.headers["Location"]) == (202, first.json(), first.headers["Location"])
    assert len((await builders.waiting(bus.box))[:2]) == 1


@pytest.mark.parametrize(
    ("body", "other", "content_type"),
    [
        pytest.param(VALID, calls.changed("Schön", "Schon"), XML, id="message with other content"),
        pytest.param(VALID, calls.changed("?>", "?> "), XML, id="message with other bytes"),
        pytest.param(VALID_JSON, calls.with_person(family_name="Schon"), JSON, id="form with other content"),
    ],
)
async def test_id_of_something_else(bus: Gateway, body: bytes, other: bytes, content_type: str) -> None:
    """A portal cannot use an id for anything else; what was taken stays as it was."""
    await bus.post(body, content_type)
    before = (await builders.waiting(bus.box))[:2]
    assert problem_of(await bus.post(other, content_type)) == (409, "id-conflict")
    assert (await builders.waiting(bus.box))[:2] == before


async def test_many_at_once(bus: Gateway) -> None:
    """Twenty calls with the same submission at the same time: one row, twenty equal answers."""
    answers = await asyncio.gather(*(bus.post(VALID) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.text for answer in answers} == {answers[0].text}
    assert (len((await builders.waiting(bus.box))[:2]), len(await builders.waiting(bus.box))) == (1, 1)


async def test_full(narrow: Gateway) -> None:
    """A full outbox takes nothing new and says when to come back; what it holds is still confirmed."""
    assert (await narrow.post(VALID)).status_code == 202
    response = await narrow.post(as_xml(builders.application()))
    assert problem_of(response) == (503, "intake-full")
    assert 30 <= int(response.headers["Retry-After"]) <= 60
    assert (await narrow.post(VALID)).status_code == 202
    assert len((await builders.waiting(narrow.box))[:2]) == 1
