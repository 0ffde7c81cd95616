"""The commands `catalogue check|explain|show`, and that docs/catalogue.md says what is true."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from schemas import catalogue, problems
from schemas.catalogue import FieldSpec, rules
from schemas.catalogue.model import City, Offer, Office
from schemas.errors import UsageError
from stadtbus.commands.catalogue import catalogue_app

PAGE = Path(__file__).parents[2] / "docs/catalogue.md"
DOC = PAGE.read_text(encoding="utf-8")
REGENSBURG = re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL)[0]

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command in a folder without settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STADTBUS_CONFIG", raising=False)
    return lambda *arguments: CliRunner().invoke(catalogue_app, arguments)


# --- check


def test_check_of_what_is_in_force(run: Run) -> None:
    """The shipped catalogue has no error; that nobody offers a service yet is said, and is none."""
    result = run("check")
    assert result.exit_code == 0
    assert "no office takes 'bewohnerparkausweis' (not-offered)" in result.output
    assert "0 errors" in result.output


def test_check_of_a_new_city(run: Run, tmp_path: Path) -> None:
    """The page of docs/catalogue.md is sound beside the shipped ones."""
    (tmp_path / "regensburg.yaml").write_text(REGENSBURG, encoding="utf-8")
    result = json.loads(run("check", "regensburg.yaml", "--json").output)
    assert (result["cities"], result["errors"]) == (json.loads(run("check", "--json").output)["cities"] + 1, 0)


def test_check_of_a_changed_page(run: Run, tmp_path: Path) -> None:
    """A given page takes the place of that of the same city; an error has page, line and hint, and the exit code is 1."""
    page = tmp_path / "new.yaml"
    page.write_text(REGENSBURG.replace("regensburg", "augsburg").replace("gewerbe-anmelden\n", "[x]\n"), encoding="utf-8")
    result = run("check", str(page))
    assert result.exit_code == 1
    assert f"{page}:12: error: offices.0.services.0.service" in result.output
    assert "next: " in result.output
    page.write_text(REGENSBURG.replace("regensburg", "augsburg"), encoding="utf-8")
    assert "3 cities" in run("check", str(page)).output


def test_office_of_another_name_than_its_adapter(run: Run, tmp_path: Path) -> None:
    """An office that the page spells otherwise than the package of its adapter is worth knowing; two offices without one are not."""
    page = tmp_path / "augsburg.yaml"
    text = (Path(catalogue.__file__).parents[1] / "cities" / "augsburg.yaml").read_text(encoding="utf-8")
    page.write_text(text.replace("id: gewerbe", "id: gewerb"), encoding="utf-8")
    result = run("check", str(page))
    assert result.exit_code == 0
    assert "warning: 'augsburg.gewerb' has no adapter, and 'augsburg.gewerbe' has one and is not in the page (office-name)" in result.output
    page.write_text(text.replace("city: augsburg", "city: augsburg2"), encoding="utf-8")
    assert "office-name" not in run("check", str(page)).output


def test_check_prints_what_stands_there(run: Run, tmp_path: Path) -> None:
    """Brackets and colons of a finding are printed as they are, and are no markup."""
    (tmp_path / "x.yaml").write_text("\n" * 99 + "city: '[red]'", encoding="utf-8")
    output = run("check", "x.yaml").output
    assert "x.yaml:100: error: city: " in output
    assert "[a-z]" in output


def test_check_of_no_file(run: Run) -> None:
    """A file that is not there is told by its name, with exit code 2."""
    refused = run("check", "nowhere.yaml").exception
    assert isinstance(refused, UsageError)
    assert (refused.where, refused.problem.exit_code) == ("nowhere.yaml", 2)


def test_check_of_the_shared_pages(run: Run, tmp_path: Path) -> None:
    """A given accounts.yaml takes the place of that in force: cities that accept another account are then wrong."""
    (tmp_path / "accounts.yaml").write_text("- {id: bayernid, name: BayernID, levels: [1, 3, 4]}\n", encoding="utf-8")
    found = json.loads(run("check", "accounts.yaml", "--json").output)["findings"]
    assert {finding["rule"] for finding in found if finding["severity"] == "error"} == {"account-unknown"}


# --- explain


@pytest.mark.parametrize("service", ["gewerbe-anmelden", "99050012104000"])
@pytest.mark.parametrize("area", ["097610000000", "09761000", "augsburg"])
def test_explain(run: Run, service: str, area: str) -> None:
    """Key or id, ARS, AGS or name: the answer has office, page and line, level, logins, messages and the fields of the form."""
    output = run("explain", "--service", service, "--ars", area).output
    line = (Path(catalogue.__file__).parents[1] / "cities/augsburg.yaml").read_text(encoding="utf-8").splitlines().index
    number = line("      - service: gewerbe-anmelden") + 1
    for part in (
        "augsburg.gewerbe: Ordnungsamt, Gewerbe, authority ags:09761000",
        f"augsburg.yaml, line {number}",
        "level 3 (substanziell)",
        "Unternehmenskonto (ELSTER) (unternehmenskonto-elster) at level 3",
        "einreichung.antrag.0100",
        "F99000202 Beginn der Tätigkeit: date; required",
        "F99000204 Hausnummer der Betriebsstätte: text, datatype B; required",
        "F99000208 Art des Betriebs: one of Industrie, Handwerk, Handel, Sonstiges; may be left out, several values",
    ):
        assert part in output


def test_explain_genuine(run: Run) -> None:
    """Of an office that takes genuine messages the namespaces are told, and of each login the levels that are high enough."""
    told: dict[str, Any] = json.loads(run("explain", "--service", "baugenehmigung", "--ars", "nuernberg", "--json").output)
    assert (told["office"], told["messages"], told["namespaces"]) == ("nuernberg.bau", [], ["http://www.xleitstelle.de/xbau/2/6"])
    assert {login["id"]: login["levels"] for login in told["logins"]} == {
        "bayernid": [3, 4],
        "mein-nuernberg": [3, 4],
        "unternehmenskonto-elster": [3],
    }


@pytest.mark.parametrize(
    ("service", "area", "problem", "detail"),
    [
        pytest.param("gewerbe-anmeldn", "09162000", problems.UNKNOWN_SERVICE, "nearest: gewerbe-anmelden (Gewerbe anmelden)", id="id"),
        pytest.param("9905001210400", "09162000", problems.UNKNOWN_SERVICE, "(13 digits) is not known; nearest: 99050012104000", id="key"),
        pytest.param("xyz", "09162000", problems.UNKNOWN_SERVICE, "known: gewerbe-anmelden", id="nothing near"),
        pytest.param(
            "gewerbe-anmelden", "09162000000000", problems.UNKNOWN_AREA, "(14 digits) is not known; nearest: 091620000000", id="ARS"
        ),
        pytest.param("gewerbe-anmelden", "München", problems.UNKNOWN_AREA, "nearest: muenchen (Landeshauptstadt München)", id="umlaut"),
    ],
)
def test_explain_wrong_input(run: Run, service: str, area: str, problem: problems.Problem, detail: str) -> None:
    """What is not known is told with what comes near."""
    refused = run("explain", "--service", service, "--ars", area).exception
    assert isinstance(refused, UsageError)
    assert refused.problem == problem
    assert detail in refused.detail


def test_explain_no_route(run: Run) -> None:
    """That no office takes it is an answer with exit code 1, which says who does."""
    result = run("explain", "--service", "wohnsitz-anmelden", "--ars", "augsburg")
    assert (result.exit_code, "offered in: muenchen, nuernberg" in result.output) == (1, True)
    as_json = run("explain", "--service", "wohnsitz-anmelden", "--ars", "augsburg", "--json")
    assert (as_json.exit_code, json.loads(as_json.output)["code"]) == (1, "no-route")


# --- show


def test_show(run: Run) -> None:
    """The table has a line for each service, and each office that takes it with the level."""
    lines = run("show").output.splitlines()
    assert next(line.split() for line in lines if "wohnsitz-anmelden" in line)[2:6] == ["meldewesen", "(3)", "meldewesen", "(3)"]
    assert {route["office"] for route in json.loads(run("show", "--json").output)} == set(catalogue.load().offices)


# --- docs/catalogue.md


def keys_after(heading: str) -> set[str]:
    """The keys in the first column of the table that follows a text."""
    rows = DOC[DOC.index(heading) :].partition("|---|---|\n")[2].partition("\n\n")[0].splitlines()
    return {key for row in rows for key in re.findall(r"`([a-z_-]+)`", row.split("|")[1])}


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        pytest.param("| key | meaning |", City.model_fields.keys(), id="city"),
        pytest.param("\nAn office:", Office.model_fields.keys(), id="office"),
        pytest.param("\nA service of an office:", Offer.model_fields.keys(), id="offer"),
        pytest.param("| key of a field |", FieldSpec.model_fields.keys(), id="field"),
        pytest.param("| rule |", {rule.name for rule in rules.RULES} | {"shape"}, id="rules"),
    ],
)
def test_docs_name_every_key(heading: str, keys: set[str]) -> None:
    """The tables have each key and each rule, and no other."""
    assert keys_after(heading) == set(keys)


def test_docs_name_the_defaults() -> None:
    """What holds without a key is what the page says."""
    office = Office.model_validate(yaml.safe_load(REGENSBURG)["offices"][0] | {"messages": Office.model_fields["messages"].default})
    assert (office.messages, office.namespaces, office.services[0].after_dead_letter) == (("einreichung.antrag.0100",), (), "hold")
    field = FieldSpec(id="F99000001", name="x", example="y")
    assert (field.kind, field.required, field.many, field.datatype) == ("text", True, False, "C")


@pytest.mark.parametrize("command", re.findall(r"\$ stadtbus catalogue (.*)", DOC))
def test_docs_commands_run(run: Run, tmp_path: Path, command: str) -> None:
    """The commands of the page do what it says."""
    (tmp_path / "regensburg.yaml").write_text(REGENSBURG, encoding="utf-8")
    assert run(*command.split()).exit_code == 0
