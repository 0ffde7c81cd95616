"""Mappings: from messages to documents."""

from __future__ import annotations

import contextlib
import encodings
import json
import pkgutil
import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters import registry
from adapters.interface import Submission
from adapters.mapping import Mapping, charsets, functions, lint, reading, samples
from adapters.mapping.compiled import Compiler
from adapters.mapping.page import Draft, Spec, TargetField, XmlTarget
from adapters.mapping.render import renderer
from adapters.mapping.view import as_json
from adapters.registry import folder
from schemas import catalogue, din91379_tables, xml
from schemas.errors import Refused, UsageError
from tests import builders
from tests.mutation.mutants import shipped

OFFICE = "muenchen.meldewesen"


@pytest.fixture
def mapping(tmp_path: Path) -> Any:
    """Loads a mapping from its parts."""

    def load(document: dict[str, Any], **parts: Any) -> Mapping:
        page = tmp_path / "mapping.yaml"
        page.write_text(yaml.safe_dump({"target": {"format": "json"}, "document": document} | parts, sort_keys=False), encoding="utf-8")
        return Mapping.load(page)

    return load


def submission(**changes: Any) -> Submission:
    """A registration of residence."""
    return builders.submission(builders.application(**changes), OFFICE)


def members(mapping: Mapping, one: Submission) -> Any:
    """What a JSON mapping makes of a submission."""
    return json.loads(mapping.document(one).content)


def form(**fields: str | tuple[str, ...]) -> Any:
    """A form with these fields."""
    return builders._form("x", {name: values if isinstance(values, tuple) else (values,) for name, values in fields.items()})


# --- shipped mappings


@pytest.mark.parametrize("office", ["muenchen.meldewesen", "muenchen.gewerbe", "nuernberg.meldewesen", "augsburg.gewerbe"])
def test_samples_give_what_was_recorded(office: str) -> None:
    """Every recorded message of a shipped mapping still gives the recorded document, byte for byte."""
    found = samples.recorded(folder(office) / "samples")
    assert len(found) >= 4
    assert list(samples.differing(Mapping.load(folder(office) / "mapping.yaml"), folder(office) / "samples")) == []


@pytest.mark.parametrize("one", shipped(catalogue.load()), ids=lambda one: one.office)
def test_every_field_is_guarded(one: Any) -> None:
    """No field or code of a shipped mapping can be left out or swapped unseen."""
    outcomes = {mutant.change: one.notices(mutant) for mutant in one.mutants()}
    assert len(outcomes) > 30
    assert [change for change, check in outcomes.items() if not check] == []


def test_sample_that_is_refused_differs(tmp_path: Path) -> None:
    """A recorded message that a mapping refuses is not one that gives what was recorded."""
    office = folder(OFFICE)
    (tmp_path / "a.xml").write_bytes((office / "samples/person.xml").read_bytes().replace(b"F99000101", b"F99000199"))
    (tmp_path / "a.expected.xml").write_bytes(b"<x/>")
    assert list(samples.differing(Mapping.load(office / "mapping.yaml"), tmp_path)) == [tmp_path / "a.xml"]


# --- values


@pytest.mark.parametrize(
    ("xpath", "expected"),
    [
        ("meta('id')", "00000000-0000-0000-0000-000000000001"),
        ("meta('case')", "00000000-0000-0000-0000-000000000002"),
        ("meta('accepted_at')", "2026-03-01T08:30:00+00:00"),
        ("meta('test')", False),
        ("feld('F99000102')", "Sendlinger Straße"),
        ("feld('F99000199')", None),
        ("date(feld('F99000101'), 'DD.MM.YYYY')", "01.03.2026"),
        ("date('1990-05', 'DD.MM.YYYY')", "00.05.1990"),
        ("date('1990', 'YYYYMMDD')", "19900000"),
        ("date(feld('F99000199'), 'YYYY')", None),
        ("join(feld('F99000107'), ' / ')", "deutsch / polnisch"),
        ("integer('007')", 7),
        ("integer(feld('F99000199'))", None),
        ("house_number(antragsteller/natuerlichePerson/anschrift/hausnummer)", "12"),
        ("house_suffix(antragsteller/natuerlichePerson/anschrift/hausnummer)", "a"),
        ("house_suffix('12-14')", "-14"),
        ("house_number('Haus Nr. 3')", None),
        ("code('art', feld('F99000108'))", "1"),
        ("code('art', 'Baumhaus')", "9"),
        ("code('art', feld('F99000199'))", None),
        ("count(antragsteller)", 1),
        ("count(antragsteller) div 2", 0.5),
        ("/e:einreichung.antrag.0100/@standard", "Stadtbus-Einreichung"),
        ("'  '", None),
    ],
)
def test_values(mapping: Any, xpath: str, expected: object) -> None:
    """XPaths and functions give what docs/mappings.md says; nothing and blanks give null."""
    loaded = mapping({"x": xpath}, codes={"art": {"alleinige Wohnung": "1", "*": "9"}})
    one = submission(message_id="00000000-0000-0000-0000-000000000001", case_id="00000000-0000-0000-0000-000000000002")
    assert members(loaded, one) == {"x": expected}


