"""How many submissions each office was delivered since a moment."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from consumers.statistics.facts import accepted, delivered
from infra.stores import Store


def delivered_since(store: Store, begin: datetime) -> dict[str, int]:
    """By office; one that was delivered nothing is missing.

    Raises:
        CannotTell: store-unreachable.
    """
    query = (
        sa.select(accepted.c.office, sa.func.count())
        .join(delivered, delivered.c.submission == accepted.c.submission)
        .where(delivered.c.at >= begin)
        .group_by(accepted.c.office)
    )
    return dict(store.read_now(lambda connection: [(office, count) for office, count in connection.execute(query)]))
