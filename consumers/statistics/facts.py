"""Statistics, first version: the facts of each submission, stored once: acceptance, delivery and outcome.

Facts are kept and figures computed from them, so a rebuild from the log gives the same numbers. Test messages do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from infra.kafka.records import AnyRecord, EventRecord, SubmissionRecord, read_any
from infra.kafka.sink import Sink, Tables
from infra.kafka.stored_reader import StoredReader
from infra.rows import UtcDateTime, insert_new
from infra.settings import KafkaSettings, StoreSettings
from infra.stores import Store
from schemas import topics
from schemas.events import State

_NAME: Final = "statistics"

metadata = sa.MetaData()
_reader_tables = Tables.on(metadata)
accepted = sa.Table(
    "statistics_accepted",
    metadata,
    sa.Column("submission", sa.Uuid, primary_key=True),
    sa.Column("city", sa.Text, nullable=False),
    sa.Column("office", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("portal", sa.Text, nullable=False),
    sa.Column("accepted_at", UtcDateTime, nullable=False),
)
delivered = sa.Table(
    "statistics_delivered",
    metadata,
    sa.Column("submission", sa.Uuid, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
)
outcomes = sa.Table(
    "statistics_outcome",
    metadata,
    sa.Column("submission", sa.Uuid, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
)


def store_rows(connection: sa.Connection, rows: Sequence[AnyRecord]) -> None:
    """Store what the records say, within the reader's transaction; what is stored already stays as it is.

    Acceptance, delivery and outcome come in any order, so each has its own table.
    """
    columns = accepted.c.keys()
    taken = [row for row in rows if isinstance(row, SubmissionRecord) and not row.test]
    insert_new(connection, accepted, [{name: getattr(row, name) for name in columns} for row in taken])
    events = [row.event for row in rows if isinstance(row, EventRecord)]
    arrived = [{"submission": one.data.submission, "at": one.time} for one in events if one.data.state is State.DELIVERED]
    insert_new(connection, delivered, arrived)
    decided = [one.data for one in events if one.data.state in (State.ACCEPTED, State.REJECTED)]
    insert_new(connection, outcomes, [{"submission": one.submission, "state": one.state.value} for one in decided])


def open_store(settings: StoreSettings) -> Store:
    """The statistics store, made or brought up to date where needed; to be closed by who opens it.

    Raises:
        CannotTell: store-unreachable.
    """
    return Store(settings, _NAME, metadata, migrations=(_reader_tables.migrate,))


def is_here(settings: StoreSettings) -> bool:
    """Whether there are statistics to look into; opening what is not would make empty ones."""
    return settings.may_have(_NAME)


def reader(kafka: KafkaSettings, store: Store, offices: Sequence[str]) -> StoredReader[AnyRecord]:
    """The consumer that fills the statistics store."""
    return StoredReader[AnyRecord](
        kafka,
        store,
        Sink(_reader_tables, decode=read_any, apply=store_rows),
        group=topics.GROUP_STATISTICS,
        topics=topics.recorded(offices),
    )


def recorded_submissions(store: Store) -> set[UUID]:
    """Ids of all submissions that count."""
    return store.read_now(lambda connection: set(connection.execute(sa.select(accepted.c.submission)).scalars()))
