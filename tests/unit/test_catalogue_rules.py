"""The rules of the catalogue: each finds its breach on the right line, and nothing in a sound catalogue."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas import catalogue, problems
from schemas.catalogue import pages, rules
from schemas.errors import UsageError
from schemas.findings import Flaw, Severity

SERVICES = """\
- id: parken
  name: Parken
  leika: ["99000000000001", "99000000000002"]
  form: https://stadtbus.example/parken
  fields:
    - {id: F99000001, name: Kennzeichen, example: A-ST 2026}
    - {id: F99000002, name: Gebiet, example: Mitte}
- id: baden
  name: Baden
  leika: ["99000000000003"]
  form: https://stadtbus.example/baden
"""
ACCOUNTS = """\
- {id: stadtkonto, name: Stadtkonto, levels: [1, 3]}
- {id: e-mail, name: E-Mail, levels: [1]}
"""
ALTSTADT = """\
city: altstadt
name: Altstadt
ags: "09000000"
ars: "090000000000"
promised: [parken]
offices:
  - id: strasse
    name: Straßenamt
    authority: ags:09000000
    services:
      - service: parken
        minimum_level: 3
        accounts: [stadtkonto, e-mail]
        valid_to: 2026-06-30
  - id: park
    name: Gartenamt
    authority: ags:09000000
    services:
      - service: parken
        minimum_level: 1
        accounts: [e-mail]
        valid_from: 2026-07-01
"""
NEUSTADT = """\
city: neustadt
name: Neustadt
ags: "09123456"
ars: "091230000456"
offices:
  - id: bad
    name: Bäderamt
    authority: ags:09123456
    services:
      - service: baden
        minimum_level: 1
        accounts: [e-mail]
"""
CATALOGUE = {"services.yaml": SERVICES, "accounts.yaml": ACCOUNTS, "altstadt.yaml": ALTSTADT, "neustadt.yaml": NEUSTADT}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the catalogue, in which `page` says `new` instead of `old`."""

    def change(page: str = "altstadt.yaml", old: str = "", new: str = "") -> Path:
        assert old in CATALOGUE[page]
        for name, text in (CATALOGUE | {page: CATALOGUE[page].replace(old, new, 1)}).items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return change


def flaws_of(folder: Path) -> list[Flaw]:
    """Everything that is wrong in a folder."""
    return rules.flaws(pages.read(pages.sources(folder)))


def test_sound_catalogue(write: Write) -> None:
    """The catalogue that the other tests break has no flaw, and the package's has no more than services that nobody offers."""
    assert flaws_of(write()) == []
    assert {flaw.rule for flaw in rules.flaws(pages.read(pages.sources()))} <= {"not-offered"}


