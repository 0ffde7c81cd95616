"""Intake through the gateway's HTTP API: what is taken, what is refused with which problem, and that nothing of it stays."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
import yaml
from structlog.testing import capture_logs

from producers.synthetic import permits
from schemas import message, xml
from schemas.examination import schema_table
from schemas.headers import Header
from schemas.message import (
    AREA_LIST_ARS,
    SERVICE_LIST,
    Amendment,
    Applicant,
    Application,
    Authority,
    Code,
    Filing,
    FormField,
    MessageReference,
    Trust,
    Withdrawal,
)
from tests import builders, family
from tests.gateway import JSON, PORTALS, TOKENS, XML, Gateway, as_form, as_json, as_xml, opened, problem_of

CANARY = "Kanarienvogel"


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway with an empty outbox."""
    yield from opened(tmp_path)


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for everything that is refused: its outbox stays empty."""
    yield from opened(tmp_path_factory.mktemp("refusing"))


@pytest.fixture
def lenient(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that takes test messages, of a system without real back offices."""
    yield from opened(tmp_path, accept_test=True)


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway whose outbox holds one submission."""
    yield from opened(tmp_path, limit=1)


@pytest.fixture(scope="module")
def building(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that knows XBau, without its schemas, and a standard whose header nobody reads."""
    folder = tmp_path_factory.mktemp("building")
    rows = [{"name": name, "namespace": namespace, "schema": "none"} for name, namespace in (("XBau", permits.NAMESPACE), ("X", "urn:x"))]
    (folder / schema_table.PAGE).write_text(yaml.safe_dump(rows), encoding="utf-8")
    yield from opened(folder, schemas=folder)


# --- what is refused

VALID = as_xml(builders.application())
FORM = as_form(builders.application())
VALID_JSON = json.dumps(FORM).encode()
CREATED = "2026-03-01T08:30:00.000+00:00"
ATTACHMENTS = (
    f"<anlagen><anlage><anlagenID>{uuid4()}</anlagenID><zweck>form</zweck><dateiname>a.pdf</dateiname><mimeType>application/pdf</mimeType>"
    f"<groesseBytes>1</groesseBytes><sha512>{'0' * 128}</sha512></anlage></anlagen>"
)


def changed(old: str, new: str, body: bytes = VALID) -> bytes:
    """A valid body in which something is replaced."""
    assert old.encode() in body
    return body.replace(old.encode(), new.encode())


def form(**changes: Any) -> bytes:
    """The valid form with other members."""
    return json.dumps(FORM | changes).encode()


def with_person(**changes: Any) -> bytes:
    """The valid form with another person."""
    applicant = FORM["applicants"][0]
    return form(applicants=[applicant | {"person": applicant["person"] | changes}])


def trusted(level: int, account: str) -> tuple[Applicant, ...]:
    """Two people, of whom the second came with this login."""
    first = builders.person("Schön", "Ana")
    return (first, first.model_copy(update={"trust": Trust(level=level, account=account)}))


SERVICE = Code(code="99000000000000", list_uri=SERVICE_LIST, list_version="3")
PERMIT = Code(code="99012008000000", list_uri=SERVICE_LIST, list_version="3")
AREA = Code(code="110000000000", list_uri=AREA_LIST_ARS, list_version="3")


class Wrong(NamedTuple):
    """A call and its answer."""

    status: int
    code: str
    body: bytes = VALID
    content_type: str = XML
    headers: Mapping[str, str] = {}


def wrong_xml(code: str, body: bytes, status: int = 422) -> Wrong:
    """A message that is refused."""
    return Wrong(status, code, body)


def wrong_json(code: str, body: bytes, status: int = 422) -> Wrong:
    """A form that is refused."""
    return Wrong(status, code, body, JSON)


def wrong_time(text: str) -> Wrong:
    """A message with another time of creation."""
    return wrong_xml("time-incomplete", changed(CREATED, text))