@pytest.mark.parametrize(
    ("xpath", "reason"),
    [
        ("code('art', feld('F99000102'))", "x: a code that the table 'art' has not"),
        ("date(feld('F99000102'), 'DD')", "x: not a date like 2026-03-01, 2026-03 or 2026"),
        ("integer(feld('F99000102'))", "x: not a whole number"),
        ("number(feld('F99000102'))", "x: not a number"),
        ("date(feld('F99000107'), 'DD')", "x: several values where the function takes one"),
        ("feld('F99000107')", "x: several values, and the target takes one"),
        ("house_number()", "x: its XPath cannot be evaluated"),
        ("count('a')", "x: its XPath cannot be evaluated"),
        ("code(concat('ar', 't2'), 'a')", "x: its XPath cannot be evaluated"),
        ("meta(concat('na', 'me'))", "x: its XPath cannot be evaluated"),
        ("date('1990', feld('F99000102'))", "x: its XPath cannot be evaluated"),
    ],
)
def test_values_that_do_not_fit(mapping: Any, xpath: str, reason: str) -> None:
    """What does not fit is refused by the name of the field, and the reason holds no value."""
    loaded = mapping({"x": xpath}, codes={"art": {"1": "2"}})
    with pytest.raises(Refused) as caught:
        loaded.document(submission())
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("accepted_at", "day"),
    [
        ("2026-03-01T22:59:59.999+00:00", "01.03.2026"),
        ("2026-03-01T23:00:00+00:00", "02.03.2026"),
        ("2026-07-01T21:59:59+00:00", "01.07.2026"),
        ("2026-07-01T22:00:00+00:00", "02.07.2026"),
        ("2026-03-28T23:30:00+00:00", "29.03.2026"),
        ("2026-03-29T21:30:00+00:00", "29.03.2026"),
        ("2026-03-29T22:00:00+00:00", "30.03.2026"),
        ("2026-10-25T22:30:00+00:00", "25.10.2026"),
        ("2026-10-24T22:30:00+00:00", "25.10.2026"),
        ("2026-12-31T23:00:00+00:00", "01.01.2027"),
        ("2026-03-01T10:00:00+01:00", "01.03.2026"),
    ],
)
def test_day_of_receipt(mapping: Any, accepted_at: str, day: str) -> None:
    """The day on which something came in is that in Germany, in summer and in winter, before and after midnight."""
    one = replace(submission(), accepted_at=datetime.fromisoformat(accepted_at))
    assert members(mapping({"x": "date(meta('accepted_at'), 'DD.MM.YYYY')"}), one) == {"x": day}


@pytest.mark.parametrize("text", ["2026-03-01T10:00:00", "2026-03-01T", "T", "2026-03-01 10:00:00+01:00", "2026-02-30T10:00:00Z"])
def test_moments_that_have_no_day(mapping: Any, text: str) -> None:
    """A moment without a zone, or one that does not exist, has no day that could be told."""
    with pytest.raises(Refused, match=r"^x: not a date like 2026-03-01, 2026-03 or 2026$"):
        mapping({"x": f"date('{text}', 'DD')"}).document(submission())


def test_everything_missing_is_told_at_once(mapping: Any) -> None:
    """Missing fields are named together, with their XPath, and in repeated fields with the number."""
    loaded = mapping(
        {
            "a": {"value": "feld('F99000199')", "required": True},
            "p": {"each": "antragsteller", "fields": {"b": {"value": "natuerlichePerson/geburtsname", "required": True}}},
        }
    )
    with pytest.raises(Refused) as caught:
        loaded.document(submission())
    assert caught.value.reason == "missing: a (feld('F99000199')), p/b of number 1 (natuerlichePerson/geburtsname)"


