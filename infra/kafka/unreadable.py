"""Records that a reader could not read: noted by partition and offset, and taken up again by a version that can read them.

A newer writer may be there before its readers (docs/decisions/0016). What they cannot read must not stop them, so they note where it stands and go
on; the content stays in Kafka, where it is private and kept long enough for an upgrade. At each start, and now and then, it is
read again. What Kafka no longer has by then is lost to this store, and said to be.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic

import sqlalchemy as sa
import structlog
from aiokafka import TopicPartition

from infra import metrics
from infra.kafka.clients import outside
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.reading import RecordFetcher
from infra.kafka.sink import RowT, Sink, UnreadableRecord
from infra.rows import insert_new
from infra.settings import KafkaSettings
from infra.stores import Store

log = structlog.get_logger()

_EVERY_S: Final = 3600.0
"""Not only at the start: what expires meanwhile is noticed."""
_AT_ONCE: Final = 500


class UnreadableRecords(Generic[RowT]):
    """The unreadable records of one reader."""

    def __init__(self, settings: KafkaSettings, store: Store, sink: Sink[RowT], *, group: str, topics: Sequence[str]) -> None:
        rows = sink.tables.unreadable
        self._settings = settings
        self._store = store
        self._sink = sink
        self._rows = rows
        self._group = group
        self._mine = (rows.c.consumer == group, rows.c.topic.in_(topics))

    def note(self, connection: sa.Connection, partition: TopicPartition, reasons: Mapping[int, str]) -> None:
        """Keep why records could not be read, by offset. Called within the transaction that moves past them."""
        place = {"consumer": self._group, "topic": partition.topic, "partition": partition.partition}
        insert_new(connection, self._rows, [place | {"record_offset": offset, "reason": why} for offset, why in reasons.items()])

    def forget(self, connection: sa.Connection, partition: TopicPartition) -> int:
        """Drop what is kept of a partition, because its log is another one. How many records can never be taken up because of that. Called
        within the transaction that begins the partition anew.
        """
        here = (*self._mine, self._rows.c.topic == partition.topic, self._rows.c.partition == partition.partition)
        kept = connection.execute(sa.select(sa.func.count()).where(*here, self._rows.c.gone.is_not(True))).scalar_one()
        connection.execute(self._rows.delete().where(*here))
        return int(kept)

    async def run(self) -> None:
        """Until cancelled: take up what can be read now, at once and every hour. It runs in the background of its reader, which begins it
        again when it has raised.

        Raises:
            CannotTell: kafka-unreachable, kafka-failed. What has been taken up by then stays so.
            SQLAlchemyError: of the store.
        """
        while True:
            await self.take_up()
            await asyncio.sleep(_EVERY_S)

    async def take_up(self) -> None:
        """Read again what could not be read. Beside another process that does the same, each record counts once.

        Raises:
            CannotTell, SQLAlchemyError: as `run`.
        """
        await self.count()
        for partition, offsets in (await self._store.read(self._kept)).items():
            await self._take_up(partition, offsets)
        await self.count()

    async def count(self) -> None:
        """Set the metrics of how many are kept, and how many of them Kafka no longer has."""
        query = sa.select(self._rows.c.gone.is_(True), sa.func.count()).where(*self._mine).group_by(self._rows.c.gone.is_(True))
        counts = {bool(gone): count for gone, count in await self._store.read(lambda connection: connection.execute(query).all())}
        metrics.UNREADABLE.labels(self._group).set(counts.get(False, 0))
        metrics.UNREADABLE_GONE.labels(self._group).set(counts.get(True, 0))

    def _kept(self, connection: sa.Connection) -> dict[TopicPartition, list[int]]:
        columns = (self._rows.c.topic, self._rows.c.partition, self._rows.c.record_offset)
        query = sa.select(*columns).where(*self._mine, self._rows.c.gone.is_not(True)).order_by(*columns)
        kept: defaultdict[TopicPartition, list[int]] = defaultdict(list)
        for topic, partition, offset in connection.execute(query):
            kept[TopicPartition(topic, partition)].append(offset)
        return kept

    async def _take_up(self, partition: TopicPartition, offsets: Sequence[int]) -> None:
        async with outside(self._settings, f"{self._group}-unread") as consumer:
            consumer.assign([partition])
            first, end = (await consumer.beginning_offsets([partition]))[partition], (await consumer.end_offsets([partition]))[partition]
            fetcher = RecordFetcher(self._settings, consumer, partition.topic)
            for start in range(0, len(offsets), _AT_ONCE):
                part = offsets[start : start + _AT_ONCE]
                records = await fetcher.fetch(partition.partition, [offset for offset in part if first <= offset < end])
                await self._store_again(partition, part, records)

    async def _store_again(self, partition: TopicPartition, offsets: Sequence[int], records: Sequence[ConsumerRecord]) -> None:
        rows: dict[int, RowT] = {}
        for record in records:
            try:
                rows[record.offset] = self._sink.decode(record)
            except UnreadableRecord:
                continue
        gone = set(offsets) - {record.offset for record in records}

        def operation(connection: sa.Connection) -> None:
            self._sink.apply(connection, list(rows.values()))
            connection.execute(self._rows.delete().where(*self._at(partition, rows)))
            connection.execute(self._rows.update().where(*self._at(partition, gone)).values(gone=True))

        if rows or gone:
            await self._store.write(operation)
        if rows:
            log.info("unreadable_taken_up", group=self._group, topic=partition.topic, partition=partition.partition, count=len(rows))
        if gone:
            log.error("unreadable_gone", group=self._group, topic=partition.topic, partition=partition.partition, count=len(gone))

    def _at(self, partition: TopicPartition, offsets: Any) -> tuple[sa.ColumnElement[bool], ...]:
        place = (self._rows.c.topic == partition.topic, self._rows.c.partition == partition.partition)
        return (*self._mine, *place, self._rows.c.record_offset.in_(list(offsets)))