WRONG = {
    "no token": Wrong(401, "unauthenticated", headers={"Authorization": ""}),
    "wrong token": Wrong(401, "unauthenticated", headers={"Authorization": "Bearer wrong"}),
    "wrong scheme": Wrong(401, "unauthenticated", headers={"Authorization": f"Basic {TOKENS['portal']}"}),
    "token without scheme": Wrong(401, "unauthenticated", headers={"Authorization": TOKENS["portal"]}),
    "type not supported": Wrong(415, "unsupported-media-type", content_type="text/csv"),
    "type missing": Wrong(415, "unsupported-media-type", content_type=""),
    "compressed": Wrong(415, "unsupported-media-type", headers={"Content-Encoding": "gzip"}),
    # the message
    "not XML": wrong_xml("not-well-formed", b"<a"),
    "JSON as XML": wrong_xml("not-well-formed", VALID_JSON),
    "empty": wrong_xml("not-well-formed", b""),
    "DOCTYPE": wrong_xml("doctype-forbidden", changed("<e:einreichung", "<!DOCTYPE a><e:einreichung")),
    "Latin-1": wrong_xml("encoding-not-allowed", VALID.decode().encode("latin-1", errors="replace")),
    "unknown root": wrong_xml("unknown-message", changed("einreichung.antrag.0100", "einreichung.antrag.0101")),
    "foreign root": wrong_xml("unknown-message", b"<a/>"),
    "other version": wrong_xml("unknown-version", changed("einreichung/1.0", "einreichung/2.0")),
    "default namespace": wrong_xml("not-schema-valid", changed("xmlns:e=", f'xmlns="{message.NAMESPACE}" xmlns:e=')),
    "other default namespace": wrong_xml("not-schema-valid", changed("xmlns:e=", 'xmlns="urn:x" xmlns:e=')),
    "field missing": wrong_xml("not-schema-valid", changed("<ort>Augsburg</ort>", "")),
    "30 February": wrong_xml("not-schema-valid", changed("1990-05-17", "1990-02-30")),
    "birth date with zone": wrong_xml("not-schema-valid", changed("1990-05-17", "1990-05-17+01:00")),
    "name of blanks": wrong_xml("not-schema-valid", changed("Schön", " \n ")),
    "name of a no-break space": wrong_xml("not-schema-valid", changed("Schön", "\u00a0")),
    "other type": wrong_xml("message-type-mismatch", changed("<code>0100<", "<code>0110<")),
    "other type name": wrong_xml("message-type-mismatch", changed("<name>einreichung.antrag.0100<", "<name>einreichung.antrag<")),
    "time without zone": wrong_time("2026-03-01T08:30:00.000"),
    "time without milliseconds": wrong_time("2026-03-01T08:30:00Z"),
    "time of a default": wrong_time("0001-01-01T00:00:00.000Z"),
    "time of another default": wrong_time("1970-01-01T00:00:00.000Z"),
    "time in the future": wrong_time("2999-03-01T08:30:00.000Z"),
    "time that does not exist": wrong_time("2026-03-01T24:00:00.000Z"),
    "NFD": wrong_xml("text-not-nfc", changed("Schön", "Scho\u0308n")),
    "NFD in an attribute": wrong_xml("text-not-nfc", changed('produkt="Stadtbus"', 'produkt="Stadtbu\u0308s"')),
    "other reader": wrong_xml("reader-mismatch", changed("ags:09162000", "ags:09564000")),
    "other author": wrong_xml("author-mismatch", changed("kop:00000001", "kop:00000002"), 403),
    "test": wrong_xml("test-not-allowed", as_xml(builders.application(test=True))),
    "test is false": wrong_xml("test-not-allowed", changed(" standard=", ' test="false" standard=')),
    "XÖV inside": wrong_xml(
        "content-not-served", re.sub(rb"<formular>.*</formular>", b'<fachnachricht><x:a xmlns:x="urn:x"/></fachnachricht>', VALID)
    ),
    "attachments": wrong_xml("content-not-served", changed("</inhalt>", f"</inhalt>{ATTACHMENTS}")),
    "unknown service": wrong_xml("unknown-service", as_xml(builders.application(service=SERVICE))),
    "unknown area": wrong_xml("unknown-area", as_xml(builders.application(area=AREA))),
    "no date in a field": wrong_xml("form-misfit", changed("<wert>2026-03-01<", "<wert>bald<")),
    "no route": wrong_xml("no-route", as_xml(builders.application(service=PERMIT))),
    "level too low": wrong_xml("trust-level-too-low", as_xml(builders.application(applicants=trusted(2, "bayernid"))), 403),
    "other account": wrong_xml("account-not-accepted", as_xml(builders.application(applicants=trusted(4, "mein-nuernberg"))), 403),
    # the form
    "not JSON": wrong_json("form-invalid", b"{'id': 1}"),
    "JSON cut off": wrong_json("form-invalid", VALID_JSON[:-1]),
    "JSON with more after it": wrong_json("form-invalid", VALID_JSON + b"{}"),
    "JSON empty": wrong_json("form-invalid", b""),
    "JSON not an object": wrong_json("form-invalid", b"[]"),
    "JSON not UTF-8": wrong_json("form-invalid", VALID_JSON.decode().encode("utf-16")),
    "JSON unknown field": wrong_json("form-invalid", form(colour="red")),
    "JSON surrogate in a name of a field": wrong_json("form-invalid", form(**{"\ud800": 1})),
    "JSON field missing": wrong_json("form-invalid", json.dumps({name: FORM[name] for name in FORM if name != "case_id"}).encode()),
    "JSON person and organisation": wrong_json(
        "form-invalid",
        form(applicants=[FORM["applicants"][0] | {"organisation": as_form(builders.trade_application())["applicants"][0]["organisation"]}]),
    ),
    "JSON nobody": wrong_json("form-invalid", form(applicants=[])),
    "JSON control character": wrong_json("form-invalid", with_person(family_name="Sch\u0001n")),
    "JSON no character": wrong_json("form-invalid", with_person(family_name="Sch\uffffn")),
    "JSON lone surrogate": wrong_json("form-invalid", with_person(family_name="Sch\ud800n")),
    "JSON name of a no-break space": wrong_json("form-invalid", with_person(family_name="\u00a0")),
    "JSON birth date with zone": wrong_json("form-invalid", with_person(birth_date="1990-05-17+01:00")),
    "JSON 30 February": wrong_json("form-invalid", with_person(birth_date="1990-02-30")),
    "JSON NFD": wrong_json("text-not-nfc", with_person(family_name="Scho\u0308n")),
    "JSON time without zone": wrong_json("form-invalid", form(created_at="2026-03-01T08:30:00.000")),
    "JSON time in the future": wrong_json("time-incomplete", form(created_at="2999-03-01T08:30:00.000Z")),
    **{
        f"JSON time as {text}": wrong_json("form-invalid", form(created_at=text))
        for text in (
            *("20260105", "2026", "1767594600000", "1767594600", "-1", "2026-01-05", "2026-01", "2026-W02-1", "2026-01-05T08:30Z", ""),
            *(
                "2026-01-05 08:30:00Z",
                "2026-01-05T08:30:00+0100",
                "2026-01-05T08:30:00+01",
                "2026-01-05T08:30:00,5Z",
                " 2026-01-05T08:30:00Z",
            ),
            *("2026-01-05T24:00:00Z", "2026-01-05T08:30:60Z", "2026-02-30T08:30:00Z", "2026-01-05T08:30:00+15:00", "0001-01-01T00:00:00Z"),
            *("2026-01-05T08:30:00+01:60", "2026-01-05T08:30:00-00:99"),
            *("1970-01-01T00:00:00Z", "12026-01-05T08:30:00Z", "２０２６-01-05T08:30:00Z", 20260105, 1767594600.5, True, None),
        )
    },
    **{
        f"JSON {name} as {written}": wrong_json(
            "form-invalid", form(**{name: written.format(id=FORM[name], hex=FORM[name].replace("-", ""))})
        )
        for name in ("id", "case_id")
        for written in ("{{{id}}}", "urn:uuid:{id}", "{hex}", " {id}", "1")
    },
    **{
        f"JSON {name} as {value!r}": wrong_json("form-invalid", form(**{name: value}))
        for name, value in (
            ("test", "true"),
            ("test", 1),
            ("test", 0),
            ("answers_wanted", "no"),
            ("answers_wanted", None),
            ("service", 99115005104000),
            ("service", "٩٩١١٥٠٠٥١٠٤٠٠٠"),
            ("area", "０９１６２０００"),
        )
    },
    **{
        f"JSON level as {level!r}": wrong_json(
            "form-invalid", form(applicants=[FORM["applicants"][0] | {"trust": {"level": level, "account": "bayernid"}}])
        )
        for level in ("3", 3.0, True, None)
    },
    **{
        f"JSON birth date as {text}": wrong_json("form-invalid", with_person(birth_date=text))
        for text in ("19900517", "1990-13", "0000", "1990-5-17", "١٩٩٠", "643593600", 1990)
    },
    **{
        f"JSON {name} as nil": wrong_json("id-identifies-nothing", form(**{name: "00000000-0000-0000-0000-000000000000"}))
        for name in ("id", "case_id")
    },
    "JSON test": wrong_json("test-not-allowed", form(test=True)),
    "JSON unknown service": wrong_json("unknown-service", form(service=SERVICE.code)),
    "JSON unknown area": wrong_json("unknown-area", form(area=AREA.code)),
    "JSON field that the form does not have": wrong_json("form-misfit", VALID_JSON.replace(b"F99000106", b"F99000199")),
    "JSON no route": wrong_json("no-route", form(service=PERMIT.code)),
    "JSON level too low": wrong_json(
        "trust-level-too-low", form(applicants=[FORM["applicants"][0] | {"trust": {"level": 1, "account": "bayernid"}}]), 403
    ),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_refused(refusing: Gateway, wrong: Wrong) -> None:
    """Each wrong input has its problem and leaves nothing behind."""
    response = await refusing.post(wrong.body, wrong.content_type, **wrong.headers)
    assert problem_of(response) == (wrong.status, wrong.code)
    assert (await builders.waiting(refusing.box))[:1] == []


async def six_megabytes() -> AsyncIterator[bytes]:
    """A body whose length nobody tells beforehand."""
    for _ in range(6):
        yield b"x" * 1_000_000


@pytest.mark.parametrize("body", [lambda: b"x" * 6_000_000, six_megabytes], ids=["length told", "in chunks"])
async def test_too_large(refusing: Gateway, body: Callable[[], bytes | AsyncIterator[bytes]]) -> None:
    """The limit is the same, whether the length is told or not."""
    assert problem_of(await refusing.post(body())) == (413, "message-too-large")
    assert (await builders.waiting(refusing.box))[:1] == []


async def test_challenge(refusing: Gateway) -> None:
    """An unknown caller is told how to authenticate (RFC 9110)."""
    response = await refusing.post(VALID, portal=None)
    assert (problem_of(response), response.headers["WWW-Authenticate"]) == ((401, "unauthenticated"), "Bearer")


async def test_hints_name_what_would_do(refusing: Gateway) -> None:
    """A refusal names the place in the message, and what is expected there."""
    problem = (await refusing.post(WRONG["other reader"].body)).json()
    assert (problem["detail"], problem["where"]) == (
        "expected ags:09162000",
        "/e:einreichung.antrag.0100/nachrichtenkopf.g2g/leser/kennung",
    )
    assert "level 3 (substanziell) by bayernid" in (await refusing.post(WRONG["level too low"].body)).json()["detail"]
    problem = (await refusing.post(WRONG["JSON name of a no-break space"].body, JSON)).json()
    assert problem["where"] == "/applicants/0/person/family_name"


# --- what is taken


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
    assert (await bus.post(form(created_at=sent), JSON)).status_code == 202
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
    assert (pending.office, pending.case_id) == (office, application.case_id)
    if body is as_xml:
        assert pending.content == as_xml(application)


@pytest.mark.parametrize(("coding", "status"), [("", 202), ("identity", 202), ("Identity", 202), ("GZIP", 415), ("identity, br", 415)])
async def test_content_codings(bus: Gateway, coding: str, status: int) -> None:
    """A body as it is passes, however that is written (RFC 9110, 8.4.1: capitals do not count); anything compressed does not."""
    assert (await bus.post(as_json(builders.application()), JSON, Content_Encoding=coding)).status_code == status


async def test_area_as_ags(bus: Gateway) -> None:
    """The eight digits of the AGS lead to the same office."""
    assert (await bus.post(form(area="09162000"), JSON)).json()["office"] == "muenchen.meldewesen"


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
        "bus_case": str(application.case_id),
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


# --- genuine XÖV messages

AUTHOR = b"kop:09564000"
CASE = "8e4d2f60-15b9-4c3e-8a71-000000000020"
BESIDE = {"Stadtbus-Service": "99012008000000", "Stadtbus-Area": "095640000000", "Stadtbus-Trust": "3; bayernid"}


def genuine() -> tuple[UUID, bytes]:
    """A building application of the test portal with blanks, line ends and a comment that no writer of ours would put there."""
    permit = builders.permit()
    body = permit.body.replace(AUTHOR, PORTALS["portal"].authority.encode()).replace(b"><", b">\r\n\t<!-- x --><")
    return permit.message_id, body


async def test_genuine_message_is_taken_unchanged(building: Gateway) -> None:
    """The outbox holds the bytes that the portal sent (by hash), under the message's id, routed by what the portal says beside it."""
    message_id, body = genuine()
    case_id = uuid4()
    response = await building.post(body, **BESIDE, **{"Stadtbus-Case": str(case_id)})
    assert (response.status_code, response.json()["id"], response.json()["office"]) == (202, str(message_id), "nuernberg.bau")
    (pending,) = [one for one in await builders.waiting(building.box) if one.headers[Header.MESSAGE_ID] == str(message_id)]
    assert hashlib.sha512(pending.content).hexdigest() == hashlib.sha512(body).hexdigest()
    assert pending.case_id == case_id
    told = {name: pending.headers[name] for name in (Header.TYPE, Header.DATASCHEMA, Header.SERVICE, Header.TRUST, Header.TIME)}
    assert told == {
        Header.TYPE: permits.ROOT,
        Header.DATASCHEMA: permits.NAMESPACE,
        Header.SERVICE: "99012008000000",
        Header.TRUST: "3",
        Header.TIME: "2026-03-01T08:30:00.000+00:00",
    }


async def test_genuine_message_without_a_case_or_zone(building: Gateway) -> None:
    """Without a case the message is one; a time without zone is not guessed, and the time of acceptance stands for it."""
    message_id, body = genuine()
    assert (await building.post(body.replace(b"+00:00</erst", b"</erst"), **BESIDE)).status_code == 202
    (pending,) = [one for one in await builders.waiting(building.box) if one.headers[Header.MESSAGE_ID] == str(message_id)]
    assert pending.case_id == message_id
    assert pending.headers[Header.TIME] == pending.headers[Header.ACCEPTED_AT]


async def test_genuine_message_again(building: Gateway) -> None:
    """The same bytes have one effect; other bytes under the same id are refused (S050)."""
    _, body = genuine()
    first, again, other = [await building.post(sent, **BESIDE) for sent in (body, body, body.replace(b"Wintergarten", b"Balkon"))]
    assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())
    assert problem_of(other) == (409, "id-conflict")


