"""Blanks around values: as XML Schema has them, where libxml2 alone would refuse what is right."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from schemas import catalogue, message
from schemas.examination import schema_table
from schemas.examination.examine import examine
from schemas.schema_set import SchemaSet
from tests import builders
from tests.unit.test_rules import NOW, TIME

VALUES = {
    "dateTime": "2026-03-01T09:30:00.5+01:00",
    "date": "2026-03-01",
    "time": "09:30:00",
    "gYear": "2026",
    "gYearMonth": "2026-03",
    "gMonth": "--03",
    "gMonthDay": "--03-01",
    "gDay": "---01",
    "duration": "P1D",
    "boolean": "true",
    "decimal": "1.5",
    "integer": "12",
    "float": "1.5",
    "double": "1.5",
    "anyURI": "urn:a",
    "hexBinary": "AB",
    "base64Binary": "QUI=",
    "QName": "a",
    "language": "de",
    "Name": "a",
    "NCName": "a",
    "NMTOKEN": "a",
    "NMTOKENS": "a b",
    "token": "a",
    "ID": "a",
    "unsignedByte": "1",
    "nonNegativeInteger": "1",
}
"""By built-in type whose outer blanks do not count a value of it."""
SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:x" elementFormDefault="qualified">
<xs:element name="a"><xs:complexType><xs:sequence>
  <xs:element name="b" maxOccurs="unbounded"><xs:complexType><xs:simpleContent><xs:extension base="xs:{type}">
    <xs:attribute name="c" type="xs:{type}"/><xs:attribute name="d"><xs:simpleType><xs:restriction base="xs:normalizedString">
    <xs:pattern value="\\d+"/></xs:restriction></xs:simpleType></xs:attribute></xs:extension></xs:simpleContent></xs:complexType></xs:element>
  <xs:element name="s" minOccurs="0"><xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="\\d+"/></xs:restriction></xs:simpleType></xs:element>
</xs:sequence></xs:complexType></xs:element></xs:schema>"""


def schema_set(folder: Path, kind: str) -> SchemaSet:
    """A schema with elements and attributes of a type."""
    (folder / "x.xsd").write_text(SCHEMA.replace("{type}", kind), encoding="utf-8")
    return SchemaSet("x.xsd", [folder])


@pytest.mark.parametrize("kind", VALUES)
def test_outer_blanks_do_not_count(tmp_path: Path, kind: str) -> None:
    """Before and behind a value, in elements and attributes, with a prefix or a default namespace: blanks, tabs and line ends are collapsed."""
    known, value = schema_set(tmp_path, kind), VALUES[kind]
    for root, inside in (('<x:a xmlns:x="urn:x"', "x:"), ('<a xmlns="urn:x"', "")):
        for blanks in (" {}", "{} ", "\n\t {}\r\n ", "&#13;&#9;{}&#10;"):
            written = blanks.format(value)
            attribute = f' c="{written}"' if kind != "ID" else ""
            body = (
                f"{root}>\n<{inside}b>{value if kind != 'ID' else 'b'}</{inside}b><{inside}b{attribute}>{written}</{inside}b></{inside}a>"
            )
            message_root = etree.fromstring(body)
            before = etree.tostring(message_root)
            assert known.findings(message_root) == []
            assert etree.tostring(message_root) == before


@pytest.mark.parametrize("kind", ["dateTime", "date", "duration"])
def test_blanks_count_where_the_type_keeps_them(tmp_path: Path, kind: str) -> None:
    """A text whose type keeps its blanks is refused with them, beside a date that is right; what is no date stays none."""
    known, value = schema_set(tmp_path, kind), VALUES[kind]
    body = f"""<a xmlns="urn:x">
<b c=" {value}" d=" 1"> {value} </b>
<b> x{value} </b>
<s> 1</s></a>"""
    found = known.findings(etree.fromstring(body))
    assert [(one.line, one.path, one.detail.rpartition("(")[2]) for one in found] == [
        (2, "/a/b[1]/@d", "SCHEMAV_CVC_PATTERN_VALID)"),
        (3, "/a/b[2]", "SCHEMAV_CVC_DATATYPE_VALID_1_2_1)"),
        (4, "/a/s", "SCHEMAV_CVC_PATTERN_VALID)"),
    ]
    assert found[1].value == f" x{value} "


def test_a_pretty_printed_message_is_taken() -> None:
    """Time and date on lines of their own are those that stand there; ids keep their blanks, as XÖV has it."""
    text = message.write(builders.application()).decode()
    pretty = text.replace(TIME, f"\n    {TIME}\n  ").replace("1990-05-17", "\n\t1990-05-17\n")
    known = (schema_table.load(), catalogue.load(), NOW)
    found = examine(pretty.encode(), *known)
    assert found.findings == ()
    assert found.root is not None
    read = message.read(found.root)
    assert (read.created_at, message.read(etree.fromstring(text.encode()))) == (builders.CREATED_AT, read)
    spaced = text.replace("<antragsidentifikation>", "<antragsidentifikation> ")
    assert [one.rule for one in examine(spaced.encode(), *known).findings] == ["id-is-uuid"]


def test_two_thousand_dates_with_blanks(tmp_path: Path) -> None:
    """As many values as the schema's faults are looked at for are mended in one go."""
    known = schema_set(tmp_path, "date")
    dates = "<b> 2026-03-01</b>" * 2_000
    assert known.findings(etree.fromstring(f'<a xmlns="urn:x">{dates}</a>')) == []
