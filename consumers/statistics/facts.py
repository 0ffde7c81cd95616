"""Statistics, first version: throughput per city, office, service, portal and hour, with delivery durations.

Facts are kept, figures are computed when asked for, so a rebuild from the log gives the same numbers. Test messages do not count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from infra.kafka.records import EventRecord, SubmissionRecord, read_any
from infra.kafka.stored_reader import StoredReader, Tables
from infra.settings import KafkaSettings, StoreSettings
from infra.stores import Store, UtcDateTime, insert_new
from schemas import topics
from schemas.events import State

_NAME: Final = "statistics"

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
_outcome = sa.Table(
    "statistics_outcome",
    metadata,
    sa.Column("submission", sa.Uuid, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
)

Row = SubmissionRecord | EventRecord


def _apply(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Acceptance, delivery and outcome come in any order, so each has its own table."""
    columns = set(_accepted.c.keys())
    accepted = [row for row in rows if isinstance(row, SubmissionRecord) and not row.test]
    insert_new(connection, _accepted, [{name: getattr(row, name) for name in columns} for row in accepted])
    events = [row.event for row in rows if isinstance(row, EventRecord)]
    delivered = [{"submission": one.data.submission, "at": one.time} for one in events if one.data.state is State.DELIVERED]
    insert_new(connection, _delivered, delivered)
    ended = [one.data for one in events if one.data.state in (State.ACCEPTED, State.REJECTED)]
    insert_new(connection, _outcome, [{"submission": one.submission, "state": one.state.value} for one in ended])


def open_store(settings: StoreSettings) -> Store:
    """The statistics store."""
    return Store(settings, _NAME, metadata, migrations=(_tables.migrate,))


def is_here(settings: StoreSettings) -> bool:
    """Whether there are statistics to look into; opening what is not would make empty ones."""
    return settings.may_have(_NAME)


def reader(kafka: KafkaSettings, store: Store, offices: Sequence[str]) -> StoredReader[Row]:
    """The consumer that fills the statistics store."""
    return StoredReader[Row](
        kafka, store, _tables, group=topics.GROUP_STATISTICS, topics=topics.recorded(offices), decode=read_any, apply=_apply
    )


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the statistics. `accepted` is what the gateway took; durations run from there to the delivery.

    `confirmed` counts what back offices accepted later, where they do that, and `rejected` what came to nothing.
    """

    city: str
    office: str
    service: str
    portal: str
    hour: datetime
    accepted: int
    delivered: int
    confirmed: int
    rejected: int
    median_s: float | None
    p95_s: float | None


def figures(store: Store) -> list[Figure]:
    """All figures, by city, office, service, portal and hour (UTC)."""
    query = (
        sa.select(_accepted, _delivered.c.at, _outcome.c.state)
        .outerjoin(_delivered, _delivered.c.submission == _accepted.c.submission)
        .outerjoin(_outcome, _outcome.c.submission == _accepted.c.submission)
    )
    groups: dict[tuple[str, str, str, str, datetime], list[sa.RowMapping]] = defaultdict(list)
    for row in store.read_now(lambda connection: connection.execute(query).mappings().all()):
        hour = row["accepted_at"].replace(minute=0, second=0, microsecond=0)
        groups[row["city"], row["office"], row["service"], row["portal"], hour].append(row)
    return [_figure(key, rows) for key, rows in sorted(groups.items())]


def _figure(key: tuple[str, str, str, str, datetime], rows: Sequence[sa.RowMapping]) -> Figure:
    # Two clocks: that of the adapter's process may be behind the gateway's, and nothing is delivered before it is accepted.
    durations_s = sorted(max(0.0, (row["at"] - row["accepted_at"]).total_seconds()) for row in rows if row["at"] is not None)
    ends = Counter(row["state"] for row in rows)
    outcomes = (ends[State.ACCEPTED], ends[State.REJECTED])
    return Figure(*key, len(rows), len(durations_s), *outcomes, _quantile(durations_s, 0.5), _quantile(durations_s, 0.95))


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile; None of nothing."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def recorded(store: Store) -> set[UUID]:
    """Ids of all submissions that count."""
    return store.read_now(lambda connection: set(connection.execute(sa.select(_accepted.c.submission)).scalars()))