@pytest.mark.parametrize(
    ("old", "new", "beside", "status", "code"),
    [
        pytest.param(b"", b"", {"Stadtbus-Service": None}, 422, "call-incomplete", id="no service"),
        pytest.param(b"", b"", {"Stadtbus-Area": None}, 422, "call-incomplete", id="no area"),
        pytest.param(b"", b"", {"Stadtbus-Trust": None}, 422, "call-incomplete", id="no trust"),
        pytest.param(b"", b"", {"Stadtbus-Trust": "high"}, 422, "call-incomplete", id="odd trust"),
        pytest.param(b"", b"", {"Stadtbus-Case": "1"}, 422, "call-incomplete", id="odd case"),
        *(
            pytest.param(b"", b"", {"Stadtbus-Case": text}, 422, "call-incomplete", id=f"case as {text}")
            for text in (f"{{{CASE}}}", f"urn:uuid:{CASE}", CASE.replace("-", ""), "")
        ),
        pytest.param(b"", b"", {"Stadtbus-Case": str(UUID(int=0))}, 422, "id-identifies-nothing", id="nil as case"),
        pytest.param(b"", b"", {"Stadtbus-Case": "F" * 8 + "-FFFF-FFFF-FFFF-" + "F" * 12}, 422, "id-identifies-nothing", id="max as case"),
        pytest.param(b"", b"", {"Stadtbus-Trust": "1; bayernid"}, 403, "trust-level-too-low", id="trust too low"),
        pytest.param(b"", b"", {"Stadtbus-Service": "99000000000000"}, 422, "unknown-service", id="unknown service"),
        pytest.param(b"", b"", {"Stadtbus-Area": "091620000000"}, 422, "no-route", id="other city"),
        pytest.param(b"", b"", {"Stadtbus-Service": "99115005104000"}, 422, "reader-mismatch", id="service of another office"),
        pytest.param(b"bab:09564000", b"bab:09162000", {}, 422, "reader-mismatch", id="other reader"),
        pytest.param(b"kop:00000001", b"kop:00000002", {}, 403, "author-mismatch", id="other author"),
        pytest.param(b"xbau/2/6", b"xbau/2/7", {}, 422, "unknown-version", id="other version"),
        pytest.param(b"http://www.xleitstelle.de/xbau/2/6", b"urn:y", {}, 422, "unknown-message", id="unknown namespace"),
        pytest.param(b"http://www.xleitstelle.de/xbau/2/6", b"urn:x", {}, 422, "content-not-served", id="namespace of no office"),
        pytest.param(b" standard=", b' test="false" standard=', {}, 422, "test-not-allowed", id="test"),
    ],
)
async def test_genuine_message_refused(
    building: Gateway, old: bytes, new: bytes, beside: dict[str, str | None], status: int, code: str
) -> None:
    """A genuine message that goes nowhere, or not there, has its problem and leaves nothing behind."""
    message_id, body = genuine()
    headers = {name: value for name, value in (BESIDE | beside).items() if value is not None}
    assert problem_of(await building.post(body.replace(old, new), **headers)) == (status, code)
    assert [one for one in await builders.waiting(building.box) if one.headers[Header.MESSAGE_ID] == str(message_id)] == []


