"""The catalogue: where submissions go, and what is wrong with a page."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

import schemas
from schemas import catalogue, problems
from schemas.catalogue import Catalogue, FieldSpec, pages, rules
from schemas.catalogue.expected import Expected
from schemas.din91379 import first_disallowed
from schemas.errors import Rejected, UsageError
from schemas.message import Trust
from schemas.problems import Problem

CATALOGUE = catalogue.load()
RESIDENCE, TRADE = "99115005104000", "99050012104000"
AUGSBURG, MUENCHEN, NUERNBERG = "097610000000", "091620000000", "095640000000"
ROUTES = [
    pytest.param(key, area, office, id=f"{key} in {area}")
    for service, area_keys, office in (
        ("wohnsitz-anmelden", (MUENCHEN, "09162000"), "muenchen.meldewesen"),
        ("gewerbe-anmelden", (MUENCHEN, "09162000"), "muenchen.gewerbe"),
        ("baugenehmigung", (NUERNBERG, "09564000"), "nuernberg.bau"),
        ("wohnsitz-anmelden", (NUERNBERG, "09564000"), "nuernberg.meldewesen"),
        ("gewerbe-anmelden", (AUGSBURG, "09761000"), "augsburg.gewerbe"),
    )
    for key in CATALOGUE.services[service].leika
    for area in area_keys
]
COMPANY = Trust(level=3, account="unternehmenskonto-elster")
CITIZEN = Trust(level=3, account="bayernid")

FIELD = {"id": "F99000001", "name": "Kennzeichen", "example": "A-ST 2026"}
SERVICES = [{"id": "parken", "name": "Parken", "leika": ["99000000000001"], "form": "https://stadtbus.example/p", "fields": [FIELD]}]
OFFER = {"service": "parken", "minimum_level": 1, "accounts": ["bayernid"]}
OFFICE = {"id": "strasse", "name": "Straßenamt", "authority": "ags:09000000", "services": [OFFER]}
CITY = {"city": "altstadt", "name": "Altstadt", "ags": "09000000", "ars": "090000000000", "offices": [OFFICE]}


def write(folder: Path, services: object = SERVICES, city: object = CITY) -> Path:
    """A catalogue of one city; text is written as it is."""
    for name, content in (("services", services), ("altstadt", city)):
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def office(**changes: Any) -> dict[str, Any]:
    """The city with a changed office."""
    return CITY | {"offices": [OFFICE | changes]}


def test_packaged_catalogue() -> None:
    """The package comes with the five offices of the design, and a folder of the same pages gives the same."""
    offices = ["augsburg.gewerbe", "muenchen.gewerbe", "muenchen.meldewesen", "nuernberg.bau", "nuernberg.meldewesen"]
    assert [office for office in CATALOGUE.offices if office.partition(".")[0] in {"augsburg", "muenchen", "nuernberg"}] == offices
    assert catalogue.load(Path(schemas.__file__).with_name("cities")).services == CATALOGUE.services
    assert [route.office for route in CATALOGUE.routes_of("augsburg.gewerbe")] == ["augsburg.gewerbe"]


def test_what_is_expected_of_an_office(tmp_path: Path) -> None:
    """It stands in the page of its city; a page of before says nothing, and the defaults hold."""
    assert set(CATALOGUE.expected()) == set(CATALOGUE.offices)
    assert catalogue.load(write(tmp_path)).expected() == {"altstadt.strasse": Expected()}
    page = office(expected={"open": {"mon": "08:00-16:00"}, "freshness": {"within": "1 h"}})
    expected = catalogue.load(write(tmp_path, city=page)).expected()["altstadt.strasse"]
    assert expected.open == {"mon": "08:00-16:00"}
    assert expected.freshness.within == timedelta(hours=1)


def test_own_catalogue(tmp_path: Path) -> None:
    """A folder of YAML files takes the place of the package's; other files there do not matter."""
    (write(tmp_path) / "README.md").write_text("# Cities", encoding="utf-8")
    loaded = catalogue.load(tmp_path)
    assert loaded.offices == ["altstadt.strasse"]
    assert loaded.route("99000000000001", "09000000").service.name == "Parken"


