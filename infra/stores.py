"""Stores: SQLite by default, PostgreSQL in production, one code path (SQLAlchemy Core).

Every write goes through one thread per store that groups what is waiting into one transaction: the fsync is the price of a
write, so it is paid once for many. A write that returns is durable (SQLite WAL with synchronous=FULL; PostgreSQL's default).
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final, TypeVar

import sqlalchemy as sa
import structlog

from infra import database, metrics
from infra.database import StoreAway, StoreMoved
from infra.migrations import Migration, open_database
from infra.settings import StoreSettings

log = structlog.get_logger()

ResultT = TypeVar("ResultT")
Operation = Callable[[sa.Connection], ResultT]
"""What is done within one transaction. It runs in a thread of the store, may block for as long as the database takes, and must touch
nothing but the connection: it may be undone, and run again.
"""

_MAX_GROUP: Final = 500
_ANSWER_LIMIT_S: Final = 15.0
"""Whoever asks a store is answered within it; longer than it takes to notice that a host is gone."""
_CLOSE_LIMIT_S: Final = 5.0
_LOOK_S: Final = 5.0
_REFUSED_S: Final = 60.0
"""So long a write that failed is told, unless one has succeeded since."""


class StoreSilent(sa.exc.SQLAlchemyError):
    """The database has not answered within 15 s. The operation may have been done, may still be done, or never: the caller has to read."""


class Store:
    """One database with its tables, and the thread that writes to it.

    Opening blocks, until another process that opens the same database is done. `write` and `read` are called from the event loop, from
    many tasks at the same time, and do not block it.

    Raises, when it is opened:
        CannotTell: store-unreachable.
        UsageError: store-newer, where a later version of the program has written to it.
    """

    def __init__(
        self,
        settings: StoreSettings,
        name: str,
        tables: sa.MetaData,
        migrations: Sequence[Migration] = (),
        catch_up: Migration | None = None,
    ) -> None:
        """`catch_up` is run at each opening, after the migrations."""
        self.name = name
        self._engine = open_database(settings, name, tables, migrations, catch_up)
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
        """Run an operation in the next transaction, after those that were given before it; it is durable when this returns. One that the
        caller was cancelled for before its turn is not run.

        Raises:
            StoreSilent: no answer in time.
            StoreMoved: the files of the database were deleted or replaced; what was written is gone with this process.
            SQLAlchemyError: the database failed, StoreAway where no connection was to be had. It was not done, unless the connection was
                lost while it was being committed.
            Exception: what the operation raised; only what it had written is undone.
        """
        result: Future[ResultT] = Future()
        self._waiting.put((operation, result))
        return await _in_time(asyncio.wrap_future(result))

    async def read(self, operation: Operation[ResultT]) -> ResultT:
        """Run an operation that only reads, beside the writer, in a thread of asyncio.

        Raises:
            SQLAlchemyError: the database failed; StoreSilent where it did not answer in time.
            Exception: what the operation raised.
        """
        return await _in_time(asyncio.to_thread(self.read_now, operation))

    def read_now(self, operation: Operation[ResultT]) -> ResultT:
        """Run an operation that only reads in this thread, which waits for the database; for commands, and threads of their own."""
        with self._engine.connect() as connection:
            return operation(connection)

    def check(self) -> str | None:
        """None while writes become durable, else what keeps them from it. Asked by health pages; answers at once, from what the writer
        found at the last write or, while nobody writes, at a look every few seconds.
        """
        began_s = self._group_began_s
        if began_s is not None and (age_s := time.monotonic() - began_s) > _LOOK_S:
            return f"the database has not answered for {age_s:.0f} s"
        # A look writes nothing, so on a full disk it succeeds: it proves nothing for a while after a write that failed.
        refused = self._refused
        lately = refused[0] if refused is not None and time.monotonic() - refused[1] < _REFUSED_S else None
        return self._finding or lately

    def close(self) -> None:
        """Write what is waiting and stop. Blocks, at most 5 s: then a database that does not answer is left alone."""
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
        """Without savepoints, which cost as much as what is done between them; where an operation raises, once more with one for each."""
        try:
            return self._transaction(operations, _run_as_one)
        except _OneRaised:
            return self._transaction(operations, _run_apart)

    def _transaction(
        self, operations: Sequence[Operation[Any]], run: Callable[[sa.Connection, Sequence[Operation[Any]]], list[Any]]
    ) -> list[Any]:
        with metrics.DATABASE_COMMIT_SECONDS.labels(self.name).time():
            with self._connected() as connection, connection.begin():
                database.begin_write(connection)
                opened = database.opened_files(connection)
                outcomes = run(connection, operations)
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


class _OneRaised(Exception):
    """An operation of a group has failed, and not the database: all of the group is undone with it, and none has its outcome yet."""


def _run_as_one(connection: sa.Connection, operations: Sequence[Operation[Any]]) -> list[Any]:
    try:
        return [operation(connection) for operation in operations]
    except sa.exc.DBAPIError:
        raise
    except Exception:
        if len(operations) == 1:  # the transaction is its savepoint
            raise
        raise _OneRaised from None


def _run_apart(connection: sa.Connection, operations: Sequence[Operation[Any]]) -> list[Any]:
    return [_run_alone(connection, operation) for operation in operations]


def _run_alone(connection: sa.Connection, operation: Operation[Any]) -> Any:
    """The result of an operation, or the exception it raised, with its own changes undone."""
    try:
        with connection.begin_nested():
            return operation(connection)
    except sa.exc.DBAPIError:
        raise
    except Exception as error:  # noqa: BLE001 - it belongs to the caller of this operation, not to its neighbours
        return error
