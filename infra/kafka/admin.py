"""Topics and cluster state through Kafka's admin API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from infra.kafka.clients import in_our_words, outside
from infra.settings import KafkaSettings
from schemas import errors
from schemas.errors import CannotTell, UsageError
from schemas.topics import PARTITIONS, Topic


@asynccontextmanager
async def connected(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client. Whatever of Kafka's is raised within comes out in our words.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap, client_id="stadtbus-admin", request_timeout_ms=10_000)
    try:
        with in_our_words(settings):
            await admin.start()
            yield admin
    finally:
        await admin.close()


async def missing_topics(settings: KafkaSettings, topics: Sequence[Topic]) -> list[Topic]:
    """Which of these topics do not exist."""
    async with connected(settings) as admin:
        existing = set(await admin.list_topics())
    return [topic for topic in topics if topic.name not in existing]


async def create_topics(settings: KafkaSettings, topics: Sequence[Topic]) -> None:
    """Create topics; one that somebody else created meanwhile is fine.

    Raises:
        CannotTell: kafka-unreachable, or the cluster refuses a topic (named with Kafka's reason).
    """
    wanted = [
        NewTopic(topic.name, topic.partitions, settings.replication, topic_configs=topic.config() | _durability(settings))
        for topic in topics
    ]
    if not wanted:
        return
    async with connected(settings) as admin:
        answer = await admin.create_topics(wanted)
    for name, code, *_ in answer.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            raise CannotTell(errors.TOPIC_REFUSED, f"{name}: {for_code(code).__name__}", where=settings.bootstrap)


def _durability(settings: KafkaSettings) -> dict[str, str]:
    return {"min.insync.replicas": str(min(2, settings.replication)), "unclean.leader.election.enable": "false"}


async def require_topics(settings: KafkaSettings, topics: Sequence[Topic]) -> None:
    """Stop early where topics are missing: a consumer would wait for them without a word.

    Raises:
        UsageError: topics-missing.
    """
    missing = await missing_topics(settings, topics)
    if missing:
        raise UsageError(errors.TOPICS_MISSING, ", ".join(topic.name for topic in missing), where=settings.bootstrap)


async def count_records(settings: KafkaSettings, names: Sequence[str]) -> int:
    """How many records these topics of ours hold.

    Raises:
        CannotTell: kafka-unreachable.

    """
    partitions = [TopicPartition(name, number) for name in names for number in range(PARTITIONS)]
    async with outside(settings, "stadtbus-admin") as consumer:
        ends, starts = await consumer.end_offsets(partitions), await consumer.beginning_offsets(partitions)
    return sum(ends[partition] - starts[partition] for partition in partitions)
