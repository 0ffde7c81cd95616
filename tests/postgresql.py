"""A PostgreSQL of our own for tests, run by an ordinary user from the programs that are installed."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

_NUMBERS = itertools.count()
_SETTINGS = ("listen_addresses=''", "fsync=on", "synchronous_commit=on", "timezone=Europe/Berlin")


def programs() -> Path | None:
    """The folder of the newest PostgreSQL's programs; None where there is none."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: int(path.parent.name))


@contextmanager
def served(folder_of_programs: Path) -> Iterator[sa.URL]:
    """A server with durable settings, and a time zone that is not ours; it is reached by a socket in its folder."""
    folder = Path(tempfile.mkdtemp(prefix="stadtbus-postgresql-"))
    user = _ordinary_user()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)

    def run(program: str, *arguments: str) -> None:
        run_as: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        command: list[Path | str] = [folder_of_programs / program, "-D", folder / "data", *arguments]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, **run_as)

    run("initdb", "--auth=trust", "--username=stadtbus", "--encoding=UTF8", "--locale=C", "--no-sync")
    options = " ".join(f"-c {setting}" for setting in (*_SETTINGS, f"unix_socket_directories='{folder}'"))
    run("pg_ctl", "start", "--wait", f"--log={folder / 'log'}", f"--options={options}")
    try:
        yield sa.URL.create("postgresql+psycopg", username="stadtbus", database="postgres", query={"host": str(folder)})
    finally:
        run("pg_ctl", "stop", "--wait", "--mode=immediate")
        shutil.rmtree(folder)


def new_database(server: sa.URL) -> sa.URL:
    """A schema that connections take for the whole database; a real one takes 30 times as long."""
    name = f"test_{next(_NUMBERS)}"
    with sa.create_engine(server, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.schema.CreateSchema(name))
    return server.update_query_dict({"options": f"-csearch_path={name}"})


def _ordinary_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root; whoever else runs the tests runs it as well."""
    if os.geteuid() != 0:
        return None
    return next(user for user in pwd.getpwall() if user.pw_name in ("postgres", "nobody"))
