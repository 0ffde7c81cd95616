"""What aiokafka (pinned) does not ask a cluster: which topic stands behind a name, and where a log ends for whom.

A topic's id is given by Kafka when the topic is created: one that is made anew, or that stands in another cluster, has another.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IncompatibleBrokerVersion, LeaderNotAvailableError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

_NO_ID: Final = uuid.UUID(int=0)
_LATEST: Final = -1
_READ_UNCOMMITTED: Final = 0
_READ_COMMITTED: Final = 1
_UNKNOWN_TOPIC: Final = 3


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic that exists. Without an id the broker is older than Kafka 2.8, or does not tell."""

    id: str | None
    partitions: Sequence[int]


@dataclass(frozen=True, slots=True)
class Log:
    """A partition as Kafka has it: the topic under this name, and its offsets from `first` until before `end`."""

    topic_id: str | None
    first: int
    end: int


async def logs_of(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], found: Mapping[str, TopicState]
) -> dict[TopicPartition, Log]:
    """These partitions, whose topics were found, as they are now. `end` is what this consumer can read.

    Raises:
        KafkaError: not all leaders answer.
    """
    first, end = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    return {partition: Log(found[partition.topic].id, first[partition], end[partition]) for partition in partitions}


async def topics_of(client: Any, names: Collection[str]) -> dict[str, TopicState]:
    """Those of these topics that exist, as any broker knows them. `client` is the AIOKafkaClient of a consumer or an admin client.

    Raises:
        KafkaError: no broker answers, or one refuses to tell of a topic.
    """
    try:
        answer = await client.send(client.get_random_node(), TopicsRequest(sorted(names)))
    except (IncompatibleBrokerVersion, NotImplementedError):
        return await _without_ids(client, names)
    found = {}
    for code, name, topic_id, _, partitions, *_ in answer.topics:
        if code == 0:
            known_id = uuid.UUID(bytes=topic_id)
            found[name] = TopicState(None if known_id == _NO_ID else str(known_id), sorted(one[1] for one in partitions))
        elif code != _UNKNOWN_TOPIC:
            raise for_code(code)(name)
    return found


async def partitions_of(consumer: AIOKafkaConsumer, names: Collection[str]) -> list[TopicPartition]:
    """All partitions that these topics have; a topic that does not exist has none.

    Raises:
        KafkaError: as `topics_of`.
    """
    there = await topics_of(consumer._client, names)  # noqa: SLF001 - the consumer itself tells only of what it reads
    return [TopicPartition(name, number) for name, topic in sorted(there.items()) for number in topic.partitions]


async def _without_ids(client: Any, names: Collection[str]) -> dict[str, TopicState]:
    cluster = await client.fetch_all_metadata()
    return {name: TopicState(None, sorted(cluster.partitions_for_topic(name))) for name in names if cluster.partitions_for_topic(name)}


async def end_offsets(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], *, committed_only: bool
) -> dict[TopicPartition, int]:
    """Where these logs end: behind everything, or before the first transaction that is still open.

    Raises:
        KafkaError: a partition's leader does not answer, or there is none.
    """
    client = consumer._client  # noqa: SLF001 - `end_offsets` asks with the consumer's own isolation only
    by_node: defaultdict[int, defaultdict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for topic, number in partitions:
        node = client.cluster.leader_for_partition(TopicPartition(topic, number))
        if node in (None, -1):
            raise LeaderNotAvailableError(f"{topic}/{number}")
        by_node[node][topic].append((number, _LATEST))
    isolation = _READ_COMMITTED if committed_only else _READ_UNCOMMITTED
    asked = [client.send(node, OffsetRequest(-1, isolation, list(wanted.items()))) for node, wanted in by_node.items()]
    return dict(_ends_in(await asyncio.gather(*asked)))


def _ends_in(answers: Sequence[Any]) -> list[tuple[TopicPartition, int]]:
    found = []
    for topic, parts in (one for answer in answers for one in answer.topics):
        for number, code, _, offset in parts:
            if code:
                raise for_code(code)(f"{topic}/{number}")
            found.append((TopicPartition(topic, number), offset))
    return found


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]
    """16 bytes, as they are."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: Any) -> bytes:
        return bytes(data.read(16))

    @classmethod
    def repr(cls, value: bytes) -> str:
        return value.hex()


class _TopicsResponse10(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("topic_authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _TopicsRequest10(RequestStruct):  # type: ignore[misc]
    """Version 10 is the first whose answer has topic ids."""

    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _TopicsResponse10
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class TopicsRequest(Request[_TopicsRequest10]):  # type: ignore[misc]
    """These topics as any broker knows them, and all brokers that are alive. No names: no topics."""

    API_KEY = 3

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def build(self, request_struct_class: type[_TopicsRequest10]) -> _TopicsRequest10:
        """As the client sends it."""
        topics: list[tuple[bytes, str, dict[int, bytes]]] = [(_NO_ID.bytes, name, {}) for name in self._names]
        return request_struct_class(topics, False, False, False, {})  # noqa: FBT003 - in the order of the schema