@pytest.mark.parametrize("trust", ["1; bayernid", "4; unknown"])
async def test_login_that_does_not_do_is_named_where_the_portal_said_it(building: Gateway, trust: str) -> None:
    """The login of a genuine message stands in the call, so the refusal names that header and no element that the message has not."""
    response = await building.post(genuine()[1], **BESIDE | {"Stadtbus-Trust": trust})
    assert (response.status_code, response.json()["where"]) == (403, "Stadtbus-Trust")


@pytest.mark.parametrize("name", [*BESIDE, "Stadtbus-Case"])
async def test_what_is_said_twice_is_not_guessed(building: Gateway, name: str) -> None:
    """Of a header that stands in a call twice none is chosen; the answer names it."""
    _, body = genuine()
    response = await building.post(body, **BESIDE | {"Stadtbus-Case": CASE, name.lower(): "another"})
    assert (problem_of(response), response.json()["where"]) == ((422, "call-incomplete"), name)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"nachrichtenkopf.g2g", b"kopf"),
        (b"nachrichtenkopf.g2g>", b"xbau:nachrichtenkopf.g2g>"),
        (b"<nachrichtenkopf.g2g>", b'<nachrichtenkopf.g2g xmlns="urn:a">'),
    ],
)
async def test_genuine_message_whose_header_cannot_be_read(building: Gateway, old: bytes, new: bytes) -> None:
    """Of XBau a header is wanted: a portal cannot pass the checks of author, reader and UUID by writing it in another way."""
    _, body = genuine()
    for sent in (body, body.replace(b"kop:00000001", b"kop:00000002"), body.replace(b"bab:09564000", b"bab:09162000")):
        assert problem_of(await building.post(sent.replace(old, new), **BESIDE)) == (422, "header-not-read")
    assert problem_of(await building.post(b'<x:kaffee xmlns:x="http://www.xleitstelle.de/xbau/2/6"/>', **BESIDE)) == (
        422,
        "header-not-read",
    )