def test_required_on_a_condition(mapping: Any) -> None:
    """`required` can be an XPath: only where it holds, the field must be there."""
    for condition, refused in (("self::e:einreichung.antrag.0100", True), ("self::e:einreichung.nachtrag.0110", False)):
        loaded = mapping({"a": {"value": "feld('F99000199')", "required": condition}})
        assert _is_refused(loaded, submission()) is refused


def test_condition_that_cannot_be_evaluated(mapping: Any) -> None:
    """A condition that fails refuses the message by the name of its field."""
    for key in ("required", "when"):
        with pytest.raises(Refused, match=r"^a: its XPath cannot be evaluated$"):
            mapping({"a": {"value": "feld('F99000199')", key: "count('a')"}}).document(submission())


def _is_refused(loaded: Mapping, one: Submission) -> bool:
    try:
        loaded.document(one)
    except Refused:
        return True
    return False


def test_default_and_when(mapping: Any) -> None:
    """A default stands for what is missing; without its condition a field has no value, not even the default."""
    loaded = mapping(
        {
            "a": {"value": "feld('F99000199')", "default": "-"},
            "b": {"value": "feld('F99000102')", "default": "-"},
            "c": {"default": "-", "when": "meta('test')"},
        }
    )
    assert members(loaded, submission()) == {"a": "-", "b": "Sendlinger Straße", "c": None}
    assert members(loaded, submission(test=True))["c"] == "-"


def test_each_at_and_many(mapping: Any) -> None:
    """`each` gives a list of objects, `at` one object or null, `many` a list of values."""
    loaded = mapping(
        {
            "personen": {
                "each": "antragsteller/natuerlichePerson",
                "fields": {"name": "familienname/name", "anschrift": {"at": "anschrift", "fields": {"ort": "ort"}}},
            },
            "staaten": {"value": "feld('F99000107')", "many": True},
        }
    )
    people = (builders.person("A", "B"), builders.person(None, "C", address=None))
    assert members(loaded, submission(applicants=people)) == {
        "personen": [{"name": "A", "anschrift": {"ort": "Augsburg"}}, {"name": None, "anschrift": None}],
        "staaten": ["deutsch", "polnisch"],
    }


def test_at_takes_one_element(mapping: Any) -> None:
    """Where `at` finds several elements nothing is left out in silence, and what is no element is no place."""
    several = mapping({"a": {"at": "antragsteller", "fields": {"x": "'x'"}}})
    people = (builders.person("A", "B"), builders.person("C", "D"))
    with pytest.raises(Refused, match=r"^a: several elements where there can be one$"):
        several.document(submission(applicants=people))
    with pytest.raises(Refused, match=r"^a: its XPath selects no elements$"):
        mapping({"a": {"each": "count(antragsteller)", "fields": {"x": "'x'"}}}).document(submission())


def test_other_messages_are_refused(mapping: Any) -> None:
    """A mapping takes the messages that it names, applications where it names none."""
    message = builders.submission(builders.application(), OFFICE)
    with pytest.raises(Refused, match="not a message that this office takes"):
        mapping({"x": "'x'"}, messages=["einreichung.nachtrag.0110", "einreichung.ruecknahme.0130"]).document(message)


def test_refusals_of_the_mapping(mapping: Any) -> None:
    """What a mapping refuses is told with its reason and the place in the message."""
    loaded = mapping({"x": "'x'"}, refuse={"no firms here": "antragsteller/organisation"})
    people = (builders.person("A", "B"), builders.company("Firma"))
    with pytest.raises(Refused) as caught:
        loaded.document(submission(applicants=people))
    assert caught.value.reason == "no firms here (antragsteller[2]/organisation)"


