"""`stadtbus adapter list|check`: what they print, and how they end."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from adapters.conformance import checks
from adapters.conformance.bench import Bench, Broken
from schemas import catalogue
from stadtbus import adapters
from stadtbus.cli import app

OFFICE = "nuernberg.meldewesen"


def give(*arguments: str) -> Result:
    """What the command does."""
    return CliRunner().invoke(app, ["adapter", *arguments])


async def kept(bench: Bench) -> None:
    """All is well."""
    assert await bench.adapter.check()


async def not_kept(_: Bench) -> None:
    """Nothing is ever lost."""
    raise Broken("it was lost")


async def failing(_: Bench) -> None:
    """It does not fail."""
    raise ValueError("with the name of somebody")


def test_list() -> None:
    """Every office of the catalogue is listed with its package, its twin and its services."""
    rows = json.loads(give("list", "--json").stdout)
    assert [row["office"] for row in rows if row["services"]] == catalogue.load().offices
    assert all(row["adapter"] and row["twin"] and row["package"] for row in rows)


def test_office_without_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    """An office of the catalogue that nobody can deliver to is a finding."""
    monkeypatch.setattr(adapters, "entry_points", lambda **_: ())
    assert give("list").exit_code == 1


def test_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept promises end with 0, a broken one with 1 and what happened instead; a failure is named by its kind alone."""
    monkeypatch.setattr(adapters, "CHECKS", (kept,))
    assert give("check", OFFICE).exit_code == 0
    monkeypatch.setattr(adapters, "CHECKS", (kept, not_kept, failing))
    result = give("check", OFFICE, "--json")
    assert result.exit_code == 1
    (report,) = json.loads(result.stdout)
    assert [check["broken"] for check in report["checks"]] == ["", "it was lost", "ValueError where nothing should fail"]
    assert report["checks"][1]["title"] == "Nothing is ever lost."


def test_check_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person reads the promise and what happened instead."""
    monkeypatch.setattr(adapters, "CHECKS", (kept, not_kept))
    assert "1 of 2 checks kept" in (said := give("check", OFFICE).stdout)
    assert "Nothing is ever lost." in said
    assert "but: it was lost" in said


def test_every_check_says_what_it_is_about() -> None:
    """The first line of each check is a promise; no two have the same name."""
    assert len({check.__name__ for check in checks.CHECKS}) == len(checks.CHECKS)
    assert all((check.__doc__ or "").splitlines()[0].endswith(".") for check in checks.CHECKS)
