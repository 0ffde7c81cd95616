"""What is pending: accepted and not on Kafka. The relay asks here what to send and notes here what Kafka has taken."""

from __future__ import annotations

import itertools
import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from infra.kafka.outgoing import Written
from infra.stores import Store
from producers.outbox import usage
from producers.outbox.tables import is_pending, submission

_BATCH_BYTES: Final = 8 * 1024 * 1024


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


async def oldest(store: Store, office: str, limit: int, *, after: int = 0, without: Container[UUID] = ()) -> list[Pending]:
    """The oldest pending submissions of an office behind the row `after`, less those of the cases `without`, in the order of acceptance.

    At most `limit`, and some megabytes, but at least one; empty only where there is none.
    """
    columns = (submission.c.seq, sa.func.length(submission.c.content), submission.c.case_key)
    rows = sa.select(*columns).where(is_pending, submission.c.office == office).order_by(submission.c.seq).limit(limit)

    def operation(connection: sa.Connection) -> list[Pending]:
        last = after
        while page := connection.execute(rows.where(submission.c.seq > last)).all():
            if chosen := _first_bytes([(seq, size_bytes) for seq, size_bytes, case in page if case not in without]):
                return _at(connection, chosen)
            last = page[-1].seq
        return []

    return await store.read(operation)


def _first_bytes(sizes: Sequence[tuple[int, int]]) -> list[int]:
    """The first rows (seq, bytes) that fit the limit together; at least one."""
    totals = itertools.accumulate(size_bytes for _, size_bytes in sizes)
    return [seq for number, ((seq, _), total) in enumerate(zip(sizes, totals, strict=True)) if number == 0 or total <= _BATCH_BYTES]


async def at(store: Store, rows: Sequence[int]) -> list[Pending]:
    """Those of these rows that are pending, in the order of acceptance."""
    return await store.read(lambda connection: _at(connection, rows))


def _at(connection: sa.Connection, rows: Sequence[int]) -> list[Pending]:
    query = sa.select(submission).where(is_pending, submission.c.seq.in_(rows)).order_by(submission.c.seq)
    return [pending_of(row) for row in connection.execute(query).mappings()]


def pending_of(row: sa.RowMapping) -> Pending:
    """What a row of `submission` that has its content sends to Kafka."""
    return Pending(row["seq"], row["office"], row["case_key"], json.loads(row["headers"]), row["content"])


async def note_published(store: Store, done: Sequence[tuple[Pending, Written]]) -> None:
    """Note that these are on Kafka, replicated, and where. Called by the relay after Kafka's acknowledgement; durable when it returns."""
    statement = (
        submission.update()
        .where(submission.c.seq == sa.bindparam("b_seq"))
        .values(published_at=datetime.now(UTC), partition=sa.bindparam("b_partition"), record_offset=sa.bindparam("b_offset"))
    )
    rows = [{"b_seq": one.seq, "b_partition": at.partition, "b_offset": at.offset} for one, at in done]

    def operation(connection: sa.Connection) -> None:
        noted = [one.seq for one, _ in done]
        usage.published(connection, noted)
        connection.execute(statement, rows)
        usage.forget_content(connection, submission.c.seq.in_(noted))

    await store.write(operation)
