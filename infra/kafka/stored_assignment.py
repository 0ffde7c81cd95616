"""The partitions that a reader has at the moment, and where each goes on, as its store says it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from infra import metrics
from infra.kafka.clients import outside
from infra.kafka.cluster import Log, TopicState, logs_of, topics_of
from infra.kafka.reading import RecordFetcher
from infra.kafka.sink import Sink
from infra.kafka.stored_offsets import ResumePoint, StoredOffsets, mark_of, resume_point
from infra.kafka.unreadable import UnreadableRecords
from infra.settings import KafkaSettings
from infra.stores import Store

log = structlog.get_logger()

_LOOK_S: Final = 5.0
_PATIENCE_S: Final = 10.0


class StoredAssignment:
    """The assigned partitions of one reader. All methods but those of a transaction run in the event loop."""

    def __init__(
        self, settings: KafkaSettings, store: Store, sink: Sink[Any], unreadable: UnreadableRecords[Any], group: str, topics: Sequence[str]
    ) -> None:
        self._settings = settings
        self._store = store
        self._offsets = StoredOffsets(sink.tables.offsets, group)
        self._begin_again = sink.begin_again
        self._unreadable = unreadable
        self._group = group
        self._topics = topics
        self.partitions: list[TopicPartition] = []
        """Those that Kafka has assigned, whether they can be read yet or not."""
        self.next: dict[TopicPartition, int] = {}
        """Where each goes on that can be read; empty while partitions move, so that nothing is taken."""
        self.topic_ids: dict[str, str | None] = {}
        """Which topics are read, by their names."""
        self.generation = 0
        """Grows whenever partitions come or go."""
        self.absent: list[str] = []
        """Topics that do not exist at the moment."""

    def begin(self, partitions: Sequence[TopicPartition]) -> None:
        """These are assigned now; `take` follows."""
        self.generation += 1
        self.partitions = list(partitions)

    def drop(self) -> None:
        """Forget all partitions: they are about to move."""
        self.generation += 1
        self.partitions = []
        self.next.clear()

    def untaken(self) -> list[TopicPartition]:
        """Assigned partitions that are not read yet: their topic is absent, or does not answer."""
        return [partition for partition in self.partitions if partition not in self.next]

    async def watch(self, consumer: AIOKafkaConsumer) -> None:
        """Until cancelled: take partitions anew whose topic is another one than before, and those that could not be read before.

        Raises:
            KafkaError, SQLAlchemyError: as `take`; in the background of a reader it is begun again.
        """
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    found = await topics_of(consumer._client, self._topics)  # noqa: SLF001 - see `infra.kafka.cluster`
            except (KafkaError, TimeoutError):
                continue  # no broker answers; others say so
            self.absent = sorted(set(self._topics) - found.keys())
            others = {
                name for name, topic in found.items() if None not in (before := self.topic_ids.get(name), topic.id) and before != topic.id
            }
            waiting = {one for one in self.untaken() if one.topic in found}
            await self.take(consumer, [one for one in self.partitions if one.topic in others or one in waiting])

    async def take(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        """Go on with these where the store says, and seek the consumer there. Those of a topic that does not exist or answer are left
        out; `watch` tries them again.

        Raises:
            KafkaError: no broker says which topics there are.
            SQLAlchemyError: the store does not take where reading goes on.
        """
        if not partitions:
            return
        for partition in partitions:
            self.next.pop(partition, None)
        found = await topics_of(consumer._client, self._topics)  # noqa: SLF001 - as above
        self.absent = sorted(set(self._topics) - found.keys())
        by_topic = {name: [one for one in partitions if one.topic == name] for name in found}
        taking = [self._take_topic(consumer, ours, found) for ours in by_topic.values() if ours]
        for answer in await asyncio.gather(*taking, return_exceptions=True):
            if isinstance(answer, KafkaError | TimeoutError):
                log.warning("topic_does_not_answer", group=self._group, error=type(answer).__name__)
            elif isinstance(answer, BaseException):
                raise answer

    async def _take_topic(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], found: Mapping[str, TopicState]) -> None:
        generation = self.generation
        async with asyncio.timeout(_PATIENCE_S):
            logs = await logs_of(consumer, partitions, found)
        for partition, seen in logs.items():
            was_cut = await self._was_cut(consumer, partition, seen)
            start = await self._store.write(partial(self._resume_point, partition=partition, seen=seen, was_cut=was_cut))
            if generation != self.generation or partition not in consumer.assignment():
                return
            consumer.seek(partition, start.offset)
            self.topic_ids[partition.topic] = seen.topic_id
            self.next[partition] = start.offset
            self.say_missing(partition, start.missing)
            if start.anew is not None:
                self._say_replaced(partition, start)

    async def _was_cut(self, consumer: AIOKafkaConsumer, partition: TopicPartition, seen: Log) -> bool:
        """Whether the log was cut off before the stored offset and has grown past it since: Kafka was restored from an older copy of itself. Its
        commit is older than what is stored then, as it is after a kill; which of both it was, the last record that was stored tells.
        """
        stored = await self._store.read(partial(self._offsets.stored, partition=partition))
        committed = await consumer.committed(partition)
        if stored is None or stored.last_mark is None or committed is None or committed >= stored.next_offset:
            return False
        last = stored.next_offset - 1
        if not seen.first <= last < seen.end:
            return False
        async with outside(self._settings, f"{self._group}-reader") as beside:
            beside.assign([partition])
            records = await RecordFetcher(self._settings, beside, partition.topic).fetch(partition.partition, [last])
        return [mark_of(record) for record in records] != [stored.last_mark]

    def _resume_point(self, connection: sa.Connection, partition: TopicPartition, seen: Log, *, was_cut: bool) -> ResumePoint:
        """Within a transaction: where to go on, as the store says it from now on. What was never read starts at its first record."""
        self._offsets.insert(connection, partition, seen)
        stored = self._offsets.stored(connection, partition)
        assert stored is not None  # noqa: S101 - it was inserted
        start = resume_point(stored.next_offset, stored.topic_id, seen, was_cut=was_cut)
        if start.anew is not None:
            start = replace(start, missing=start.missing + self._unreadable.forget(connection, partition))
            self._begin_again(connection, partition)
        mark = stored.last_mark if start.offset == stored.next_offset else None
        self._offsets.set(connection, partition, {"next_offset": start.offset, "topic_id": seen.topic_id, "last_mark": mark})
        return start

    def say_missing(self, partition: TopicPartition, count: int) -> None:
        """Count and log records that were gone before this reader stored them."""
        if count > 0:
            metrics.MISSING.labels(self._group, partition.topic).inc(count)
            log.error("records_missing", group=self._group, topic=partition.topic, partition=partition.partition, count=count)

    def _say_replaced(self, partition: TopicPartition, start: ResumePoint) -> None:
        metrics.LOGS_REPLACED.labels(self._group, partition.topic).inc()
        log.error(
            "log_replaced", group=self._group, topic=partition.topic, partition=partition.partition, code=start.anew, start=start.offset,
            what="reading goes on at the first record; what is stored already is dropped",
        )  # fmt: skip
