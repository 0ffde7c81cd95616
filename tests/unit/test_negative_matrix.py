"""Messages that are wrong in one way each, derived from a valid one: the same code from the command line and from the gateway."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from schemas import message
from stadtbus.cli import app
from tests import builders
from tests.gateway import Gateway, opened

APPLICATION = builders.application()
VALID = message.write(APPLICATION)


class Wrong(NamedTuple):
    """A message and the code that it has to get, with that of the XÖV lists."""

    code: str
    xoev: str
    body: bytes


def changed(old: str, new: str, *, count: int = 1) -> bytes:
    """The valid message with something in another place."""
    text = VALID.decode()
    assert old in text
    return text.replace(old, new, count).encode()


MATRIX = {
    "namespace version bumped": Wrong("unknown-version", "V000", changed("einreichung/1.0", "einreichung/2.0")),
    "namespace unknown": Wrong("unknown-message", "V001", changed(message.NAMESPACE, "urn:somebody-else")),
    "version attribute bumped": Wrong("unknown-version", "V000", changed('version="1.0"', 'version="1.1"')),
    "root suffix wrong": Wrong("unknown-message", "V001", changed(message.APPLICATION, "einreichung.antrag.0999", count=-1)),
    "type code wrong": Wrong("message-type-mismatch", "V001", changed("<code>0100</code>", "<code>0110</code>")),
    "type name wrong": Wrong("message-type-mismatch", "V001", changed(f"<name>{message.APPLICATION}</name>", "<name>einreichung.x.0100</name>")),
    "listVersionID removed": Wrong("not-schema-valid", "X001", changed(f'{message.SERVICE_LIST}" listVersionID="3"', f'{message.SERVICE_LIST}"')),
    "list unknown": Wrong("code-list-unknown", "X010", changed(message.SERVICE_LIST, "urn:de:fim:leika:other")),
    "service unknown": Wrong("unknown-service", "X011", changed("99115005104000", "99123456760610")),
    "area unknown": Wrong("unknown-area", "X011", changed("091620000000", "091620000001")),
    "directory unknown": Wrong("code-unknown", "X011", changed("<code>DVDV</code>", "<code>FAX</code>")),
    "text in NFD": Wrong("text-not-nfc", "S999", unicodedata.normalize("NFD", VALID.decode()).encode()),
    "en dash in a name": Wrong("character-not-allowed", "S999", changed("<name>Schön</name>", "<name>Schön\u2013Huber</name>")),
    "digit in a name": Wrong("character-not-allowed", "S999", changed("<name>Schön</name>", "<name>Schön 2</name>")),
    "truncated": Wrong("not-well-formed", "X000", VALID[: len(VALID) // 2]),
    "two roots": Wrong("not-well-formed", "X000", VALID + b"<x/>"),
    "ISO-8859-1 under a UTF-8 declaration": Wrong("encoding-not-allowed", "S001", VALID.decode().encode("iso-8859-1", "replace")),
    "declared as ISO-8859-1": Wrong("encoding-not-allowed", "S001", VALID.replace(b"UTF-8", b"ISO-8859-1")),
    "empty name": Wrong("empty-text", "S030", changed("<name>Schön</name>", "<name></name>")),
    "empty kennung": Wrong("empty-text", "S030", changed("<kennung>ags:09162000</kennung>", "<kennung/>")),
    "empty attribute": Wrong("empty-text", "S030", changed('produkt="Stadtbus"', 'produkt=""')),
    "time without zone": Wrong("time-incomplete", "S999", changed("+00:00</erstellungszeitpunkt>", "</erstellungszeitpunkt>")),
    "time without milliseconds": Wrong("time-incomplete", "S999", changed(".000+00:00</erstellungszeitpunkt>", "+00:00</erstellungszeitpunkt>")),
    "time in the future": Wrong("time-incomplete", "S999", changed("<erstellungszeitpunkt>2026", "<erstellungszeitpunkt>2999")),
    "DOCTYPE": Wrong("doctype-forbidden", "X000", changed("<e:einreichung", "<!DOCTYPE a><e:einreichung")),
    "default namespace on the root": Wrong("not-schema-valid", "X001", changed("xmlns:e=", 'xmlns="urn:x" xmlns:e=')),
    "test flag, even false": Wrong("test-not-allowed", "S102", changed(' version="1.0"', ' test="false" version="1.0"')),
    "reader of another city": Wrong("reader-mismatch", "T080", changed("ags:09162000", "ags:09564000")),
    "author without a known prefix": Wrong("authority-key-unknown", "S091", changed("<kennung>kop:", "<kennung>xxx:")),
    "element nobody knows": Wrong("not-schema-valid", "X001", changed("<rueckkanalVorhanden>", "<neu>x</neu><rueckkanalVorhanden>")),
    "30 February": Wrong("not-schema-valid", "X001", changed("1990-05-17", "1990-02-30")),
    "date in words": Wrong("form-misfit", "S999", changed("<wert>2026-03-01</wert>", "<wert>bald</wert>")),
    "field that the form does not have": Wrong("form-misfit", "S999", changed('id="F99000106"', 'id="F99000199"')),
    "required field missing": Wrong("form-misfit", "S999", changed("<wert>80331</wert>", "<wert></wert>")),
    "form of another service": Wrong("form-misfit", "S999", changed("forms/wohnsitz-anmelden/1.0", "forms/gewerbe-anmelden/1.0")),
    "case id that is none": Wrong("not-schema-valid", "X001", changed("<antragsidentifikation>", "<antragsidentifikation>x")),
    "nil UUID as case": Wrong("id-identifies-nothing", "S999", changed(str(APPLICATION.case_id), "00000000-0000-0000-0000-000000000000")),
    "max UUID as case": Wrong("id-identifies-nothing", "S999", changed(str(APPLICATION.case_id), "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF")),
    "nil UUID as id": Wrong("id-identifies-nothing", "S999", changed(str(APPLICATION.message_id), "00000000-0000-0000-0000-000000000000")),
    "100,000 elements": Wrong("message-too-complex", "", changed("</e:", "<x/>" * 100_000 + "</e:")),
}  # fmt: skip


def test_the_valid_message_is_valid(told_by_command: dict[str, list[Any]]) -> None:
    """What all others are derived from has no finding, nor has it with a byte order mark."""
    assert (told_by_command["valid"], told_by_command["with a BOM"]) == ([], [])


@pytest.fixture(scope="module")
def told_by_command(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What `stadtbus validate` says of every message, in one run over a folder."""
    folder = tmp_path_factory.mktemp("matrix")
    bodies = {name: wrong.body for name, wrong in MATRIX.items()} | {"valid": VALID, "with a BOM": b"\xef\xbb\xbf" + VALID}
    paths = {name: folder / f"{number:02}.xml" for number, name in enumerate(bodies)}
    for name, body in bodies.items():
        paths[name].write_bytes(renewed(body))
    answer = json.loads(CliRunner().invoke(app, ["validate", "--json", str(folder)]).stdout)
    found = {Path(result["file"]): result["findings"] for result in answer["results"]}
    return {name: found.get(path, []) for name, path in paths.items()}


