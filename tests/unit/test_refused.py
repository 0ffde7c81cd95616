"""What intake refuses, with which problem, and that nothing of it stays."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import NamedTuple
from uuid import uuid4

import pytest

from schemas import message
from schemas.message import (
    AREA_LIST_ARS,
    SERVICE_LIST,
    Applicant,
    Code,
    Trust,
)
from tests import builders, calls, family
from tests.calls import FORM, VALID, VALID_JSON
from tests.gateway import JSON, TOKENS, XML, Gateway, as_form, as_xml, problem_of

CREATED = "2026-03-01T08:30:00.000+00:00"
ATTACHMENTS = (
    f"<anlagen><anlage><anlagenID>{uuid4()}</anlagenID><zweck>form</zweck><dateiname>a.pdf</dateiname><mimeType>application/pdf</mimeType>"
    f"<groesseBytes>1</groesseBytes><sha512>{'0' * 128}</sha512></anlage></anlagen>"
)


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
    return wrong_xml("time-incomplete", calls.changed(CREATED, text))


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
    "DOCTYPE": wrong_xml("doctype-forbidden", calls.changed("<e:einreichung", "<!DOCTYPE a><e:einreichung")),
    "Latin-1": wrong_xml("encoding-not-allowed", VALID.decode().encode("latin-1", errors="replace")),
    "unknown root": wrong_xml("unknown-message", calls.changed("einreichung.antrag.0100", "einreichung.antrag.0101")),
    "foreign root": wrong_xml("unknown-message", b"<a/>"),
    "other version": wrong_xml("unknown-version", calls.changed("einreichung/1.0", "einreichung/2.0")),
    "default namespace": wrong_xml("not-schema-valid", calls.changed("xmlns:e=", f'xmlns="{message.NAMESPACE}" xmlns:e=')),
    "other default namespace": wrong_xml("not-schema-valid", calls.changed("xmlns:e=", 'xmlns="urn:x" xmlns:e=')),
    "field missing": wrong_xml("not-schema-valid", calls.changed("<ort>Augsburg</ort>", "")),
    "30 February": wrong_xml("not-schema-valid", calls.changed("1990-05-17", "1990-02-30")),
    "birth date with zone": wrong_xml("not-schema-valid", calls.changed("1990-05-17", "1990-05-17+01:00")),
    "name of blanks": wrong_xml("not-schema-valid", calls.changed("Schön", " \n ")),
    "name of a no-break space": wrong_xml("not-schema-valid", calls.changed("Schön", "\u00a0")),
    "other type": wrong_xml("message-type-mismatch", calls.changed("<code>0100<", "<code>0110<")),
    "other type name": wrong_xml("message-type-mismatch", calls.changed("<name>einreichung.antrag.0100<", "<name>einreichung.antrag<")),
    "time without zone": wrong_time("2026-03-01T08:30:00.000"),
    "time without milliseconds": wrong_time("2026-03-01T08:30:00Z"),
    "time of a default": wrong_time("0001-01-01T00:00:00.000Z"),
    "time of another default": wrong_time("1970-01-01T00:00:00.000Z"),
    "time in the future": wrong_time("2999-03-01T08:30:00.000Z"),
    "time that does not exist": wrong_time("2026-03-01T24:00:00.000Z"),
    "NFD": wrong_xml("text-not-nfc", calls.changed("Schön", "Scho\u0308n")),
    "NFD in an attribute": wrong_xml("text-not-nfc", calls.changed('produkt="Stadtbus"', 'produkt="Stadtbu\u0308s"')),
    "other reader": wrong_xml("reader-mismatch", calls.changed("ags:09162000", "ags:09564000")),
    "other author": wrong_xml("author-mismatch", calls.changed("kop:00000001", "kop:00000002"), 403),
    "test": wrong_xml("test-not-allowed", as_xml(builders.application(test=True))),
    "test is false": wrong_xml("test-not-allowed", calls.changed(" standard=", ' test="false" standard=')),
    "XÖV inside": wrong_xml(
        "content-not-served", re.sub(rb"<formular>.*</formular>", b'<fachnachricht><x:a xmlns:x="urn:x"/></fachnachricht>', VALID)
    ),
    "attachments": wrong_xml("content-not-served", calls.changed("</inhalt>", f"</inhalt>{ATTACHMENTS}")),
    "unknown service": wrong_xml("unknown-service", as_xml(builders.application(service=SERVICE))),
    "unknown area": wrong_xml("unknown-area", as_xml(builders.application(area=AREA))),
    "no date in a field": wrong_xml("form-misfit", calls.changed("<wert>2026-03-01<", "<wert>bald<")),
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
    "JSON unknown field": wrong_json("form-invalid", calls.form(colour="red")),
    "JSON surrogate in a name of a field": wrong_json("form-invalid", calls.form(**{"\ud800": 1})),
    "JSON field missing": wrong_json("form-invalid", json.dumps({name: FORM[name] for name in FORM if name != "case_id"}).encode()),
    "JSON person and organisation": wrong_json(
        "form-invalid",
        calls.form(
            applicants=[FORM["applicants"][0] | {"organisation": as_form(builders.trade_application())["applicants"][0]["organisation"]}]
        ),
    ),
    "JSON nobody": wrong_json("form-invalid", calls.form(applicants=[])),
    "JSON control character": wrong_json("form-invalid", calls.with_person(family_name="Sch\u0001n")),
    "JSON no character": wrong_json("form-invalid", calls.with_person(family_name="Sch\uffffn")),
    "JSON lone surrogate": wrong_json("form-invalid", calls.with_person(family_name="Sch\ud800n")),
    "JSON name of a no-break space": wrong_json("form-invalid", calls.with_person(family_name="\u00a0")),
    "JSON birth date with zone": wrong_json("form-invalid", calls.with_person(birth_date="1990-05-17+01:00")),
    "JSON 30 February": wrong_json("form-invalid", calls.with_person(birth_date="1990-02-30")),
    "JSON NFD": wrong_json("text-not-nfc", calls.with_person(family_name="Scho\u0308n")),
    "JSON time without zone": wrong_json("form-invalid", calls.form(created_at="2026-03-01T08:30:00.000")),
    "JSON time in the future": wrong_json("time-incomplete", calls.form(created_at="2999-03-01T08:30:00.000Z")),
    **{
        f"JSON time as {text}": wrong_json("form-invalid", calls.form(created_at=text))
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
            "form-invalid", calls.form(**{name: written.format(id=FORM[name], hex=FORM[name].replace("-", ""))})
        )
        for name in ("id", "case_id")
        for written in ("{{{id}}}", "urn:uuid:{id}", "{hex}", " {id}", "1")
    },
    **{
        f"JSON {name} as {value!r}": wrong_json("form-invalid", calls.form(**{name: value}))
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
            "form-invalid", calls.form(applicants=[FORM["applicants"][0] | {"trust": {"level": level, "account": "bayernid"}}])
        )
        for level in ("3", 3.0, True, None)
    },
    **{
        f"JSON birth date as {text}": wrong_json("form-invalid", calls.with_person(birth_date=text))
        for text in ("19900517", "1990-13", "0000", "1990-5-17", "١٩٩٠", "643593600", 1990)
    },
    **{
        f"JSON {name} as nil": wrong_json("id-identifies-nothing", calls.form(**{name: "00000000-0000-0000-0000-000000000000"}))
        for name in ("id", "case_id")
    },
    "JSON test": wrong_json("test-not-allowed", calls.form(test=True)),
    "JSON unknown service": wrong_json("unknown-service", calls.form(service=SERVICE.code)),
    "JSON unknown area": wrong_json("unknown-area", calls.form(area=AREA.code)),
    "JSON field that the form does not have": wrong_json("form-misfit", VALID_JSON.replace(b"F99000106", b"F99000199")),
    "JSON no route": wrong_json("no-route", calls.form(service=PERMIT.code)),
    "JSON level too low": wrong_json(
        "trust-level-too-low", calls.form(applicants=[FORM["applicants"][0] | {"trust": {"level": 1, "account": "bayernid"}}]), 403
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


async def test_answers_are_not_for_portals_to_send(refusing: Gateway) -> None:
    """A receipt is valid, and still nothing that a portal sends."""
    receipt = family.SAMPLES[message.RECEIPT]
    assert problem_of(await refusing.post(receipt)) == (422, "unknown-message")
