"""Names in a message are the sender's words as values are: those of elements, attributes, prefixes and namespaces leave only with the content."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from producers.outbox import tables
from producers.outbox.record import record_of
from producers.portals.register import Register
from producers.synthetic import permits
from producers.synthetic.rights import write_page
from schemas import catalogue, headers
from schemas.errors import UsageError
from schemas.examination import schema_table
from schemas.findings import in_known_names
from schemas.headers import FORMS, Header
from tests import builders, calls, operator_schemas
from tests.gateway import PORTALS, Gateway, opened, problem_of

CANARY = "zqkanari"
BESIDE = {"Stadtbus-Service": "99012008000000", "Stadtbus-Area": "095640000000", "Stadtbus-Trust": "3; bayernid"}
ROOT = permits.ROOT.encode()
TWICE_ENCODED = "Ã¤".encode()


@pytest.fixture(params=["no schema", "roots"])
def building(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that knows XBau without its schemas; in one the operator lists root elements, one of them with a name like a canary's."""
    row: dict[str, object] = {"name": "XBau", "namespace": permits.NAMESPACE, "schema": "none"}
    if request.param == "roots":
        row["roots"] = [permits.ROOT]
    (tmp_path / schema_table.PAGE).write_text(yaml.safe_dump([row]), encoding="utf-8")
    yield from opened(tmp_path, schemas=tmp_path)


def permit(*changes: tuple[bytes, bytes]) -> bytes:
    """A building application of the test portal in which something is replaced."""
    body = builders.permit().body.replace(b"kop:09564000", PORTALS["portal"].authority.encode())
    for old, new in changes:
        assert old in body
        body = body.replace(old, new)
    return body


PREFIX = (b"xbau:", f"{CANARY}:".encode()), (b"xmlns:xbau", f"xmlns:{CANARY}".encode())
ELEMENT = (
    f'<{CANARY.capitalize()}.1980 {CANARY}="Ã¤" k:{CANARY}="Ã¤" xmlns:k="urn:{CANARY}">Ã¤</{CANARY.capitalize()}.1980></bauherr>'.encode()
)
CHANGES = {
    "prefix": PREFIX,
    "elements and attributes": ((b"</bauherr>", ELEMENT),),
    "root with a number": ((b"xbau:" + ROOT, f"xbau:{CANARY}.antrag.0200".encode()),),
    "root with a birthday": ((b"xbau:" + ROOT, f"xbau:{CANARY}Bq.Geb-1980-01-01".encode()),),
    "long root": ((b"xbau:" + ROOT, b"xbau:b" + 49_900 * b"A"),),
    "all": (*PREFIX, (b":" + ROOT, f":{CANARY}.0200".encode()), (b"</bauherr>", ELEMENT), (b"+00:00</erst", b"</erst")),
    "header renamed": ((b"nachrichtenkopf.g2g", CANARY.encode()),),
    "namespace": ((b"/xbau/2/6", f"/xbau/{CANARY}".encode()),),
    "test": ((b" standard=", b' test="x" standard='), *PREFIX),
    "target of an instruction": ((b"</bauherr>", f"<?{CANARY} {CANARY}?></bauherr>".encode()),),
    "comment": ((b"</bauherr>", f"<!--{CANARY}--></bauherr>".encode()),),
    "stylesheet": ((b"<xbau:" + ROOT, f'<?xml-stylesheet href="{CANARY}.xsl"?><xbau:'.encode() + ROOT),),
    "attributes of a schema": (
        (
            b" standard=",
            f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="{CANARY} {CANARY}" standard='.encode(),
        ),
    ),
    "address of a namespace inside": ((b"</bauherr>", f'<a xmlns="urn:{CANARY}"/></bauherr>'.encode()),),
    "language": ((b" standard=", f' xml:lang="{CANARY}" xml:id="{CANARY}" standard='.encode()),),
    "broken inside": ((b"</bauherr>", f"<{CANARY}></bauherr>".encode()),),
    "entity": ((b"</bauherr>", f"&{CANARY};</bauherr>".encode()),),
    "unknown prefix": ((b"</bauherr>", f"<{CANARY}:a/></bauherr>".encode()),),
    "attribute twice": ((b"</bauherr>", f'<a {CANARY}="1" {CANARY}="2"/></bauherr>'.encode()),),
    "part of the header renamed": ((b"nachrichtenUUID", CANARY.encode()),),
}


INSIDE = {"prefix", "elements and attributes", "comment", "attributes of a schema", "address of a namespace inside", "language"}
TAKEN = {"no schema": INSIDE | {"root with a number", "all"}, "roots": INSIDE}


