"""How values are written: XML, JSON, CSV and fixed width."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters.mapping import reading
from adapters.mapping.compiled import Compiler
from adapters.mapping.page import Draft, Spec, TargetField, XmlTarget
from adapters.mapping.render import renderer
from schemas.errors import Refused
from tests import builders
from tests.mappings import form, submission


def test_xml_names_and_text(mapping: Any) -> None:
    """Names have the namespace of their prefix, or of the element around them; attributes have none; text and attributes go together."""
    loaded = mapping(
        {
            "wert": {"value": "feld('F99000107')"},
            "b:ort": {"fields": {"@art": "'neu'", "@b:kurz": "'x'", "name": "feld('F99000105')"}},
            "strasse": {"value": "feld('F99000102')", "fields": {"@nr": "feld('F99000103')"}},
            "nichts": {"value": "feld('F99000199')", "fields": {"@nr": "feld('F99000199')"}},
        },
        target={"format": "xml", "root": "a:antrag", "namespaces": {"a": "urn:a", "b": "urn:b"}},
    )
    document = loaded.document(submission())
    assert document.content_type == "application/xml"
    assert document.content.decode() == (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        '<a:antrag xmlns:a="urn:a" xmlns:b="urn:b"><a:wert>deutsch</a:wert><a:wert>polnisch</a:wert>'
        '<b:ort art="neu" b:kurz="x"><b:name>München</b:name></b:ort><a:strasse nr="8">Sendlinger Straße</a:strasse></a:antrag>'
    )


def test_xml_without_its_text_keeps_what_is_below(mapping: Any) -> None:
    """A field that has no value of its own is written for the sake of any value below it, however deep."""
    below = {"fields": {"b": {"fields": {"c": "feld('F99000105')"}}}}
    loaded = mapping({"a": {"value": "feld('F99000199')", **below}}, target={"format": "xml", "root": "r"})
    assert loaded.document(submission()).content.decode().partition("\n")[2] == "<r><a><b><c>München</c></b></a></r>"


@pytest.mark.parametrize(
    ("rule", "expected"), [(None, "Ł&#321;"), ("transliterate", "L"), ("replace", "?"), ("refuse", "cannot represent")]
)
def test_xml_in_a_small_encoding(mapping: Any, rule: str | None, expected: str) -> None:
    """Characters that the encoding lacks become references, or what the rule says."""
    target = {"format": "xml", "root": "a", "encoding": "iso-8859-15"} | ({"unrepresentable": rule} if rule else {})
    loaded = mapping({"b": "feld('F99000102')"}, target=target)
    one = submission(content=form(F99000102="Ł"))
    if rule == "refuse":
        with pytest.raises(Refused, match=expected):
            loaded.document(one)
        return
    content = loaded.document(one).content.decode("iso-8859-15")
    assert f"<b>{expected.removeprefix('Ł')}</b>" in content


def test_csv(mapping: Any) -> None:
    """A row per applicant; common fields stand in each; cells with separators, quotes and line ends are quoted (RFC 4180)."""
    loaded = mapping(
        {"strasse": "feld('F99000102')", "person": {"each": "antragsteller", "fields": {"name": "*/familienname/name", "nr": "1"}}},
        target={"format": "csv", "columns": ["name", "strasse", "nr"]},
    )
    one = submission(content=form(F99000102='A;"B"\nC'), applicants=(builders.person("Ä", "B"), builders.person(None, "D")))
    document = loaded.document(one)
    assert document.content.decode() == 'name;strasse;nr\r\nÄ;"A;""B""\nC";1\r\n;"A;""B""\nC";1\r\n'
    assert (document.content_type, document.name) == ("text/csv", f"{one.id}.csv")


def test_fixed_width(mapping: Any) -> None:
    """Columns are filled to their width, left or right; what is longer or has line ends is refused, never cut."""
    columns = {
        "plz": {"value": "feld('F99000104')", "width": 7, "align": "right", "fill": "0"},
        "ort": {"value": "feld('F99000105')", "width": 9},
    }
    loaded = mapping(columns, target={"format": "fixed", "encoding": "cp1252"})
    document = loaded.document(submission())
    assert document.content == "0080331München  \r\n".encode("cp1252")
    assert document.content_type == "text/plain; charset=cp1252"
    long, lines = "is longer than 9", "has more than one line"
    for text, reason in (("Unterschleißheim", long), ("A\nB", lines), ("Unterschleiß\nheim", f"{long} and {lines}"), ("A\u2028B", lines)):
        with pytest.raises(Refused, match=f"^column ort of row 1 {reason}$"):
            loaded.document(submission(content=form(F99000105=text)))


def test_everything_that_is_too_long_is_told_at_once(mapping: Any) -> None:
    """Columns that are too narrow are named together, with their rows."""
    columns = {
        "person": {
            "each": "antragsteller",
            "fields": {"a": {"value": "*/familienname/name", "width": 2}, "b": {"value": "*/vornamen/name", "width": 2}},
        }
    }
    with pytest.raises(Refused) as caught:
        mapping(columns, target={"format": "fixed"}).document(
            submission(applicants=(builders.person("Abc", "Def"), builders.person("G", "Hij")))
        )
    assert caught.value.reason == "; ".join(f"column {column} is longer than 2" for column in ("a of row 1", "b of row 1", "b of row 2"))


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("Handel\u00a0mit Brot", "UTF-8", "Handel\u00a0mit Brot"),
        ("Handel\u00a0mit Brot", "ISO-8859-15", "Handel\u00a0mit Brot"),
        ("Handel\u00a0mit Brot", "ASCII", "Handel mit Brot"),
        ("Handel\u202fmit\u2009Brot", "ISO-8859-15", "Handel mit Brot"),
        ("Handel\tmit Brot", "UTF-8", "Handel mit Brot"),
        ("Handel mit Brot\r\n", "UTF-8", "Handel mit Brot"),
        ("Handel\u00admit\u200bBrot", "UTF-8", "Handel\u00admit\u200bBrot"),
    ],
)
@pytest.mark.parametrize("rule", ["refuse", "transliterate", "replace"])
def test_blanks_of_word_processors_in_fixed_width(mapping: Any, text: str, encoding: str, expected: str, rule: str) -> None:
    """A blank of another kind is written as it is, or as a blank where the encoding has it not; what is not seen is no fault."""
    target = {"format": "fixed", "encoding": encoding, "unrepresentable": rule}
    loaded = mapping({"taetigkeit": {"value": "feld('F99000201')", "width": 30}}, target=target)
    document = loaded.document(submission(content=form(F99000201=text)))
    assert document.content.decode(encoding) == f"{expected:<30}\r\n"


@pytest.mark.parametrize(("target", "content"), [({"format": "csv"}, "n;x\r\nL;ja\r\n"), ({"format": "fixed"}, "L  ja  \r\n")])
def test_mark_without_columns(mapping: Any, target: dict[str, Any], content: str) -> None:
    """The column that says whether something was transliterated is written last where no order is given, in fixed width as wide as it needs."""
    rules = {"encoding": "ASCII", "unrepresentable": "transliterate", "mark": {"column": "x", "changed": "ja", "unchanged": "nein"}}
    loaded = mapping({"n": {"value": "feld('F99000102')", "width": 3}}, target=target | rules)
    assert loaded.document(submission(content=form(F99000102="Ł"))).content.decode() == content


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cn"]) | st.sampled_from("<>&\"'\t\n\r ]"), min_size=1))
def test_xml_survives_any_text(text: str) -> None:
    """Text and attributes come back from the XML as they went in, whatever they hold."""
    target = XmlTarget(format="xml", root="a", encoding="iso-8859-15")
    spec = {"@b": TargetField(value="'x'"), "c": TargetField(value="'x'", fields={"@d": TargetField(value="'x'")})}
    draft = Draft()
    entries = Compiler(draft, Spec(target=target, document=spec)).entries(spec, reading.Paths())
    attribute, element = entries
    filled: list[Any] = [(attribute, [text], []), (element, [text], [[(element.below[0], [text], [])]])]
    root = etree.fromstring(renderer(draft, Spec(target=target, document=spec), entries).render(filled))
    assert root.get("b") == root.findtext("c") == root[0].get("d") == text
