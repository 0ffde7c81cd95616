"""Lag on a real Kafka: how much waits, since when, and who is there, without reading a record."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from infra import lag
from infra.kafka.admin import create_topics
from infra.settings import KafkaSettings
from schemas import topics
from tests.kafka.helpers import settings_for

HOUR_MS = 3_600_000


async def office_with(kafka: KafkaSettings, ages_ms: list[tuple[int, int]]) -> tuple[str, list[int]]:
    """A new office whose records (partition, age) are that old; its name and the timestamps."""
    office = f"t{uuid.uuid4().hex[:8]}.office"
    await create_topics(kafka, topics.of_office(office))
    now_ms = int(time.time() * 1000)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all") as producer:
        for partition, age_ms in ages_ms:
            await producer.send_and_wait(topics.submissions(office), b"x", partition=partition, timestamp_ms=now_ms - age_ms)
    return office, [now_ms - age_ms for _, age_ms in ages_ms]


async def commit(kafka: KafkaSettings, office: str, offsets: dict[int, int]) -> None:
    """Commit as the office's group would."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=office, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(topics.submissions(office), number) for number in offsets])
    await consumer.commit({TopicPartition(topics.submissions(office), number): offset for number, offset in offsets.items()})
    await consumer.stop()


def at(timestamp_ms: int) -> datetime:
    """A record's timestamp as a time."""
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC)


async def test_age_of_the_oldest_undelivered(kafka_bootstrap: str) -> None:
    """The age is that of the oldest record behind the committed offsets, exactly, over all partitions."""
    kafka = settings_for(kafka_bootstrap)
    office, stamps = await office_with(kafka, [(0, 5 * HOUR_MS), (0, 2 * HOUR_MS), (0, 1000), (1, HOUR_MS), (1, 500)])
    await commit(kafka, office, {0: 1, 1: 1})
    (one,) = await lag.of_offices(kafka, [office])
    assert (one.behind, one.oldest_undelivered_at) == (3, at(stamps[1]))
    age_s = one.oldest_age_s(at(stamps[1]) + timedelta(seconds=90))
    assert age_s == 90


async def test_group_that_never_committed(kafka_bootstrap: str) -> None:
    """Without a commit everything waits, from the first record on, and nobody is there."""
    kafka = settings_for(kafka_bootstrap)
    office, stamps = await office_with(kafka, [(2, 3 * HOUR_MS), (2, 1000)])
    (one,) = await lag.of_offices(kafka, [office])
    assert (one.behind, one.oldest_undelivered_at, one.members) == (2, at(stamps[0]), 0)


async def test_nothing_waits(kafka_bootstrap: str) -> None:
    """When all is delivered there is no lag and no age."""
    kafka = settings_for(kafka_bootstrap)
    office, _ = await office_with(kafka, [(0, 1000)])
    await commit(kafka, office, {0: 1})
    (one,) = await lag.of_offices(kafka, [office])
    assert (one.behind, one.oldest_undelivered_at, one.oldest_age_s(datetime.now(UTC))) == (0, None, None)


async def test_members_are_counted(kafka_bootstrap: str) -> None:
    """A group with a working member says so."""
    kafka = settings_for(kafka_bootstrap)
    office, _ = await office_with(kafka, [(0, 1000)])
    async with AIOKafkaConsumer(
        topics.submissions(office), bootstrap_servers=kafka.bootstrap, group_id=office, enable_auto_commit=False
    ) as consumer:
        async with asyncio.timeout(20):
            while not consumer.assignment():
                await asyncio.sleep(0.05)
        (one,) = await lag.of_offices(kafka, [office])
    assert (one.group_state, one.members, one.behind) == ("Stable", 1, 1)
