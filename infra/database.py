"""Connections to the database of a store: how they are made, when one counts as lost, and what failed, in a word.

SQLite: a commit counts only while the files that are open are those that stand at their path. Who deletes or replaces them under a
running process would otherwise be answered "durable" by files that are gone with the process.

PostgreSQL: it may stand behind a pooler (PgBouncer in transaction mode) or fail over to a standby. So nothing is set for a session, nothing
is prepared on a server, a server that takes no writes counts as a lost connection, and a host that is gone is noticed within seconds.
What stands in `stores.url` wins over all of this.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
import structlog

from infra.settings import StoreSettings

log = structlog.get_logger()

WRITES: Final = "stadtbus_writes"
"""Execution option of connections that write."""
_READERS: Final = 40
"""Connections that may read at a time; at least as many as asyncio has threads."""
_RECYCLE_S: Final = 300
"""After a switch-over connections that only read may lead to the old primary; no longer than this."""
_SILENCE_LIMIT_MS: Final = 5_000
_POSTGRESQL: Final[dict[str, Any]] = {
    "connect_timeout": 5,
    "tcp_user_timeout": _SILENCE_LIMIT_MS,  # what was sent and is not acknowledged; with keepalives also while an answer is awaited
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "target_session_attrs": "read-write",
    "prepare_threshold": None,
}
_BEGIN_WRITE: Final = (
    "SELECT set_config('statement_timeout', '10s', true), set_config('idle_in_transaction_session_timeout', '3s', true),"
    " current_setting('transaction_read_only')"
)
"""For this transaction only. A process that is stopped within it would hold its locks, and with them whoever takes its work over."""
_BUSY_TIMEOUT_S: Final = 10
_CACHE_KIB: Final = 8 * 1024
"""Of SQLite's own; more of a large index is read from the cache of the operating system, which is nearly as quick."""
_STATEMENTS: Final = 16
"""Kept ready by SQLite's driver: one that writes 2,000 rows takes half a megabyte, and each number of rows is another one."""
_CHECKPOINT_PAGES: Final = 8_000
"""32 MiB of log before it is copied into the database: pages that are written again and again are copied once."""
_FILES: Final = "stadtbus_files"

Files = tuple[tuple[int, int] | None, ...]
"""Device and inode of a SQLite database, its log and its index of the log; None for one that is not there."""


class StoreAway(sa.exc.SQLAlchemyError):
    """No connection that writes can be had, so trying the operations of a group one by one is of no use."""


class StoreMoved(sa.exc.SQLAlchemyError):
    """The files of a SQLite store were deleted or replaced while they were open: what is written is not durable."""


def reason(error: BaseException) -> str:
    """What failed, as the database names it (`SQLITE_FULL`, an SQLSTATE), never its text, which may quote rows."""
    if isinstance(error, StoreAway | StoreMoved):
        return str(error)
    original = getattr(error, "orig", None)
    code = getattr(original, "sqlite_errorname", None) or getattr(original, "sqlstate", None)
    return f"{type(error).__name__} ({code})" if code else type(error).__name__


def connect(settings: StoreSettings, name: str) -> sa.Engine:
    """The way to the database of one store; connections are made when they are needed."""
    url = sa.make_url(settings.url_of(name))
    if url.get_backend_name() == "sqlite":
        engine = _engine(url, {"cached_statements": _STATEMENTS}, recycle_s=-1)
        _prepare_sqlite(engine, Path(url.database or ""))
        return engine
    engine = _engine(url, {key: value for key, value in _POSTGRESQL.items() if key not in url.query}, recycle_s=_RECYCLE_S)
    sa.event.listen(engine, "handle_error", _note_lost)
    return engine


def _engine(url: sa.URL, arguments: dict[str, Any], *, recycle_s: int) -> sa.Engine:
    # Error texts must not quote rows, hence hide_parameters.
    return sa.create_engine(
        url, pool_pre_ping=True, pool_recycle=recycle_s, max_overflow=_READERS, hide_parameters=True, connect_args=arguments
    )


def begin_write(connection: sa.Connection) -> None:
    """Limits for a transaction that writes, right after it began.

    Raises:
        StoreAway: the server takes no writes, so it is a standby now; all connections are given up.
    """
    if connection.dialect.name == "postgresql" and connection.exec_driver_sql(_BEGIN_WRITE).one()[2] == "on":
        connection.engine.pool.dispose()
        connection.invalidate()
        raise StoreAway("the server takes no writes")


def is_lost(error: BaseException) -> bool:
    """Whether a new connection may do better."""
    return isinstance(error, StoreAway) or (isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated)


def _note_lost(context: sa.engine.ExceptionContext) -> None:
    """Beside what the driver takes for a lost connection: a server that became read-only, is going down, or lost its own connection."""
    state = getattr(context.original_exception, "sqlstate", None) or ""
    if state == "25006" or state.startswith(("08", "57P")):
        context.is_disconnect = True


def _prepare_sqlite(engine: sa.Engine, path: Path) -> None:
    """Durable on return, readers beside the writer, and transactions that SQLAlchemy begins, not the driver."""
    first: list[tuple[int, int] | None] = []

    @sa.event.listens_for(engine, "do_connect")
    def _same_file(*_: object) -> None:
        if first and first[0] != _identity(path):  # SQLite would make a new, empty one
            raise StoreMoved(f"{path.name} was deleted or replaced")

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_S * 1000}")
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        connection.execute("SELECT 1 FROM sqlite_master").fetchall()  # opens the log, so that all files are there
        record.info[_FILES] = _files(path)
        first.append(record.info[_FILES][0])

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A writer takes its lock at once: one that first reads and then writes fails when somebody else has written meanwhile.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(WRITES) else "BEGIN")


def opened_files(connection: sa.Connection) -> Files | None:
    """What a connection to SQLite has open; None for other databases. To be asked while it is in use, and compared after the commit."""
    files: Files | None = connection.info.get(_FILES)
    return files


def check_files(engine: sa.Engine, opened: Files | None) -> None:
    """Compare what is open with what stands at the path.

    Raises:
        StoreMoved: they differ.
    """
    path = Path(engine.url.database or "")
    if opened is not None and opened != _files(path):
        raise StoreMoved(f"{path.name} was deleted or replaced")


def rescue(engine: sa.Engine) -> None:
    """Copy what a connection still has open beside where the database stood: the only copy of it ends with the process."""
    target = Path(engine.url.database or "").with_suffix(".rescued.sqlite")
    with contextlib.suppress(sqlite3.Error, sa.exc.SQLAlchemyError, OSError), contextlib.closing(engine.raw_connection()) as open_one:
        with contextlib.closing(sqlite3.connect(target)) as copy:
            open_one.dbapi_connection.backup(copy)  # type: ignore[union-attr] # it is in use
        log.error("store_rescued", file=target.name)


def checkpoint(engine: sa.Engine) -> None:
    """Copy SQLite's log into the database, as far as nobody reads it: who copies the file of a bus at rest has all of it."""
    if engine.dialect.name == "sqlite":
        with contextlib.closing(engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")


def _files(path: Path) -> Files:
    database = str(path)  # a path for each costs more than what is asked of it
    return tuple(_identity(database + suffix) for suffix in ("", "-wal", "-shm"))


def _identity(path: Path | str) -> tuple[int, int] | None:
    try:
        state = os.stat(path)  # noqa: PTH116 - see above
    except FileNotFoundError:
        return None
    return state.st_dev, state.st_ino