def test_refusals_by_a_condition(mapping: Any) -> None:
    """A reason to refuse can be that something is missing, or whatever else an XPath can say; one that cannot be evaluated says so."""
    missing = mapping({"x": "'x'"}, refuse={"no landlord": "not(feld('F99000106'))"})
    assert _is_refused(missing, submission(content=form(F99000106="Vogl"))) is False
    for condition, reason in (("not(feld('F99000199'))", "no"), ("feld('F99000102')/@id | feld('F99000102')/../@id", "no")):
        with pytest.raises(Refused, match=f"^{reason}$"):
            mapping({"x": "'x'"}, refuse={"no": condition}).document(submission())
    with pytest.raises(Refused, match=r"^refuse: the XPath of 'no' cannot be evaluated$"):
        mapping({"x": "'x'"}, refuse={"no": "count('a')"}).document(submission())


def test_what_is_not_a_number_is_not_true(mapping: Any) -> None:
    """Conditions are those of XPath: a number that cannot be read is false, as a blank text is."""
    loaded = mapping({"a": {"value": "'x'", "when": "number(feld('F99000102'))"}, "b": {"value": "'x'", "when": "string(' ')"}})
    assert members(loaded, submission()) == {"a": None, "b": None}


# --- formats


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


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+49 821 1", "'+49 821 1"),
        ("-2+3+cmd", "'-2+3+cmd"),
        ("\t=1", "'\t=1"),
        ("-5,50", "-5,50"),
        ("+3", "+3"),
        ("a=1", "a=1"),
        ("-", "-"),
    ],
)
def test_formulas_in_csv(mapping: Any, text: str, written: str) -> None:
    """A table for people can have texts quoted that a spreadsheet would reckon with; one for machines has them as they are."""
    for formulas, expected in (({}, text), ({"formulas": "keep"}, text), ({"formulas": "quote"}, written)):
        loaded = mapping({"a": "feld('F99000102')"}, target={"format": "csv", **formulas})
        assert loaded.document(submission(content=form(F99000102=text))).content.decode() == f"a\r\n{expected}\r\n"


@pytest.mark.parametrize(
    ("text", "charset", "expected"),
    [
        ("Schön Žižka €", "iso-8859-15", "Schön Žižka €"),
        ("Đặng Łukasz İpek – ’", "iso-8859-15", "Dang Lukasz Ipek - '"),
        ("Schön Straße Ægir €", "ascii", "Schoen Strasse AEgir EUR"),
        ("Muʒter Ǯ Ƈ ƈ", "iso-8859-15", "Muzter Z C c"),
        ("Ǻ Ǿ Ž̧ Ç̆", "iso-8859-15", "Å Ø Ž Ç"),
        ("Lin\u00adden\u200bweg", "ascii", "Lindenweg"),
        ("GROẞ", "ascii", "GROss"),
        ("u\u0308", "iso-8859-15", "ü"),
        ("Παπα", "iso-8859-15", None),
        ("", "ascii", ""),
    ],
)
def test_transliteration(text: str, charset: str, expected: str | None) -> None:
    """The stated rule: what is there stays, known letters are replaced, marks go, other alphabets are not guessed."""
    assert charsets.fit(text, charset, "transliterate") == expected


CHARSETS = (
    "ascii",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-9",
    "iso-8859-15",
    "cp1250",
    "cp1252",
    "cp1257",
    "cp437",
    "cp850",
    "cp273",
    "mac-roman",
)


@pytest.mark.parametrize("charset", CHARSETS)
def test_everything_of_the_norm_can_be_transliterated(charset: str) -> None:
    """Whatever the gateway takes as a text of Latin letters (datatypes A, B and C) has a form in each character set."""
    entries = [*norm("bll", "bnlreq", "bnl", "bnlopt", "bnlnot", "enl")]
    assert len([*norm("bll")]) == 649
    assert [entry for entry in entries if charsets.fit(entry, charset, "transliterate") is None] == []
    assert all((charsets.fit(entry, charset, "transliterate") or "").strip() for entry in norm("bll"))


def test_every_character_set_that_is_offered() -> None:
    """What the norm has can be written in all character sets that a mapping may name, not only in those of today's offices."""
    names = sorted({module.name for module in pkgutil.iter_modules(encodings.__path__) if charsets.known(module.name)})
    assert len(names) > 90
    assert [
        (name, entry) for name in names for entry in norm("bll", "bnlreq", "bnl") if charsets.fit(entry, name, "transliterate") is None
    ] == []


