"""What a store promises when its database fails: files taken away, a primary that became a standby, a server that is silent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from infra import database, stores
from infra.database import StoreAway, StoreMoved
from infra.rows import insert_new
from infra.settings import StoreSettings
from infra.stores import Operation, Store, StoreSilent

TABLES = sa.MetaData()
NOTE = sa.Table("note", TABLES, sa.Column("id", sa.Integer, primary_key=True))
DOCS = Path(__file__).parents[2] / "docs/stores.md"
ON_POSTGRESQL = pytest.mark.parametrize("store_settings", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)


def add(number: int) -> Operation[int]:
    """An operation that adds a row; adding it again is no error."""

    def operation(connection: sa.Connection) -> int:
        return insert_new(connection, NOTE, [{"id": number}])

    return operation


def numbers(store: Store) -> list[int]:
    """What is in the table."""
    return list(store.read_now(lambda connection: connection.execute(sa.select(NOTE.c.id).order_by(NOTE.c.id)).scalars().all()))


@pytest.fixture
def store(store_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store that is looked at all the time."""
    monkeypatch.setattr(stores, "_LOOK_S", 0.05)
    opened = Store(store_settings, "notes", TABLES)
    yield opened
    opened.close()


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)


# --- SQLite: files that are not what was opened


def delete_all(path: Path) -> None:
    """As `rm notes.sqlite*`."""
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def delete_database(path: Path) -> None:
    """The log stays."""
    path.unlink()


def delete_log(path: Path) -> None:
    """What was committed last stands in it alone."""
    path.with_name(f"{path.name}-wal").unlink()


def put_a_copy_in_place(path: Path) -> None:
    """As somebody does who restores a backup under a running process."""
    aside = path.rename(path.with_name("aside"))
    shutil.copy(aside, path)


def rename_folder(path: Path) -> None:
    """As `mv data data.old`."""
    path.parent.rename(path.parent.with_name("old"))


@pytest.mark.parametrize("take_away", [delete_all, delete_database, delete_log, put_a_copy_in_place, rename_folder])
async def test_what_is_not_on_disk_is_not_answered_durable(take_away: Callable[[Path], None], tmp_path: Path) -> None:
    """After files of a SQLite store were taken away or replaced no write is answered as durable, and the check says why."""
    path = tmp_path / "data" / "notes.sqlite"
    store = Store(StoreSettings(folder=path.parent), "notes", TABLES)
    assert await store.write(add(1)) == 1
    assert store.check() is None
    take_away(path)
    for number in (2, 3):
        with pytest.raises(StoreMoved):
            await store.write(add(number))
    assert store.check() == "notes.sqlite was deleted or replaced"
    store.close()


async def test_what_was_answered_durable_is_rescued(tmp_path: Path) -> None:
    """A database that was deleted while it was open is copied beside where it stood, with all that was answered before."""
    store = Store(StoreSettings(folder=tmp_path), "notes", TABLES)
    for number in range(20):
        await store.write(add(number))
    delete_all(tmp_path / "notes.sqlite")
    with pytest.raises(StoreMoved):
        await store.write(add(99))
    store.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "notes.rescued.sqlite")) as copy:
        assert [row[0] for row in copy.execute("SELECT id FROM note WHERE id < 99 ORDER BY id")] == list(range(20))


async def test_no_empty_database_takes_the_place_of_a_deleted_one(tmp_path: Path) -> None:
    """Connections that come later do not make a new file: whoever reads hears that the store is gone, not that it knows nothing."""
    store = Store(StoreSettings(folder=tmp_path), "notes", TABLES)
    await store.write(add(1))
    delete_all(tmp_path / "notes.sqlite")
    store._engine.dispose()  # so that the next one is new
    with pytest.raises(StoreMoved):
        numbers(store)
    assert not (tmp_path / "notes.sqlite").exists()
    store.close()


@pytest.mark.parametrize("store_settings", ["sqlite"], indirect=True)
def test_an_idle_store_is_looked_at(store: Store, store_settings: StoreSettings) -> None:
    """That a file was deleted is seen also while nobody writes."""
    delete_all(store_settings.folder / "notes.sqlite")
    until(lambda: store.check() == "notes.sqlite was deleted or replaced")


@pytest.mark.parametrize("store_settings", ["sqlite"], indirect=True)
async def test_a_store_at_rest_can_be_copied(store: Store, store_settings: StoreSettings, tmp_path: Path) -> None:
    """The database file alone, copied while the process runs and nobody writes, has tables and rows."""
    await store.write(add(1))

    def copied() -> bool:
        shutil.copy(store_settings.folder / "notes.sqlite", tmp_path / "copy.sqlite")
        with contextlib.closing(sqlite3.connect(tmp_path / "copy.sqlite")) as copy, contextlib.suppress(sqlite3.OperationalError):
            return copy.execute("SELECT id FROM note").fetchall() == [(1,)]
        return False

    await asyncio.to_thread(until, copied)


def test_an_open_store_can_be_copied_at_once(tmp_path: Path) -> None:
    """A database that was just made has its tables in the file itself."""
    store = Store(StoreSettings(folder=tmp_path), "notes", TABLES)
    shutil.copy(tmp_path / "notes.sqlite", tmp_path / "copy")
    with contextlib.closing(sqlite3.connect(tmp_path / "copy")) as copy:
        assert copy.execute("SELECT count(*) FROM note").fetchone() == (0,)
    store.close()


