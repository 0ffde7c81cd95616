"""The safe parser: bad input is refused with a code, opens no file, and its text is never repeated."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas import errors, message, xml
from schemas.errors import Problem, Rejected
from tests import builders

CANARY = "Kanarienvogel"
VALID = message.write(builders.application())


def document(dtd: str, text: str = "") -> bytes:
    """A small document with a DOCTYPE."""
    return f"<!DOCTYPE a {dtd}><a>{text}</a>".encode()


def declared(encoding: str, text: str = "x", padding: str = " ") -> str:
    """A small document that declares an encoding."""
    return f'<?xml version="1.0"{padding}encoding="{encoding}"?><a>{text}</a>'


def nested(depth: int) -> bytes:
    """Elements in elements."""
    return b"<a>" * depth + b"</a>" * depth


def attributes(template: str, count: int) -> bytes:
    """One element with many attributes."""
    return f"<a {' '.join(template.format(number) for number in range(count))}/>".encode()


LAUGHS = "".join(f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10))
BLOW_UP = f'[<!ENTITY x "{"x" * 50_000}">]'

REFUSED: dict[str, tuple[bytes, Problem]] = {
    "I1 billion laughs": (document(f'[<!ENTITY l0 "lol">{LAUGHS}]', "&l9;"), errors.NOT_WELL_FORMED),
    "I1 quadratic blow-up": (document(BLOW_UP, "&x;" * 50_000), errors.NOT_WELL_FORMED),
    "I2 external entity": (document('[<!ENTITY x SYSTEM "file:///etc/passwd">]', "&x;"), errors.NOT_WELL_FORMED),
    "I2 external entity, unused": (document('[<!ENTITY x SYSTEM "file:///etc/passwd">]'), errors.DOCTYPE),
    "I3 external DTD": (document('SYSTEM "file:///etc/passwd"'), errors.DOCTYPE),
    "I3 external DTD by name": (document('PUBLIC "-//A//B" "http://127.0.0.1:1/a.dtd"'), errors.DOCTYPE),
    "I3 parameter entity": (document('[<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]'), errors.NOT_WELL_FORMED),
    "I3 harmless entity": (document('[<!ENTITY x "y">]', "&x;"), errors.DOCTYPE),
    "I3 bare DOCTYPE": (document(""), errors.DOCTYPE),
    "I4 one level too deep": (nested(xml.MAX_DEPTH + 1), errors.TOO_COMPLEX),
    "I4 depth 300": (nested(300), errors.NOT_WELL_FORMED),
    "I4 depth 100,000": (nested(100_000), errors.NOT_WELL_FORMED),
    "I5 one byte too large": (b"<a>" + b"x" * (xml.MAX_SIZE_BYTES - 6) + b"</a>", errors.TOO_LARGE),
    "I6 too many elements": (b"<a>" + b"<b/>" * xml.MAX_ELEMENTS + b"</a>", errors.TOO_COMPLEX),
    "I7 too many attributes": (attributes('n{}=""', xml.MAX_ATTRIBUTES + 1), errors.TOO_COMPLEX),
    "I7 too many namespaces": (attributes('xmlns:n{}="n"', xml.MAX_ATTRIBUTES + 1), errors.TOO_COMPLEX),
    "I8 Latin-1 bytes": ("<a>Müller</a>".encode("latin-1"), errors.ENCODING),
    "I8 Latin-1 bytes declared UTF-8": (declared("UTF-8", "Müller").encode("latin-1"), errors.ENCODING),
    "I8 truncated": (VALID[:-20], errors.NOT_WELL_FORMED),
    "I8 two roots": (b"<a/><a/>", errors.NOT_WELL_FORMED),
    "I9 Latin-1 declared": (declared("ISO-8859-1").encode(), errors.ENCODING),
    "I9 UTF-7": (declared("UTF-7", "+AGE-").encode(), errors.ENCODING),
    "I9 UTF-7 after many blanks": (declared("UTF-7", "+AGE-", " " * 500).encode(), errors.ENCODING),
    "I9 UTF-7 after a BOM": (b"\xef\xbb\xbf" + declared("UTF-7", "+AGE-").encode(), errors.ENCODING),
    "I9 UTF-16": (declared("UTF-16").encode("utf-16"), errors.ENCODING),
    "I9 UTF-16 without BOM": (declared("UTF-16").encode("utf-16-le"), errors.ENCODING),
    "I9 UTF-16 undeclared": ("<?xml version='1.0'?><a/>".encode("utf-16-be"), errors.ENCODING),
    "I9 UTF-32 undeclared": ("<?xml version='1.0'?><a/>".encode("utf-32-be"), errors.ENCODING),
    "I11 NUL": (b"<a>\0</a>", errors.NOT_WELL_FORMED),
    "I11 NUL reference": (b"<a>&#0;</a>", errors.NOT_WELL_FORMED),
    "I11 control reference": (b"<a>&#1;</a>", errors.NOT_WELL_FORMED),
    "I11 lone surrogate": ("<a>\ud800</a>".encode(errors="surrogatepass"), errors.ENCODING),
    "I11 surrogate reference": (b"<a>&#xD800;</a>", errors.NOT_WELL_FORMED),
    "I11 empty": (b"", errors.NOT_WELL_FORMED),
    "I11 BOM only": (b"\xef\xbb\xbf", errors.NOT_WELL_FORMED),
    "I12 gzip": (gzip.compress(VALID), errors.ENCODING),
    "I12 zip": (b"PK\x03\x04\x14\x00\x00\x00", errors.NOT_WELL_FORMED),
    "undeclared prefix": (b"<e:a/>", errors.NOT_WELL_FORMED),
    "JSON": (b'{"id": 1}', errors.NOT_WELL_FORMED),
}
READ = {
    "plain": ("<a>Müller</a>".encode(), "Müller"),
    "BOM": ("\ufeff<a>Müller</a>".encode(), "Müller"),
    "US-ASCII declared": (declared("us-ascii", "M&#252;ller").encode(), "Müller"),
    "I10 comment": ("<a>Mül<!-- -->ler</a>".encode(), "Müller"),
    "I10 processing instruction": ("<a>Mül<?x y?>ler</a>".encode(), "Müller"),
    "I10 CDATA": ("<a>Mül<![CDATA[ler]]></a>".encode(), "Müller"),
    "I20 letters of DIN 91379": ("<a>M̂ẞĲk͟h</a>".encode(), "M̂ẞĲk͟h"),
    "I20 letters beyond the first plane": ("<a>😀</a>".encode(), "😀"),
}
INVALID = {
    "name too long": ("Schön", CANARY * 30),
    "UUID": ("<antragsidentifikation>", f"<antragsidentifikation>{CANARY}"),
    "code too long": ("99115005104000", CANARY * 10),
    "time": ("2026-03-01T08:30:00.000+00:00", CANARY),
    "I14 30 February": ("1990-05-17", "1990-02-30"),
    "birth date": ("1990-05-17", CANARY),
    "boolean": (">true<", f">{CANARY}<"),
    "level": ("STORK-QAA-Level-3", CANARY),
    "attribute": (' standard="Stadtbus-Einreichung"', f' standard="{CANARY}"'),
    "unknown attribute": (' standard="', f' x="{CANARY}" standard="'),
    "fixed list": ("urn:xoev-de:kosit:codeliste:verzeichnisdienst", f"urn:{CANARY}"),
    "I14 extra element": ("<vertrauensniveau>", f"<x>{CANARY}</x><vertrauensniveau>"),
    "I14 missing field": ("<ort>Augsburg</ort>", ""),
    "text between elements": ("<natuerlichePerson>", f"<natuerlichePerson>{CANARY}"),
    "I14 a million digits": ("1990", "1" * 900_000),
}
"""What is replaced in a valid message by what."""


def told(error: Rejected) -> str:
    """All that a refusal tells anybody."""
    return f"{error} {error.args} {error.diagnostics()} {error.as_dict()}"


@pytest.mark.parametrize(("body", "problem"), REFUSED.values(), ids=REFUSED)
def test_refused(body: bytes, problem: Problem) -> None:
    """Each bad input has its code."""
    with pytest.raises(Rejected) as refused:
        xml.parse(body)
    assert refused.value.problem == problem


@pytest.mark.parametrize(("body", "text"), READ.values(), ids=READ)
def test_read_whole(body: bytes, text: str) -> None:
    """Text is read whole and unchanged."""
    assert xml.parse(body).text == text


def test_limits_themselves_are_allowed() -> None:
    """What reaches a limit and does not pass it is read."""
    assert xml.parse(nested(xml.MAX_DEPTH)).tag == "a"
    assert len(xml.parse(b"<a>" + b"<b/>" * (xml.MAX_ELEMENTS - 1) + b"</a>")) == xml.MAX_ELEMENTS - 1
    assert len(xml.parse(attributes('n{}=""', xml.MAX_ATTRIBUTES)).attrib) == xml.MAX_ATTRIBUTES
    assert len(xml.parse(attributes('xmlns:n{}="n"', xml.MAX_ATTRIBUTES)).nsmap) == xml.MAX_ATTRIBUTES
    assert xml.parse(b"<a>" + b"x" * (xml.MAX_SIZE_BYTES - 7) + b"</a>").tag == "a"


def test_many_namespaces_take_no_time() -> None:
    """A small message that declares namespaces at every level is looked through once, not once for each element."""
    level = attributes('xmlns:n{}="n"', xml.MAX_ATTRIBUTES).replace(b"/>", b">")
    began = time.process_time()
    xml.parse(level * (xml.MAX_DEPTH - 1) + b"<b/>" * 10_000 + b"</a>" * (xml.MAX_DEPTH - 1))
    assert time.process_time() - began < 1


def test_schema_location_is_ignored(tmp_path: Path) -> None:
    """I13: a message cannot name the schema that it is checked against."""
    (tmp_path / "own.xsd").write_text("<not-a-schema", encoding="utf-8")
    location = f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="{message.NAMESPACE} {tmp_path}/own.xsd" '
    xml.validate(xml.parse(VALID.replace(b"produkt=", location.encode() + b"produkt=")), message.SCHEMA)


@pytest.mark.parametrize(("old", "new"), INVALID.values(), ids=INVALID)
def test_breach_of_the_schema_is_told_without_values(old: str, new: str) -> None:
    """What breaks the XSD is refused with path and rule, and no value of the message is repeated."""
    assert old.encode() in VALID
    with pytest.raises(Rejected) as refused:
        xml.validate(xml.parse(VALID.replace(old.encode(), new.encode())), message.SCHEMA)
    assert refused.value.problem == errors.NOT_VALID
    assert "e:einreichung.antrag.0100" in refused.value.detail
    assert "SCHEMAV_" in refused.value.detail
    assert CANARY not in told(refused.value)


@pytest.mark.parametrize(
    "body",
    [f"<a>{CANARY}</b>", f"<a>&{CANARY};</a>", f"<{CANARY}:a/>", f'<a x="{CANARY}" x="2"/>', declared(CANARY), f"{CANARY}<a/>"],
    ids=["wrong end", "entity", "prefix", "attribute twice", "encoding", "text before the root"],
)
def test_text_of_unreadable_input_is_not_repeated(body: str) -> None:
    """The parser's own messages, which quote the input, do not leave the module."""
    with pytest.raises(Rejected) as refused:
        xml.parse(body.encode())
    assert CANARY not in told(refused.value)


