"""Stores: SQLite by default, PostgreSQL in production, one code path (SQLAlchemy Core).

Every write goes through one thread per store that groups what is waiting into one transaction: the fsync is the price of a
write, so it is paid once for many. A write that returns is durable (SQLite WAL with synchronous=FULL; PostgreSQL's default).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import queue
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite

from infra import database, metrics
from infra.database import StoreAway, StoreMoved
from infra.settings import StoreSettings
from schemas import problems
from schemas.errors import CannotTell, UsageError

log = structlog.get_logger()

ResultT = TypeVar("ResultT")
Operation = Callable[[sa.Connection], ResultT]
Migration = Callable[[sa.Connection], None]
"""One step from tables of an earlier version to those of the next, within the transaction that opens the store."""

_MAX_GROUP: Final = 500
_CREATE_LOCK: Final = 0x5742
_ANSWER_LIMIT_S: Final = 15.0
"""Whoever asks a store is answered within it; longer than it takes to notice that a host is gone."""
_CLOSE_LIMIT_S: Final = 5.0
_LOOK_S: Final = 5.0
_REFUSED_S: Final = 60.0
"""So long a write that failed is told, unless one has succeeded since."""
_MAX_PARAMETERS: Final = 30_000
"""In one statement; SQLite takes 32,766 and PostgreSQL 65,535."""

_versions = sa.Table(
    "store_version", sa.MetaData(), sa.Column("store", sa.Text, primary_key=True), sa.Column("version", sa.Integer, nullable=False)
)


class StoreSilent(sa.exc.SQLAlchemyError):
    """The database has not answered in time; whether the operation will still be done is not known."""


class Store:
    """One database with its tables, and the thread that writes to it."""

    def __init__(self, settings: StoreSettings, name: str, tables: sa.MetaData, migrations: Sequence[Migration] = ()) -> None:
        self.name = name
        self._engine = _open(settings, name, tables, migrations)
        self._writing = self._engine.execution_options(**{database.WRITES: True})
        self._waiting: queue.SimpleQueue[tuple[Operation[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._finding: str | None = None
        """Why the last write was not durable; None when it was."""
        self._refused: tuple[str, float] | None = None
        """Why, and when, something was not written that somebody wanted written; None as soon as something is."""
        self._group_began_s: float | None = None
        """When the transaction began that is under way, by a clock that nobody sets."""
        self._moved = False
        self._writer = threading.Thread(target=self._write_groups, name=f"store-{name}", daemon=True)
        self._writer.start()

    async def write(self, operation: Operation[ResultT]) -> ResultT:
        """Run an operation in the next transaction; it is durable when this returns.

        An operation that raises is rolled back alone. It may run twice when the database failed, so it has to bear that.

        Raises:
            SQLAlchemyError: the database failed; StoreSilent where it is not known whether the operation was or will be done.
        """
        result: Future[ResultT] = Future()
        self._waiting.put((operation, result))
        return await _in_time(asyncio.wrap_future(result))

    async def read(self, operation: Operation[ResultT]) -> ResultT:
        """Run an operation that only reads, in a thread.

        Raises:
            SQLAlchemyError: the database failed, or did not answer in time.
        """
        return await _in_time(asyncio.to_thread(self.read_now, operation))

    def read_now(self, operation: Operation[ResultT]) -> ResultT:
        """Run an operation that only reads, here."""
        with self._engine.connect() as connection:
            return operation(connection)

    def check(self) -> str | None:
        """Whether writes become durable, for `infra.health`; looked at every few seconds also while nobody writes."""
        began_s = self._group_began_s
        if began_s is not None and (age_s := time.monotonic() - began_s) > _LOOK_S:
            return f"the database has not answered for {age_s:.0f} s"
        # A look writes nothing, so on a full disk it succeeds: it proves nothing for a while after a write that failed.
        refused = self._refused
        lately = refused[0] if refused is not None and time.monotonic() - refused[1] < _REFUSED_S else None
        return self._finding or lately

    def close(self) -> None:
        """Write what is waiting and stop. A database that does not answer is left after some seconds."""
        self._waiting.put(None)
        self._writer.join(_CLOSE_LIMIT_S)
        self._engine.dispose()

    def _write_groups(self) -> None:
        while True:
            try:
                first = self._waiting.get(timeout=_LOOK_S)
            except queue.Empty:
                self._look()
                continue
            if first is None:
                return
            group = [first]
            while len(group) < _MAX_GROUP and not self._waiting.empty():
                following = self._waiting.get()
                if following is None:  # closing: finish this group, then see the end again
                    self._waiting.put(None)
                    break
                group.append(following)
            self._write_group(group)

    def _look(self) -> None:
        """Nobody has written for a while: see that it could be done, and leave a file behind that can be copied."""
        self._commit_timed([lambda _: None])
        with contextlib.suppress(sa.exc.SQLAlchemyError, sqlite3.Error):
            database.checkpoint(self._engine)

    def _write_group(self, waiting: Sequence[tuple[Operation[Any], Future[Any]]]) -> None:
        # Whoever was cancelled before its turn is left out; from here on nobody can cancel.
        group = [(operation, result) for operation, result in waiting if result.set_running_or_notify_cancel()]
        outcomes = self._commit_timed([operation for operation, _ in group])
        if self._finding is not None:
            self._refused = (self._finding, time.monotonic())
        elif outcomes:
            self._refused = None
        for (_, result), outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Exception):
                result.set_exception(outcome)
            else:
                result.set_result(outcome)

    def _commit_timed(self, operations: Sequence[Operation[Any]]) -> list[Any]:
        self._group_began_s = time.monotonic()
        outcomes = self._commit_together(operations) if operations else []
        self._group_began_s = None
        return outcomes

    def _commit_together(self, operations: Sequence[Operation[Any]]) -> list[Any]:
        """The results of operations, or the exceptions they raised, after one commit.

        An error of the database itself (disk full, connection lost) undoes the whole transaction, and on SQLite the savepoints
        with it: none of the group is stored then. So each gets a transaction of its own, and the error goes to its cause alone.
        """
        try:
            outcomes = self._commit_again(operations)
        except Exception as error:  # noqa: BLE001 - a transaction that failed is the failure of what was in it
            self._note_failure(error)
            if len(operations) == 1 or isinstance(error, StoreAway | StoreMoved):
                return [error] * len(operations)
        else:
            self._finding = None
            return outcomes
        outcomes = []
        for number, operation in enumerate(operations):
            outcomes += self._commit_together([operation])
            if isinstance(outcomes[-1], StoreAway):
                return outcomes + outcomes[-1:] * (len(operations) - number - 1)
        return outcomes

    def _commit_again(self, operations: Sequence[Operation[Any]]) -> list[Any]:
        """Once more over a new connection, where the first was lost."""
        try:
            return self._commit(operations)
        except Exception as error:
            if not database.is_lost(error):
                raise
        return self._commit(operations)

    def _commit(self, operations: Sequence[Operation[Any]]) -> list[Any]:
        with metrics.DATABASE_COMMIT_SECONDS.labels(self.name).time():
            with self._connected() as connection, connection.begin():
                database.begin_write(connection)
                opened = database.opened_files(connection)
                if len(operations) == 1:  # the transaction is its savepoint
                    outcomes = [operations[0](connection)]
                else:
                    outcomes = [_run_alone(connection, operation) for operation in operations]
            database.check_files(self._engine, opened)
        return outcomes

    def _connected(self) -> sa.Connection:
        try:
            return self._writing.connect()
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            raise StoreAway(f"no connection: {database.reason(error)}") from error

    def _note_failure(self, error: Exception) -> None:
        if isinstance(error, StoreMoved) and not self._moved:
            self._moved = True
            log.error("store_moved", store=self.name)
            database.rescue(self._engine)
        if _concerns_all(error):
            self._finding = database.reason(error)


def _concerns_all(error: Exception) -> bool:
    """Whether the database failed, and not only this operation."""
    own = (sa.exc.IntegrityError, sa.exc.DataError, sa.exc.ProgrammingError, sa.exc.NotSupportedError)
    return isinstance(error, StoreAway | StoreMoved | sa.exc.DBAPIError) and not isinstance(error, own)


async def _in_time(answer: Awaitable[ResultT]) -> ResultT:
    try:
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            return await answer
    except TimeoutError:
        raise StoreSilent(f"no answer within {_ANSWER_LIMIT_S} s") from None


def _run_alone(connection: sa.Connection, operation: Operation[Any]) -> Any:
    """The result of an operation, or the exception it raised, with its own changes undone."""
    try:
        with connection.begin_nested():
            return operation(connection)
    except sa.exc.DBAPIError:
        raise
    except Exception as error:  # noqa: BLE001 - it belongs to the caller of this operation, not to its neighbours
        return error


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A moment, kept and given back in UTC; SQLite knows no zones, PostgreSQL has its own."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: object) -> datetime | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        """Into the database."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: object) -> datetime | None:  # noqa: ARG002 - as above
        """Out of the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def add_missing_columns(connection: sa.Connection, table: sa.Table) -> None:
    """Give a table of an earlier version the columns that it has not; they may be empty."""
    there = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
    for column in table.columns:
        if column.name not in there:
            kind = column.type.compile(connection.dialect)
            connection.exec_driver_sql(f'ALTER TABLE {table.name} ADD COLUMN "{column.name}" {kind}')


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows that are not there yet, by any unique key, and say how many were new."""
    if not rows:
        return 0
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).on_conflict_do_nothing()
    return connection.execute(statement, list(rows), execution_options={"preserve_rowcount": True}).rowcount


