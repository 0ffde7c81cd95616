"""How much of the outbox each portal uses at each office: rows that are pending, and bytes of content that is kept.

It is counted where rows change, in the same transaction, so nobody has to count rows to know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from infra.stores import Store
from producers.outbox.tables import has_ended, is_pending, submission, usage

_BYTES = sa.func.coalesce(sa.func.sum(sa.func.length(submission.c.content)), 0)
_ROWS = sa.func.count()
_ADD: Final = sa.text(
    "INSERT INTO outbox_usage (portal, office, pending, size_bytes) VALUES (:portal, :office, :pending, :size_bytes)"
    " ON CONFLICT (portal, office) DO UPDATE"
    " SET pending = outbox_usage.pending + excluded.pending, size_bytes = outbox_usage.size_bytes + excluded.size_bytes"
)
"""Once for each acceptance, so as a text: SQLAlchemy takes three times as long to put it together."""


@dataclass(frozen=True, slots=True)
class Used:
    """What one portal uses at one office."""

    portal: str
    office: str
    pending: int
    size_bytes: int


def read(connection: sa.Connection, office: str | None = None) -> list[Used]:
    """What is used, at one office or at all; as many rows as there are portals and offices."""
    query = sa.select(usage.c.portal, usage.c.office, usage.c.pending, usage.c.size_bytes)
    rows = connection.execute(query if office is None else query.where(usage.c.office == office))
    return [Used(*row) for row in rows]


async def of_office(store: Store, office: str) -> list[Used]:
    """What is used at one office.

    Raises:
        SQLAlchemyError: the store does not answer.
    """
    return await store.read(lambda connection: read(connection, office))


def add(connection: sa.Connection, more: Used) -> None:
    """So much more is used; less, where numbers are below 0."""
    values = {"portal": more.portal, "office": more.office, "pending": more.pending, "size_bytes": more.size_bytes}
    connection.execute(_ADD, values)


def published(connection: sa.Connection, rows: Sequence[int]) -> None:
    """Called before these rows are noted as published: those that are pending are so no more."""
    for portal, office, count in _sums(connection, _ROWS, is_pending, submission.c.seq.in_(rows)):
        add(connection, Used(portal, office, -count, 0))


def put_back(connection: sa.Connection, rows: sa.ColumnElement[bool]) -> None:
    """Called before these rows, which are published, become pending again."""
    for portal, office, count in _sums(connection, _ROWS, rows):
        add(connection, Used(portal, office, count, 0))


def forget_content(connection: sa.Connection, rows: sa.ColumnElement[bool]) -> None:
    """Let go of the content of those of these rows that are published and ended.

    Called in the transaction that notes the one or the other, since either may be noted last.
    """
    over = (rows, submission.c.published_at.is_not(None), submission.c.content.is_not(None), has_ended)
    for portal, office, size_bytes in _sums(connection, _BYTES, *over):
        add(connection, Used(portal, office, 0, -size_bytes))
    connection.execute(submission.update().where(*over).values(content=None))


def _sums(connection: sa.Connection, what: sa.ColumnElement[int], *rows: sa.ColumnElement[bool]) -> list[tuple[str, str, int]]:
    """In the order of their keys: whoever changes several at the same time does it in the same order."""
    key = (submission.c.portal, submission.c.office)
    found = connection.execute(sa.select(*key, what).where(*rows).group_by(*key).order_by(*key))
    return [(portal, office, amount) for portal, office, amount in found]