BREACHES = [
    pytest.param(
        "service-unknown", "altstadt.yaml", "- service: parken", "- service: parkn", 11, "'parkn'", id="offer of an unknown service"
    ),
    pytest.param("service-unknown", "altstadt.yaml", "[parken]", "[parken,\n  segeln]", 6, "'segeln'", id="promise of an unknown service"),
    pytest.param("account-unknown", "altstadt.yaml", "[stadtkonto, e-mail]", "[stadtconto]", 13, "'stadtconto'", id="unknown account"),
    pytest.param(
        "level-unreachable", "altstadt.yaml", "level: 3", "level: 4", 12, "stadtkonto or e-mail reaches level 4 (hoch)", id="level"
    ),
    pytest.param("routes-overlap", "altstadt.yaml", "2026-07-01", "2026-06-30", 19, "'parken' is taken by strasse and park", id="one day"),
    pytest.param("routes-overlap", "altstadt.yaml", "        valid_to: 2026-06-30\n", "", 18, "by strasse and park", id="without end"),
    pytest.param(
        "route-gap", "altstadt.yaml", "2026-07-01", "2026-07-02", 22, "between 2026-06-30 and 2026-07-02", id="day without office"
    ),
    pytest.param("route-missing", "altstadt.yaml", "[parken]", "[parken, baden]", 5, "none of its offices takes it", id="promise not kept"),
    pytest.param(
        "not-offered", "neustadt.yaml", "- service: baden", "- service: parken", 8, "no office takes 'baden'", id="offered nowhere"
    ),
    pytest.param(
        "area-keys", "altstadt.yaml", '"090000000000"', '"090000000001"', 4, "is 090000000000, not", id="ARS of a kreisfreie Stadt"
    ),
    pytest.param("area-keys", "altstadt.yaml", '"090000000000"', '"091620000000"', 4, "is 090000000000, not", id="ARS of another city"),
    pytest.param("area-keys", "neustadt.yaml", '"091230000456"', '"091240000456"', 4, "differ in district", id="other district"),
    pytest.param("area-keys", "neustadt.yaml", '"091230000456"', '"091230000457"', 4, "differ in district", id="other municipality"),
    pytest.param(
        "authority-prefix", "altstadt.yaml", "ags:09000000", "agx:09000000", 9, "none of the 118 of DVDV.Praefixe 51", id="prefix"
    ),
    pytest.param(
        "authority-portal", "altstadt.yaml", "ags:09000000", "kop:09000000", 9, "stands for Kommunalportal", id="prefix of a portal"
    ),
    pytest.param("authority-shared", "neustadt.yaml", "ags:09123456", "ags:09000000", 8, "an authority of altstadt", id="authority of two"),
    pytest.param("service-twice", "services.yaml", "id: baden", "id: parken", 8, "services.yaml, line 1", id="service twice"),
    pytest.param("account-twice", "accounts.yaml", "id: e-mail", "id: stadtkonto", 2, "accounts.yaml, line 1", id="account twice"),
    pytest.param("city-twice", "neustadt.yaml", "city: neustadt", "city: altstadt", 1, "altstadt.yaml, line 1", id="city twice"),
    pytest.param("office-twice", "altstadt.yaml", "id: park\n", "id: strasse\n", 15, "altstadt.yaml, line 7", id="office twice"),
    pytest.param("area-twice", "neustadt.yaml", '"09123456"', '"09000000"', 3, "altstadt.yaml, line 3", id="AGS twice"),
    pytest.param("leika-twice", "services.yaml", "000000003", "000000002", 10, "services.yaml, line 3", id="key of two services"),
    pytest.param("leika-twice", "services.yaml", "000000002", "000000001", 3, "services.yaml, line 3", id="key twice in a service"),
    pytest.param("field-twice", "services.yaml", "F99000002", "F99000001", 7, "services.yaml, line 6", id="field twice"),
]


@pytest.mark.parametrize(("rule", "page", "old", "new", "line", "detail"), BREACHES)
def test_breach(write: Write, rule: str, page: str, old: str, new: str, line: int, detail: str) -> None:
    """The rule names page and line, and what is wrong there."""
    where = "services.yaml" if rule == "not-offered" else page
    found = [flaw for flaw in flaws_of(write(page, old, new)) if flaw.rule == rule]
    assert [(flaw.spot.page, flaw.spot.line) for flaw in found] == [(where, line)]
    assert detail in found[0].detail


def test_every_rule_has_a_breach() -> None:
    """Each rule has a name of its own, a hint, and a test above or below."""
    names = [rule.name for rule in rules.RULES]
    assert len(set(names)) == len(names)
    assert all(rule.hint for rule in rules.RULES)
    assert {*names} - {"city-name"} == {str(breach.values[0]) for breach in BREACHES}


@pytest.mark.parametrize(("rule", "page", "old", "new", "line", "detail"), BREACHES)
def test_load_refuses_errors(write: Write, rule: str, page: str, old: str, new: str, line: int, detail: str) -> None:
    """A catalogue with an error is not used; one with warnings is."""
    folder = write(page, old, new)
    if any(flaw.severity is Severity.ERROR for flaw in flaws_of(folder)):
        with pytest.raises(UsageError) as refused:
            catalogue.load(folder)
        assert refused.value.problem == problems.CATALOGUE
    else:
        assert rule in {"route-gap", "not-offered", "authority-portal"}
        catalogue.load(folder)


