"""What the tests against Kafka share: topics of their own, and records to put into them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable

from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.kafka.admin import create_topics
from infra.kafka.clients import connection_options
from infra.kafka.outgoing import Outgoing
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings
from schemas.topics import Topic


def quick(kafka: KafkaSettings) -> KafkaSettings:
    """These settings for one broker, with a session time-out that a test can wait for."""
    return kafka.model_copy(update={"replication": 1, "session_timeout_s": 6, "rebalance_timeout_s": 30})


def settings_for(bootstrap: str) -> KafkaSettings:
    """Settings for one plain broker."""
    return quick(KafkaSettings(bootstrap=bootstrap))


def environment_of(kafka: KafkaSettings) -> dict[str, str]:
    """The same as variables, for a process."""
    given = kafka.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return {f"STADTBUS_KAFKA__{name.upper()}": str(value) for name, value in given.items()}


async def new_topic(kafka: KafkaSettings, suffix: str = "submissions", name: str | None = None) -> str:
    """A topic that no other test has, or the one of this name, which was deleted."""
    name = name or f"t{uuid.uuid4().hex[:12]}.office.{suffix}"
    await create_topics(kafka, [Topic(name, "case", "test", 3_600_000)])
    return name


async def fill(kafka: KafkaSettings, records: Iterable[Outgoing]) -> None:
    """Write records, in order per key."""
    sender = Sender(kafka, "test")
    await sender.send_all(list(records))
    await sender.stop()


async def committed(kafka: KafkaSettings, group: str, topic: str) -> dict[int, int]:
    """Committed offsets of a group by partition, without those that it never committed."""
    async with AIOKafkaConsumer(**connection_options(kafka), group_id=group, enable_auto_commit=False) as consumer:
        offsets = {number: await consumer.committed(TopicPartition(topic, number)) for number in range(3)}
    return {number: offset for number, offset in offsets.items() if offset}


async def eventually(condition: Callable[[], bool], limit_s: float = 30) -> None:
    """Return as soon as the condition holds."""
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.02)
