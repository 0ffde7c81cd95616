"""How far a group has come, seen and set from outside."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata

from infra.kafka.admin import connected
from infra.kafka.clients import outside
from infra.kafka.cluster import Log, end_offsets, logs_of, topics_of
from infra.settings import KafkaSettings
from schemas import problems
from schemas.errors import UsageError

_CLIENT: Final = "stadtbus-offsets"
_LOST: Final = re.compile(r"lost=(\d{1,15})")


@dataclass(frozen=True, slots=True)
class GroupOffsets:
    """A group and its partitions: what is committed (None where nothing is), and what the log holds."""

    state: str
    members: int
    committed: Mapping[TopicPartition, int | None]
    first: Mapping[TopicPartition, int]
    end: Mapping[TopicPartition, int]
    """Behind the last record, whether it can be read yet or not."""
    readable: Mapping[TopicPartition, int]
    """Behind the last record that can be read: before `end` where a transaction is open."""
    lost: Mapping[TopicPartition, int]
    """Records that were gone before the office's adapter had read them, as it has noted since the last reset of offsets."""

    def expired(self, partition: TopicPartition) -> int:
        """Records that are gone and that the group has not passed: retention, a clock or a person took them. A topic starts at 0, so
        where nothing was ever committed all before the first record are.
        """
        return max(0, self.first[partition] - (self.committed[partition] or 0))

    def held_back(self, partition: TopicPartition) -> bool:
        """A transaction is open there, and nothing behind its first record (at `readable`) can be read before it ends."""
        return self.readable[partition] < self.end[partition]


def commit_of(offset: int, lost: int) -> OffsetAndMetadata:
    """What is committed: how far the office has come, and how many records were lost on the way, for whoever looks from outside."""
    return OffsetAndMetadata(offset, f"lost={lost}" if lost else "")


async def look(settings: KafkaSettings, group: str, partitions: Sequence[TopicPartition]) -> GroupOffsets:
    """How far a group has come.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed.
    """
    async with connected(settings) as admin, outside(settings, _CLIENT, uncommitted=True) as consumer:
        return await ask(admin, consumer, group, partitions)


async def look_at_topics(settings: KafkaSettings, group: str, topics: Sequence[str]) -> tuple[GroupOffsets, dict[TopicPartition, Log]]:
    """As `look`, in all partitions that these topics have, which exist; and the logs.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed.
    """
    async with connected(settings) as admin, outside(settings, _CLIENT) as consumer:
        found = await topics_of(consumer._client, topics)  # noqa: SLF001 - see `infra.kafka.cluster`
        partitions = [TopicPartition(name, number) for name in topics if name in found for number in found[name].partitions]
        logs = await logs_of(consumer, partitions, found)
        return await ask(admin, consumer, group, partitions), logs


async def ask(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, group: str, partitions: Sequence[TopicPartition]) -> GroupOffsets:
    """As `look`, with clients that are there. What is committed is read before the ends, so nothing is behind by less than none.

    A group nobody ever joined is Dead and has no members.
    """
    _, _, state, _, _, members, *_ = (await admin.describe_consumer_groups([group]))[0].groups[0]
    answer = await admin.list_consumer_group_offsets(group, partitions=list(partitions))
    committed = {one: answer[one].offset if one in answer and answer[one].offset >= 0 else None for one in partitions}
    lost = {one: lost_in(answer[one].metadata) if one in answer else 0 for one in partitions}
    first = await consumer.beginning_offsets(partitions)  # also brings the partitions' leaders
    end = await end_offsets(consumer, partitions, committed_only=False)  # first, so that what comes meanwhile does not look held back
    readable = await end_offsets(consumer, partitions, committed_only=True)
    return GroupOffsets(state, len(members), committed, first, end, readable, lost)


def lost_in(metadata: str | None) -> int:
    """What `commit_of` wrote into a commit; whoever else commits writes anything or nothing."""
    found = _LOST.fullmatch(metadata) if metadata else None
    return int(found[1]) if found else 0


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
        raise UsageError(problems.GROUP_HAS_MEMBERS, where=group) from None
