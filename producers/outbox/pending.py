"""What is pending: accepted and not on Kafka. What goes next says `producers.outbox.turns`; the relay notes here what Kafka has taken."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from infra.kafka.outgoing import Written
from infra.stores import Store
from producers.outbox import usage
from producers.outbox.tables import is_behind_refused, is_pending, is_unfinished, submission

_AT: Final = sa.select(submission).where(is_pending, submission.c.seq.in_(sa.bindparam("rows", expanding=True))).order_by(submission.c.seq)
_of_office: Final = (is_pending, submission.c.office == sa.bindparam("office"))
_OLDEST: Final = sa.select(sa.func.min(submission.c.accepted_at)).where(*_of_office)
_BEHIND: Final = sa.select(sa.func.count()).select_from(submission).where(*_of_office, is_behind_refused)
_NOTE: Final = (
    submission.update()
    .where(submission.c.seq == sa.bindparam("b_seq"))
    .values(published_at=sa.bindparam("b_published_at"), partition=sa.bindparam("b_partition"), record_offset=sa.bindparam("b_offset"))
)


@dataclass(frozen=True, slots=True)
class Pending:
    """A submission on its way to Kafka."""

    seq: int
    """Its row; they count up in the order of acceptance."""
    office: str
    case_key: UUID
    headers: Mapping[str, str]
    """As they were stored, also by a newer version."""
    content: bytes


async def at(store: Store, rows: Sequence[int]) -> list[Pending]:
    """Those of these rows that are pending, in the order of acceptance."""
    return await store.read(lambda connection: read_at(connection, rows))


def read_at(connection: sa.Connection, rows: Sequence[int]) -> list[Pending]:
    """The same, within a transaction."""
    return [pending_of(row) for row in connection.execute(_AT, {"rows": rows}).mappings()]


def pending_of(row: sa.RowMapping) -> Pending:
    """What a row of `submission` that has its content sends to Kafka."""
    return Pending(row["seq"], row["office"], row["case_key"], json.loads(row["headers"]), row["content"])


@dataclass(frozen=True, slots=True)
class Waiting:
    """What of one office is pending."""

    oldest_accepted_at: datetime | None
    behind_dead_letters: int
    """Those that are sent when a dead letter of their case has ended (`producers.outbox.turns`)."""


async def waiting(store: Store, office: str) -> Waiting:
    """Since when something of an office is pending, and how much of it waits for an operator. Looks at each row that is pending."""
    mine = {"office": office}
    return await store.read(
        lambda connection: Waiting(connection.execute(_OLDEST, mine).scalar_one(), connection.execute(_BEHIND, mine).scalar_one())
    )


async def is_after_unfinished(store: Store, one: Pending) -> bool:
    """Whether an earlier one of its case is on Kafka and has not come to its end, as far as the status feed has read."""
    earlier = (submission.c.office == one.office, submission.c.case_key == one.case_key, submission.c.seq < one.seq)
    query = sa.select(sa.exists().where(is_unfinished, *earlier))
    return await store.read(lambda connection: bool(connection.execute(query).scalar_one()))


async def note_published(store: Store, done: Sequence[tuple[Pending, Written]]) -> None:
    """Note that these are on Kafka, replicated, and where. Called by the relay after Kafka's acknowledgement; durable when it returns."""
    now = datetime.now(UTC)
    rows = [{"b_seq": one.seq, "b_published_at": now, "b_partition": at.partition, "b_offset": at.offset} for one, at in done]

    def operation(connection: sa.Connection) -> None:
        noted = [one.seq for one, _ in done]
        usage.published(connection, noted)
        connection.execute(_NOTE, rows)
        usage.forget_content_of_rows(connection, noted)

    await store.write(operation)
