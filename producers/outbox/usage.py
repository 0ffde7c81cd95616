"""How much of the outbox each portal uses at each office: rows that are pending, and bytes of content that is kept.

It is counted where rows change, in the same transaction, so nobody has to count rows to know it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from producers.outbox.tables import has_ended, is_pending, submission, usage

# All statements are put together once: SQLAlchemy takes longer for that than the database for its answer.
_ADD: Final = sa.text(
    "INSERT INTO outbox_usage (portal, office, pending, size_bytes) VALUES (:portal, :office, :pending, :size_bytes)"
    " ON CONFLICT (portal, office) DO UPDATE"
    " SET pending = outbox_usage.pending + excluded.pending, size_bytes = outbox_usage.size_bytes + excluded.size_bytes"
)
_READ: Final = sa.select(usage.c.portal, usage.c.office, usage.c.pending, usage.c.size_bytes)
_READ_OF_OFFICE: Final = _READ.where(usage.c.office == sa.bindparam("office"))
_KEY: Final = (submission.c.portal, submission.c.office)
_COUNT: Final = sa.select(*_KEY, sa.func.count()).group_by(*_KEY).order_by(*_KEY)
"""In the order of their keys: whoever changes several at the same time does it in the same order."""
_of_rows: Final = submission.c.seq.in_(sa.bindparam("rows", expanding=True))
_PENDING_OF: Final = _COUNT.where(is_pending, _of_rows)
_OVER: Final = sa.select(submission.c.seq, *_KEY, sa.func.length(submission.c.content)).where(
    submission.c.published_at.is_not(None), submission.c.content.is_not(None), has_ended
)
_OVER_OF_ROWS: Final = _OVER.where(_of_rows)
_OVER_OF_SUBMISSIONS: Final = _OVER.where(submission.c.id.in_(sa.bindparam("submissions", expanding=True)))
_FORGET: Final = submission.update().where(_of_rows).values(content=None)


@dataclass(frozen=True, slots=True)
class Used:
    """What one portal uses at one office."""

    portal: str
    office: str
    pending: int
    size_bytes: int


def read(connection: sa.Connection, office: str | None = None) -> list[Used]:
    """What is used, at one office or at all; as many rows as there are portals and offices."""
    rows = connection.execute(_READ) if office is None else connection.execute(_READ_OF_OFFICE, {"office": office})
    return [Used(*row) for row in rows]


def add(connection: sa.Connection, more: Used) -> None:
    """So much more is used; less, where numbers are below 0."""
    values = {"portal": more.portal, "office": more.office, "pending": more.pending, "size_bytes": more.size_bytes}
    connection.execute(_ADD, values)


def published(connection: sa.Connection, rows: Sequence[int]) -> None:
    """Called before these rows are noted as published: those that are pending are so no more."""
    for portal, office, count in connection.execute(_PENDING_OF, {"rows": rows}):
        add(connection, Used(portal, office, -count, 0))


def put_back(connection: sa.Connection, rows: sa.ColumnElement[bool]) -> None:
    """Called before these rows, which are published, become pending again."""
    for portal, office, count in connection.execute(_COUNT.where(rows)):
        add(connection, Used(portal, office, count, 0))


def forget_content_of_rows(connection: sa.Connection, rows: Sequence[int]) -> None:
    """Let go of the content of those of these rows that are published and ended.

    Called in the transaction that notes the one or the other, since either may be noted last.
    """
    _forget(connection, _OVER_OF_ROWS, {"rows": rows})


def forget_content_of(connection: sa.Connection, submissions: Sequence[UUID]) -> None:
    """The same for submissions by what the bus calls them."""
    _forget(connection, _OVER_OF_SUBMISSIONS, {"submissions": submissions})


def _forget(connection: sa.Connection, over: sa.Select[Any], of: Mapping[str, Sequence[object]]) -> None:
    rows: list[int] = []
    sizes: Counter[tuple[str, str]] = Counter()
    for seq, portal, office, size_bytes in connection.execute(over, of):
        rows.append(seq)
        sizes[portal, office] += size_bytes
    if not rows:
        return  # nearly always, where the relay asks: what it has just sent has not ended
    for portal, office in sorted(sizes):  # in one order, as `_COUNT` has it
        add(connection, Used(portal, office, 0, -sizes[portal, office]))
    connection.execute(_FORGET, {"rows": rows})