@pytest.mark.parametrize(("service", "area", "office"), ROUTES)
def test_route(service: str, area: str, office: str) -> None:
    """Each LeiKa key leads with each area key, ARS or AGS, to the one office."""
    assert CATALOGUE.route(service, area).office == office


@pytest.mark.parametrize(
    ("service", "area", "problem", "hints"),
    [
        pytest.param("99000000000000", MUENCHEN, problems.UNKNOWN_SERVICE, [RESIDENCE, TRADE], id="unknown service"),
        pytest.param(RESIDENCE[:-1], MUENCHEN, problems.UNKNOWN_SERVICE, [RESIDENCE], id="key too short"),
        pytest.param("", "", problems.UNKNOWN_SERVICE, [RESIDENCE], id="nothing"),
        pytest.param(RESIDENCE, "110000000000", problems.UNKNOWN_AREA, [MUENCHEN, "09564000"], id="unknown area"),
        pytest.param(RESIDENCE, "091620", problems.UNKNOWN_AREA, [MUENCHEN], id="part of an area"),
        pytest.param("99012008000000", MUENCHEN, problems.NO_ROUTE, ["muenchen", "nuernberg"], id="not offered here"),
        pytest.param(RESIDENCE, AUGSBURG, problems.NO_ROUTE, ["muenchen, nuernberg"], id="offered in two cities"),
        pytest.param("99108001000000", AUGSBURG, problems.NO_ROUTE, ["no city"], id="offered nowhere"),
    ],
)
def test_no_route(service: str, area: str, problem: Problem, hints: list[str]) -> None:
    """Where nothing leads, the answer says what would."""
    with pytest.raises(Rejected) as refused:
        CATALOGUE.route(service, area)
    assert refused.value.problem == problem
    assert [hint for hint in hints if hint not in refused.value.detail] == []


@pytest.mark.parametrize(
    ("trust", "accepted"),
    [
        pytest.param([COMPANY], True, id="company account"),
        pytest.param([Trust(level=4, account=COMPANY.account)], True, id="higher level"),
        pytest.param([Trust(level=2, account=COMPANY.account)], False, id="level too low"),
        pytest.param([CITIZEN], False, id="account not accepted"),
        pytest.param([Trust(level=4, account=CITIZEN.account)], False, id="level does not make up for the account"),
        pytest.param([COMPANY, COMPANY], True, id="all are good enough"),
        pytest.param([COMPANY, CITIZEN], False, id="the last one counts"),
        pytest.param([CITIZEN, COMPANY], False, id="the first one counts"),
    ],
)
def test_trust(trust: list[Trust], accepted: bool) -> None:
    """Every applicant needs level and account of the office; a refusal names both."""
    route = CATALOGUE.route(TRADE, AUGSBURG)
    if accepted:
        route.check_trust(trust)
        return
    with pytest.raises(Rejected, match=r"level 3 \(substanziell\) by unternehmenskonto-elster") as refused:
        route.check_trust(trust)
    accounts = {one.account for one in trust}
    assert refused.value.problem == (problems.ACCOUNT_NOT_ACCEPTED if CITIZEN.account in accounts else problems.TRUST_TOO_LOW)


@pytest.mark.parametrize(
    ("day", "office"),
    [
        pytest.param("2026-06-29", "altstadt.strasse", id="long before"),
        pytest.param("2026-06-30", "altstadt.strasse", id="the last day"),
        pytest.param("2026-07-01", "altstadt.park", id="the first day"),
        pytest.param("2026-12-31", "altstadt.park", id="the very last day"),
    ],
)
def test_service_moves(tmp_path: Path, day: str, office: str) -> None:
    """From its first day on the new office takes the service; the old one does up to its last."""
    assert moving(tmp_path).route("99000000000001", "09000000", date.fromisoformat(day)).office == office


def test_offer_has_ended(tmp_path: Path) -> None:
    """After the last day of the last offer nobody takes the service, today included."""
    with pytest.raises(Rejected, match="offered in: no city"):
        moving(tmp_path).route("99000000000001", "09000000", date(2027, 1, 1))
    ended = office(services=[OFFER | {"valid_to": date(2020, 1, 1)}])
    with pytest.raises(Rejected, match="offered in: no city"):
        catalogue.load(write(tmp_path, city=ended)).route("99000000000001", "09000000")


