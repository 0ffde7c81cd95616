"""Lag: what waits for each group, since when, and who is there to take it.

Offsets and group states are read, and of each partition where something waits one record, for its time alone. Committed offsets are read before
end offsets, so lag cannot be negative. What cannot be told of one group (a topic that is missing, a partition without a leader) is told in its
line and hides nobody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from infra.kafka import group_offsets
from infra.kafka.admin import Existing, connected, existing_topics
from infra.kafka.client_errors import in_our_words
from infra.kafka.clients import outside
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.group_offsets import GroupOffsets
from infra.settings import KafkaSettings
from schemas import topics

_CONNECT_LIMIT_S: Final = 5.0
_LIMIT_S: Final = 4.0
"""For one group; whoever has not answered by then is not waited for."""
_TIMES_LIMIT_S: Final = 2.0
_RETRY_S: Final = 0.3
_POLL_MS: Final = 200


@dataclass(frozen=True, slots=True)
class GroupLag:
    """How a group is doing: that of an office, which has its name, or `audit`, `statistics`, `status`."""

    group: str
    behind: int = 0
    parked: int = 0
    """Records in the retry topic that are not delivered."""
    expired: int = 0
    """Records that were gone before they were delivered: retention or a person took them."""
    oldest_undelivered_at: datetime | None = None
    """The time on the first record in line, of those that are not parked; order is by position, never by a clock."""
    oldest_parked_at: datetime | None = None
    group_state: str = "unknown"
    members: int = 0
    held_back_since: datetime | None = None
    """The time on the first record of a transaction that is open: nothing behind it can be read before it ends."""
    held_back: Sequence[str] = ()
    """Partitions where one is open."""
    faults: Sequence[str] = ()
    """Why this is not the whole truth, or why nothing can be delivered: what is wrong with its topics."""
    complete: bool = False
    """Each partition that exists has a leader and has told how far it goes: what is not counted here does not exist."""
    used: bool = False
    """Something was ever written for it."""
    offsets: GroupOffsets | None = None

    def oldest_age_s(self, now: datetime) -> float | None:
        """How long the first in line has waited."""
        return None if self.oldest_undelivered_at is None else max(0.0, (now - self.oldest_undelivered_at).total_seconds())


async def of_offices(settings: KafkaSettings, offices: Sequence[str]) -> list[GroupLag]:
    """Lag of these offices, in this order.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed.
    """
    return await of_groups(settings, read_by_offices(offices))


def read_by_offices(offices: Iterable[str]) -> dict[str, Sequence[str]]:
    """What each office's group reads."""
    return {office: (topics.submissions(office), topics.retry(office)) for office in offices}


def read_by_recorders(offices: Sequence[str]) -> dict[str, Sequence[str]]:
    """What the status feed, the audit and the statistics read."""
    recorded = topics.recorded(offices)
    events = [name for name in recorded if topics.is_events(name)]
    return {topics.GROUP_STATUS: events, topics.GROUP_AUDIT: recorded, topics.GROUP_STATISTICS: recorded}


async def of_groups(settings: KafkaSettings, read: Mapping[str, Sequence[str]]) -> list[GroupLag]:
    """Lag of these groups on the topics that they read, in this order. Takes some seconds at most, also where brokers are away.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed; for one group alone it stands in its `faults`.
    """
    async with in_our_words(settings), AsyncExitStack() as clients:
        async with asyncio.timeout(_CONNECT_LIMIT_S):
            admin = await clients.enter_async_context(connected(settings))
            consumer = await clients.enter_async_context(outside(settings, "stadtbus-lag", uncommitted=True))
            existing = await existing_topics(admin)
        lags = await asyncio.gather(*(_of_group(admin, consumer, existing, group, names) for group, names in read.items()))
        times = await _times(consumer, {place for lag in lags for place in _first_in_line(lag)})
    return [_with_times(lag, times) for lag in lags]


async def _of_group(
    admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, existing: Mapping[str, Existing], group: str, names: Sequence[str]
) -> GroupLag:
    # An office needs the topic of its dead letters too, although its group does not read it.
    needed = [*names, *(topics.deadletters(group) for name in names if name == topics.submissions(group))]
    faults = [fault for name in needed if (fault := _fault(name, existing.get(name)))]
    partitions = [TopicPartition(name, number) for name in names if name in existing for number in existing[name].with_leader]
    offsets = await _offsets_of(admin, consumer, group, partitions)
    if isinstance(offsets, str):
        return GroupLag(group, faults=(*faults, offsets))
    behind = {one: offsets.end[one] - position for one, position in _positions(offsets).items()}
    parked = sum(count for one, count in behind.items() if topics.is_retry(one.topic))
    return GroupLag(
        group,
        behind=sum(behind.values()) - parked,
        parked=parked,
        expired=sum(offsets.expired(one) + offsets.lost[one] for one in partitions),
        group_state=offsets.state,
        members=offsets.members,
        held_back=[f"{one.topic}/{one.partition}" for one in partitions if offsets.held_back(one)],
        faults=faults,
        complete=all(len(existing[name].with_leader) == len(existing[name].leaders) for name in names if name in existing),
        used=any(offsets.end.values()),
        offsets=offsets,
    )