@pytest.mark.parametrize("charset", ["iso-8859-1", "iso-8859-15", "cp1252", "cp1250", "cp850"])
def test_umlauts_stay_umlauts(charset: str) -> None:
    """An umlaut with a second mark stays an umlaut where the character set has it, and is written with an e where not."""
    found = [entry for entry in norm("bll") if (parts := unicodedata.normalize("NFD", entry))[0] in "AOUaou" and "\u0308" in parts]
    assert len(found) == 18 + len("ÄÖÜäöü")
    for entry in found:
        plain = unicodedata.normalize("NFD", entry)[0]
        assert charsets.fit(entry, charset, "transliterate") == unicodedata.normalize("NFC", f"{plain}\u0308")
        assert charsets.fit(entry, "ascii", "transliterate") == f"{plain}e"


@pytest.mark.parametrize("codec", ["idna", "punycode", "undefined", "unicode-escape", "rot13", "base64", "klingon"])
def test_codecs_that_are_no_character_sets(codec: str) -> None:
    """What Python can turn texts into is not always what a back office could read."""
    assert not charsets.known(codec)


def norm(*groups: str) -> Iterator[str]:
    """Characters and sequences of DIN 91379."""
    for group in groups:
        for part in din91379_tables.CHARACTERS[group].split():
            first, _, last = part.partition("-")
            yield from map(chr, range(int(first, 16), int(last or first, 16) + 1))
    if "bll" in groups:
        for marks, letters in din91379_tables.SEQUENCES.items():
            yield from (letter + "".join(chr(int(mark, 16)) for mark in marks.split()) for letter in letters)


def test_view() -> None:
    """The JSON view has lists for whatever can be repeated, even where there is one."""
    message = xml.parse(builders.submission(builders.application(content=form(F99000102="x")), OFFICE).body)
    (root,) = as_json(message).values()
    (applicant,) = root["antragsteller"]
    assert applicant["natuerlichePerson"]["familienname"]["name"] == "Schön"
    assert root["inhalt"]["formular"]["feld"] == [{"@id": "F99000102", "wert": ["x"]}]