@pytest.mark.parametrize("name", CHANGES)
async def test_names_stay_in_the_content(
    building: Gateway, name: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether the message is taken or refused: not in header, key, topic, answer, log, metric or another column of the outbox."""
    with capture_logs() as logs:
        response = await building.post(permit(*CHANGES[name]), **BESIDE)
    assert (response.status_code == 202) == (name in TAKEN[request.node.callspec.params["building"]])
    records = [record_of(one) for one in await builders.waiting(building.box)]
    assert len(records) == (response.status_code == 202)
    assert all(headers.misfit({Header(name): (value or b"").decode() for name, value in one.headers}) is None for one in records)
    places = [(one.topic, one.key, one.headers) for one in records]
    told = f"{response.headers} {response.text} {places} {logs} {caplog.text} {generate_latest()!r} {columns(building)}".lower()
    assert CANARY not in told
    assert "a" * 20 not in told  # fewer of them stand in one of some thousand random ids


def columns(bus: Gateway) -> list[object]:
    """All columns of the outbox but the content."""
    wanted = [column for column in tables.submission.c if column.name != "content"]
    return list(bus.box.store.read_now(lambda connection: connection.execute(sa.select(*wanted)).all()))


async def test_what_says_no_message_is_refused(building: Gateway) -> None:
    """A root element that neither a number nor the row names has a code and a hint, and nothing is stored."""
    for name in (b"Antrag", b"antrag.20", b"antrag.0200.x", "größe.0200".encode(), b"b" + 300 * b"A" + b".0200"):
        response = await building.post(permit((b"xbau:" + ROOT, b"xbau:" + name), (ROOT + b"</name>", name + b"</name>")), **BESIDE)
        assert problem_of(response) == (422, "name-not-carried")
    assert await builders.waiting(building.box) == []


async def test_a_record_says_which_message_it_is(building: Gateway) -> None:
    """By the name that the row has; where it has none by its number, which together with the namespace is one message of the standard."""
    assert (await building.post(permit(), **BESIDE)).status_code == 202
    (pending,) = await builders.waiting(building.box)
    said = pending.headers[Header.TYPE], pending.headers[Header.DATASCHEMA]
    assert said in {("0200", permits.NAMESPACE), (permits.ROOT, permits.NAMESPACE)}


def test_schemas_say_which_names_there_are(tmp_path: Path) -> None:
    """Elements, attributes and prefixes that the files declare may be told, those of an imported one too; so may the root's name."""
    folder = operator_schemas.write_folder(tmp_path)
    row = schema_table.load(folder).row_for(operator_schemas.of(operator_schemas.NAMESPACE), operator_schemas.TODAY)
    assert {"probe.antrag.0100", "wert", "id", "p"} <= row.names
    assert in_known_names("/p:probe.antrag.0100/q:wert[2]/x/y[3]/@id", row.names) == "/p:probe.antrag.0100/wert[2]/*/*/@id"
    assert in_known_names("/p:probe.antrag.0100/@{urn:/x}id", row.names) == "/p:probe.antrag.0100/@*"
    assert row.type_of(operator_schemas.of(operator_schemas.NAMESPACE)) == "probe.antrag.0100"


async def test_own_messages_too(bus: Gateway) -> None:
    """Elements, attributes and prefixes that our schema does not have are not told back."""
    for old, new in (
        ("<leistung ", f"<{CANARY}/><leistung "),
        ("<leistung ", f'<leistung {CANARY}="1" '),
        ("e:einreichung.antrag.0100", f"e:{CANARY}.0100"),
        ("xmlns:e=", f'{CANARY}="1" xmlns:e='),
        ("nachrichtenkopf.g2g", CANARY),
    ):
        response = await bus.post(calls.changed(old, new))
        assert problem_of(response)[0] == 422
        assert CANARY not in response.text


@pytest.mark.parametrize("header", Header)
def test_each_header_has_an_alphabet_and_a_length(header: Header) -> None:
    """Every name of the list has a form, which takes no blank, no line end, nothing beyond ASCII, and nothing long."""
    assert FORMS.keys() == set(Header)
    for text in ("", " ", "a b", "ä", "ä" * 20, "99012008000000\n", "a" * 251, "0" * 251, "-" * 251, "." * 251):
        assert not headers.fits(header, text)
    assert re.search(r"(?<![\\\[+._:-])[*+]|,\}", FORMS[header]) is None


@pytest.mark.parametrize("portal", ["ein portal", "Straße", "p" * 101, "-p", "p\n"])
def test_ids_of_portals(portal: str, tmp_path: Path) -> None:
    """A portal whose id would not fit the headers is refused at start, with the page to rename."""
    write_page(tmp_path, portal, PORTALS["portal"])
    with pytest.raises(UsageError) as told:
        Register(tmp_path, catalogue.load())
    assert "expected the id of a portal" in told.value.detail
    assert f"{portal}.yaml, line 1" in (told.value.where or "")
