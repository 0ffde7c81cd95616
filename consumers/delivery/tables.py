"""The tables of the ledger's database, and the steps from those of earlier versions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from consumers.delivery.awaited import AWAITED
from consumers.delivery.states import DEAD, DELIVERED, DISCARDED
from infra.migrations import Migration, add_missing_columns

LEDGER: Final = sa.MetaData()
ENTRIES: Final = sa.Table(
    "delivery",
    LEDGER,
    # Numbered rows are stored in the order of writing; only the index by submission is written at random places.
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("office", sa.Text, nullable=False),
    sa.Column("submission", sa.LargeBinary(16), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("started_ms", sa.BigInteger, nullable=False),
    sa.Column("ended_ms", sa.BigInteger),
    sa.Column("next_try_ms", sa.BigInteger),
    sa.Column("reference", sa.Text),
    sa.Column("cause", sa.Text),
    sa.Column("unclear", sa.Boolean),
    sa.Column("partition", sa.Integer),
    sa.Column("origin_offset", sa.BigInteger),
    sa.Column("retry_offset", sa.BigInteger),
    sa.Column("case_key", sa.LargeBinary),
    sa.Column("holds", sa.Boolean),
    sa.UniqueConstraint("office", "submission"),
)
"""A row for each submission (`consumers.delivery.entry.LedgerEntry`)."""
SET_ASIDE: Final = ENTRIES.c.partition.is_not(None) & ENTRIES.c.state.not_in((DELIVERED, DISCARDED))
"""Entries that were parked or dead and have not come to an end since."""
LIES_IN_RETRY: Final = ENTRIES.c.retry_offset.is_not(None) & ENTRIES.c.state.not_in((DEAD, DELIVERED, DISCARDED))
"""Entries whose copy waits in the retry topic, or is being tried."""
sa.Index("delivery_set_aside", ENTRIES.c.office, ENTRIES.c.partition, sqlite_where=SET_ASIDE, postgresql_where=SET_ASIDE)
POSITIONS: Final = sa.Table(
    "delivery_position",
    LEDGER,
    sa.Column("office", sa.Text, primary_key=True),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("next_offset", sa.BigInteger),
    sa.Column("topic_id", sa.Text),
    sa.Column("ask_before", sa.BigInteger),
    sa.Column("lost", sa.BigInteger),
)
"""A row for each partition: whose turn it is (`epoch`), and how far the office has come (`consumers.engine.starts.LedgerPosition`)."""
AWAITED.to_metadata(LEDGER)


def _rows_by_number(connection: sa.Connection) -> None:
    """From the table `ledger` of the first version, whose rows had the id as their place."""
    if not sa.inspect(connection).has_table("ledger"):
        return
    old = sa.Table("ledger", sa.MetaData(), autoload_with=connection)
    for row in connection.execute(sa.select(old)).mappings().all():
        started, ended = (None if row[name] is None else _to_ms(row[name]) for name in ("started_at", "delivered_at"))
        values = {"submission": UUID(str(row["submission_id"])).bytes, "tries": 0, "started_ms": started, "ended_ms": ended}
        connection.execute(ENTRIES.insert().values(values | {name: row[name] for name in ("office", "state", "attempt", "reference")}))
    old.drop(connection)


def _to_ms(moment: datetime) -> int:
    """SQLite gives times back without their zone, which is UTC."""
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _columns_of_positions(connection: sa.Connection) -> None:
    add_missing_columns(connection, POSITIONS)


MIGRATIONS: Final[tuple[Migration, ...]] = (_rows_by_number, _columns_of_positions)
"""In the order in which versions have added them; one that has run stays."""