async def _offsets_of(
    admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, group: str, partitions: Sequence[TopicPartition]
) -> GroupOffsets | str:
    """How far a group is, or why nobody can tell; what passes by itself (a coordinator that is just chosen) is waited for."""
    why = "no answer"
    try:
        async with asyncio.timeout(_LIMIT_S):
            while True:
                try:
                    return await group_offsets.ask(admin, consumer, group, partitions)
                except KafkaError as error:
                    why = type(error).__name__
                    if not error.retriable:
                        break
                await asyncio.sleep(_RETRY_S)
    except TimeoutError:
        pass
    return f"Kafka does not tell how far it is: {why}"


def _fault(name: str, topic: Existing | None) -> str | None:
    """What of a topic keeps its readers from their work."""
    if topic is None:
        return f"topic {name} is missing"
    dead = sorted(topic.leaders.keys() - set(topic.with_leader))
    return f"no broker leads {name}/{', '.join(map(str, dead))}" if dead else None


def _positions(offsets: GroupOffsets) -> dict[TopicPartition, int]:
    """What is next; without a commit everything from the log start on is undelivered."""
    return {one: min(max(committed or 0, offsets.first[one]), offsets.end[one]) for one, committed in offsets.committed.items()}


# --- times


def _first_in_line(lag: GroupLag) -> list[tuple[TopicPartition, int]]:
    """The places of records whose times say since when something waits."""
    if lag.offsets is None:
        return []
    offsets = lag.offsets
    return [(one, at) for one, at in _positions(offsets).items() if at < offsets.end[one]] + _held_back(offsets)


def _held_back(offsets: GroupOffsets) -> list[tuple[TopicPartition, int]]:
    return [(one, at) for one, at in offsets.readable.items() if offsets.held_back(one)]


def _with_times(lag: GroupLag, times: Mapping[tuple[TopicPartition, int], datetime]) -> GroupLag:
    if lag.offsets is None:
        return lag
    waiting = {place: times[place] for place in _positions(lag.offsets).items() if place in times}
    return replace(
        lag,
        oldest_undelivered_at=min((at for (one, _), at in waiting.items() if not topics.is_retry(one.topic)), default=None),
        oldest_parked_at=min((at for (one, _), at in waiting.items() if topics.is_retry(one.topic)), default=None),
        held_back_since=min((times[place] for place in _held_back(lag.offsets) if place in times), default=None),
    )


async def _times(consumer: AIOKafkaConsumer, places: Iterable[tuple[TopicPartition, int]]) -> dict[tuple[TopicPartition, int], datetime]:
    """The times on the records at these places, as far as they can be had soon.

    Offsets by timestamp would say it without reading, but only of topics where times rise: that of a copy or of a sender with a wrong clock does not.
    """
    wanted: dict[TopicPartition, list[int]] = {}
    for partition, offset in sorted(places):
        wanted.setdefault(partition, []).append(offset)
    found: dict[tuple[TopicPartition, int], datetime] = {}
    try:
        async with asyncio.timeout(_TIMES_LIMIT_S):
            while wanted:
                await _read_times(consumer, {partition: offsets[0] for partition, offsets in wanted.items()}, found)
                wanted = {partition: offsets[1:] for partition, offsets in wanted.items() if offsets[1:]}
    except (KafkaError, TimeoutError):
        pass  # what is known by now is told
    return found


async def _read_times(
    consumer: AIOKafkaConsumer, wanted: Mapping[TopicPartition, int], found: dict[tuple[TopicPartition, int], datetime]
) -> None:
    """Put the time of the record at or behind each of these places into `found`; waits until all are there."""
    consumer.assign(list(wanted))
    for partition, offset in wanted.items():
        consumer.seek(partition, offset)
    missing = set(wanted)
    while missing:
        batches: Mapping[TopicPartition, Sequence[ConsumerRecord]] = await consumer.getmany(*missing, timeout_ms=_POLL_MS, max_records=1)
        for partition, records in batches.items():
            found[partition, wanted[partition]] = datetime.fromtimestamp(records[0].timestamp / 1000, UTC)
            consumer.pause(partition)
            missing.discard(partition)
