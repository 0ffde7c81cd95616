"""What is found about a mapping that loads."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from lxml import etree

from adapters.mapping import lint
from adapters.mapping.exemplars import exemplars
from adapters.registry import folder
from schemas import catalogue, message
from schemas.catalogue import Service
from schemas.examination.schema_table import OWN
from schemas.findings import Flaw
from schemas.message import xsd

KINDS = (message.APPLICATION, message.AMENDMENT, message.WITHDRAWAL)
SERVICES = catalogue.load().services
RESIDENCE = SERVICES["wohnsitz-anmelden"]


def found(tmp_path: Path, changes: dict[str, Any], service: Service = RESIDENCE) -> list[Flaw]:
    """What is found about a JSON mapping on the base of its service."""
    page = tmp_path / "mapping.yaml"
    page.write_text(yaml.safe_dump({"base": service.id, "target": {"format": "json"}} | changes, sort_keys=False), encoding="utf-8")
    return lint.check(page, [service])


def told(flaws: list[Flaw]) -> list[tuple[str, str]]:
    """Rule and detail of each."""
    return [(flaw.rule, flaw.detail) for flaw in flaws]


@pytest.mark.parametrize("office", ["muenchen.meldewesen", "muenchen.gewerbe", "nuernberg.meldewesen", "augsburg.gewerbe"])
def test_shipped_mappings_are_clean(office: str) -> None:
    """Nothing is found about the mappings of the demo."""
    services = [route.service for route in catalogue.load().routes_of(office)]
    assert lint.check(folder(office) / "mapping.yaml", services) == []


@pytest.mark.parametrize("service", ["wohnsitz-anmelden", "gewerbe-anmelden"])
def test_bases_alone_are_clean(tmp_path: Path, service: str) -> None:
    """A city that takes over a base as it is loses nothing: a JSON mapping needs no line more."""
    assert found(tmp_path, {}, SERVICES[service]) == []


def test_lost_field(tmp_path: Path) -> None:
    """A field of the service that nobody reads is found, until a reason is given."""
    without = {"document": {"wohnung": {"fields": {"wohnungsgeber": None}}}}
    assert [detail.partition(":")[0] for _, detail in told(found(tmp_path, without))] == ["nobody reads feld('F99000106')"]
    assert found(tmp_path, without | {"ignored": {"feld('F99000106')": "asked for on paper"}}) == []


def test_lost_second_value(tmp_path: Path) -> None:
    """Who reads only the first of several values loses the others."""
    first = {"document": {"wohnung": {"fields": {"staatsangehoerigkeit": "feld('F99000107')[1]"}}}}
    assert [rule for rule, _ in told(found(tmp_path, first))] == ["lost"]


def test_lost_element(tmp_path: Path) -> None:
    """An element of the message that nobody reads is found by its path, also where a function swallows it."""
    halved = {"document": {"person": {"fields": {"vornamen": "substring(vornamen/name, 1, 0)", "geburtsname": None}}}}
    details = [detail for _, detail in told(found(tmp_path, halved))]
    assert [detail.split(":")[0] for detail in details if "nobody" in detail] == [
        "nobody reads antragsteller/natuerlichePerson/vornamen/name",
        "nobody reads antragsteller/natuerlichePerson/geburtsname",
    ]


def test_test_mark_must_not_be_lost(tmp_path: Path) -> None:
    """A mapping that forgets the mark of tests is told so."""
    assert [detail.partition(":")[0] for _, detail in told(found(tmp_path, {"document": {"test": None}}))] == ["nobody reads @test"]


@pytest.mark.parametrize(
    "field",
    [
        {"value": "antragsteler/natuerlichePerson"},
        {"value": "feld('F99000999')"},
        {"value": "self::einreichung.antrag.0100/@produkt"},
        {"value": "'x'", "when": "inhalt/formular/feld[@id='F1']"},
        {"value": "'x'", "required": "self::e:einreichung.nachtrag.0110"},
        {"each": "inhalt/formulare", "fields": {"a": "'x'"}},
    ],
)
def test_xpath_that_never_matches(tmp_path: Path, field: dict[str, Any]) -> None:
    """An XPath that finds nothing in any message is found with its line."""
    (flaw,) = [flaw for flaw in found(tmp_path, {"document": {"neu": field}}) if flaw.rule == "never"]
    assert flaw.spot.line > 4
    assert next(value for value in field.values() if isinstance(value, str) and value != "'x'") in flaw.detail


def test_refusal_that_never_happens(tmp_path: Path) -> None:
    """A reason to refuse that no message gives is dead."""
    assert [rule for rule, _ in told(found(tmp_path, {"refuse": {"no ships": "antragsteller/schiff"}}))] == ["never"]


CONDITIONS = (
    "not(feld('F99000106'))",
    "count(feld('F99000106')) = 0",
    "string(feld('F99000106')) = ''",
    "1 - count(feld('F99000106'))",
    "not(feld('F99000106')/text())",
    "boolean(feld('F99000106')) = false()",
    "string-length(feld('F99000106')) = 0",
    "feld('F99000106') = 'x' or not(feld('F99000107'))",
    "not(feld('F99000106')) and not(feld('F99000107'))",
    "not(feld('F99000106')) and feld('F99000105') = 'Regensburg'",
    "feld('F99000108') != 'Hauptwohnung'",
    "feld('F99000102') = feld('F99000105')",
    "feld('F99000105') = antragsteller/natuerlichePerson/anschrift/ort",
    "feld('F99000102') = 'A' and feld('F99000105') = 'B'",
    "feld('F99000107')[. = 'türkisch']",
    "count(feld('F99000107')) > 4",
    "count(antragsteller) = 1",
    "antragsteller[5]",
    "antragsteller/natuerlichePerson[not(geburtsname)]",
    "antragsteller/natuerlichePerson/anschrift/staat = 'Österreich'",
    "antragsteller/vertrauensniveau/niveau = 'STORK-QAA-Level-4'",
    "rueckkanalVorhanden = 'false'",
    "@produkt = 'Bürgerportal'",
    "not(bezug/vorgang)",
    "string-length(feld('F99000102')) > 30",
    "number(feld('F99000104')) > 93000",
    "substring(feld('F99000104'), 1, 2) = '80'",
    "substring(feld('F99000104'), 3, 1) = '5'",
    "starts-with(feld('F99000102'), 'Am') and contains(feld('F99000102'), 'Dom')",
    "substring-after(feld('F99000102'), ', ') = 'Rückgebäude'",
    "string-length(feld('F99000104')) = 7",
    "number(translate(feld('F99000101'), '-', '')) > 20270101",
    "substring(feld('F99000101'), 6, 2) = '12'",
    "starts-with(feld('F99000101'), '2027')",
    "antragsteller/natuerlichePerson[substring(normalize-space(geburtsdatum), 1, 4) > 2008]",
    "string-length(normalize-space(antragsteller/natuerlichePerson/geburtsdatum)) = 7",
)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_that_a_message_can_fulfil(tmp_path: Path, condition: str) -> None:
    """A condition for what is missing, for another text, for more or fewer of something is none that is never true."""
    fields: dict[str, Any] = {
        "a": {"value": "'J'", "when": condition},
        "b": {"value": f"substring('N', 1, boolean({condition}))", "default": "J", "required": condition},
    }
    assert found(tmp_path, {"document": fields}) == []
    assert found(tmp_path, {"refuse": {"not here": condition}}) == []


@pytest.mark.parametrize(
    "condition",
    [
        "feld('F99000108') = 'Hauptwonung'",
        "not(feld('F99000105'))",
        "feld('F99000101') = 'gestern'",
        "not(leistung)",
        "count(antragsteller) > 30",
        "antragsteller/vertrauensniveau/niveau = 'STORK-QAA-Level-9'",
        "feld('F99000101') < '2027-01-01'",
    ],
)
def test_conditions_that_no_message_can_fulfil(tmp_path: Path, condition: str) -> None:
    """What the gateway would not take cannot be asked for: a misspelt code, a required field that is missing, a date that is none."""
    assert [rule for rule, _ in told(found(tmp_path, {"document": {"a": {"value": "'J'", "when": condition}}}))] == ["never"]


STATES = {"document": {"wohnung": {"fields": {"staatsangehoerigkeit": "code('staat', feld('F99000107'))"}}}}


def test_code_table_over_free_text(tmp_path: Path) -> None:
    """A table over a text that anybody can write is right where it says what all other texts become, and reads what it translates."""
    assert found(tmp_path, STATES | {"codes": {"staat": {"deutsch": "000", "*": "999"}}}) == []
    (flaw,) = found(tmp_path, STATES | {"codes": {"staat": {"deutsch": "000"}}})
    assert (flaw.rule, "a code that the table 'staat' has not" in flaw.detail) == ("refused", True)


def test_what_is_asked_for_and_not_read(tmp_path: Path) -> None:
    """A text of which only the presence counts is told as such, at the line that asks for it."""
    (flaw,) = found(tmp_path, {"document": {"wohnung": {"fields": {"wohnungsgeber": "boolean(feld('F99000106'))"}}}})
    assert flaw.detail.startswith("only whether there is feld('F99000106') is asked for, and nobody reads it")
    assert flaw.spot.line == 7


@pytest.mark.parametrize(
    ("changes", "rule", "said"),
    [
        ({"document": {"x": "concat(feld('F99000102'), feld('F99000110'))"}}, "field", "has the field 'F99000110'; did you mean"),
        ({"document": {"x": "count(inhalt/formular/feld[@id='F99000110']) + 1"}}, "field", "has the field 'F99000110'"),
        ({"document": {"x": "date(feld('F99000101'), 'TT.MM.JJJJ')"}}, "date", "'TT' is no part of a date"),
        ({"document": {"x": "date(feld('F99000101'), 'DD.MM.YY')"}}, "date", "'YY' is no part of a date"),
        ({"document": {"x": "concat('am ', date(normalize-space(feld('F99000101')), 'dd.MM.YYYY'))"}}, "date", "'dd' is no part"),
        (
            {
                "document": {"wohnung": {"fields": {"wohnungsart": "code('art', feld('F99000108'))"}}},
                "codes": {"art": {"Nebenwonung": "NW", "*": "HW"}},
            },
            "code",
            "feld('F99000108') never has the code 'Nebenwonung'; did you mean 'Nebenwohnung'?",
        ),
    ],
)
def test_mistakes_that_are_certain(tmp_path: Path, changes: dict[str, Any], rule: str, said: str) -> None:
    """A field that no form has, a code that a field cannot have, letters that are no part of a date are told with their line."""
    (flaw,) = found(tmp_path, changes)
    assert (flaw.rule, flaw.spot.line > 3) == (rule, True)
    assert said in flaw.detail


def test_pattern_with_letters(tmp_path: Path) -> None:
    """A letter that stands alone is one, and a table that translates more than a field may have more codes."""
    assert found(tmp_path, {"document": {"x": "date(feld('F99000101'), 'YYYY-MM-DDT00:00:00Z')"}}) == []
    mixed = "code('art', feld('F99000108') | antragsteller/natuerlichePerson/anschrift/staat)"
    changes = {"document": {"x": {"value": mixed, "many": True}}, "codes": {"art": {"Hauptwohnung": "1", "Polen": "2", "*": "9"}}}
    assert found(tmp_path, changes) == []


def test_refusals_are_told_at_the_line_of_their_field(tmp_path: Path) -> None:
    """A field that a complete message does not fit is told with its own line, and every column that is too narrow at once."""
    (flaw,) = found(tmp_path, {"document": {"person": {"fields": {"v": {"value": "integer(vornamen/name)"}}}}})
    assert (flaw.rule, flaw.spot.line) == ("refused", 7)
    page = tmp_path / "mapping.yaml"
    narrow = "target: {format: fixed}\nmessages: [einreichung.antrag.0100]\ndocument:\n"
    fields = "".join(f"  {name}: {{value: feld('{name}'), width: 2}}\n" for name in ("F99000102", "F99000104", "F99000105"))
    page.write_text(narrow + fields, encoding="utf-8")
    refused = [flaw for flaw in lint.check(page, [RESIDENCE]) if flaw.rule == "refused"]
    assert [flaw.spot.line for flaw in refused] == [4, 5, 6]
    assert all("is longer than 2" in flaw.detail for flaw in refused)


def test_code_table_with_a_gap(tmp_path: Path) -> None:
    """A code of the service that a table has not would be refused; any other code can be said."""
    art = {"document": {"wohnung": {"fields": {"wohnungsart": "code('art', feld('F99000108'))"}}}}
    table = {"alleinige Wohnung": "1", "Hauptwohnung": "2"}
    assert found(tmp_path, art | {"codes": {"art": table}})[0].rule == "refused"
    assert "a code that the table 'art' has not" in found(tmp_path, art | {"codes": {"art": table}})[0].detail
    assert found(tmp_path, art | {"codes": {"art": table | {"Nebenwohnung": "3"}}}) == []
    assert found(tmp_path, art | {"codes": {"art": table | {"*": "9"}}}) == []


def test_several_values_for_one_place(tmp_path: Path) -> None:
    """A field that can have several values does not fit where the target takes one."""
    single = {"document": {"wohnung": {"fields": {"staatsangehoerigkeit": {"many": False}}}}}
    assert [rule for rule, _ in told(found(tmp_path, single))] == ["refused"]


def test_wrong_number_of_arguments(tmp_path: Path) -> None:
    """A function with too few arguments cannot be evaluated, and that is told."""
    assert "cannot be evaluated" in found(tmp_path, {"document": {"x": "house_number()"}})[0].detail


def test_page_that_does_not_load(tmp_path: Path) -> None:
    """Of a page that cannot be used all flaws are told, not only the first."""
    flaws = found(tmp_path, {"document": {"x": "foo()", "y": "bar()", "z": {"required": True}}})
    assert [flaw.rule for flaw in flaws] == ["xpath", "xpath", "unset"]
    page = tmp_path / "mapping.yaml"
    page.write_text("target: 1\ndocument: 2\n", encoding="utf-8")
    assert {flaw.rule for flaw in lint.check(page, [RESIDENCE])} == {"shape"}
    assert [flaw.rule for flaw in lint.check(tmp_path / "none.yaml", [RESIDENCE])] == ["readable"]


@pytest.mark.parametrize("kind", KINDS)
def test_exemplars_have_everything(kind: str) -> None:
    """Exemplars are valid, and together have every element and attribute that the XSD knows, but for genuine content."""
    paths: set[str] = set()
    for root in chain.from_iterable(exemplars(kind, RESIDENCE)):
        assert OWN.findings(root) == []
        paths.update(_paths(root))
    known = {field.path for field in xsd.fields(kind)}
    assert known - paths == ({"inhalt/fachnachricht"} & known)


def test_exemplars_of_every_service() -> None:
    """Each service of the catalogue has exemplars, with every code that its fields can have."""
    for service in SERVICES.values():
        values = {value.text for root in chain.from_iterable(exemplars(message.APPLICATION, service)) for value in root.iter("wert")}
        assert {code for spec in service.fields for code in spec.codes} <= values


def _paths(root: etree._Element) -> set[str]:
    """Elements and attributes by local names, without positions."""
    found: set[str] = set()
    for element in root.iter("*"):
        names = [etree.QName(one).localname for one in (element, *element.iterancestors())][::-1][1:]
        found.add("/".join(names))
        found.update("/".join((*names, f"@{name}")) for name in map(str, element.attrib))
    return found - {""}