ATTACKS = (
    '<!DOCTYPE a [<!ENTITY x SYSTEM "{0}">]><a>&x;</a>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "{0}">]><a b="&x;"/>',
    '<!DOCTYPE a SYSTEM "{0}"><a/>',
    '<!DOCTYPE a PUBLIC "-//A//B" "{0}"><a id="i"/>',
    '<!DOCTYPE a [<!ENTITY % x SYSTEM "{0}"> %x;]><a/>',
    '<?xml-stylesheet href="{0}"?><a/>',
    '<a xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="{0}" parse="text"/></a>',
    '<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="{0}"/>',
)
CHILD = """
import sys
from lxml import etree
from schemas import message, xml
from schemas.errors import Rejected

careless = etree.XMLParser(load_dtd=True, resolve_entities=True)
control, *bodies = sys.argv[1:]
etree.fromstring(control, careless)
for body in bodies:
    try:
        xml.validate(xml.parse(body.encode()), message.SCHEMA)
    except Rejected:
        pass
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_file_is_opened_and_nobody_is_called(tmp_path: Path) -> None:
    """I2, I3, I13: seen from the kernel, nothing that a message points to is opened; a careless parser shows that one would see it."""
    control, secret, trace = (tmp_path / name for name in ("control", "secret", "trace"))
    control.write_text("", encoding="utf-8")
    secret.write_text("", encoding="utf-8")
    targets = (f"file://{secret}", str(secret), "http://127.0.0.1:9/secret", "ftp://127.0.0.1:9/secret")
    bodies = [attack.format(target) for attack in ATTACKS for target in targets]
    traced = subprocess.run(
        ["strace", "-f", "-e", "trace=open,openat,connect", "-o", trace, sys.executable, "-c", CHILD, ATTACKS[0].format(control), *bodies],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in traced.stderr:
        pytest.skip("strace may not trace here")
    assert (traced.returncode, traced.stderr) == (0, "")
    calls = trace.read_text(encoding="utf-8")
    assert [word for word in (str(control), str(secret), "connect(") if word in calls] == [str(control)]
