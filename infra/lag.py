"""Lag, first version: what waits for each office, since when, and who is there to deliver it.

Only offsets, timestamps and group states are read, never a record: the age of the oldest undelivered submission is found by
asking the broker for offsets by timestamp. Committed offsets are read before end offsets, so lag cannot be negative.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from infra.kafka.admin import connected
from infra.kafka.clients import outside
from infra.kafka.group_offsets import ask
from infra.settings import KafkaSettings
from schemas import errors, topics
from schemas.errors import CannotTell

_ROUNDS: Final = 45
"""Halvings of the time between the epoch and now, in milliseconds: enough for an exact answer."""


@dataclass(frozen=True, slots=True)
class OfficeLag:
    """How an office is doing. `oldest_undelivered_at` is the time on the record, in UTC, of those that are not parked."""

    office: str
    behind: int
    parked: int
    """Records in the retry topic that are not delivered."""
    expired: int
    """Records that were gone before they were delivered: retention or a person took them."""
    oldest_undelivered_at: datetime | None
    group_state: str
    members: int

    def oldest_age_s(self, now: datetime) -> float | None:
        """How long the oldest undelivered submission has waited."""
        return None if self.oldest_undelivered_at is None else max(0.0, (now - self.oldest_undelivered_at).total_seconds())


async def of_offices(settings: KafkaSettings, offices: Sequence[str]) -> list[OfficeLag]:
    """Lag of these offices, in this order.

    Raises:
        CannotTell: kafka-unreachable.
    """
    try:
        async with connected(settings) as admin, outside(settings, "stadtbus-lag", uncommitted=True) as consumer:
            return list(await asyncio.gather(*(_of_office(admin, consumer, office) for office in offices)))
    except KafkaError as error:  # for example a coordinator that is not there yet
        raise CannotTell(errors.KAFKA_UNREACHABLE, f"Kafka answers {type(error).__name__}", where=settings.bootstrap) from None


async def _of_office(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, office: str) -> OfficeLag:
    read = (topics.submissions(office), topics.retry(office))
    partitions = [TopicPartition(topic, number) for topic in read for number in range(topics.PARTITIONS)]
    group = await ask(admin, consumer, office, partitions)
    # Without a commit everything from the log start on is undelivered.
    positions = {one: max(group.committed[one] or 0, group.first[one]) for one in partitions}
    behind = {one: group.end[one] - position for one, position in positions.items() if group.end[one] > position}
    # Copies keep their original timestamps, which do not rise with offsets in the retry topic, so there this cannot be asked.
    oldest = await _oldest(consumer, {partition: positions[partition] for partition in behind if not topics.is_retry(partition.topic)})
    parked = sum(count for partition, count in behind.items() if topics.is_retry(partition.topic))
    expired = sum(group.expired(one) + group.lost[one] for one in partitions)
    return OfficeLag(office, sum(behind.values()) - parked, parked, expired, oldest, group.state, group.members)


async def _oldest(consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]) -> datetime | None:
    """The timestamp of the oldest record at or behind these offsets.

    A broker answers "the first offset whose record is at least as young as T". The youngest T whose answer still lies at or
    before the wanted offset is that record's own timestamp, as timestamps rise with offsets (each topic has one writer).
    """
    low = dict.fromkeys(positions, 0)
    high = dict.fromkeys(positions, int(time.time() * 1000) + 1)
    for _ in range(_ROUNDS):
        middle = {partition: (low[partition] + high[partition]) // 2 for partition in positions if high[partition] - low[partition] > 1}
        if not middle:
            break
        found = await consumer.offsets_for_times(middle)
        for partition, asked in middle.items():
            answer = found[partition]
            if answer is not None and answer.offset == positions[partition]:
                low[partition], high[partition] = answer.timestamp, answer.timestamp + 1  # exact: the record itself
            elif answer is not None and answer.offset < positions[partition]:
                low[partition] = asked
            else:
                high[partition] = asked
    return datetime.fromtimestamp(min(low.values()) / 1000, UTC) if positions else None