# Writes of many rows. The driver gets one statement for many, because for each row of its own it would give up Python's lock and
# wait for it again; and values as they are, without SQLAlchemy's types. All names in these statements are ours.


def put_rows(
    connection: sa.Connection,
    table: sa.Table,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    key: int,
    update: Sequence[str] = (),
) -> None:
    """Insert rows. Where one with the same key (the first so many columns) is there, its `update` columns are overwritten, or it is
    left as it is.
    """
    then = f"UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in update)}" if update else "NOTHING"
    head = f"INSERT INTO {table.name} ({_names(columns)}) VALUES "  # noqa: S608 - our own names
    tail = f" ON CONFLICT ({_names(columns[:key])}) DO {then}"
    for chunk in _chunks(rows, len(columns)):
        statement = head + _marks(connection, len(columns), len(chunk)) + tail
        connection.exec_driver_sql(statement, tuple(itertools.chain.from_iterable(chunk)))


def put_new(
    connection: sa.Connection, table: sa.Table, column: str, keys: Sequence[bytes], *, unique: Sequence[str], same: Mapping[str, Any]
) -> int:
    """Insert rows that differ in one column only, where `unique` has none yet, and say how many were new. All keys are of one length."""
    if not keys:
        return 0
    given, parameters = _given(connection, keys, [None] * len(keys))
    values = ", ".join([_mark(connection)] * len(same))
    statement = (
        f"INSERT INTO {table.name} ({_names([*same, column])}) SELECT {values}, new.key FROM {given} "  # noqa: S608 - our own names
        f"WHERE true ON CONFLICT ({_names(unique)}) DO NOTHING"
    )
    return connection.exec_driver_sql(statement, (*same.values(), *parameters)).rowcount


