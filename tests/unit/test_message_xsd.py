"""The fields of our messages, as the XSD describes them."""

from __future__ import annotations

import pytest
from lxml import etree

from schemas import message, xml
from schemas.message import xsd
from tests import family

EXPECTED = {
    "nachrichtenkopf.g2g/leser/name": "C",
    "antragsteller/natuerlichePerson/familienname/name": "A",
    "antragsteller/natuerlichePerson/geburtsname": "A",
    "antragsteller/natuerlichePerson/anschrift/strasse": "B",
    "antragsteller/organisation/anschrift/hausnummer": "B",
    "antragsteller/organisation/name": "D",
    "antragsteller/organisation/rechtsform": "C",
    "anlagen/anlage/dateiname": "D",
    "inhalt/formular/feld/wert": "C",
    "leistung/code": "C",
    "leistung/@listVersionID": "C",
    "bezug/vorgang": "C",
    "grund/hinweis": "C",
    "@produkt": "C",
}


@pytest.mark.parametrize(("path", "expected"), EXPECTED.items())
def test_datatype_of_a_text(path: str, expected: str) -> None:
    """Names of persons are A, addresses B, legal names and file names D, everything else C."""
    assert xsd.datatypes()[path] == expected


def test_what_is_no_text_has_no_datatype() -> None:
    """Dates, ids and numbers are not texts."""
    paths = (
        "antragsidentifikation",
        "antragsteller/natuerlichePerson/geburtsdatum",
        "anlagen/anlage/groesseBytes",
        "inhalt/formular/feld/@id",
    )
    assert [path for path in paths if path in xsd.datatypes()] == []


def test_a_path_means_the_same_in_each_message() -> None:
    """Two messages do not disagree about the datatype of a path, so one mapping serves all."""
    said = {(field.path, field.datatype) for name in xsd.messages() for field in xsd.fields(name) if field.datatype}
    assert len({path for path, _ in said}) == len(said)


@pytest.mark.parametrize("name", family.SAMPLES)
def test_every_part_of_a_sample_is_a_known_field(name: str) -> None:
    """The list of fields is complete: whatever occurs in a sample is in it."""
    root = xml.parse(family.SAMPLES[name])
    known = {field.path for field in xsd.fields(name)}
    used = {f"@{key!s}" for key in root.attrib} | {path for child in root for path in _paths(child, "")}
    assert used - known == set()


def _paths(element: etree._Element, parent: str) -> set[str]:
    path = f"{parent}{etree.QName(element).localname}"
    return {path} | {f"{path}/@{key!s}" for key in element.attrib} | {one for child in element for one in _paths(child, f"{path}/")}


def test_everything_is_documented() -> None:
    """Each message and each field says what it is."""
    assert [name for name in xsd.messages() if not xsd.documentation(name)] == []
    assert [(name, field.path) for name in xsd.messages() for field in xsd.fields(name) if not field.documentation] == []


def test_occurrence() -> None:
    """How often a field may occur is read from the XSD; a branch of a choice is optional."""
    occurs = {field.path: field.occurs for field in xsd.fields(message.APPLICATION)}
    paths = (
        "antragsteller",
        "antragsteller/natuerlichePerson",
        "inhalt",
        "bezug",
        "@test",
        "@version",
        "nachrichtenkopf.g2g/leser/erreichbarkeit",
    )
    assert [occurs[path] for path in paths] == ["1..20", "0..1", "1", "0..1", "0..1", "1", "0..*"]


def test_unknown_message() -> None:
    """A message that the family does not have has no fields."""
    with pytest.raises(LookupError):
        xsd.fields("einreichung.anfrage.0199")
