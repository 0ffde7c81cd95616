"""How far a group has come, seen and set from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError, KafkaError

from infra.kafka.admin import connected
from infra.kafka.clients import outside
from infra.settings import KafkaSettings
from schemas import errors
from schemas.errors import CannotTell, UsageError

_CLIENT: Final = "stadtbus-offsets"


@dataclass(frozen=True, slots=True)
class GroupOffsets:
    """A group and its partitions: what is committed (None where nothing is), and what the log holds."""

    state: str
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
        async with connected(settings) as admin, outside(settings, _CLIENT) as consumer:
            return await ask(admin, consumer, group, partitions)
    except KafkaError as error:  # for example a coordinator that is not there yet
        raise CannotTell(errors.KAFKA_UNREACHABLE, f"Kafka answers {type(error).__name__}", where=settings.bootstrap) from None


async def ask(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, group: str, partitions: Sequence[TopicPartition]) -> GroupOffsets:
    """As `look`, with clients that are there. What is committed is read before the ends, so nothing is behind by less than none.

    A group nobody ever joined is Dead and has no members.
    """
    _, _, state, _, _, members, *_ = (await admin.describe_consumer_groups([group]))[0].groups[0]
    answer = await admin.list_consumer_group_offsets(group, partitions=list(partitions))
    committed = {one: answer[one].offset if one in answer and answer[one].offset >= 0 else None for one in partitions}
    end, first = await consumer.end_offsets(partitions), await consumer.beginning_offsets(partitions)
    return GroupOffsets(state, len(members), committed, first, end)


async def set_offsets(settings: KafkaSettings, group: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Commit for a group that has no members.

    Raises:
        UsageError: group-has-members.
        CannotTell: kafka-unreachable.
    """
    try:
        async with outside(settings, _CLIENT, group) as consumer:
            consumer.assign(list(offsets))
            await consumer.commit(dict(offsets))
    except CommitFailedError:  # somebody joined meanwhile
        raise UsageError(errors.GROUP_HAS_MEMBERS, where=group) from None
