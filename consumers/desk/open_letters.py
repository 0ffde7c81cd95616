"""Counts the open dead letters of an office, in its adapter's process: by the desk's own rule, from the log, as it grows.

No ledger knows what cannot be read, nor what the gateway has made a dead letter of, and no event tells of them. Kafka knows all: so the
topic of dead letters is followed, and `.retry`, where marks stand, only while a letter lies there. Headers count, values are dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from consumers.desk.deadletters import DeadLetters
from infra.kafka.clients import Contact, outside
from infra.kafka.cluster import partitions_of
from infra.settings import KafkaSettings
from schemas import topics
from schemas.heartbeats import SetAsideCount

_POLL_MS: Final = 1_000
_BATCH: Final = 500
_AGAIN_S: Final = 600.0
"""So often it is looked what retention has deleted, and whether partitions were added."""


class OpenLetters:
    """The open dead letters of one office. `run` in the background; `count` is what is known now."""

    def __init__(self, kafka: KafkaSettings, office: str) -> None:
        self._kafka = kafka
        self._office = office
        self.count: SetAsideCount | None = None
        """None before both topics have been read to their ends once; later as it was known last."""

    async def run(self) -> None:
        """Follow the topics until cancelled, or until partitions are added.

        Raises:
            CannotTell: kafka-unreachable, kafka-not-allowed and others of Kafka; to be begun again.
        """
        name = topics.deadletters(self._office)
        async with outside(self._kafka, f"{self._office}-deadletters") as consumer:
            if not await self._follow(consumer, [name], until_letter=True):
                await self._follow(consumer, [name, topics.retry(self._office)], until_letter=False)

    async def _follow(self, consumer: AIOKafkaConsumer, names: list[str], *, until_letter: bool) -> bool:
        """Read from the start and go on; False as soon as there is a letter, where that is waited for, else True when partitions differ."""
        partitions = await partitions_of(consumer, names)
        consumer.assign(partitions)
        starts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        for partition, offset in starts.items():
            consumer.seek(partition, offset)
        letters, contact, looked_s = DeadLetters(self._office), Contact(self._kafka), time.monotonic()
        while True:
            if not await _behind(consumer, ends):
                self.count = _counted(letters, starts)
            batches = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH)
            for record in chain.from_iterable(batches.values()):
                letters.take(record)
            if until_letter and letters.all:
                return False
            contact.check(consumer)
            await asyncio.sleep(0)  # what lies there for months must not hold up deliveries
            if time.monotonic() - looked_s > _AGAIN_S:
                looked_s = time.monotonic()
                if await partitions_of(consumer, names) != partitions:
                    return True
                starts = await consumer.beginning_offsets(partitions)


async def _behind(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    """Whether something of what was there at the start is not read; what is reached is taken out of `ends`."""
    for partition in list(ends):
        if await consumer.position(partition) >= ends[partition]:
            del ends[partition]
    return bool(ends)


def _counted(letters: DeadLetters, starts: Mapping[TopicPartition, int]) -> SetAsideCount:
    """Those of the open ones that Kafka still has."""
    name = topics.deadletters(letters.office)
    lie = [one for one in letters.open if one.offset >= starts.get(TopicPartition(name, one.partition), 0)]
    oldest_ms = min((one.failed_ms for one in lie), default=None)
    return SetAsideCount(count=len(lie), oldest_at=None if oldest_ms is None else datetime.fromtimestamp(oldest_ms / 1000, UTC))