async def test_warnings_travel_with_the_answer(building: Gateway) -> None:
    """What was not checked stands in receipt, status, repeat and log, by code and sentence; a message of ours has no warning."""
    message_id, body = genuine()
    with capture_logs() as logs:
        receipt = (await building.post(body.replace(b"+00:00</erst", b"</erst"), **BESIDE)).json()
        again = (await building.post(body.replace(b"+00:00</erst", b"</erst"), **BESIDE)).json()
    assert [(one["code"], one["severity"]) for one in receipt["warnings"]] == [
        ("schema-not-checked", "warning"),
        ("time-incomplete", "warning"),
    ]
    assert all(one["detail"] and one["hint"] for one in receipt["warnings"])
    assert (again, (await building.call("GET", receipt["status_url"])).json()["warnings"]) == (receipt, receipt["warnings"])
    assert [line for line in logs if line["event"] == "accepted_with_warnings"] == [
        {
            "event": "accepted_with_warnings",
            "submission": str(message_id),
            "office": "nuernberg.bau",
            "codes": ["schema-not-checked", "time-incomplete"],
            "log_level": "info",
        }
    ]
    assert (await building.post(as_xml(builders.application()))).json()["warnings"] == []


# --- amendments and withdrawals


def later(kind: type[Amendment | Withdrawal], **changes: Any) -> Amendment | Withdrawal:
    """An amendment or withdrawal of a trade registration."""
    first = builders.trade_application(**changes)
    shared = {name: getattr(first, name) for name in Withdrawal.model_fields if hasattr(first, name) and name != "reference"}
    own = {"content": first.content} if kind is Amendment else {"reason": "mistake"}
    return kind(**shared | own | {"reference": MessageReference(message_id=uuid4())})


