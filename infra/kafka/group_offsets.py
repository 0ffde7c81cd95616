"""How far a group has come, seen and set from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaConnectionError, KafkaError

from infra.kafka.admin import connected
from infra.kafka.clients import unreachable
from infra.settings import KafkaSettings
from schemas import errors
from schemas.errors import CannotTell, UsageError


@dataclass(frozen=True, slots=True)
class GroupOffsets:
    """A group and its partitions: what is committed (None where nothing is), and what the log holds."""

    members: int
    committed: Mapping[TopicPartition, int | None]
    first: Mapping[TopicPartition, int]
    end: Mapping[TopicPartition, int]


async def look(settings: KafkaSettings, group: str, partitions: Sequence[TopicPartition]) -> GroupOffsets:
    """How far a group has come.

    Raises:
        CannotTell: kafka-unreachable.
    """
    try:
        async with connected(settings) as admin:
            described = (await admin.describe_consumer_groups([group]))[0].groups[0]
            answer = await admin.list_consumer_group_offsets(group, partitions=list(partitions))
        async with _outside(settings, None) as consumer:
            first, end = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    except KafkaError as error:  # for example a coordinator that is not there yet
        raise CannotTell(errors.KAFKA_UNREACHABLE, f"Kafka answers {type(error).__name__}", where=settings.bootstrap) from None
    _, _, _, _, _, members, *_ = described
    committed = {one: answer[one].offset if one in answer and answer[one].offset >= 0 else None for one in partitions}
    return GroupOffsets(len(members), committed, first, end)


async def set_offsets(settings: KafkaSettings, group: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Commit for a group that has no members.

    Raises:
        UsageError: group-has-members.
        CannotTell: kafka-unreachable.
    """
    try:
        async with _outside(settings, group) as consumer:
            consumer.assign(list(offsets))
            await consumer.commit(dict(offsets))
    except CommitFailedError:  # somebody joined meanwhile
        raise UsageError(errors.GROUP_HAS_MEMBERS, where=group) from None


@asynccontextmanager
async def _outside(settings: KafkaSettings, group: str | None) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that never joins."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap, group_id=group, client_id="stadtbus-offsets", enable_auto_commit=False
    )
    try:
        await consumer.start()
        yield consumer
    except KafkaConnectionError:
        raise unreachable(settings) from None
    finally:
        await consumer.stop()
