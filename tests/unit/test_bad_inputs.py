"""Bad inputs, rows I1 to I20: each has its outcome, opens nothing, and its text is never repeated."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from schemas import catalogue, message, problems, xml
from schemas.errors import Rejected
from schemas.examination import schema_table
from schemas.examination.examine import examine
from schemas.examination.schema_table import OWN
from schemas.problems import Problem
from tests import builders, evil
from tests.gateway import JSON, XML, Gateway, as_form, opened, problem_of

ROOT = Path(__file__).parents[2]
FORM = as_form(builders.application())


def refused(row: str) -> pytest.MarkDecorator:
    """The refused inputs of a row."""
    return pytest.mark.parametrize(("body", "problem"), evil.REFUSED[row].values(), ids=evil.REFUSED[row])


def read(row: str) -> pytest.MarkDecorator:
    """The readable inputs of a row."""
    return pytest.mark.parametrize(("body", "text"), evil.READ[row].values(), ids=evil.READ[row])


def refusal(body: bytes) -> Problem:
    """What the parser says."""
    with pytest.raises(Rejected) as error:
        xml.parse(body)
    return error.value.problem


def seconds(body: bytes) -> float:
    """Processor time of a refusal."""
    began = time.process_time()
    refusal(body)
    return time.process_time() - began


@refused("I1")
def test_i1_entities_that_grow(body: bytes, problem: Problem) -> None:
    """An entity that stands for much more text than it is long is refused at once: in a few milliseconds on an idle machine."""
    assert refusal(body) == problem
    assert min(seconds(body) for _ in range(3)) < 0.05


@refused("I2")
def test_i2_external_entities(body: bytes, problem: Problem) -> None:
    """An entity that stands for a file is refused, used or not; that the file stays closed is proven below."""
    assert refusal(body) == problem


@refused("I3")
def test_i3_doctype(body: bytes, problem: Problem) -> None:
    """Any DOCTYPE is refused, harmless or not."""
    assert refusal(body) == problem


@refused("I4")
def test_i4_depth(body: bytes, problem: Problem) -> None:
    """Elements nested too deep are refused."""
    assert refusal(body) == problem


@refused("I5")
def test_i5_long_texts(body: bytes, problem: Problem) -> None:
    """More bytes than the limit are refused before anything reads them."""
    assert refusal(body) == problem
    assert seconds(body) < 0.05


def test_i5_libxml2_has_a_limit_of_its_own() -> None:
    """A text of 11 MB would be refused by the library too, if our limit were higher."""
    with pytest.raises(Rejected) as error:
        xml.parse(b"<a>" + b"x" * 11_000_000 + b"</a>", max_size_bytes=20_000_000)
    assert error.value.problem == problems.NOT_WELL_FORMED


@refused("I6")
def test_i6_many_elements(body: bytes, problem: Problem) -> None:
    """More elements than the limit are refused soon, as many of them as the bytes allow."""
    assert refusal(body) == problem
    assert seconds(body) < 1


@refused("I7")
def test_i7_many_attributes(body: bytes, problem: Problem) -> None:
    """An element with too many attributes or namespaces is refused soon."""
    assert refusal(body) == problem
    assert seconds(body) < 1


@refused("I8")
def test_i8_broken_bytes(body: bytes, problem: Problem) -> None:
    """Other bytes than declared, an end too early or too late: refused, never mended."""
    assert refusal(body) == problem


@refused("I9")
def test_i9_encodings(body: bytes, problem: Problem) -> None:
    """Only UTF-8 is read, whatever the document says of itself."""
    assert refusal(body) == problem


@read("I10")
def test_i10_text_in_pieces(body: bytes, text: str) -> None:
    """A value that a comment, an instruction or CDATA cuts in pieces is read whole."""
    assert xml.parse(body).text == text


@refused("I11")
def test_i11_no_characters(body: bytes, problem: Problem) -> None:
    """What XML does not have as a character is refused, and so is nothing at all."""
    assert refusal(body) == problem


@refused("I12")
def test_i12_compressed(body: bytes, problem: Problem) -> None:
    """An archive is no message; nothing is unpacked."""
    assert refusal(body) == problem
    assert seconds(body) < 0.05


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway for everything that is refused."""
    yield from opened(tmp_path_factory.mktemp("bus"))


async def answer(bus: Gateway, body: bytes, content_type: str = JSON, **headers: str) -> tuple[int, str]:
    """Status and code of a refusal, of which nothing stays."""
    said = problem_of(await bus.post(body, content_type, **headers))
    assert (await builders.waiting(bus.box))[:1] == []
    return said


