"""`stadtbus adapter new`: what it writes works at once, as a package of its own; what it cannot make, it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from typer.testing import CliRunner, Result

from adapters.mapping import lint
from schemas import catalogue
from schemas.errors import UsageError
from stadtbus.adapter_tools import new
from stadtbus.cli import app

NEW_CITY = ("--ags", "09362000", "--name", "Stadt Regensburg")


def run_new(office: str, protocol: str, folder: Path, *more: str) -> Result:
    """What the command does."""
    return CliRunner().invoke(app, ["adapter", "new", office, "--protocol", protocol, "--folder", str(folder), *more])


def test_packages_work_at_once(tmp_path: Path) -> None:
    """Installed, the own tests of a new package pass, with every protocol: adapter, twin, mapping, samples and city fit each other."""
    tests = {protocol: _own_tests(tmp_path / protocol, protocol) for protocol in new.PROTOCOLS}  # they mostly wait, so all at once
    said = {protocol: process.communicate()[0] for protocol, process in tests.items()}
    assert {protocol: process.returncode for protocol, process in tests.items()} == dict.fromkeys(tests, 0), said


def _own_tests(folder: Path, protocol: str) -> subprocess.Popen[str]:
    folder.mkdir()
    assert run_new("regensburg.gewerbe", protocol, folder, *NEW_CITY).exit_code == 0
    made, installed = folder / "regensburg-gewerbe", folder / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
        "--target",
        str(installed),
        str(made),
    ]
    subprocess.run(pip, check=True, capture_output=True)
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(made / "tests")]
    return subprocess.Popen(tests, cwd=made, env={"PYTHONPATH": str(installed)}, stdout=subprocess.PIPE, text=True)


def test_a_wheel_has_the_templates(tmp_path: Path) -> None:
    """Installed from a wheel, the command has every template, and writes a package from them."""
    root, site = Path(__file__).parents[2], tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)], cwd=root, check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    ZipFile(wheel).extractall(site)
    assert _templates(site) == _templates(root) != set()
    call = [sys.executable, "-m", "stadtbus", "adapter", "new", "regensburg.gewerbe", "--protocol", "soap", *NEW_CITY]
    done = subprocess.run(call, cwd=tmp_path, env={"PYTHONPATH": str(site)}, capture_output=True, check=False)
    assert (done.returncode, (tmp_path / "regensburg-gewerbe/regensburg_gewerbe/twin.py").exists()) == (0, True), done.stderr


def _templates(root: Path) -> set[str]:
    folder = root / "stadtbus/adapter_tools/templates"
    return {str(path.relative_to(folder)) for path in folder.rglob("*.in")}


@pytest.mark.parametrize("protocol", new.PROTOCOLS)
def test_every_service_has_a_mapping_without_flaws(tmp_path: Path, protocol: str) -> None:
    """Whatever the service, nothing of its form is lost by the mapping that is written for a city to start with."""
    known = catalogue.load()
    for service in known.services.values():
        wish = new.Wish("regensburg.amt", protocol, service.id, "09362000", "Stadt Regensburg")
        made = new.write(wish, known, tmp_path / service.id)
        assert lint.check(made.folder / "regensburg_amt" / "mapping.yaml", [service]) == []


def test_known_city_keeps_its_own_page(tmp_path: Path) -> None:
    """A city that is in the catalogue already gets no second page there."""
    result = CliRunner().invoke(
        app,
        [
            "adapter",
            "new",
            "augsburg.meldewesen",
            "--protocol",
            "rest",
            "--service",
            "wohnsitz-anmelden",
            "--folder",
            str(tmp_path),
            "--json",
        ],
    )
    made = json.loads(result.stdout)
    assert made["folder"] == str(tmp_path / "augsburg-meldewesen")
    assert not [file for file in made["files"] if file.endswith("city.yaml")]
    assert "stadtbus.cities" not in (tmp_path / "augsburg-meldewesen/pyproject.toml").read_text(encoding="utf-8")


def test_what_is_left_to_add_by_hand(tmp_path: Path) -> None:
    """For a second office of a city, what has to stand in the page of the city is told with the command, and fits there."""
    made = json.loads(run_new("augsburg.meldewesen", "rest", tmp_path, "--service", "wohnsitz-anmelden", "--json").stdout)
    told, _, lines = made["to_add"].partition("\n")
    assert "in the page of augsburg, augsburg.yaml" in told
    (office,) = yaml.safe_load(lines)
    known = catalogue.load()
    city = known.cities["augsburg"]
    grown = city.model_copy(update={"offices": (*city.offices, catalogue.Office.model_validate(office))})
    offices = catalogue.Catalogue(known.services.values(), known.accounts.values(), [grown]).offices
    assert offices == ["augsburg.gewerbe", "augsburg.meldewesen"]
    as_text = run_new("augsburg.meldewesen", "rest", tmp_path / "text", "--service", "wohnsitz-anmelden").stdout
    assert made["to_add"] in as_text, "printed as it is, to be copied: brackets are no markup"


def test_new_city_fits_into_the_catalogue(tmp_path: Path) -> None:
    """The page of a new city is one that the catalogue takes, with the key of its area made from the AGS."""
    run_new("regensburg.gewerbe", "rest", tmp_path, *NEW_CITY)
    page = yaml.safe_load((tmp_path / "regensburg-gewerbe/regensburg_gewerbe/city.yaml").read_text(encoding="utf-8"))
    city = catalogue.City.model_validate(page)
    assert (city.ags, city.ars, city.offices[0].id) == ("09362000", "093620000000", "gewerbe")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Regensburg", "rest"), "is not CITY.OFFICE"),
        (("regensburg.gewerbe.amt", "rest"), "is not CITY.OFFICE"),
        (("../regensburg.gewerbe", "rest"), "is not CITY.OFFICE"),
        (("regensburg.gewerbe", "ftp"), "the protocols are rest, soap, sftp, file"),
        (("regensburg.gewerbe", "rest"), "say --name and --ags"),
        (("augsburg.gewerbe", "rest"), "'augsburg.gewerbe' has an adapter already"),
        (("augsburg.hunde", "rest", "--service", "hund-baden"), "has no service 'hund-baden'"),
    ],
)
def test_wish_that_cannot_be_met(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """What is wrong with the command is said, and nothing is written."""
    office, protocol, *more = arguments
    with pytest.raises(UsageError, match="adapter-wish-invalid") as caught:
        new.write(_wish(office, protocol, *more), catalogue.load(), tmp_path)
    assert said in caught.value.detail
    assert list(tmp_path.iterdir()) == []


def test_area_of_another_city(tmp_path: Path) -> None:
    """A key that is another city's is refused at once, and not found out by the catalogue later."""
    wish = new.Wish("regensburg.gewerbe", "rest", "gewerbe-anmelden", "09162000", "Stadt Regensburg")
    with pytest.raises(UsageError, match="adapter-wish-invalid"):
        new.write(wish, catalogue.load(), tmp_path)


def test_folder_that_is_there(tmp_path: Path) -> None:
    """A second time, nothing is overwritten."""
    wish = new.Wish("regensburg.gewerbe", "rest", "gewerbe-anmelden", "09362000", "Stadt Regensburg")
    made = new.write(wish, catalogue.load(), tmp_path)
    (made.folder / "pyproject.toml").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="folder-exists"):
        new.write(wish, catalogue.load(), tmp_path)
    assert (made.folder / "pyproject.toml").read_text(encoding="utf-8") == "mine"


def _wish(office: str, protocol: str, *more: str) -> new.Wish:
    return new.Wish(office, protocol, more[1] if more else "gewerbe-anmelden", None, None)