def renewed(body: bytes) -> bytes:
    """Under an id of its own, so that nothing but the change is wrong."""
    return body.replace(str(APPLICATION.message_id).encode(), str(uuid4()).encode()) if body is not VALID else body


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for all."""
    yield from opened(tmp_path_factory.mktemp("gateway"))


@pytest.mark.parametrize("name", MATRIX)
def test_from_the_command_line(told_by_command: dict[str, list[Any]], name: str) -> None:
    """`stadtbus validate` tells the code first, with a place and a hint, and no value."""
    first = next(one for one in told_by_command[name] if one["severity"] == "error")
    assert (first["code"], first.get("xoev") or "") == MATRIX[name][:2]
    assert first["hint"]
    assert "value" not in first


@pytest.mark.parametrize("name", MATRIX)
def test_from_the_gateway(bus: Gateway, name: str) -> None:
    """The gateway answers with the same code, and leaves nothing behind."""
    answer = asyncio.run(bus.post(renewed(MATRIX[name].body)))
    problem = answer.json()
    assert (problem["code"], problem.get("xoev") or "") == MATRIX[name][:2]
    assert answer.status_code in (413, 422)


def test_byte_order_mark_at_the_gateway(bus: Gateway) -> None:
    """The gateway takes a byte order mark too."""
    assert asyncio.run(bus.post(b"\xef\xbb\xbf" + message.write(builders.application()))).status_code == 202


def test_the_same_id_with_other_content(bus: Gateway, tmp_path: Path) -> None:
    """S050 from both: a corrected message needs a new UUID; the same message again is no finding."""
    (tmp_path / "1.xml").write_bytes(VALID)
    (tmp_path / "2.xml").write_bytes(changed("Schön", "Schöner"))
    (tmp_path / "3.xml").write_bytes(VALID)
    told = json.loads(CliRunner().invoke(app, ["validate", "--json", str(tmp_path)]).stdout)["results"]
    assert [(Path(one["file"]).name, one["findings"][0]["code"], one["findings"][0]["xoev"]) for one in told] == [
        ("2.xml", "id-conflict", "S050")
    ]
    answers = [asyncio.run(bus.post(body)) for body in (VALID, changed("Schön", "Schöner"), VALID)]
    assert [answer.status_code for answer in answers] == [202, 409, 202]
    assert answers[1].json()["code"] == "id-conflict"