async def test_i12_compressed_on_the_way(bus: Gateway) -> None:
    """With Content-Encoding it is refused unread (415), a bomb too; without, it is no UTF-8; endless, it is cut off at the limit (413)."""
    bomb = gzip.compress(bytes(50_000_000), mtime=0)
    assert await answer(bus, bomb, XML, Content_Encoding="gzip") == (415, "unsupported-media-type")
    assert await answer(bus, bomb, XML) == (422, "encoding-not-allowed")
    assert await answer(bus, gzip.compress(evil.VALID, mtime=0), JSON) == (422, "form-invalid")
    assert await answer(bus, bomb * 50, XML) == (413, "message-too-large")


def test_i13_schema_location(tmp_path: Path) -> None:
    """A message cannot name the schema that it is checked against."""
    (tmp_path / "own.xsd").write_text("<not-a-schema", encoding="utf-8")
    location = f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="{message.NAMESPACE} {tmp_path}/own.xsd" '
    assert OWN.findings(xml.parse(evil.VALID.replace(b"produkt=", location.encode() + b"produkt="))) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("einreichung.antrag.0100", "einreichung.antrag.0101", problems.UNKNOWN_MESSAGE),
        ("einreichung/1.0", "einreichung/2.0", problems.UNKNOWN_VERSION),
        ("<vertrauensniveau>", "<x>x</x><vertrauensniveau>", problems.NOT_VALID),
        ("<ort>Augsburg</ort>", "", problems.NOT_VALID),
        ("1990-05-17", "1990-02-30", problems.NOT_VALID),
        ("1990", "1" * 900_000, problems.NOT_VALID),
    ],
    ids=["unknown root", "wrong version", "extra element", "missing field", "30 February", "900,000 digits"],
)
def test_i14_breaches_of_the_schema(old: str, new: str, problem: Problem) -> None:
    """What breaks the XSD is refused with path and rule, and soon."""
    body, known, cities = evil.VALID.replace(old.encode(), new.encode()), schema_table.load(), catalogue.load()
    began = time.process_time()
    found = examine(body, known, cities, datetime(2026, 3, 2, tzinfo=UTC)).errors[0]
    assert time.process_time() - began < 1
    assert found.problem is problem
    assert problem is not problems.NOT_VALID or (found.path.startswith("/e:"), "SCHEMAV_" in found.detail) == (True, True)


_XS = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{}</xs:schema>'
_PATTERN = _XS.format(
    '<xs:element name="a"><xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="(a+)+b"/></xs:restriction></xs:simpleType>'
    "</xs:element>"
)
_OCCURS = _XS.format(
    '<xs:element name="a"><xs:complexType><xs:sequence><xs:element name="b" maxOccurs="100000"/></xs:sequence></xs:complexType></xs:element>'
)
_UNIQUE = _XS.format(
    '<xs:element name="a"><xs:complexType><xs:sequence><xs:element name="b" type="xs:string" maxOccurs="unbounded"/></xs:sequence></xs:complexType>'
    '<xs:unique name="u"><xs:selector xpath="b"/><xs:field xpath="."/></xs:unique></xs:element>'
)


@pytest.mark.parametrize(
    ("schema", "body", "valid"),
    [
        (_PATTERN, b"<a>" + b"a" * 5_000 + b"</a>", False),
        (_OCCURS, b"<a>" + b"<b/>" * 19_000 + b"</a>", True),
        (_UNIQUE, b"<a>" + b"".join(b"<b>%d</b>" % number for number in range(19_000)) + b"</a>", True),
    ],
    ids=["pattern that doubles", "maxOccurs 100,000", "19,000 unique keys"],
)
def test_i15_costly_schemas(schema: str, body: bytes, valid: bool) -> None:
    """The schema engine takes no more than a moment where others explode."""
    compiled, root = etree.XMLSchema(etree.fromstring(schema)), xml.parse(body)
    began = time.process_time()
    assert compiled.validate(root) == valid
    assert time.process_time() - began < 1


def with_member(member: str) -> bytes:
    """The valid form with one more member, as text."""
    return f"{json.dumps(FORM)[:-1]}, {member}}}".encode()


@pytest.mark.parametrize(
    "body",
    [with_member(f'"area": "{FORM["area"]}"'), *(with_member(f'"test": {value}') for value in ("NaN", "-Infinity", "1e999", "1.0"))],
    ids=["key twice", "NaN", "Infinity", "1e999", "fraction"],
)
async def test_i16_json_that_python_takes_silently(bus: Gateway, body: bytes) -> None:
    """What readers of JSON understand in different ways is refused."""
    assert await answer(bus, body) == (422, "form-invalid")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000 + b"]" * 100_000,
        with_member('"x": ' + "[" * 900 + "]" * 900),
        with_member('"x": ' + '{"x":' * 50_000 + "1" + "}" * 50_000),
        with_member('"test": ' + "1" * 5_000),
    ],
    ids=["100,000 deep", "900 deep", "objects 50,000 deep", "5,000 digits"],
)
async def test_i17_json_without_end(bus: Gateway, body: bytes) -> None:
    """Depth and length that break Python's reader are a refusal, no failure of ours."""
    assert await answer(bus, body) == (422, "form-invalid")