async def test_the_backup_command_of_the_docs_takes_all(tmp_path: Path) -> None:
    """What docs/stores.md says makes a whole copy of a store that is open and was written to a moment ago."""
    store = Store(StoreSettings(folder=tmp_path), "outbox", TABLES)
    await store.write(add(1))
    (line,) = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("python3 -c")]
    command = [*shlex.split(line)[:3], str(tmp_path / "outbox.sqlite"), str(tmp_path / "copy")]
    await asyncio.to_thread(subprocess.run, command, check=True)
    with contextlib.closing(sqlite3.connect(tmp_path / "copy")) as copy:
        assert copy.execute("SELECT id FROM note").fetchall() == [(1,)]
    store.close()


# --- PostgreSQL: primaries that are none, servers that do not answer


@contextlib.contextmanager
def read_only(settings: StoreSettings) -> Iterator[None]:
    """The server takes no writes, as an old primary that comes back as a standby."""

    def set_to(value: str) -> None:
        with sa.create_engine(settings.url_of("notes"), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            connection.exec_driver_sql("SELECT pg_reload_conf()")
            until(lambda: connection.exec_driver_sql("SHOW default_transaction_read_only").scalar() == value)

    set_to("on")
    try:
        yield
    finally:
        set_to("off")


@ON_POSTGRESQL
async def test_a_primary_that_became_read_only_is_left(store: Store, store_settings: StoreSettings) -> None:
    """While the server takes no writes they fail and the check says so; afterwards the very next one succeeds, over a new connection."""
    await store.write(add(1))
    with read_only(store_settings):
        results = await asyncio.gather(*(store.write(add(number)) for number in range(2, 12)), return_exceptions=True)
        assert {type(result) for result in results} == {StoreAway}
        assert "no connection" in str(store.check())
    assert await asyncio.gather(*(store.write(add(number)) for number in range(12, 22))) == [1] * 10
    assert store.check() is None
    assert numbers(store) == [1, *range(12, 22)]


@ON_POSTGRESQL
async def test_a_connection_that_breaks_costs_nobody_a_write(store: Store) -> None:
    """A server that ends all connections, as in a planned switch-over, is asked again over new ones."""
    await store.write(add(1))
    end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()"
    with sa.create_engine(store._engine.url, poolclass=sa.NullPool).connect() as other:
        other.exec_driver_sql(end_all)
    assert await store.write(add(2)) == 1

    def end_myself(connection: sa.Connection, seen: list[int]) -> int:
        seen.append(1)
        if len(seen) == 1:
            connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        return add(3)(connection)

    seen: list[int] = []
    assert await store.write(lambda connection: end_myself(connection, seen)) == 1
    assert numbers(store) == [1, 2, 3]


@ON_POSTGRESQL
async def test_a_silent_server_is_answered_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers of a server that does not answer hear so within the limit, the check says it, closing ends, and nothing waits for ever."""
    monkeypatch.setattr(stores, "_ANSWER_LIMIT_S", 0.3)
    monkeypatch.setattr(stores, "_CLOSE_LIMIT_S", 0.3)
    pids: list[int] = []
    pool = store._engine.pool
    await store.write(lambda connection: pids.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()))
    os.kill(pids[0], signal.SIGSTOP)
    try:
        results = await asyncio.gather(*(store.write(add(number)) for number in range(5)), return_exceptions=True)
        assert {type(result) for result in results} == {StoreSilent}
        assert "has not answered" in str(store.check())
        await asyncio.wait_for(asyncio.to_thread(store.close), 5)
    finally:
        os.kill(pids[0], signal.SIGCONT)
        await asyncio.to_thread(store._writer.join)
        pool.dispose()


@ON_POSTGRESQL
def test_nothing_is_set_or_prepared_for_a_session(store: Store) -> None:
    """A pooler that gives each transaction another server sees no session setting and no prepared statement of ours."""
    for _ in range(20):
        store.read_now(lambda connection: connection.execute(sa.select(NOTE.c.id)).all())
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM pg_prepared_statements").scalar() == 0
        assert connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar() == "0"
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "0"


@ON_POSTGRESQL
async def test_a_write_has_limits(store: Store) -> None:
    """Within a transaction that writes a statement and a pause are limited, so that a stopped process does not keep its locks."""
    names = ("statement_timeout", "idle_in_transaction_session_timeout")
    limits = await store.write(lambda connection: [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names])
    assert limits == ["10s", "3s"]


@ON_POSTGRESQL
def test_what_the_url_says_stays(store_settings: StoreSettings) -> None:
    """An operator's own connection settings win over ours."""
    settings = StoreSettings(url=f"{store_settings.url_of('notes')}&target_session_attrs=any&connect_timeout=7")
    engine = database.connect(settings, "notes")
    with engine.connect() as connection, read_only(store_settings):
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    engine.dispose()


def test_a_reason_is_a_name() -> None:
    """Disk full, locked and no such table are told apart, by the database's own names and without its text."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection, pytest.raises(sqlite3.OperationalError) as failed:
        connection.execute("SELECT * FROM kanarienvogel")
    assert database.reason(sa.exc.OperationalError("", {}, failed.value)) == "OperationalError (SQLITE_ERROR)"
    assert database.reason(sa.exc.OperationalError("", {}, Exception("kanarienvogel"))) == "OperationalError"