IN_MUNICH = {
    "reader": Authority(key="ags:09162000", name="Gewerbeamt"),
    "area": Code(code="091620000000", list_uri=AREA_LIST_ARS, list_version="3"),
}


@pytest.mark.parametrize(("body", "content_type"), [(as_xml, XML), (as_json, JSON)])
@pytest.mark.parametrize("kind", [Amendment, Withdrawal])
async def test_later_messages_go_where_they_are_taken(
    bus: Gateway, kind: type[Amendment | Withdrawal], body: Callable[[Filing], bytes], content_type: str
) -> None:
    """An office that takes amendments and withdrawals gets them like applications, also from forms; for another they are no content."""
    sent = later(kind, **IN_MUNICH)
    taken = await bus.post(body(sent), content_type)
    assert (taken.status_code, taken.json()["office"]) == (202, "muenchen.gewerbe")
    (pending,) = await builders.waiting(bus.box)
    assert pending.headers[Header.TYPE] == message.NAMES[kind]
    arrived = message.read(xml.parse(pending.content))
    assert isinstance(arrived, kind)
    told = ("message_id", "created_at", "case_id", "applicants", "reference", "reason" if kind is Withdrawal else "content")
    assert [getattr(arrived, name) for name in told] == [getattr(sent, name) for name in told]
    refused = await bus.post(body(later(kind)), content_type)
    assert problem_of(refused) == (422, "content-not-served")
    assert refused.json()["detail"] == f"augsburg.gewerbe takes: {'application' if content_type == JSON else message.APPLICATION}"


