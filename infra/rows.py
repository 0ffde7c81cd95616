"""Rows of stores: moments in UTC, and statements that write many rows at once, alike on SQLite and PostgreSQL."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

_MAX_PARAMETERS: Final = 30_000
"""In one statement; SQLite takes 32,766 and PostgreSQL 65,535."""
_COUNTED: Final = {"preserve_rowcount": True}


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


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows that are not there yet, by any unique key, and say how many were new."""
    if not rows:
        return 0
    statement = _insert_new(table, connection.dialect.name)
    return connection.execute(statement, list(rows), execution_options=_COUNTED).rowcount


@cache
def _insert_new(table: sa.Table, dialect: str) -> sa.Insert:
    """Put together once: SQLAlchemy takes longer for that than the database for its answer."""
    inserts = postgresql if dialect == "postgresql" else sqlite
    statement: sa.Insert = inserts.insert(table).on_conflict_do_nothing()
    return statement


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
