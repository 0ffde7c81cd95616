"""Reading topics from outside, without a group: whole ones from beginning to end, and single records by partition and offset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.kafka.clients import outside
from infra.kafka.cluster import partitions_of
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.diagnosis import why_unreachable
from infra.settings import KafkaSettings

_BATCH: Final = 1_000
_POLL_MS: Final = 500
_PATIENCE_S: Final = 20.0
"""Records that are there come within it, or nobody answers."""
_READ_ON: Final = 500
"""So many records are rather read past than sought: seeking throws away what was fetched ahead."""

Take = Callable[[ConsumerRecord], None]
"""Given each record, in the event loop, which it must not block; what it raises ends the reading."""
Advance = Callable[[int, int], None]
"""Told after each batch how many records have been read so far, and of how many; as `Take`."""


@asynccontextmanager
async def looking(settings: KafkaSettings, topics: Collection[str]) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that has all partitions of these topics and changes nothing on the cluster.

    Raises:
        CannotTell: kafka-unreachable.
    """
    async with outside(settings, "stadtbus-reading") as consumer:
        consumer.assign(await partitions_of(consumer, topics))
        yield consumer


async def read_all(settings: KafkaSettings, topics: Collection[str], take: Take, advance: Advance | None = None) -> None:
    """Give every record that these topics hold now, and perhaps some that come meanwhile, to `take`, each partition in its order.
    Nothing of them is kept here.

    Raises:
        CannotTell: kafka-unreachable, at the start or on the way.
    """
    async with looking(settings, topics) as consumer:
        positions, ends = await _to_the_start(consumer)
        total, read = sum(ends[partition] - start for partition, start in positions.items()), 0
        while positions:
            batches, reached = await _some(settings, consumer, positions)
            for record in chain.from_iterable(batches.values()):
                take(record)
            read += sum(position - positions[partition] for partition, position in reached.items())
            for partition, position in reached.items():
                positions[partition] = position
                if position >= ends[partition]:
                    del positions[partition]
                    consumer.pause(partition)
            if advance is not None:
                advance(min(read, total), total)


async def _to_the_start(consumer: AIOKafkaConsumer) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Seek all partitions to their first records. Where those that have any stand, and where they end."""
    partitions = sorted(consumer.assignment())
    starts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    positions = {partition: starts[partition] for partition in partitions if starts[partition] < ends[partition]}
    consumer.pause(*(set(partitions) - positions.keys()))
    for partition, start in positions.items():
        consumer.seek(partition, start)
    return positions, ends


async def _some(
    settings: KafkaSettings, consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]
) -> tuple[dict[TopicPartition, Sequence[ConsumerRecord]], dict[TopicPartition, int]]:
    """The next records of these partitions, and how far those have come that have come on: also past the marker of a transaction, behind
    which no record may follow.
    """
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                batches = await consumer.getmany(*positions, timeout_ms=_POLL_MS, max_records=_BATCH)
                reached = {partition: await consumer.position(partition) for partition in positions}
                if on := {partition: position for partition, position in reached.items() if position > positions[partition]}:
                    return dict(batches), on
    except TimeoutError:
        raise await why_unreachable(settings) from None


class RecordFetcher:
    """Fetches single records of one topic by partition and offset; quick where the offsets rise. It uses the consumer alone, one call at
    a time; whoever made the consumer has assigned the partitions to it.
    """

    def __init__(self, settings: KafkaSettings, consumer: AIOKafkaConsumer, topic: str) -> None:
        self._settings = settings
        self._consumer = consumer
        self._topic = topic
        self._next: dict[int, int] = {}

    async def fetch(self, partition: int, offsets: Sequence[int]) -> list[ConsumerRecord]:
        """The records at these rising offsets, without those that are gone.

        Raises:
            CannotTell: kafka-unreachable, where they do not come within 20 s.
        """
        try:
            async with asyncio.timeout(_PATIENCE_S):
                records = [await self._fetch_one(TopicPartition(self._topic, partition), offset) for offset in offsets]
        except TimeoutError:
            raise await why_unreachable(self._settings) from None
        return [record for record in records if record is not None]

    async def _fetch_one(self, partition: TopicPartition, offset: int) -> ConsumerRecord | None:
        following = self._next.get(partition.partition)
        if following is None or not 0 <= offset - following <= _READ_ON:
            self._consumer.seek(partition, offset)
        while await self._consumer.position(partition) <= offset:
            batches: Mapping[TopicPartition, Sequence[ConsumerRecord]]
            batches = await self._consumer.getmany(partition, timeout_ms=_POLL_MS, max_records=1)
            for record in chain.from_iterable(batches.values()):
                self._next[partition.partition] = record.offset + 1
                if record.offset == offset:
                    return record
        return None
