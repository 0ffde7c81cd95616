"""Statistics, first version: throughput per city, office, service, portal and hour, with delivery durations.

Facts are kept, figures are computed when asked for, so a rebuild from the log gives the same numbers. Test messages do not count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from infra.kafka.records import SubmissionRecord, read_any
from infra.kafka.stored_reader import StoredReader, Tables
from infra.settings import KafkaSettings, StoreSettings
from infra.stores import Store, UtcDateTime, insert_new
from schemas import topics
from schemas.events import State, StatusEvent

metadata = sa.MetaData()
_tables = Tables.on(metadata)
_accepted = sa.Table(
    "statistics_accepted",
    metadata,
    sa.Column("submission", sa.Uuid, primary_key=True),
    sa.Column("city", sa.Text, nullable=False),
    sa.Column("office", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("portal", sa.Text, nullable=False),
    sa.Column("accepted_at", UtcDateTime, nullable=False),
)
_delivered = sa.Table(
    "statistics_delivered",
    metadata,
    sa.Column("submission", sa.Uuid, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
)

Row = SubmissionRecord | StatusEvent


def _apply(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Acceptance and delivery come over different topics in any order, so each has its own table."""
    columns = set(_accepted.c.keys())
    accepted = [row for row in rows if isinstance(row, SubmissionRecord) and not row.test]
    insert_new(connection, _accepted, [{name: getattr(row, name) for name in columns} for row in accepted])
    delivered = [row for row in rows if isinstance(row, StatusEvent) and row.data.state is State.DELIVERED]
    insert_new(connection, _delivered, [{"submission": row.data.submission, "at": row.time} for row in delivered])


def open_store(settings: StoreSettings) -> Store:
    """The statistics store."""
    return Store(settings, "statistics", metadata)


def reader(kafka: KafkaSettings, store: Store, offices: Sequence[str]) -> StoredReader[Row]:
    """The consumer that fills the statistics store."""
    return StoredReader[Row](
        kafka, store, _tables, group=topics.GROUP_STATISTICS, topics=topics.recorded(offices), decode=read_any, apply=_apply
    )


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the statistics. Durations run from acceptance to the back office's confirmation."""

    city: str
    office: str
    service: str
    portal: str
    hour: datetime
    accepted: int
    delivered: int
    median_s: float | None
    p95_s: float | None


def figures(store: Store) -> list[Figure]:
    """All figures, by city, office, service, portal and hour (UTC)."""
    query = sa.select(_accepted, _delivered.c.at).outerjoin(_delivered, _delivered.c.submission == _accepted.c.submission)
    groups: dict[tuple[str, str, str, str, datetime], list[float | None]] = defaultdict(list)
    for row in store.read_now(lambda connection: connection.execute(query).mappings().all()):
        hour = row["accepted_at"].replace(minute=0, second=0, microsecond=0)
        duration_s = None if row["at"] is None else (row["at"] - row["accepted_at"]).total_seconds()
        groups[row["city"], row["office"], row["service"], row["portal"], hour].append(duration_s)
    return [_figure(key, durations) for key, durations in sorted(groups.items())]


def _figure(key: tuple[str, str, str, str, datetime], durations_s: Sequence[float | None]) -> Figure:
    known = sorted(duration for duration in durations_s if duration is not None)
    return Figure(*key, len(durations_s), len(known), _quantile(known, 0.5), _quantile(known, 0.95))


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile; None of nothing."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def recorded(store: Store) -> set[UUID]:
    """Ids of all submissions that count."""
    return store.read_now(lambda connection: set(connection.execute(sa.select(_accepted.c.submission)).scalars()))
