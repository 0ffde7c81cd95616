"""Topics and cluster state through Kafka's admin API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from infra.kafka.client_errors import in_our_words, of_topic
from infra.kafka.clients import connection_options, outside
from infra.kafka.cluster import partitions_of
from infra.settings import KafkaSettings
from schemas import problems
from schemas.errors import UsageError
from schemas.topics import Topic

log = structlog.get_logger()


@asynccontextmanager
async def connected(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client. Whatever of Kafka's is raised within comes out in our words.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed.
    """
    admin = AIOKafkaAdminClient(**connection_options(settings), client_id="stadtbus-admin", request_timeout_ms=10_000)
    try:
        async with in_our_words(settings):
            await admin.start()
            yield admin
    finally:
        await admin.close()


@dataclass(frozen=True, slots=True)
class Existing:
    """A topic as it is in the cluster."""

    leaders: Mapping[int, int]
    """By partition, the broker that leads it, or -1."""
    replication: int
    """Copies of the partition that has the fewest."""

    @property
    def with_leader(self) -> list[int]:
        """Its partitions that have a leader: only they can be read and asked for offsets."""
        return sorted(number for number, broker in self.leaders.items() if broker >= 0)


async def existing_topics(admin: AIOKafkaAdminClient) -> dict[str, Existing]:
    """All topics of the cluster that this client may see."""
    found = {}
    for topic in await admin.describe_topics():
        parts = topic["partitions"]
        if parts:
            leaders = {part["partition"]: part["leader"] for part in parts}
            found[topic["topic"]] = Existing(leaders, min(len(part["replicas"]) for part in parts))
    return found


async def missing_topics(settings: KafkaSettings, topics: Sequence[Topic]) -> list[Topic]:
    """Which of these topics do not exist."""
    async with connected(settings) as admin:
        existing = set(await admin.list_topics())
    return [topic for topic in topics if topic.name not in existing]


async def create_topics(settings: KafkaSettings, topics: Sequence[Topic]) -> None:
    """Create topics; one that somebody else created meanwhile is fine.

    Raises:
        CannotTell: kafka-unreachable, kafka-not-allowed, or the cluster refuses a topic (topic-refused, with Kafka's reason).
    """
    wanted = [NewTopic(topic.name, topic.partitions, settings.replication, topic_configs=config_of(settings, topic)) for topic in topics]
    if not wanted:
        return
    async with connected(settings) as admin:
        answer = await admin.create_topics(wanted)
    for name, code, *_ in answer.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            raise of_topic(settings, code, name)


def config_of(settings: KafkaSettings, topic: Topic) -> dict[str, str]:
    """Everything that is set on a topic, in Kafka's own names."""
    durability = {"min.insync.replicas": str(min(2, settings.replication)), "unclean.leader.election.enable": "false"}
    return topic.config() | durability | {"compression.type": "producer"}


async def require_topics(settings: KafkaSettings, topics: Sequence[Topic]) -> None:
    """Stop early where topics are missing: a consumer would wait for them without a word. Fewer partitions are worked with, and said.

    Raises:
        UsageError: topics-missing.
        CannotTell: kafka-unreachable, kafka-failed.
    """
    async with connected(settings) as admin:
        existing = await existing_topics(admin)
    missing = [topic.name for topic in topics if topic.name not in existing]
    if missing:
        raise UsageError(problems.TOPICS_MISSING, ", ".join(missing), where=settings.bootstrap)
    for topic in topics:
        if (count := len(existing[topic.name].leaders)) != topic.partitions:
            log.warning("topic_differs", topic=topic.name, partitions=count, wanted=topic.partitions, next="stadtbus topics plan")


async def count_records(settings: KafkaSettings, names: Sequence[str]) -> int:
    """How many records these topics of ours hold.

    Raises:
        CannotTell: kafka-unreachable.

    """
    async with outside(settings, "stadtbus-admin") as consumer:
        partitions = await partitions_of(consumer, names)
        ends, starts = await consumer.end_offsets(partitions), await consumer.beginning_offsets(partitions)
    return sum(ends[partition] - starts[partition] for partition in partitions)
