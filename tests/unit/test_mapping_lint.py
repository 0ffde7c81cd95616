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
from schemas import catalogue, datatypes, message, xml
from schemas.catalogue import Service
from schemas.catalogue.pages import Flaw

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
        xml.validate(root, message.SCHEMA)
        paths.update(_paths(root))
    known = {field.path for field in datatypes.fields(kind)}
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
