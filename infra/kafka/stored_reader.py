"""A reader that stores offsets together with the data, so that each record counts once whatever crashes.

Per batch and partition one transaction: move the stored offset from where we believe it is (compare-and-set), then store what
the records say. If the offset is elsewhere, somebody else is ahead: everything is undone, the truth is read again. That is the
fence against a paused process that comes back, which aiokafka cannot give. Commits to Kafka follow, only so that lag is seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from infra import metrics
from infra.health import Progress
from infra.kafka import unread
from infra.kafka.clients import Contact, start_consumer
from infra.kafka.unread import Unread, Unreadable
from infra.settings import KafkaSettings
from infra.stores import Store, add_missing_columns, insert_new
from infra.tasks import in_background
from schemas import errors
from schemas.errors import CannotTell

log = structlog.get_logger()

RowT = TypeVar("RowT")

_BATCH: Final = 500
_POLL_MS: Final = 500
_COMMIT_TIMEOUT_S: Final = 10
_STALL_LIMIT_S: Final = 60


@dataclass(frozen=True, slots=True)
class Tables:
    """The two tables that a reader needs in its store."""

    offsets: sa.Table
    unreadable: sa.Table

    @classmethod
    def on(cls, metadata: sa.MetaData) -> Tables:
        """Add them to the tables of a store."""
        return cls(
            offsets=sa.Table("kafka_offset", metadata, *_where(), sa.Column("next_offset", sa.BigInteger, nullable=False)),
            unreadable=unread.table(metadata, *_where()),
        )

    def migrate(self, connection: sa.Connection) -> None:
        """From tables of an earlier version."""
        add_missing_columns(connection, self.offsets)
        add_missing_columns(connection, self.unreadable)


def _where() -> list[sa.Column[Any]]:
    return [
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
    ]


class _Overtaken(Exception):
    """The stored offset is not where this process believes it is."""


class StoredReader(Generic[RowT]):
    """Reads topics as one member of a group and stores rows with their offsets.

    `decode` makes a row of a record or raises `Unreadable`; `apply` stores rows within the transaction and must drop repeats.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        store: Store,
        tables: Tables,
        *,
        group: str,
        topics: Sequence[str],
        decode: Callable[[Any], RowT],
        apply: Callable[[sa.Connection, Sequence[RowT]], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._tables = tables
        self._group = group
        self._topics = topics
        self._decode = decode
        self._apply = apply
        self._unread = Unread(settings, store, tables.unreadable, group=group, topics=topics, decode=decode, apply=apply)
        self._next: dict[TopicPartition, int] = {}
        """Where each assigned partition goes on; empty while partitions move, so nothing is taken."""
        self._assigned: list[TopicPartition] = []
        self._failure: Exception | None = None
        """What went wrong while partitions were assigned: the client swallows what its listener raises."""
        self.progress = Progress(_STALL_LIMIT_S)

    def check(self) -> str | None:
        """Whether every assigned partition is being read."""
        if not self._assigned:
            return "no partition is assigned"
        missing = len(self._assigned) - len(self._next)
        return f"{missing} partitions are not read" if missing else None

    async def run(self) -> None:
        """Read until cancelled. Whatever is stored is stored with its offset, so stopping needs no care.

        Raises:
            CannotTell: kafka-unreachable, at the start or when no broker was to be had for long.
        """
        self._failure = None
        consumer = await start_consumer(self._settings, self._group, f"{self._group}-reader")
        try:
            consumer.subscribe(list(self._topics), listener=_Listener(self, consumer))
            contact = Contact(self._settings)
            async with in_background(self._unread.run):
                while True:
                    await self._round(consumer)
                    contact.check(consumer)
                    self.progress.moved()
        finally:
            self.drop()
            await consumer.stop()

    async def _round(self, consumer: AIOKafkaConsumer) -> None:
        batches = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH)
        if self._failure is not None:
            raise self._failure
        # Records can arrive before the seek of a new assignment took effect; they are not the expected ones.
        # This looks at all batches before anything is awaited: partitions may move in between.
        expected = [(partition, self._next[partition], records) for partition, records in batches.items() if partition in self._next]
        for partition, start, records in expected:
            if records[0].offset < start:  # the topic was made anew while it was read
                raise _shortened(partition, f"offset {records[0].offset} came after {start - 1}")
        stored = await asyncio.gather(*(self._store_batch(consumer, *batch) for batch in expected))
        await self._commit(consumer, {partition: offset for partition, offset in stored if offset is not None})

    async def _store_batch(
        self, consumer: AIOKafkaConsumer, partition: TopicPartition, start: int, records: Sequence[Any]
    ) -> tuple[TopicPartition, int | None]:
        """Store one batch; the offset to go on with, or None where somebody else was ahead."""
        end = records[-1].offset + 1
        if records[0].offset > start:  # retention or compaction took records away before we read them
            log.warning("records_missing", topic=partition.topic, partition=partition.partition, count=records[0].offset - start)
        rows, unreadable = self._decode_all(records)
        try:
            await self._store.write(lambda connection: self._store_rows(connection, partition, start, end, rows, unreadable))
        except _Overtaken:
            await self._go_on_from_store(consumer, partition)
            return partition, None
        if self._next.get(partition) == start:  # else the partition moved meanwhile and starts from the store
            self._next[partition] = end
        metrics.RECORDED.labels(self._group).inc(len(records))
        if unreadable:
            await self._unread.count()
        return partition, end

    def _decode_all(self, records: Sequence[Any]) -> tuple[list[RowT], dict[int, str]]:
        """Rows, and by offset why a record makes none."""
        rows: list[RowT] = []
        unreadable: dict[int, str] = {}
        for record in records:
            try:
                rows.append(self._decode(record))
            except Unreadable as error:
                log.warning("record_unreadable", topic=record.topic, partition=record.partition, offset=record.offset, reason=str(error))
                unreadable[record.offset] = str(error)
        return rows, unreadable

    def _store_rows(
        self,
        connection: sa.Connection,
        partition: TopicPartition,
        start: int,
        end: int,
        rows: Sequence[RowT],
        unreadable: Mapping[int, str],
    ) -> None:
        offsets = self._tables.offsets
        moved = connection.execute(offsets.update().where(*self._row_of(partition), offsets.c.next_offset == start).values(next_offset=end))
        if moved.rowcount != 1:
            raise _Overtaken
        self._unread.note(connection, partition, unreadable)
        self._apply(connection, rows)

    def _row_of(self, partition: TopicPartition) -> tuple[sa.ColumnElement[bool], ...]:
        columns = self._tables.offsets.c
        return (
            columns.consumer == self._group,
            columns.topic == partition.topic,
            columns.partition == partition.partition,
        )

    async def _commit(self, consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        if not offsets:
            return
        try:
            async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                await consumer.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            # Nothing is lost: the truth is in the store. The next commit says it again.
            log.info("offset_commit_skipped", group=self._group, error=type(error).__name__)

    async def _go_on_from_store(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> None:
        """Take the stored offset as the next one; a partition that was never stored starts at its first record."""
        first = (await consumer.beginning_offsets([partition]))[partition]
        stored = await self._store.write(lambda connection: self._stored_offset(connection, partition, first))
        end = (await consumer.end_offsets([partition]))[partition]
        if stored > end:  # reading on would skip whatever comes until the old offset is reached again
            raise _shortened(partition, f"it ends at {end}, and {stored} was stored")
        if partition in consumer.assignment():
            consumer.seek(partition, stored)
            self._next[partition] = stored

    def _stored_offset(self, connection: sa.Connection, partition: TopicPartition, first: int) -> int:
        row = {"consumer": self._group, "topic": partition.topic, "partition": partition.partition, "next_offset": first}
        insert_new(connection, self._tables.offsets, [row])
        query = sa.select(self._tables.offsets.c.next_offset).where(*self._row_of(partition))
        return int(connection.execute(query).scalar_one())

    async def take(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        """Go on with newly assigned partitions."""
        self._assigned = list(partitions)
        try:
            await asyncio.gather(*(self._go_on_from_store(consumer, partition) for partition in partitions))
        except Exception as error:  # noqa: BLE001 - the next round raises it
            self._failure = error
        log.info("partitions_assigned", group=self._group, count=len(partitions))

    def drop(self) -> None:
        """Forget all partitions: they are about to move."""
        self._assigned = []
        self._next.clear()


def _shortened(partition: TopicPartition, detail: str) -> CannotTell:
    return CannotTell(errors.LOG_SHORTENED, f"partition {partition.partition}: {detail}", where=partition.topic)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, reader: StoredReader[Any], consumer: AIOKafkaConsumer) -> None:
        self._reader = reader
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - a rebalance moves all
        self._reader.drop()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._reader.take(self._consumer, sorted(assigned))
