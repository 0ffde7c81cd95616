"""`stadtbus statistics show`: figures for people and programs, and that none are not the same as none here."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from consumers.statistics import facts
from infra.kafka.records import AnyRecord, SubmissionRecord
from infra.settings import StoreSettings
from tests import builders
from tests.command_line import Command


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Statistics of two cities: one submission of today, one of last year, delivered."""
    monkeypatch.setenv("STADTBUS_STORES__FOLDER", str(tmp_path / "stores"))
    monkeypatch.setenv("COLUMNS", "80")
    now = datetime.now(UTC)
    rows: list[AnyRecord] = []
    for city, office, at in (("muenchen", "meldewesen", now), ("nuernberg", "meldewesen", now - timedelta(days=365))):
        record = SubmissionRecord(
            submission=uuid4(), case="c", city=city, office=f"{city}.{office}", service="99115005104000", portal=f"portal-{city}", test=False,
            accepted_at=at, published_at=at, topic="t", partition=0, offset=0, size_bytes=1,
        )  # fmt: skip
        rows += [record, *builders.records(builders.event(record.submission, office=f"{city}.{office}", at=at.isoformat()))]
    store = facts.open_store(StoreSettings(folder=tmp_path / "stores"))
    asyncio.run(store.write(lambda connection: facts.store_rows(connection, rows)))
    store.close()


@pytest.mark.usefixtures("counted")
def test_statistics_can_be_read(stadtbus: Command) -> None:
    """At 80 columns nothing is broken: services by their names, a table per office with its sum, and the sum of all."""
    code, output, _ = stadtbus("statistics", "show")
    assert (code, max(map(len, output.splitlines())) <= 80) == (0, True)
    for part in ("muenchen.meldewesen", "nuernberg.meldewesen", "portal-nuernberg", "Wohnsitz", "together: taken 2, delivered 2"):
        assert part in output


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(
    ("options", "offices"),
    [
        ([], ["muenchen.meldewesen", "nuernberg.meldewesen"]),
        (["--city", "nuernberg"], ["nuernberg.meldewesen"]),
        (["--today"], ["muenchen.meldewesen"]),
        (["--today", "--city", "nuernberg"], []),
    ],
)
def test_statistics_of_a_city_or_of_today(stadtbus: Command, options: list[str], offices: list[str]) -> None:
    """One city, or today alone; times for programs are ISO 8601."""
    code, output, _ = stadtbus("statistics", "show", "--json", *options)
    figures = json.loads(output)
    assert (code, [one["office"] for one in figures]) == (0, offices)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:00:00\.000Z", one["hour"]) for one in figures)
    assert all("T" in one["hour"] for one in figures)


def test_statistics_elsewhere_are_not_none(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no statistics are, nobody can tell, and none are made by asking."""
    monkeypatch.setenv("STADTBUS_STORES__FOLDER", str(tmp_path / "stores"))
    code, output, error = stadtbus("statistics", "show")
    assert (code, output, "records-elsewhere" in error, (tmp_path / "stores").exists()) == (3, "", True, False)
    assert stadtbus("statistics", "show", "--city", "ulm")[0] == 2