def test_unreadable_entries_come_alone(write: Write) -> None:
    """Where an entry cannot be read only that is told: rules would miss the entry everywhere and speak of what is not wrong."""
    assert [flaw.rule for flaw in flaws_of(write("services.yaml", "id: parken", "id: Parken"))] == ["shape"]
    assert [flaw.detail.partition(":")[0] for flaw in flaws_of(write("services.yaml", "99000000000003", "9"))] == ["leika.0"]


# --- cities of other packages


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs a distribution `stadtbus-seestadt` that brings a city."""

    def install(page: str | None = None, value: str = "seestadt_bus", name: str = "seestadt", code: str = "") -> None:
        info, module = tmp_path / "stadtbus_seestadt-1.0.dist-info", tmp_path / "seestadt_bus"
        info.mkdir()
        module.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stadtbus-seestadt\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[{pages.CITIES}]\n{name} = {value}\n", encoding="utf-8")
        (module / "__init__.py").write_text(code, encoding="utf-8")
        (module / "adapter.py").write_text("", encoding="utf-8")
        if page is not None:
            (module / "city.yaml").write_text(page, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)

    yield install
    sys.modules.pop("seestadt_bus", None)  # a module in it was looked for


SEESTADT = """\
city: seestadt
name: Seestadt
ags: "01999000"
ars: "019990000000"
offices:
  - id: gewerbe
    name: Gewerbeamt
    authority: ags:01999000
    services:
      - {service: gewerbe-anmelden, minimum_level: 3, accounts: [bundid]}
"""


@pytest.mark.parametrize("value", ["seestadt_bus", "seestadt_bus.adapter", "seestadt_bus.adapter:Adapter"])
def test_city_of_a_package(package: Callable[..., None], value: str) -> None:
    """A city comes in with its package, whether the entry point names the package or a module in it, and the shipped cities stay."""
    package(SEESTADT, value)
    loaded = catalogue.load()
    assert loaded.route("99050012104000", "01999000").office == "seestadt.gewerbe"
    assert {"augsburg", "muenchen", "nuernberg", "seestadt"} <= loaded.cities.keys()


def test_code_of_a_package_is_not_run(package: Callable[..., None]) -> None:
    """The page is read without the code beside it: a broken adapter does not stop the gateway."""
    package(SEESTADT, code="raise AssertionError")
    assert "seestadt" in catalogue.load().cities


def test_own_folder_stands_alone(package: Callable[..., None], write: Write) -> None:
    """Where the settings name a folder, installed cities do not come in."""
    package(SEESTADT)
    assert list(catalogue.load(write()).cities) == ["altstadt", "neustadt"]


@pytest.mark.parametrize(
    ("broken", "detail"),
    [
        pytest.param({"page": None}, "city.yaml", id="no page"),
        pytest.param({"page": SEESTADT, "value": "no_such_module"}, "no_such_module", id="no module"),
        pytest.param({"page": SEESTADT, "value": "no_such.module"}, "no_such", id="no package"),
    ],
)
def test_broken_package(package: Callable[..., None], broken: dict[str, str], detail: str) -> None:
    """A package whose page cannot be had is told with the name of the distribution."""
    package(**broken)
    with pytest.raises(UsageError, match=detail) as refused:
        catalogue.load()
    assert (refused.value.problem, refused.value.where) == (problems.PLUG_IN_BROKEN, "stadtbus-seestadt")


@pytest.mark.parametrize(
    ("old", "new", "name", "rule", "line"),
    [
        pytest.param("name: Seestadt", "name: Seestadt\ncolour: red", "seestadt", "shape", 3, id="unknown key"),
        pytest.param("city: seestadt", "city: augsburg", "augsburg", "city-twice", 1, id="a shipped city"),
        pytest.param("city: seestadt", "city: hafenstadt", "seestadt", "city-name", 1, id="another name"),
    ],
)
def test_flaw_of_a_package(package: Callable[..., None], old: str, new: str, name: str, rule: str, line: int) -> None:
    """A flaw in the page of a package is told with distribution and line."""
    package(SEESTADT.replace(old, new), name=name)
    with pytest.raises(UsageError, match=rule) as refused:
        catalogue.load()
    assert (refused.value.problem, refused.value.where) == (problems.CATALOGUE, f"stadtbus-seestadt: city.yaml, line {line}")
