"""What was published once and is to be sent again, because Kafka has lost it. Asked and told by `stadtbus outbox republish`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from infra.kafka import order
from infra.kafka.outgoing import Written
from infra.stores import Store
from producers.outbox import usage
from producers.outbox.pending import Pending, pending_of
from producers.outbox.tables import has_ended, is_of_submission, is_unfinished, status, submission
from schemas.events import State

_ROWS_PER_STATEMENT: Final = 10_000
"""SQLite takes 32,766 parameters."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A submission that was published and neither delivered nor rejected, as far as the status feed has read."""

    seq: int
    id: UUID
    accepted_at: datetime
    state: State


def unfinished(store: Store, office: str) -> list[Unfinished]:
    """All of an office, dead letters too, in the order of acceptance. Blocks."""
    mine = (is_unfinished, submission.c.office == office)
    query = sa.select(submission.c.seq, submission.c.id, submission.c.accepted_at).where(*mine).order_by(submission.c.seq)
    told = sa.select(status, submission.c.seq).join(submission, is_of_submission).where(*mine)

    def operation(connection: sa.Connection) -> list[Unfinished]:
        events: defaultdict[int, list[sa.RowMapping]] = defaultdict(list)
        for row in connection.execute(told).mappings():
            events[row["seq"]].append(row)
        states = {seq: State(order.in_order(rows)[-1]["state"]) for seq, rows in events.items()}
        found = [Unfinished(*row, states.get(row.seq, State.SUBMITTED)) for row in connection.execute(query)]
        return [one for one in found if not one.state.once]

    return store.read_now(operation)


def published(store: Store, rows: Sequence[int]) -> list[tuple[Pending, Written]]:
    """Those of these rows that were published and have not ended, and where they were. Blocks."""
    query = sa.select(submission).where(is_unfinished, ~has_ended, submission.c.seq.in_(rows)).order_by(submission.c.seq)
    found = store.read_now(lambda connection: connection.execute(query).mappings().all())
    return [(pending_of(row), Written(row["partition"], row["record_offset"])) for row in found]


async def put_back(store: Store, rows: Sequence[int]) -> int:
    """Make these pending again, under their own ids, and say how many they are: those that have ended meanwhile stay as they are.

    A gateway that runs sends them within half a minute, another one when it starts. Whoever has read them before drops them.
    """
    values = {"published_at": None, "partition": None, "record_offset": None}

    def operation(connection: sa.Connection) -> int:
        parts = (rows[start : start + _ROWS_PER_STATEMENT] for start in range(0, len(rows), _ROWS_PER_STATEMENT))
        return sum(put_back_part(connection, sa.and_(is_unfinished, ~has_ended, submission.c.seq.in_(part))) for part in parts)

    def put_back_part(connection: sa.Connection, part: sa.ColumnElement[bool]) -> int:
        usage.put_back(connection, part)
        return connection.execute(submission.update().where(part).values(values)).rowcount

    return await store.write(operation)