async def test_answers_are_not_for_portals_to_send(refusing: Gateway) -> None:
    """A receipt is valid, and still nothing that a portal sends."""
    receipt = family.SAMPLES[message.RECEIPT]
    assert problem_of(await refusing.post(receipt)) == (422, "unknown-message")


# --- the same again


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
    ("body", "other", "content_type", "portal"),
    [
        pytest.param(VALID, changed("Schön", "Schon"), XML, "portal", id="message with other content"),
        pytest.param(VALID, changed("?>", "?> "), XML, "portal", id="message with other bytes"),
        pytest.param(VALID_JSON, with_person(family_name="Schon"), JSON, "portal", id="form with other content"),
        pytest.param(VALID, VALID, XML, "other", id="message from another portal"),
        pytest.param(VALID_JSON, VALID_JSON, JSON, "other", id="form from another portal"),
    ],
)
async def test_id_of_something_else(bus: Gateway, body: bytes, other: bytes, content_type: str, portal: str) -> None:
    """An id cannot be used for anything else, nor by anybody else; what was taken stays as it was."""
    await bus.post(body, content_type)
    before = (await builders.waiting(bus.box))[:2]
    assert problem_of(await bus.post(other, content_type, portal=portal)) == (409, "id-conflict")
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
    assert (problem_of(response), response.headers["Retry-After"]) == ((503, "intake-full"), "30")
    assert (await narrow.post(VALID)).status_code == 202
    assert len((await builders.waiting(narrow.box))[:2]) == 1


# --- asking


async def test_status_of_own_submission(bus: Gateway) -> None:
    """A portal reads what became of its submission."""
    receipt = (await bus.post(VALID)).json()
    response = await bus.call("GET", receipt["status_url"])
    assert response.status_code == 200
    assert response.json() == receipt | {
        "final": False,
        "awaiting": "delivery",
        "steps": [{"state": "submitted", "at": receipt["accepted_at"], "reference": None, "reason": None, "next_try_at": None}],
    }


@pytest.mark.parametrize(
    ("path", "portal", "status", "code"),
    [
        pytest.param("{own}", "other", 404, "submission-not-found", id="foreign"),
        pytest.param(str(uuid4()), "portal", 404, "submission-not-found", id="unknown"),
        pytest.param("1", "portal", 404, "submission-not-found", id="malformed"),
        pytest.param("%ff%00", "portal", 404, "submission-not-found", id="binary"),
        pytest.param("{own}", None, 401, "unauthenticated", id="nobody"),
    ],
)
async def test_status_of_nothing(bus: Gateway, path: str, portal: str | None, status: int, code: str) -> None:
    """Submissions of others look like those that do not exist."""
    own = (await bus.post(VALID)).json()["id"]
    assert problem_of(await bus.call("GET", "/v1/submissions/" + path.format(own=own), portal=portal)) == (status, code)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v2", 404), ("GET", "/v1/submissions", 405), ("DELETE", "/openapi.json", 405)]
)
async def test_no_such_page(refusing: Gateway, method: str, path: str, status: int) -> None:
    """Wrong addresses and methods are problems too; a wrong method learns the right ones (RFC 9110)."""
    response = await refusing.call(method, path)
    assert problem_of(response) == (status, "method-not-allowed" if status == 405 else "no-such-page")
    assert ("Allow" in response.headers) == (status == 405)


# --- personal data


