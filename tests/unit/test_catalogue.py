"""The catalogue: where submissions go, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas import catalogue, errors
from schemas.errors import Problem, Rejected, UsageError
from schemas.message import Trust

CATALOGUE = catalogue.load()
RESIDENCE, TRADE = "99115005104000", "99050012104000"
AUGSBURG, MUENCHEN = "097610000000", "091620000000"
ROUTES = [
    pytest.param(key, area, office, id=f"{key} in {area}")
    for service, area_keys, office in (
        ("wohnsitz-anmelden", (MUENCHEN, "09162000"), "muenchen.meldewesen"),
        ("wohnsitz-anmelden", ("095640000000", "09564000"), "nuernberg.meldewesen"),
        ("gewerbe-anmelden", (AUGSBURG, "09761000"), "augsburg.gewerbe"),
    )
    for key in CATALOGUE.services[service].leika
    for area in area_keys
]
COMPANY = Trust(level=3, account="unternehmenskonto-elster")
CITIZEN = Trust(level=3, account="bayernid")

SERVICES = [{"id": "parken", "name": "Parken", "leika": ["99000000000001"], "form": "https://stadtbus.example/p", "fields": {}}]
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
    """The package comes with three offices, and a folder of the same files gives the same."""
    assert CATALOGUE.offices == ["augsburg.gewerbe", "muenchen.meldewesen", "nuernberg.meldewesen"]
    assert catalogue.load(Path(catalogue.__file__).with_name("cities")).cities == CATALOGUE.cities
    assert [route.office for route in CATALOGUE.routes_of("augsburg.gewerbe")] == ["augsburg.gewerbe"]


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
        pytest.param("99000000000000", MUENCHEN, errors.UNKNOWN_SERVICE, [RESIDENCE, TRADE], id="unknown service"),
        pytest.param(RESIDENCE[:-1], MUENCHEN, errors.UNKNOWN_SERVICE, [RESIDENCE], id="key too short"),
        pytest.param("", "", errors.UNKNOWN_SERVICE, [RESIDENCE], id="nothing"),
        pytest.param(RESIDENCE, "110000000000", errors.UNKNOWN_AREA, [MUENCHEN, "09564000"], id="unknown area"),
        pytest.param(RESIDENCE, "091620", errors.UNKNOWN_AREA, [MUENCHEN], id="part of an area"),
        pytest.param(TRADE, MUENCHEN, errors.NO_ROUTE, ["muenchen", "augsburg"], id="not offered here"),
        pytest.param(RESIDENCE, AUGSBURG, errors.NO_ROUTE, ["muenchen, nuernberg"], id="offered in two cities"),
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
    assert refused.value.problem == errors.TRUST_TOO_LOW


@pytest.mark.parametrize(
    ("changes", "page", "detail"),
    [
        pytest.param({"city": "city: [altstadt"}, "altstadt.yaml", "not YAML", id="broken YAML"),
        pytest.param({"services": "id: parken"}, "services.yaml", "a list of services", id="not a list"),
        pytest.param({"city": "[]"}, "altstadt.yaml", "valid", id="not a city"),
        pytest.param({"city": CITY | {"colour": "red"}}, "altstadt.yaml", "colour", id="unknown key"),
        pytest.param({"city": office(colour="red")}, "altstadt.yaml", "offices.0.colour", id="unknown key of an office"),
        pytest.param({"services": [SERVICES[0] | {"leika": ["99"]}]}, "services.yaml", "leika.0", id="LeiKa key too short"),
        pytest.param({"services": [SERVICES[0] | {"leika": []}]}, "services.yaml", "leika", id="no LeiKa key"),
        pytest.param({"city": CITY | {"ars": 90000000000}}, "altstadt.yaml", "ars", id="area key as number"),
        pytest.param({"city": CITY | {"city": "Alt.Stadt"}}, "altstadt.yaml", "city", id="dot in a name"),
        pytest.param({"city": office(authority="09000000")}, "altstadt.yaml", "authority", id="authority without prefix"),
        pytest.param({"city": office(services=[OFFER | {"minimum_level": 5}])}, "altstadt.yaml", "minimum_level", id="no such level"),
        pytest.param({"city": office(services=[OFFER | {"service": "baden"}])}, "altstadt.yaml", "'baden'", id="unknown service"),
        pytest.param({"city": CITY | {"offices": [OFFICE, OFFICE | {"id": "park"}]}}, "altstadt.yaml", "two offices", id="two offices"),
    ],
)
def test_invalid_files(tmp_path: Path, changes: dict[str, Any], page: str, detail: str) -> None:
    """What is wrong with a file is told with the file and the field."""
    with pytest.raises(UsageError) as refused:
        catalogue.load(write(tmp_path, **changes))
    assert (refused.value.problem, refused.value.where) == (errors.SETTINGS, page)
    assert detail in refused.value.detail


def test_folder_without_services(tmp_path: Path) -> None:
    """A folder that is no catalogue is told by its name."""
    with pytest.raises(UsageError) as refused:
        catalogue.load(tmp_path)
    assert (refused.value.problem, refused.value.where) == (errors.SETTINGS, str(tmp_path))