def moving(folder: Path) -> Catalogue:
    """The service moves from one office to the other."""
    before = OFFICE | {"services": [OFFER | {"valid_to": date(2026, 6, 30)}]}
    after = OFFICE | {"id": "park", "services": [OFFER | {"valid_from": date(2026, 7, 1), "valid_to": date(2026, 12, 31)}]}
    return catalogue.load(write(folder, city=CITY | {"offices": [before, after]}))


# --- what is wrong with a page


@pytest.mark.parametrize(
    ("changes", "page", "detail"),
    [
        pytest.param({"city": "city: [altstadt"}, "altstadt.yaml", "not YAML", id="broken YAML"),
        pytest.param({"services": "id: parken"}, "services.yaml", "a list is expected", id="not a list"),
        pytest.param({"city": "[]"}, "altstadt.yaml", "expected keys with values below it, found a list", id="not a city"),
        pytest.param({"city": CITY | {"colour": "red"}}, "altstadt.yaml", "colour", id="unknown key"),
        pytest.param({"city": office(colour="red")}, "altstadt.yaml", "offices.0.colour", id="unknown key of an office"),
        pytest.param({"services": [SERVICES[0] | {"leika": ["99"]}]}, "services.yaml", "leika.0", id="LeiKa key too short"),
        pytest.param({"services": [SERVICES[0] | {"leika": []}]}, "services.yaml", "leika", id="no LeiKa key"),
        pytest.param({"city": CITY | {"ars": 90000000000}}, "altstadt.yaml", "ars", id="area key as number"),
        pytest.param({"city": CITY | {"city": "Alt.Stadt"}}, "altstadt.yaml", "city", id="dot in a name"),
        pytest.param({"city": office(authority="09000000")}, "altstadt.yaml", "authority", id="authority without prefix"),
        pytest.param({"city": office(services=[OFFER | {"minimum_level": 5}])}, "altstadt.yaml", "minimum_level", id="no such level"),
        *(
            pytest.param(
                {"city": office(services=[OFFER | {"minimum_level": level}])}, "altstadt.yaml", "minimum_level", id=f"level {level!r}"
            )
            for level in (True, "3", 3.0)
        ),
        *(
            pytest.param({"city": office(services=[OFFER | {"valid_to": day}])}, "altstadt.yaml", "valid_to", id=f"day {day!r}")
            for day in (0, 20260201, "1767571200", "20260201", datetime(2026, 2, 1, tzinfo=UTC))
        ),
        pytest.param({"city": office(expected={"freshness": {"within": 15}})}, "altstadt.yaml", "15 min", id="duration without unit"),
        pytest.param({"city": office(expected={"open": {"mon": "8-16"}})}, "altstadt.yaml", "expected.open.mon", id="hours"),
        pytest.param({"city": office(services=[OFFER | {"service": "baden"}])}, "altstadt.yaml", "'baden'", id="unknown service"),
        pytest.param(
            {"city": CITY | {"offices": [OFFICE, OFFICE | {"id": "park"}]}}, "altstadt.yaml", "by strasse and park", id="two offices"
        ),
    ],
)
def test_invalid_pages(tmp_path: Path, changes: dict[str, Any], page: str, detail: str) -> None:
    """What is wrong with a page is told with page, line and key."""
    with pytest.raises(UsageError) as refused:
        catalogue.load(write(tmp_path, **changes))
    assert refused.value.problem == problems.CATALOGUE
    assert (refused.value.where or "").startswith(f"{page}, line ")
    assert detail in refused.value.detail


def test_page_in_another_encoding(tmp_path: Path) -> None:
    """A page in ISO-8859-1 is refused with the line of the first letter that is no UTF-8."""
    (write(tmp_path) / "neustadt.yaml").write_bytes("# Neustadt\ncity: neustädt".encode("latin-1"))
    with pytest.raises(UsageError, match="not UTF-8") as refused:
        catalogue.load(tmp_path)
    assert refused.value.where == "neustadt.yaml, line 2"