def private_application() -> Application:
    """An application in which everything about the person is a canary."""
    address = builders.ADDRESS.model_copy(update={"street": CANARY, "city": CANARY, "addition": CANARY})
    form = builders.application().form
    fields = tuple(FormField(id=one.id, values=(CANARY,)) if one.id == "F99000102" else one for one in form.fields)
    return builders.application(
        applicants=(builders.person(CANARY, CANARY, birth_name=CANARY, address=address),),
        reader=Authority(key="ags:09162000", name=CANARY),
        content=form.model_copy(update={"fields": fields}),
    )


@pytest.mark.parametrize(("body", "content_type"), [(as_xml, XML), (as_json, JSON)])
async def test_accepted_submission_tells_nothing(
    bus: Gateway,
    body: Callable[[Application], bytes],
    content_type: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Personal data is in the content and nowhere else: not in headers, key, codes, answers or logs."""
    with capture_logs() as logs:
        receipt = await bus.post(body(private_application()), content_type)
        status = await bus.call("GET", receipt.json()["status_url"])
    (pending,) = (await builders.waiting(bus.box))[:2]
    assert pending.headers.keys() == set(Header) - {Header.TEST, Header.TRACEPARENT}
    assert CANARY.encode() in pending.content
    told = [
        pending.headers,
        pending.case_id,
        pending.office,
        receipt.headers,
        receipt.text,
        status.text,
        logs,
        caplog.text,
        capfd.readouterr(),
    ]
    assert [place for place in told if CANARY in str(place)] == []


PRIVATE = as_xml(private_application())
PRIVATE_JSON = as_json(private_application())


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(changed(CANARY, CANARY * 30, PRIVATE), XML, id="too long"),
        pytest.param(changed(CANARY, f"{CANARY}\u0001", PRIVATE), XML, id="control character"),
        pytest.param(changed(CANARY, f"{CANARY}o\u0308", PRIVATE), XML, id="NFD"),
        pytest.param(changed("1990-05-17", CANARY, PRIVATE), XML, id="birth date"),
        pytest.param(changed("ags:09162000", CANARY, PRIVATE), XML, id="reader"),
        pytest.param(changed("kop:00000001", CANARY, PRIVATE), XML, id="author"),
        pytest.param(changed("99115005104000", CANARY, PRIVATE), XML, id="service"),
        pytest.param(changed("091620000000", CANARY, PRIVATE), XML, id="area"),
        pytest.param(changed("bayernid", CANARY.lower(), PRIVATE), XML, id="account"),
        pytest.param(PRIVATE_JSON, XML, id="JSON as XML"),
        pytest.param(PRIVATE, JSON, id="XML as JSON"),
        pytest.param(changed(CANARY, CANARY * 30, PRIVATE_JSON), JSON, id="JSON too long"),
        pytest.param(changed(CANARY, f"{CANARY}\\u0001", PRIVATE_JSON), JSON, id="JSON control character"),
        pytest.param(changed(CANARY, f"{CANARY}\\ud800", PRIVATE_JSON), JSON, id="JSON surrogate"),
        pytest.param(changed("1990-05-17", CANARY, PRIVATE_JSON), JSON, id="JSON birth date"),
        pytest.param(changed("091620000000", CANARY, PRIVATE_JSON), JSON, id="JSON area"),
        pytest.param(changed('"level": 3', f'"level": "{CANARY}"', PRIVATE_JSON), JSON, id="JSON level"),
    ],
)
async def test_refusal_tells_nothing(refusing: Gateway, body: bytes, content_type: str, caplog: pytest.LogCaptureFixture) -> None:
    """No value of a refused message is in the problem or in the logs."""
    with capture_logs() as logs:
        response = await refusing.post(body, content_type)
    problem_of(response)
    assert [place for place in (response.text, logs, caplog.text) if CANARY.lower() in str(place).lower()] == []


@pytest.mark.parametrize(
    ("error", "status", "code", "event"),
    [
        pytest.param(RuntimeError(CANARY), 500, "internal-error", "internal_error", id="a mistake of ours"),
        pytest.param(sa.exc.OperationalError(CANARY, {}, Exception(CANARY)), 503, "store-unreachable", "store_failed", id="database"),
    ],
)
async def test_what_nobody_expected(
    bus: Gateway, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str, event: str
) -> None:
    """An exception is answered with a problem and logged by its class; its text goes nowhere."""

    async def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(bus.box, "accept", fail)
    with capture_logs() as logs:
        response = await bus.post(VALID)
    assert problem_of(response) == (status, code)
    assert [(line["event"], line["error"]) for line in logs] == [(event, type(error).__name__)]
    assert CANARY not in f"{response.text} {logs}"