# --- loading


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("target: {format: json}\ndocument:\n  x: foo('a')", 3, "there is no function 'foo'"),
        ("target: {format: json}\ndocument:\n  x: doc[", 3, "Invalid"),
        ("target: {format: json}\ndocument:\n  x:\n    value: code('t', 'a')", 4, "there is no table 't' in codes"),
        ("target: {format: json}\ndocument:\n  x: meta('name')", 3, "meta knows id, case, accepted_at, test"),
        ("target: {format: json}\ndocument:\n  x: {value: position()}", 3, "position() is there inside [...] only"),
        ("target: {format: json}\ndocument:\n  x: b:c", 3, "the prefix 'b' is not known; known: e"),
        ("target: {format: json}\ndocument:\n  y: a\n  x: {required: true}", 4, "has neither value nor fields nor default"),
        ("target: {format: json}\ndocument:\n  x:\n    value: a\n    colour: red", 5, "colour"),
        ("target: {format: json}\ndocument:\n  x:\n    each: a\n    value: b", 3, "need 'fields' below"),
        ("target: {format: json}\ndocument: {}", 2, "document"),
        ("target: {format: yaml}\ndocument: {a: b}", 1, "target"),
        ("target: {format: csv, encoding: klingon}\ndocument: {a: b}", 1, "no encoding 'klingon'"),
        ("target: {format: xml, root: a, encoding: latin-1}\ndocument: {a: b}", 1, "XML parsers do not know the encoding 'latin-1'"),
        ("target: {format: xml, root: a, encoding: ASCII}\ndocument:\n  straße: b", 3, "has not every letter of the name 'straße'"),
        ("target: {format: xml, root: straße, encoding: ASCII}\ndocument: {a: b}", 1, "has not every letter of the name 'straße'"),
        ("target: {format: csv, encoding: ASCII}\ndocument:\n  straße: b", 3, "has not every character of 'straße'"),
        ("target: {format: csv, encoding: ASCII, separator: ¦}\ndocument: {a: b}", 1, "has not every character of '¦'"),
        ("target: {format: fixed, encoding: ASCII}\ndocument:\n  a: {value: b, width: 3, fill: ¦}", 3, "has not the fill of a"),
        ("target:\n  format: csv\n  separator: '\"'\ndocument: {a: b}", 3, "separator"),
        ("target: {format: csv}\ndocument:\n  x: a\n  y:\n    fields:\n      x: b", 6, "another field is the column 'x' too"),
        ("target: {format: csv, columns: [x, z]}\ndocument: {x: a, y: b}", 1, "no field is called z; not among the columns: y"),
        ("target: {format: csv}\ndocument:\n  x: {each: a, fields: {p: b}}\n  y: {each: a, fields: {q: b}}", 4, "a table has one 'each'"),
        ("target: {format: fixed}\ndocument:\n  x: a", 3, "has no width"),
        ("target: {format: json}\ndocument:\n  x: a\n  y: {name: x, value: b}", 4, "another field has the name 'x'"),
        ("target: {format: json}\ndocument:\n  x: {value: a, fields: {b: c}}", 3, "only XML has text and fields in one"),
        ("target: {format: xml, root: 1a}\ndocument: {a: b}", 1, "no name of an XML element"),
        ("target: {format: xml, root: a}\ndocument:\n  p:x: a", 3, "prefix of 'p:x' is not in namespaces"),
        ("target: {format: xml, root: a}\ndocument:\n  '@x': {fields: {y: a}}", 3, "the attribute '@x' cannot have fields"),
        ("bas: nothing\ntarget: {format: json}\ndocument: {a: b}", 1, "unknown key 'bas'; did you mean 'base'?"),
        ("base: nothing\ntarget: {format: json}", 1, "there is no base 'nothing'"),
        ("base: ../x\ntarget: {format: json}", 1, "there is no base '../x'"),
        ("a: [", 1, "not YAML"),
        ("a: 1\na: 2", 2, "the key 'a' occurs twice"),
        ("target: {format: xml, root: a, namespaces: {1: urn:a}}\ndocument: {a: b}", 1, "namespaces"),
        ('target: {format: json}\ndocument: {x: {default: "\\x01"}}', 1, "a control character"),
        ("[]", 1, "a mapping has keys at its top"),
        ("a: &a [*a]", 1, "more than"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]",
            1,
            "more",
        ),
    ],
)
def test_mapping_that_cannot_be_used(tmp_path: Path, text: str, line: int, said: str) -> None:
    """What is wrong with a page is told when it is loaded, with file and line."""
    page = tmp_path / "mapping.yaml"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="mapping-invalid") as caught:
        Mapping.load(page)
    assert said in caught.value.detail
    assert caught.value.where == f"{page}, line {line}"[-len(caught.value.where or "") :]


def test_unreadable_pages(tmp_path: Path) -> None:
    """A page that is missing, too large or no UTF-8 is told as such."""
    page = tmp_path / "mapping.yaml"
    for content, said in ((None, "No such file"), (b"\xff", "not UTF-8"), (b"#" * 200_001, "larger than")):
        if content is not None:
            page.write_bytes(content)
        with pytest.raises(UsageError) as caught:
            Mapping.load(page)
        assert said in caught.value.detail


def test_base_is_overridden_key_by_key(tmp_path: Path) -> None:
    """A page changes single keys of its base, adds to what it says of a field, and takes away with null."""
    page = tmp_path / "mapping.yaml"
    page.write_text(
        "base: wohnsitz-anmelden\ntarget: {format: json}\nrefuse: null\ndocument:\n"
        "  wohnung: {fields: {strasse: feld('F99000105'), ort: {name: stadt}, wohnungsart: null}}\n  person: null\n",
        encoding="utf-8",
    )
    content = members(Mapping.load(page), submission())
    assert content["wohnung"]["strasse"] == content["wohnung"]["stadt"] == "München"
    assert not {"ort", "wohnungsart"} & content["wohnung"].keys()
    assert "person" not in content


