"""Which values a mapping reads from a message, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from lxml import etree

from adapters.interface import Submission
from adapters.mapping import Mapping, functions, reading
from adapters.mapping.view import as_json
from schemas import xml
from schemas.errors import Refused
from tests import builders
from tests.mappings import OFFICE, form, members, submission


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


def test_view() -> None:
    """The JSON view has lists for whatever can be repeated, even where there is one."""
    message = xml.parse(builders.submission(builders.application(content=form(F99000102="x")), OFFICE).body)
    (root,) = as_json(message).values()
    (applicant,) = root["antragsteller"]
    assert applicant["natuerlichePerson"]["familienname"]["name"] == "Schön"
    assert root["inhalt"]["formular"]["feld"] == [{"@id": "F99000102", "wert": ["x"]}]
