"""Stores for unit tests: SQLite, and a PostgreSQL of our own where its programs are installed."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from infra.settings import StoreSettings

_NUMBERS = itertools.count()
_SETTINGS = ("listen_addresses=''", "fsync=on", "synchronous_commit=on", "timezone=Europe/Berlin")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSettings:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return StoreSettings(folder=tmp_path)
    server: sa.URL = request.getfixturevalue("postgresql_server")
    return StoreSettings(url=_new_database(server).render_as_string(hide_password=False))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[sa.URL]:
    """A PostgreSQL with durable settings, and a time zone that is not ours; it is reached by a socket in its folder."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: int(path.parent.name))
    if programs is None:
        pytest.skip("PostgreSQL is not installed below /usr/lib/postgresql")
    folder = Path(tempfile.mkdtemp(prefix="stadtbus-postgresql-"))
    user = _ordinary_user()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)

    def run(program: str, *arguments: str) -> None:
        run_as: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        subprocess.run([programs / program, "-D", folder / "data", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL, **run_as)

    run("initdb", "--auth=trust", "--username=stadtbus", "--encoding=UTF8", "--locale=C", "--no-sync")
    options = " ".join(f"-c {setting}" for setting in (*_SETTINGS, f"unix_socket_directories='{folder}'"))
    run("pg_ctl", "start", "--wait", f"--log={folder / 'log'}", f"--options={options}")
    yield sa.URL.create("postgresql+psycopg", username="stadtbus", database="postgres", query={"host": str(folder)})
    run("pg_ctl", "stop", "--wait", "--mode=immediate")
    shutil.rmtree(folder)


def _ordinary_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root; whoever else runs the tests runs it as well."""
    if os.geteuid() != 0:
        return None
    return next(user for user in pwd.getpwall() if user.pw_name in ("postgres", "nobody"))


def _new_database(server: sa.URL) -> sa.URL:
    """A schema that connections take for the whole database; a real one takes 30 times as long."""
    name = f"test_{next(_NUMBERS)}"
    with sa.create_engine(server, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.schema.CreateSchema(name))
    return server.update_query_dict({"options": f"-csearch_path={name}"})
