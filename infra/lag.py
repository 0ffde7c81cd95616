"""Lag, first version: what waits for each office, since when, and who is there to deliver it.

Only offsets, timestamps and group states are read, never a record: the age of the oldest undelivered submission is found by
asking the broker for offsets by timestamp. Committed offsets are read before end offsets, so lag cannot be negative.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from infra.kafka.admin import connected
from infra.kafka.clients import unreachable
from infra.settings import KafkaSettings
from schemas import errors, topics
from schemas.errors import CannotTell

NO_COMMIT: Final = -1
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
        async with connected(settings) as admin, _asking(settings) as consumer:
            return list(await asyncio.gather(*(_of_office(admin, consumer, office) for office in offices)))
    except KafkaError as error:  # for example a coordinator that is not there yet
        raise CannotTell(errors.KAFKA_UNREACHABLE, f"Kafka answers {type(error).__name__}", where=settings.bootstrap) from None


@asynccontextmanager
async def _asking(settings: KafkaSettings) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer without a group, which only asks for offsets."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap, group_id=None, client_id="stadtbus-lag")
    try:
        await consumer.start()
        yield consumer
    except KafkaConnectionError:
        raise unreachable(settings) from None
    finally:
        await consumer.stop()


async def _of_office(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, office: str) -> OfficeLag:
    read = (topics.submissions(office), topics.retry(office))
    partitions = [TopicPartition(topic, number) for topic in read for number in range(topics.PARTITIONS)]
    state, members = await _group(admin, office)
    committed = await _committed(admin, office, partitions)
    ends = await consumer.end_offsets(partitions)
    starts = await consumer.beginning_offsets(partitions)
    # Without a commit everything from the log start on is undelivered.
    positions = {partition: max(committed[partition], starts[partition]) for partition in partitions}
    behind = {partition: ends[partition] - position for partition, position in positions.items() if ends[partition] > position}
    # Copies keep their original timestamps, which do not rise with offsets in the retry topic, so there this cannot be asked.
    oldest = await _oldest(consumer, {partition: positions[partition] for partition in behind if not topics.is_retry(partition.topic)})
    parked = sum(count for partition, count in behind.items() if topics.is_retry(partition.topic))
    expired = sum(starts[partition] - offset for partition, offset in committed.items() if NO_COMMIT < offset < starts[partition])
    return OfficeLag(office, sum(behind.values()) - parked, parked, expired, oldest, state, members)


async def _group(admin: AIOKafkaAdminClient, group: str) -> tuple[str, int]:
    """State and number of members; a group nobody ever joined is Dead with none."""
    try:
        responses = await admin.describe_consumer_groups([group])
    except KafkaError:
        return "Unknown", 0
    _, _, state, _, _, members, *_ = responses[0].groups[0]
    return state, len(members)


async def _committed(admin: AIOKafkaAdminClient, group: str, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
    answer: Mapping[TopicPartition, Any] = await admin.list_consumer_group_offsets(group, partitions=list(partitions))
    return {partition: answer[partition].offset if partition in answer else NO_COMMIT for partition in partitions}


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