def test_all_faults_of_a_page_are_found(tmp_path: Path) -> None:
    """Reading goes on after the first fault, in the same page and in others."""
    write(tmp_path, [{"id": "Parken"}], CITY | {"ags": "1", "colour": "red"})
    found = rules.flaws(pages.read(pages.sources(tmp_path)))
    shown = {(flaw.rule, flaw.spot.page, flaw.detail.partition(":")[0]) for flaw in found}
    city = {("shape", "altstadt.yaml", key) for key in ("ags", "colour")}
    assert shown == city | {("shape", "services.yaml", key) for key in ("id", "name", "leika", "form")}


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        pytest.param({"kind": "code"}, "has codes", id="code without codes"),
        pytest.param({"codes": ["A-ST 2026"]}, "has codes", id="text with codes"),
        pytest.param({"kind": "code", "codes": ["x"]}, "not of kind 'code'", id="example is none of the codes"),
        pytest.param({"kind": "date"}, "not of kind 'date'", id="example is no date"),
        pytest.param({"kind": "date", "example": "20260401"}, "not of kind 'date'", id="date without hyphens"),
        pytest.param({"kind": "date", "example": "2026-W14-3"}, "not of kind 'date'", id="week date"),
        pytest.param({"kind": "integer", "example": "1.5"}, "not of kind 'integer'", id="example is no integer"),
        pytest.param({"kind": "integer", "example": "1_000"}, "not of kind 'integer'", id="integer of Python"),
        pytest.param({"datatype": "A"}, "not of datatype A", id="example of another datatype"),
        pytest.param({"many": True}, "a list where 'many' is true", id="one example for many values"),
        pytest.param({"example": ["a", "b"]}, "a list where 'many' is true", id="many examples for one value"),
        pytest.param({"id": "Kennzeichen"}, "id", id="id is not shaped like FIM's"),
        pytest.param({"datatype": "F"}, "datatype", id="no such datatype"),
        pytest.param({"example": " "}, "example", id="blank example"),
    ],
)
def test_invalid_fields(changes: dict[str, Any], detail: str) -> None:
    """A field whose parts do not agree is refused."""
    with pytest.raises(ValidationError, match=detail):
        FieldSpec.model_validate(FIELD | changes)


def test_folder_without_services(tmp_path: Path) -> None:
    """A folder that is no catalogue is told by its name."""
    for folder, detail in ((tmp_path, "services.yaml"), (tmp_path / "nowhere", "no such folder")):
        with pytest.raises(UsageError, match=detail) as refused:
            catalogue.load(folder)
        assert refused.value.problem == problems.CATALOGUE
        assert str(folder) in (refused.value.where or "")


def test_accounts_of_the_folder(tmp_path: Path) -> None:
    """Accounts of a folder take the place of the package's, which count where the folder has none."""
    write(tmp_path)
    assert "bayernid" in catalogue.load(tmp_path).accounts
    (tmp_path / "accounts.yaml").write_text("- {id: stadtkonto, name: Stadtkonto, levels: [1]}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"'bayernid' is not in accounts\.yaml"):
        catalogue.load(tmp_path)


# --- what the package ships


def test_services_have_the_keys_of_the_reference() -> None:
    """Every LeiKa key of the ten services leads to one service, and those that must not be used lead nowhere."""
    keys = {
        *("99050012104000", "99050012071000", "99050012070000", "99115005000000", "99115005104000", "99115005070000"),
        *("99115003000000", "99115004000000", "99012008000000", "99014002000000", "99101004000000", "99059001104000"),
        *("99027002012000", "99010003001000", "99125003001000", "99010005000000", "99036020001000", "99036008003000"),
        *("99049001000000", "99049001001000", "99102013104000", "99108001000000", "99108001001000"),
    }
    assert {key for service in CATALOGUE.services.values() for key in service.leika} == keys


def test_every_service_has_fields() -> None:
    """Every service has a form of its own with at least one required field."""
    assert len({service.form for service in CATALOGUE.services.values()}) == len(CATALOGUE.services)
    assert [service.id for service in CATALOGUE.services.values() if not any(field.required for field in service.fields)] == []


def test_examples_fit_their_datatype() -> None:
    """The examples of all fields are in normal form C and fit the datatype of DIN 91379 that their field has."""
    fields = [field for service in CATALOGUE.services.values() for field in service.fields]
    assert [field.id for field in fields for text in field.examples if first_disallowed(text, field.datatype)] == []
    assert all(unicodedata.is_normalized("NFC", text) for field in fields for text in field.examples)