def test_flaw_in_the_base_is_told_there(tmp_path: Path) -> None:
    """A line of the base is told with the base's name."""
    page = tmp_path / "mapping.yaml"
    page.write_text("base: wohnsitz-anmelden\ntarget: {format: csv}\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        Mapping.load(page)
    assert (caught.value.where or "").startswith("adapters/services/wohnsitz-anmelden.yaml, line ")


def test_nothing_is_within_reach(mapping: Any, tmp_path: Path) -> None:
    """An XPath reads neither files nor the network: such functions do not exist."""
    for function in ("document", "doc", "unparsed-text", "system-property", "re:match", "str:tokenize"):
        with pytest.raises(UsageError, match="there is no function"):
            mapping({"x": f"{function}('/etc/passwd')"})


def test_document_leaves_the_message_alone() -> None:
    """The message is shared by all who read it: a mapping changes nothing in it."""
    one = submission()
    before = etree.tostring(one.root)
    Mapping.load(folder(OFFICE) / "mapping.yaml").document(one)
    assert etree.tostring(one.root) == before


# --- faster ways give the same


@pytest.mark.parametrize(
    "xpath",
    [
        *("antragsteller", "antragsteller/natuerlichePerson/anschrift/ort", "leistung/code", "nachtrag", "'a b'", "feld('F99000107')"),
        *("normalize-space(antragsteller/natuerlichePerson/familienname)", "normalize-space(nachtrag)"),
    ],
)
def test_simple_xpaths_are_xpaths(xpath: str) -> None:
    """What goes without libxml2 selects what XPath selects, in the same order."""
    one = submission(applicants=(builders.person("A", "B"), builders.company("C"), builders.person("D", "E", address=None)))
    extensions, paths = functions.extensions({}), reading.Paths()
    with functions.translating(one):
        expected: Any = etree.XPath(xpath, extensions=extensions, smart_strings=False)(one.root)
        read = reading.compile_xpath(xpath, paths, {}, {})
        selected = read.select(paths.context(one.root))
        assert (list(selected) if isinstance(expected, list) else selected) == expected
        assert list(read.values(paths.context(one.root))) == functions.texts(expected)


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


def test_example_with_lines_of_several_kinds(tmp_path: Path) -> None:
    """The adapter in docs/mappings.md writes record types out of what its mapping says; nothing is found about the mapping."""
    text = (Path(__file__).parents[2] / "docs/mappings.md").read_text(encoding="utf-8")
    for name in ("mapping.yaml", "adapter.py"):
        block = re.search(rf"^```\w+ {re.escape(name)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        assert block is not None
        (tmp_path / name).write_text(block.group(1), encoding="utf-8")
    assert lint.check(tmp_path / "mapping.yaml", [catalogue.load().services["wohnsitz-anmelden"]]) == []
    spec = spec_from_file_location("example_of_record_types", tmp_path / "adapter.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        adapter = module.RegensburgMeldewesen.__new__(module.RegensburgMeldewesen)
        adapter._mapping = Mapping.load(tmp_path / "mapping.yaml")
        document = adapter.translate(
            submission(applicants=(builders.person("Đặng", "Zoë", birth_date="1990-05"), builders.person("B", None)))
        )
    finally:
        del sys.modules[spec.name]
    first, *persons, last = document.content.decode("iso-8859-15").split("\r\n")[:-1]
    assert (first[:2], first[-2:], len(first)) == ("01", "EA", 40)
    assert persons == [f"02001{'Dang':<30}{'Zoë':<30}19900500", f"02002{'B':<30}{'':<30}{persons[1][-8:]}"]
    assert (last, Path(document.name).suffix) == ("9900002", ".txt")


def test_example_of_the_documentation(tmp_path: Path) -> None:
    """The mapping in docs/mappings.md loads, and nothing is found about it."""
    page = tmp_path / "mapping.yaml"
    text = (Path(__file__).parents[2] / "docs/mappings.md").read_text(encoding="utf-8")
    page.write_text(text.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    assert lint.check(page, [catalogue.load().services["gewerbe-anmelden"]]) == []


SHIPPED = sorted(Path(registry.__file__).parent.glob("*/*/mapping.yaml"))


@given(st.data())
def test_any_page_loads_or_says_what_is_wrong(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A page with a piece cut out, or another put in, is a mapping or a UsageError; nothing else happens."""
    text = data.draw(st.sampled_from([path.read_text(encoding="utf-8") for path in SHIPPED]))
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 80)))
    piece = data.draw(st.sampled_from(["", "null", "1", "[]", "{}", "&a", "*a", "'", "x(", "::", "e:y", "\n", "- "]) | st.text(max_size=8))
    page = tmp_path_factory.getbasetemp() / "mapping.yaml"
    page.write_bytes((text[:begin] + piece + text[end:]).encode("utf-8", "surrogatepass"))
    with contextlib.suppress(UsageError):
        assert Mapping.load(page).media_type
