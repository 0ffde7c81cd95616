"""Stores for unit tests: SQLite, and a PostgreSQL of our own where its programs are installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from infra.settings import StoreSettings
from tests import postgresql
from tests.command_line import stadtbus
from tests.gateway import bus, refusing
from tests.outboxes import box, opened

__all__ = ["box", "bus", "opened", "refusing", "stadtbus"]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSettings:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return StoreSettings(folder=tmp_path)
    server: sa.URL = request.getfixturevalue("postgresql_server")
    return StoreSettings(url=postgresql.new_database(server).render_as_string(hide_password=False))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[sa.URL]:
    """A PostgreSQL for the whole session."""
    programs = postgresql.programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed below /usr/lib/postgresql")
    with postgresql.served(programs) as url:
        yield url
