"""Genuine XÖV messages: taken as they are, by what the portal declares beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
import yaml
from structlog.testing import capture_logs

from producers.synthetic import permits
from schemas.examination import schema_table
from schemas.headers import Header
from tests import builders, outboxes
from tests.gateway import PORTALS, Gateway, as_xml, opened, problem_of

AUTHOR = b"kop:09564000"
CASE = "8e4d2f60-15b9-4c3e-8a71-000000000020"
BESIDE = {"Stadtbus-Service": "99012008000000", "Stadtbus-Area": "095640000000", "Stadtbus-Trust": "3; bayernid"}


@pytest.fixture(scope="module")
def building(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that knows XBau, without its schemas, and a standard whose header nobody reads."""
    folder = tmp_path_factory.mktemp("building")
    rows = [
        {"name": "XBau", "namespace": permits.NAMESPACE, "schema": "none"},
        {"name": "X", "namespace": "urn:x", "schema": "none", "header": "optional"},
    ]
    (folder / schema_table.PAGE).write_text(yaml.safe_dump(rows), encoding="utf-8")
    yield from opened(folder, schemas=folder)


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
    assert case_id in outboxes.case_ids(building.box)
    told = {name: pending.headers[name] for name in (Header.TYPE, Header.DATASCHEMA, Header.SERVICE, Header.TRUST, Header.TIME)}
    assert told == {
        Header.TYPE: permits.ROOT.rpartition(".")[2],
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
    assert message_id in outboxes.case_ids(building.box)
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
