"""Figures, computed from the facts when asked for: throughput per city, office, service, portal and hour, with delivery durations."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from consumers.statistics.facts import accepted, delivered, outcomes
from infra.stores import Store
from schemas.events import State


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
    """All figures, by city, office, service, portal and hour (UTC). Reads all facts.

    Raises:
        CannotTell: store-unreachable.
    """
    query = (
        sa.select(accepted, delivered.c.at, outcomes.c.state)
        .outerjoin(delivered, delivered.c.submission == accepted.c.submission)
        .outerjoin(outcomes, outcomes.c.submission == accepted.c.submission)
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
    decided = (ends[State.ACCEPTED], ends[State.REJECTED])
    return Figure(*key, len(rows), len(durations_s), *decided, _quantile(durations_s, 0.5), _quantile(durations_s, 0.95))


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile; None of nothing."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