@pytest.mark.parametrize("value", ["9007199254740993", "9007199254740993.0", "9007199254740992"])
@pytest.mark.parametrize("field", ["id", "case_id"])
async def test_i18_id_as_a_number(bus: Gateway, field: str, value: str) -> None:
    """Ids are strings: a number that readers would round is not taken."""
    others: dict[str, Any] = {name: FORM[name] for name in FORM if name != field}
    body = f'{json.dumps(others)[:-1]}, "{field}": {value}}}'.encode()
    assert await answer(bus, body) == (422, "form-invalid")


@read("I19")
def test_i19_both_forms_of_a_letter(body: bytes, text: str) -> None:
    """The parser changes no text; both forms are the same when they are compared in form NFC."""
    assert xml.parse(body).text == text
    assert unicodedata.normalize("NFC", text) == "M\u00fcller"


async def test_i19_decomposed_text_is_refused(bus: Gateway) -> None:
    """Our own messages are written in form NFC."""
    assert await answer(bus, evil.VALID.replace("Schön".encode(), "Scho\u0308n".encode()), XML) == (422, "text-not-nfc")


@read("I20")
def test_i20_unusual_letters(body: bytes, text: str) -> None:
    """Whatever is a character comes out as it went in."""
    root = xml.parse(body)
    assert root.text == text
    assert etree.tostring(root, encoding="utf-8") == body


@pytest.mark.parametrize("name", ["😀", "\u202eمرحبا", "ü" * 10_000], ids=["emoji", "right to left", "10,000 characters"])
async def test_i20_names_that_are_none(bus: Gateway, name: str) -> None:
    """What no register can hold is refused with a code."""
    status, code = await answer(bus, evil.VALID.replace("Schön".encode(), name.encode()), XML)
    assert (status, code) in {(422, "not-schema-valid"), (422, "character-not-allowed")}


# --- nothing is opened

SAFE = """
import os, sys
from schemas import xml
from schemas.errors import Rejected
from schemas.examination.schema_table import OWN
from tests import evil

bodies = [*evil.bodies(), *(body for target in sys.argv[1:] for body in evil.pointing_to(target))]
assert OWN.findings(xml.parse(evil.VALID)) == []
os.access("/begin", os.F_OK)
for body in bodies:
    try:
        OWN.findings(xml.parse(body))
    except Rejected:
        pass
os.access("/end", os.F_OK)
"""
"""Parses all bad inputs, and others that point to the targets, between two marks."""
CARELESS = """
import sys
from lxml import etree
from tests import evil

etree.fromstring(evil.pointing_to(sys.argv[1])[0], etree.XMLParser(load_dtd=True, resolve_entities=True))
"""
"""What a parser does that follows the first target."""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed; the pipe below shows it for what the inputs point to")
def test_no_file_and_no_socket_is_opened(tmp_path: Path) -> None:
    """I2, I3, I13, seen from the kernel: between the marks there is no system call about files or network at all."""
    secret, trace = tmp_path / "secret", tmp_path / "trace"
    secret.write_text("", encoding="utf-8")
    targets = (f"file://{secret}", str(secret), "http://127.0.0.1:9/secret", "ftp://127.0.0.1:9/secret")
    traced = subprocess.run(
        ["strace", "-f", "-e", "trace=%file,%network", "-o", trace, sys.executable, "-c", SAFE + CARELESS, *targets],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in traced.stderr:
        pytest.skip("strace may not trace here; the pipe below shows it for what the inputs point to")
    assert (traced.returncode, traced.stderr) == (0, "")
    calls = trace.read_text(encoding="utf-8").splitlines()
    begin, end = (next(number for number, call in enumerate(calls) if mark in call) for mark in ('"/begin"', '"/end"'))
    assert calls[begin + 1 : end] == []
    assert any(str(secret) in call for call in calls[end:])  # a careless parser would have been seen


def test_pipe_and_port_that_are_pointed_to_stay_untouched(tmp_path: Path) -> None:
    """The same without strace: who opens a pipe that nobody writes to waits forever, and a port knows who called."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port = server.getsockname()[1]
        targets = (f"file://{pipe}", str(pipe), f"http://127.0.0.1:{port}/secret", f"ftp://127.0.0.1:{port}/secret")
        subprocess.run([sys.executable, "-c", SAFE, *targets], cwd=ROOT, check=True, timeout=60)
        with pytest.raises(BlockingIOError):
            server.accept()
    with pytest.raises(subprocess.TimeoutExpired):  # a careless parser would have been caught
        subprocess.run([sys.executable, "-c", CARELESS, f"file://{pipe}"], cwd=ROOT, check=True, timeout=3)
