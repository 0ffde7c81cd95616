"""Submissions that were delivered, and that their back office has not decided on yet (docs/decisions/0013)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import sqlalchemy as sa

from infra.rows import put_rows

FIRST_PAUSE_MS: Final = 1_000
"""After the delivery, until the back office is asked for the first time."""

AWAITED: Final = sa.Table(
    "awaited",
    sa.MetaData(),
    sa.Column("office", sa.Text, primary_key=True),
    sa.Column("submission", sa.Text, primary_key=True),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("case", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("portal", sa.Text, nullable=False),
    sa.Column("record_key", sa.LargeBinary),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("begun_ms", sa.BigInteger, nullable=False),
    sa.Column("traceparent", sa.LargeBinary),
    sa.Column("delivered_ms", sa.BigInteger, nullable=False),
    sa.Column("asked", sa.Integer, nullable=False),
    sa.Column("next_ms", sa.BigInteger, nullable=False),
    sa.Index("awaited_due", "office", "next_ms"),
)
"""Of the ledger's database. `asked` counts questions, `next_ms` is when the next one is due."""


class Awaited(NamedTuple):
    """A submission that its back office has and has not decided on; what an event about it says. Times in ms since the epoch."""

    submission: str
    reference: str
    case: str
    service: str
    portal: str
    record_key: bytes | None
    partition: int
    attempt: int
    begun_ms: int
    traceparent: bytes | None
    delivered_ms: int


def note_awaited(connection: sa.Connection, office: str, rows: Sequence[Awaited]) -> None:
    """Note that the outcome of these is awaited, within the transaction that notes the delivery; what is noted already stays as it is."""
    columns = ("office", *Awaited._fields, "asked", "next_ms")
    put_rows(connection, AWAITED, columns, [(office, *row, 0, row.delivered_ms + FIRST_PAUSE_MS) for row in rows], key=2)
