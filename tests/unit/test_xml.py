"""The safe parser beside the rows of test_bad_inputs: its limits are exact, and no text of the input is repeated."""

from __future__ import annotations

import time

import pytest

from schemas import problems, xml
from schemas.errors import Rejected
from schemas.examination.schema_table import OWN
from schemas.problems import Problem
from tests import evil

CANARY = "Kanarienvogel"
REFUSED = {
    "undeclared prefix": (b"<e:a/>", problems.NOT_WELL_FORMED),
    "JSON": (b'{"id": 1}', problems.NOT_WELL_FORMED),
}
READ = {
    "plain": ("<a>Müller</a>".encode(), "Müller"),
    "BOM": (evil.BOM + "<a>Müller</a>".encode(), "Müller"),
    "US-ASCII declared": (evil.declared("us-ascii", "M&#252;ller").encode(), "Müller"),
}
INVALID = {
    "name too long": ("Schön", CANARY * 30),
    "UUID": ("<antragsidentifikation>", f"<antragsidentifikation>{CANARY}"),
    "code too long": ("99115005104000", CANARY * 10),
    "time": ("2026-03-01T08:30:00.000+00:00", CANARY),
    "birth date": ("1990-05-17", CANARY),
    "boolean": (">true<", f">{CANARY}<"),
    "level": ("STORK-QAA-Level-3", CANARY),
    "attribute": (' standard="Stadtbus-Einreichung"', f' standard="{CANARY}"'),
    "unknown attribute": (' standard="', f' x="{CANARY}" standard="'),
    "fixed list": ("urn:xoev-de:kosit:codeliste:verzeichnisdienst", f"urn:{CANARY}"),
    "text between elements": ("<natuerlichePerson>", f"<natuerlichePerson>{CANARY}"),
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
    assert xml.parse(evil.nested(xml.MAX_DEPTH)).tag == "a"
    assert len(xml.parse(b"<a>" + b"<b/>" * (xml.MAX_ELEMENTS - 1) + b"</a>")) == xml.MAX_ELEMENTS - 1
    assert len(xml.parse(evil.attributes('n{}=""', xml.MAX_ATTRIBUTES)).attrib) == xml.MAX_ATTRIBUTES
    assert len(xml.parse(evil.attributes('xmlns:n{}="n"', xml.MAX_ATTRIBUTES)).nsmap) == xml.MAX_ATTRIBUTES
    assert xml.parse(b"<a>" + b"x" * (xml.MAX_SIZE_BYTES - 7) + b"</a>").tag == "a"


def test_many_namespaces_take_no_time() -> None:
    """A small message that declares namespaces at every level is looked through once, not once for each element."""
    level = evil.attributes('xmlns:n{}="n"', xml.MAX_ATTRIBUTES).replace(b"/>", b">")
    began = time.process_time()
    xml.parse(level * (xml.MAX_DEPTH - 1) + b"<b/>" * 10_000 + b"</a>" * (xml.MAX_DEPTH - 1))
    assert time.process_time() - began < 1


@pytest.mark.parametrize(("old", "new"), INVALID.values(), ids=INVALID)
def test_breach_of_the_schema_is_told_without_values(old: str, new: str) -> None:
    """What breaks the XSD is refused with path and rule, and no value of the message is repeated."""
    assert old.encode() in evil.VALID
    findings = OWN.findings(xml.parse(evil.VALID.replace(old.encode(), new.encode())))
    assert findings
    for found in findings:
        assert found.problem == problems.NOT_VALID
        assert found.path.startswith("/e:einreichung.antrag.0100")
        assert "SCHEMAV_" in found.detail
        assert CANARY not in f"{found!r} {found.as_dict()}"


@pytest.mark.parametrize(
    "body",
    [f"<a>{CANARY}</b>", f"<a>&{CANARY};</a>", f"<{CANARY}:a/>", f'<a x="{CANARY}" x="2"/>', evil.declared(CANARY), f"{CANARY}<a/>"],
    ids=["wrong end", "entity", "prefix", "attribute twice", "encoding", "text before the root"],
)
def test_text_of_unreadable_input_is_not_repeated(body: str) -> None:
    """The parser's own messages, which quote the input, do not leave the module."""
    with pytest.raises(Rejected) as refused:
        xml.parse(body.encode())
    assert CANARY not in told(refused.value)


@pytest.mark.parametrize(
    ("encoding", "charset"),
    [
        *((encoding, None) for encoding in ("ISO-8859-1", "ISO-8859-15", "windows-1252", "UTF-8", "UTF-16", "IBM850")),
        ("ISO-8859-1", "iso-8859-1"),
        ("UTF-8", "windows-1252"),
    ],
)
def test_documents_of_offices_are_read_as_they_declare(encoding: str, charset: str | None) -> None:
    """What a back office wrote is read in the encoding of the Content-Type, or else in that of its declaration."""
    content = f"<?xml version='1.0' encoding='{encoding}'?>\n<a>Müller</a>".encode(charset or encoding)
    assert xml.parse_declared(content, charset).text == "Müller"


@pytest.mark.parametrize(
    ("content", "charset", "code"),
    [
        (b"<a/>", "klingon", "encoding-not-allowed"),
        (evil.declared("klingon").encode(), None, "not-well-formed"),
        ("<a>ü</a>".encode("iso-8859-1"), None, "not-well-formed"),
        (b"<!DOCTYPE a><a/>", None, "doctype-forbidden"),
        (evil.nested(xml.MAX_DEPTH + 1).decode().encode("utf-16"), None, "message-too-complex"),
        (b"<a>" + b"x" * xml.MAX_SIZE_BYTES + b"</a>", None, "message-too-large"),
    ],
    ids=["charset", "declaration", "not as it declares", "document type", "deep", "large"],
)
def test_documents_of_offices_are_read_within_limits(content: bytes, charset: str | None, code: str) -> None:
    """Another encoding opens no other door: what a message may not have, a document of a back office may not have either."""
    with pytest.raises(ValueError, match=code):
        xml.parse_declared(content, charset)
