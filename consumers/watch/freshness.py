"""Whether what the watch shows is of now: since when it has read all that there is, as far as Kafka has told its consumers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.streams import LastingBroker
from schemas.heartbeats import PartitionProgress, Vitals

_LOOK_S: Final = 0.5
_PATIENCE_S: Final = 15.0
"""So long it may be behind, or without an answer: three heartbeats."""
_POSITION_LIMIT_S: Final = 1.0


class Freshness:
    """Whether the watch has read all, found out by a look at the consumers of its broker every half second. All of it runs in the event loop."""

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics
        """All of which have to be read."""
        self._busy = 0
        self._last_s: float | None = None
        """When everything was read and stored last, by a clock that nobody sets."""
        self._since: datetime | None = None
        self._partitions: dict[str, PartitionProgress] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._poll_ms = 0

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While the block runs a batch is being stored, so not all has been read."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    def committed(self, records: Iterable[ConsumerRecord]) -> None:
        """These records are acknowledged. Called by the subscribers."""
        self._committed.update({TopicPartition(record.topic, record.partition): record.offset + 1 for record in records})

    async def watch(self, broker: LastingBroker) -> None:
        """Look until cancelled; raises nothing of Kafka's."""
        while True:
            self.note(current=await self._is_current(broker.consumers() if broker.up.is_set() else []))
            await asyncio.sleep(_LOOK_S)

    def note(self, *, current: bool) -> None:
        """Note whether the last look found everything read."""
        if current:
            self._last_s = time.monotonic()
            self._since = self._since or datetime.now(UTC)
        elif self.check() is not None:
            self._since = None

    def check(self) -> str | None:
        """For the health page: since how long the watch is behind; None while it is not."""
        if self._last_s is None:
            return "not everything has been read yet"
        behind_s = time.monotonic() - self._last_s
        return None if behind_s <= _PATIENCE_S else f"behind, or without an answer of Kafka, for {behind_s:.0f} s"

    def as_of(self) -> datetime | None:
        """When everything there was had been read and stored last; None before it was."""
        return None if self._last_s is None else datetime.now(UTC) - timedelta(seconds=time.monotonic() - self._last_s)

    def fact(self) -> str | None:
        """For the health page: since when the watch is up to date; None where it is not."""
        return None if self._since is None or self.check() is not None else f"since {self._since.isoformat(timespec='seconds')}"

    def vitals(self) -> Vitals:
        """How far the watch has read, for its own heartbeats."""
        polled = datetime.fromtimestamp(self._poll_ms / 1000, UTC) if self._poll_ms else None
        return Vitals(partitions=self._partitions, in_flight=self._busy, last_poll_at=polled)

    async def _is_current(self, consumers: Sequence[AIOKafkaConsumer]) -> bool:
        """Whether the consumers have all partitions of all topics, have read them to their ends, and nothing of it is under way."""
        idle, partitions, read, topics = not self._busy, {}, True, set()
        for consumer in consumers:
            for partition in consumer.assignment():
                position, end, poll_ms = await _look_at(consumer, partition)
                topics.add(partition.topic)
                read = read and position is not None and end is not None and position >= end
                self._poll_ms = max(self._poll_ms, poll_ms)
                if position is not None:
                    committed = self._committed.get(partition)
                    partitions[f"{partition.topic}/{partition.partition}"] = PartitionProgress(position=position, committed=committed)
        self._partitions = partitions
        return idle and not self._busy and read and topics == set(self._topics)


async def _look_at(consumer: AIOKafkaConsumer, partition: TopicPartition) -> tuple[int | None, int | None, int]:
    """Where the client goes on, where the partition ends, and when Kafka last answered (ms); nothing of it where that is not known now."""
    try:
        async with asyncio.timeout(_POSITION_LIMIT_S):
            position = int(await consumer.position(partition))
        return position, consumer.highwater(partition), consumer.last_poll_timestamp(partition) or 0
    except Exception:  # noqa: BLE001 - of Kafka's client: partitions move, or nobody answers; the next look finds out
        return None, None, 0