def change_rows(
    connection: sa.Connection, table: sa.Table, columns: tuple[str, str], rows: Sequence[tuple[bytes, str | None]], *,
    where: Mapping[str, Any], same: Mapping[str, Any],
) -> None:  # fmt: skip
    """Set a column for each of these rows (key, text), and others to the same for all. All keys are of one length."""
    if not rows:
        return
    keys, texts = zip(*rows, strict=True)
    given, parameters = _given(connection, keys, texts)
    one, (key, text) = _mark(connection), columns
    changes = ", ".join([*(f"{name} = {one}" for name in same), f"{text} = new.text"])
    conditions = " AND ".join([*(f"{table.name}.{name} = {one}" for name in where), f"{table.name}.{key} = new.key"])
    statement = f"UPDATE {table.name} SET {changes} FROM {given} WHERE {conditions}"  # noqa: S608 - as above
    connection.exec_driver_sql(statement, (*same.values(), *parameters, *where.values()))


def _given(connection: sa.Connection, keys: Sequence[bytes], texts: Sequence[str | None]) -> tuple[str, tuple[object, ...]]:
    """What stands in a FROM clause for these pairs, as `new.key` and `new.text`, and its parameters.

    It is the same for any number of them: a statement with a mark for each is another one for each number, and to read it costs
    the database more than the index.
    """
    if connection.dialect.name == "postgresql":
        return "unnest(%s::bytea[], %s::text[]) AS new (key, text)", (list(keys), list(texts))
    width = len(keys[0])
    key = f"substr(?, 1 + key * {width}, {width})"
    # The limit, which is none, keeps SQLite from mixing this with the rest: it might look at all rows for each pair then.
    return f"(SELECT {key} AS key, value AS text FROM json_each(?) LIMIT -1) AS new", (b"".join(keys), json.dumps(texts))  # noqa: S608 - as above


def _chunks(rows: Sequence[Any], columns: int) -> Iterator[Sequence[Any]]:
    size = _MAX_PARAMETERS // columns
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _mark(connection: sa.Connection) -> str:
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


def _marks(connection: sa.Connection, columns: int, rows: int) -> str:
    return ", ".join([f"({', '.join([_mark(connection)] * columns)})"] * rows)


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _open(settings: StoreSettings, name: str, tables: sa.MetaData, migrations: Sequence[Migration]) -> sa.Engine:
    """The database with its tables.

    Raises:
        CannotTell: store-unreachable.
    """
    if settings.url is None:
        settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = database.connect(settings, name)
    try:
        with engine.execution_options(
            **{database.WRITES: True}
        ).begin() as connection:  # beside another process that writes, it has its turn
            if engine.dialect.name == "postgresql":  # processes start together and must not create the same table twice
                connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_CREATE_LOCK})"))
            tables.create_all(connection)
            _migrate(connection, name, migrations)
        database.checkpoint(engine)
    except sa.exc.OperationalError as error:
        engine.dispose()
        raise CannotTell(problems.STORE_UNREACHABLE, f"store '{name}': {database.reason(error)}", where=settings.shown(name)) from None
    except BaseException:
        engine.dispose()
        raise
    return engine


def _migrate(connection: sa.Connection, store: str, migrations: Sequence[Migration]) -> None:
    """Run the steps that this database has not seen; a new one has all tables already, and the steps find nothing to do.

    Raises:
        UsageError: store-newer; the transaction undoes whatever came before.
    """
    _versions.create(connection, checkfirst=True)
    insert_new(connection, _versions, [{"store": store, "version": 0}])
    version = connection.execute(sa.select(_versions.c.version).where(_versions.c.store == store)).scalar_one()
    if version > len(migrations):  # it holds what this version would misread, or not keep
        raise UsageError(problems.STORE_NEWER, f"store '{store}' has version {version}, this program knows {len(migrations)}")
    for step in migrations[version:]:
        step(connection)
    connection.execute(_versions.update().where(_versions.c.store == store).values(version=len(migrations)))
