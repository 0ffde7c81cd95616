"""Stores: grouped writes, durable settings, and the same behaviour on both databases."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from infra import database, rows, stores
from infra.migrations import Migration
from infra.rows import UtcDateTime, change_rows, insert_new, put_new, put_rows
from infra.settings import StoreSettings
from infra.stores import Operation, Store
from schemas import problems
from schemas.errors import CannotTell

CANARY = "Kanarienvogel"
TABLES = sa.MetaData()
NOTE = sa.Table("note", TABLES, sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text, nullable=False, unique=True))
MOMENT = sa.Table("moment", TABLES, sa.Column("at", UtcDateTime, nullable=False))
INSERTS: list[tuple[list[tuple[int, str]], int]] = [
    ([], 0),
    ([(1, "a"), (2, "b")], 2),
    ([(1, "a")], 0),
    ([(1, "key known"), (3, "c")], 1),
    ([(5, "a"), (4, "d"), (4, "d")], 1),
]
"""Rows to insert, one call after the other, and how many of them are new."""
DURABLE: dict[str, dict[str, object]] = {
    "sqlite": {"PRAGMA journal_mode": "wal", "PRAGMA synchronous": 2},
    "postgresql": {"SHOW synchronous_commit": "on", "SHOW fsync": "on"},
}


@pytest.fixture
def store(store_settings: StoreSettings) -> Iterator[Store]:
    """A store with one table."""
    opened = Store(store_settings, "notes", TABLES)
    yield opened
    opened.close()


def add(number: int, text: str | None = None) -> Operation[int]:
    """An operation that adds a row and gives its number back."""

    def operation(connection: sa.Connection) -> int:
        connection.execute(NOTE.insert().values(id=number, text=text or str(number)))
        return number

    return operation


def add_and_fail(number: int) -> Operation[int]:
    """An operation that fails after it has added its row."""

    def operation(connection: sa.Connection) -> int:
        add(number)(connection)
        raise LookupError(number)

    return operation


def insert(rows: list[tuple[int, str]]) -> Operation[int]:
    """An operation that inserts what is new of these."""
    return lambda connection: insert_new(connection, NOTE, [{"id": number, "text": text} for number, text in rows])


def texts(store: Store) -> list[str]:
    """The texts in the table."""
    return list(store.read_now(lambda connection: connection.execute(sa.select(NOTE.c.text).order_by(NOTE.c.id)).scalars().all()))


def numbers(store: Store) -> list[int]:
    """What is in the table."""
    return list(store.read_now(lambda connection: connection.execute(sa.select(NOTE.c.id).order_by(NOTE.c.id)).scalars().all()))


def hold(store: Store) -> tuple[asyncio.Task[bool], threading.Event, threading.Event]:
    """Keep the writer busy: the write, the event that it has begun, and the event that lets it go."""
    begun, gate = threading.Event(), threading.Event()

    def operation(_: sa.Connection) -> bool:
        begun.set()
        return gate.wait(10)

    return asyncio.create_task(store.write(operation)), begun, gate


async def write_together(store: Store, *operations: Operation[int]) -> list[int | BaseException]:
    """Run these in one group: the writer is held until all of them wait."""
    held, begun, gate = hold(store)
    await asyncio.to_thread(begun.wait)
    tasks = [asyncio.create_task(store.write(operation)) for operation in operations]
    asyncio.get_running_loop().call_soon(gate.set)
    _, *results = await asyncio.gather(held, *tasks, return_exceptions=True)
    return [result for result in results if not isinstance(result, bool)]


async def test_concurrent_writes_share_a_commit(store: Store) -> None:
    """What waits while the writer is busy is committed once, and every caller gets its own result."""
    commits: list[sa.Connection] = []
    sa.event.listen(store._engine, "commit", commits.append)
    assert await write_together(store, *map(add, range(200))) == list(range(200))
    assert numbers(store) == list(range(200))
    assert len(commits) == 2  # the write that held the others, and theirs


async def test_a_failing_operation_is_rolled_back_alone(store: Store) -> None:
    """Its neighbours in the transaction are kept, and only its caller hears of the failure."""
    first, failed, repeated, last = await write_together(store, add(1), add_and_fail(2), add(3, "1"), add(4))
    assert (first, last) == (1, 4)
    assert isinstance(failed, LookupError)
    assert isinstance(repeated, sa.exc.IntegrityError)
    assert numbers(store) == [1, 4]


async def test_only_a_group_with_a_failure_has_savepoints(store: Store) -> None:
    """A group in which nobody fails is one transaction and nothing more; with a failure it is undone, and done once more with savepoints."""
    begun: list[sa.Connection] = []
    savepoints: list[str] = []
    sa.event.listen(store._engine, "begin", begun.append)
    sa.event.listen(store._engine, "savepoint", lambda _, name: savepoints.append(name))
    assert await write_together(store, *map(add, range(50))) == list(range(50))
    assert (len(begun), len(savepoints)) == (2, 0)  # the write that held the others, and theirs
    results = await write_together(store, *map(add, range(50, 60)), add_and_fail(60), *map(add, range(61, 70)))
    assert [number for number, result in zip(range(50, 70), results, strict=True) if result != number] == [60]
    assert (len(begun), len(savepoints)) == (2 + 1 + 2, 20)
    assert numbers(store) == [*range(60), *range(61, 70)]


async def test_full_disk_loses_nothing_that_was_promised(tmp_path: Path) -> None:
    """When SQLite runs out of space in the middle of a group, whoever is told "durable" finds its row, and the rest is told otherwise."""
    store = Store(StoreSettings(folder=tmp_path), "full", TABLES)
    sa.event.listen(store._engine, "begin", lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=300"))
    big = "x" * 60_000
    results = await write_together(store, *(add(number, f"{number}{big}") for number in range(40)))
    promised = [result for result in results if isinstance(result, int)]
    assert 0 < len(promised) < 40
    assert numbers(store) == promised
    store.close()


async def test_full_disk_is_told_until_something_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot take what is written says so also when nobody writes; a look that writes nothing clears nothing."""
    monkeypatch.setattr(stores, "_LOOK_S", 0.05)
    looks: list[None] = []
    monkeypatch.setattr(database, "checkpoint", lambda _: looks.append(None))
    store = Store(StoreSettings(folder=tmp_path), "full", TABLES)
    sa.event.listen(store._engine, "begin", lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=30"))
    await write_together(store, add(1, "x" * 600_000))
    before = len(looks)
    async with asyncio.timeout(10):
        while len(looks) < before + 2:
            await asyncio.sleep(0.01)
    assert store.check() == "OperationalError (SQLITE_FULL)"
    await store.write(add(2, "small"))
    assert store.check() is None
    store.close()


async def test_two_writers_of_one_file_wait_for_each_other(tmp_path: Path) -> None:
    """Two processes that read and then write one SQLite file take turns instead of failing."""
    one, other = (Store(StoreSettings(folder=tmp_path), "shared", TABLES) for _ in range(2))

    def read_then_write(number: int) -> Operation[int]:
        def operation(connection: sa.Connection) -> int:
            connection.execute(sa.select(sa.func.count()).select_from(NOTE)).scalar_one()
            return insert_new(connection, NOTE, [{"id": number, "text": str(number)}])

        return operation

    writes = [(one if number % 2 else other).write(read_then_write(number)) for number in range(200)]
    assert await asyncio.gather(*writes) == [1] * 200
    one.close()
    other.close()


async def test_moments_come_back_in_utc(store: Store) -> None:
    """A moment is the same moment after storing, in UTC, whatever zone it came in and whatever the database does."""
    moment = datetime(2026, 3, 29, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    await store.write(lambda connection: connection.execute(MOMENT.insert().values(at=moment)))
    back = store.read_now(lambda connection: connection.execute(sa.select(MOMENT.c.at)).scalar_one())
    assert (back, back.utcoffset()) == (moment, timedelta(0))


async def test_a_failing_commit_fails_all(store: Store) -> None:
    """Nobody is told that a write is durable when the commit failed, nothing of it stays, and the store goes on."""

    def fail(_: sa.Connection) -> None:
        raise OSError("disk full")

    sa.event.listen(store._engine, "commit", fail)
    results = await write_together(store, add(1), add_and_fail(2), add(3))
    sa.event.remove(store._engine, "commit", fail)
    assert [type(result) for result in results] == [OSError, LookupError, OSError]
    assert numbers(store) == []
    assert await store.write(add(4)) == 4


async def test_cancelled_before_its_turn(store: Store) -> None:
    """A write that was cancelled while it waited is left out."""
    held, begun, gate = hold(store)
    await asyncio.to_thread(begun.wait)
    waiting = asyncio.create_task(store.write(add(1)))
    asyncio.get_running_loop().call_soon(waiting.cancel)
    await asyncio.wait([waiting])
    gate.set()
    await held
    assert await store.write(add(2)) == 2
    assert numbers(store) == [2]


async def test_close_writes_what_waits(store_settings: StoreSettings) -> None:
    """Closing comes after everything that was asked before it."""
    store = Store(store_settings, "notes", TABLES)
    tasks = [asyncio.create_task(store.write(add(number))) for number in range(20)]
    asyncio.get_running_loop().call_soon(store.close)
    assert await asyncio.gather(*tasks) == list(range(20))
    again = Store(store_settings, "notes", TABLES)
    assert numbers(again) == list(range(20))
    again.close()


async def test_insert_new_counts_new_rows(store: Store) -> None:
    """Only rows that were not there are counted, and those that were stay as they are."""
    for given, new in INSERTS:
        assert (given, await store.write(insert(given))) == (given, new)
    assert texts(store) == ["a", "b", "c", "d"]


# --- writes of many rows in one statement


THINGS = sa.Table(
    "thing",
    TABLES,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("id", sa.LargeBinary, primary_key=True),
    sa.Column("state", sa.Text),
    sa.Column("count", sa.Integer),
    sa.Column("flag", sa.Boolean),
)
COLUMNS = ("owner", "id", "state", "count", "flag")
ODD = [b"\0\0", b"\xff\0", b"''", b"%s", b"??", b'["']
"""Ids that a statement made of text would stumble over."""


@pytest.fixture(params=[2, 7, 30_000])
def small_statements(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements of very few rows, of some, and as large as they are."""
    monkeypatch.setattr(rows, "_MAX_PARAMETERS", request.param * (1 if request.param > 5 else 5))


def rows_of(store: Store) -> list[tuple[object, ...]]:
    """The things, by owner and id."""
    query = sa.select(*THINGS.c).order_by(THINGS.c.owner, THINGS.c.id)
    return [tuple(row) for row in store.read_now(lambda connection: connection.execute(query).all())]


@pytest.mark.usefixtures("small_statements")
async def test_put_rows_overwrites_what_it_is_told(store: Store) -> None:
    """New rows are inserted; of those that are there only the named columns change, or none; nothing to put is no error."""
    first: list[tuple[object, ...]] = [("a", one, "'; --", 1, None) for one in sorted(ODD)]
    second: list[tuple[object, ...]] = [("a", one, None, 2, True) for one in sorted(ODD)[:2]] + [("b", b"xy", "new", 3, False)]
    await store.write(lambda connection: put_rows(connection, THINGS, COLUMNS, first, key=2, update=("state",)))
    await store.write(lambda connection: put_rows(connection, THINGS, COLUMNS, second, key=2))
    assert rows_of(store) == [*first, second[2]]
    await store.write(lambda connection: put_rows(connection, THINGS, COLUMNS, second, key=2, update=("count", "flag")))
    assert rows_of(store)[:3] == [(*row[:3], 2, True) for row in first[:2]] + first[2:3]
    await store.write(lambda connection: put_rows(connection, THINGS, COLUMNS, [], key=2))
    assert len(rows_of(store)) == 7


async def test_put_new_counts_what_was_not_there(store: Store) -> None:
    """Rows that differ in one column: those that are there stay as they are, the others are counted."""

    def put(owner: str, values: list[bytes], state: str) -> Operation[int]:
        same = {"owner": owner, "state": state, "count": 1, "flag": None}
        return lambda connection: put_new(connection, THINGS, "id", values, unique=("owner", "id"), same=same)

    assert await store.write(put("a", ODD, "first")) == 6
    assert await store.write(put("a", [*ODD, b"77", b"88"], "second")) == 2
    assert await store.write(put("b", ODD[:3], "third")) == 3
    assert await store.write(put("a", [], "fourth")) == 0
    states = [row[2] for row in rows_of(store)]
    assert [states.count(state) for state in ("first", "second", "third", "fourth")] == [6, 2, 3, 0]


async def test_change_rows_changes_only_those(store: Store) -> None:
    """Each named row gets its own value and what is the same for all; rows that are not there, and other owners', stay out."""
    rows = [(owner, one, "old", 1, None) for owner in "ab" for one in sorted(ODD)]
    await store.write(lambda connection: put_rows(connection, THINGS, COLUMNS, rows, key=2))
    news: list[tuple[bytes, str | None]] = [(one, f'new "ü" {number}' if number else None) for number, one in enumerate(sorted(ODD)[:4])]

    def change(connection: sa.Connection) -> None:
        same = {"count": 9, "flag": True}
        change_rows(connection, THINGS, ("id", "state"), [*news, (b"no", "x")], where={"owner": "a"}, same=same)
        change_rows(connection, THINGS, ("id", "state"), [], where={"owner": "b"}, same=same)

    await store.write(change)
    assert rows_of(store) == [("a", key, value, 9, True) for key, value in news] + rows[4:]


async def test_many_rows_at_once(store: Store) -> None:
    """More rows than a statement takes are all there, in one transaction."""
    ids = [number.to_bytes(4, "big") for number in range(12_001)]
    rows = [("a", one, "x", 1, None) for one in ids]
    await store.write(lambda connection: put_rows(connection, THINGS, COLUMNS, rows, key=2))
    changes: list[tuple[bytes, str | None]] = [(one, "y") for one in ids]
    where, same = {"owner": "a"}, {"count": 2}
    await store.write(lambda connection: change_rows(connection, THINGS, ("id", "state"), changes, where=where, same=same))
    assert {row[2:4] for row in rows_of(store)} == {("y", 2)}
    assert len(rows_of(store)) == 12_001


# --- versions of the tables


async def test_steps_to_a_new_version_run_once(store_settings: StoreSettings) -> None:
    """Each step runs once per database, in order, also when later openings bring more; a step that fails leaves nothing of itself."""
    ran: list[str] = []

    def step(name: str) -> Migration:
        def run(connection: sa.Connection) -> None:
            ran.append(name)
            connection.execute(NOTE.insert().values(id=len(ran), text=name))

        return run

    def fail(connection: sa.Connection) -> None:
        connection.execute(NOTE.insert().values(id=99, text="half"))
        raise LookupError

    for steps in ([step("one")], [step("one"), step("two")], [step("one"), step("two")]):
        Store(store_settings, "notes", TABLES, steps).close()
    with pytest.raises(LookupError):
        Store(store_settings, "notes", TABLES, [step("one"), step("two"), fail])
    opened = Store(store_settings, "notes", TABLES, [step("one"), step("two"), step("three")])
    assert (ran, texts(opened)) == (["one", "two", "three"], ["one", "two", "three"])
    opened.close()


async def test_durable_settings_are_in_force(store: Store) -> None:
    """The connections that write and those that read have the settings that make a commit durable."""
    for query, expected in DURABLE[store._engine.dialect.name].items():

        def ask(connection: sa.Connection, query: str = query) -> object:
            return connection.exec_driver_sql(query).scalar_one()

        assert (query, await store.write(ask), await store.read(ask)) == (query, expected, expected)


@pytest.mark.parametrize("store_settings", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
def test_processes_start_together(store_settings: StoreSettings) -> None:
    """Several processes may create the tables of a PostgreSQL at the same time."""
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: Store(store_settings, "notes", TABLES), range(4)))
    assert [numbers(store) for store in stores] == [[]] * 4
    for store in stores:
        store.close()


def test_sqlite_folder_is_private(tmp_path: Path) -> None:
    """The folder of the SQLite files can be read by its owner only."""
    Store(StoreSettings(folder=tmp_path / "data"), "notes", TABLES).close()
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_unreachable_database_is_told_without_its_password(tmp_path: Path) -> None:
    """A database that does not answer is a coded problem that names the place."""
    with pytest.raises(CannotTell) as refused:
        Store(StoreSettings(url=f"postgresql+psycopg://stadtbus:{CANARY}@/bus?host={tmp_path}"), "notes", TABLES)
    assert refused.value.problem == problems.STORE_UNREACHABLE
    assert (refused.value.where or "").startswith("postgresql+psycopg://stadtbus:***@/bus")
    assert CANARY not in refused.value.diagnostics()
