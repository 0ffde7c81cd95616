"""The stored offset of each partition: moved by compare-and-set, and compared with the log when a partition is taken."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from aiokafka import TopicPartition

from infra.kafka.cluster import Log
from infra.kafka.consumer_record import ConsumerRecord
from infra.rows import insert_new
from schemas import problems


class Overtaken(Exception):
    """The stored offset is not where this process believes it is: another process of the group has moved it."""


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where reading of a partition goes on, and what is wrong with the offset that was stored."""

    offset: int
    anew: str | None = None
    """Why it is read from its first record, as a code; None where it is not."""
    missing: int = 0
    """Records that are gone and were never stored."""


def resume_point(offset: int, topic_id: str | None, log: Log, *, was_cut: bool = False) -> ResumePoint:
    """Where to read on, when this offset in this topic (None where it is not known which) was stored. `was_cut`: another record stands
    before the offset than the one that was read there. Pure.
    """
    if None not in (topic_id, log.topic_id) and topic_id != log.topic_id:
        return ResumePoint(log.first, problems.TOPIC_REPLACED.code, log.first)
    if was_cut or offset > log.end:
        return ResumePoint(log.first, problems.LOG_SHORTENED.code)
    return ResumePoint(max(offset, log.first), missing=max(0, log.first - offset))


def mark_of(record: ConsumerRecord) -> str:
    """What tells a record from another one at the same offset: its time, and a checksum of key and value."""
    return f"{record.timestamp}:{zlib.crc32(record.value or b'', zlib.crc32(record.key or b''))}"


class StoredOffsets:
    """The offsets of one group. All methods run within a transaction of the store, in its threads."""

    def __init__(self, table: sa.Table, group: str) -> None:
        self._table = table
        self._group = group
        columns = table.c
        # Put together once: SQLAlchemy takes longer for that than the database for its answer.
        self._move = table.update().where(
            columns.consumer == group,
            columns.topic == sa.bindparam("b_topic"),
            columns.partition == sa.bindparam("b_partition"),
            columns.next_offset == sa.bindparam("b_start"),
            columns.topic_id.is_not_distinct_from(sa.bindparam("b_topic_id")),
        )

    def move(self, connection: sa.Connection, partition: TopicPartition, start: int, topic_id: str | None, now: Mapping[str, Any]) -> None:
        """Set the row to `now`, if it is still at `start` in this topic.

        Raises:
            Overtaken: it is not, so the transaction has to be undone.
        """
        here = {"b_topic": partition.topic, "b_partition": partition.partition, "b_start": start, "b_topic_id": topic_id}
        if connection.execute(self._move, {**here, **now}).rowcount != 1:
            raise Overtaken

    def stored(self, connection: sa.Connection, partition: TopicPartition) -> sa.Row[Any] | None:
        """The row of a partition; None where nothing of it was ever read."""
        return connection.execute(sa.select(self._table).where(*self._row_of(partition))).one_or_none()

    def insert(self, connection: sa.Connection, partition: TopicPartition, log: Log) -> None:
        """A row at the first record of the log, where there is none yet."""
        row = {"consumer": self._group, "topic": partition.topic, "partition": partition.partition}
        insert_new(connection, self._table, [row | {"next_offset": log.first, "topic_id": log.topic_id}])

    def set(self, connection: sa.Connection, partition: TopicPartition, now: Mapping[str, Any]) -> None:
        """Set the row of a partition, whatever it says now."""
        connection.execute(self._table.update().where(*self._row_of(partition)).values(now))

    def _row_of(self, partition: TopicPartition) -> tuple[sa.ColumnElement[bool], ...]:
        columns = self._table.c
        return columns.consumer == self._group, columns.topic == partition.topic, columns.partition == partition.partition
