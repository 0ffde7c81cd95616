"""The order of what happened to a submission: that of the log, never that of a clock, and a final state wins.

All events of a submission stand in one partition, because an event keeps the partition number of its record. Only where the number of
partitions has changed and a submission was published again they stand in two. Partitions have no order among themselves, so there the one
that tells of the earlier attempt goes first: the ledger counts attempts. Nothing of this depends on when the events were read, so a
rebuild from the log gives the same order.

A position is one in a log. Where a topic was made anew, or Kafka was restored from an earlier copy of itself, positions begin again; what was
told before is then counted backwards from there (`begin_again`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from aiokafka import TopicPartition

from infra.kafka.records import EventRecord
from schemas import topics
from schemas.events import State

RowT = TypeVar("RowT", bound="Mapping[str, Any] | sa.RowMapping")

_FINALITY: Final = {State.DELIVERED: 1, State.ACCEPTED: 2, State.REJECTED: 2}
"""Nothing but a decision follows `delivered`, and nothing follows that. What else comes behind them was told by a process that did not
know yet; and a decision can reach the topic before the delivery, because two tasks tell them (docs/decisions/0013)."""
_NO_MOMENT: Final = datetime.min.replace(tzinfo=UTC)


def columns() -> list[sa.Column[Any]]:
    """What a table of events needs for their order, beside `state` and `at`; empty in rows of earlier versions."""
    return [sa.Column("attempt", sa.Integer), sa.Column("partition", sa.Integer), sa.Column("record_offset", sa.BigInteger)]


def values(record: EventRecord) -> dict[str, int | None]:
    """What the columns of `columns` hold of a record."""
    return {"attempt": record.event.data.attempt, "partition": record.partition, "record_offset": record.offset}


def begin_again(connection: sa.Connection, table: sa.Table, partition: TopicPartition) -> None:
    """The log of this partition is another one from here on: what is stored of it stands before all that comes."""
    if not topics.is_events(partition.topic):
        return
    city = partition.topic.removesuffix(topics.events(""))
    mine = (table.c.partition == partition.partition, table.c.office.startswith(f"{city}.", autoescape=True))
    last = connection.execute(sa.select(sa.func.max(table.c.record_offset)).where(*mine)).scalar_one()
    if last is not None:
        connection.execute(table.update().where(*mine).values(record_offset=table.c.record_offset - last - 1))


def in_order(rows: Iterable[RowT]) -> list[RowT]:
    """The events of one submission, the last one being its state. Rows of earlier versions know no position: they come first, by time."""
    lines: defaultdict[int | None, list[RowT]] = defaultdict(list)
    for row in rows:
        lines[row["partition"]].append(row)
    begins = {partition: min(row["attempt"] or 0 for row in line) for partition, line in lines.items()}

    def place(row: RowT) -> tuple[int, bool, int, int, int, datetime]:
        partition, finality = row["partition"], _FINALITY.get(row["state"], 0)
        if partition is None:
            return finality, False, 0, 0, 0, row["at"]
        return finality, True, begins[partition], partition, row["record_offset"], _NO_MOMENT

    return sorted((row for line in lines.values() for row in line), key=place)
