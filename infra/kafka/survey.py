"""Looks at a whole cluster in a few requests: one per broker and question, whatever the number of topics and groups.

What one broker does not answer is missing in the answer and told in `faults`; nothing of the others is lost by it. Describe rights are enough.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, NotLeaderForPartitionError, for_code
from aiokafka.protocol.api import Request
from aiokafka.protocol.offset import OffsetRequest

from infra.kafka.client_errors import in_our_words, name_of
from infra.kafka.clients import connection_options
from infra.kafka.cluster import TopicsRequest
from infra.kafka.diagnosis import why_unreachable
from infra.kafka.group_requests import CommittedRequest, CoordinatorsRequest, GroupsRequest
from infra.settings import KafkaSettings
from schemas import topics as names

LATEST: Final = -1
EARLIEST: Final = -2
_LIMIT_S: Final = 3.0
"""For one answer; a broker that has not given one is not asked again in this cycle."""
_NO_LEADER: Final = -1
_UNKNOWN_TOPIC: Final = 3


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """What was not answered, and the name that Kafka or its client has for the reason."""

    broker: int
    """-1 where it is nobody's in particular, such as a group without a coordinator."""
    question: str
    error: str


@dataclass(frozen=True, slots=True)
class PartitionState:
    """Who has a partition. `leader` is -1 where nobody leads it."""

    leader: int
    replicas: Sequence[int]
    in_sync: Sequence[int]


@dataclass(frozen=True, slots=True)
class Member:
    """A process in a group."""

    id: str
    client: str
    host: str


@dataclass(frozen=True, slots=True)
class GroupState:
    """A group by its coordinator's word: a group that nobody ever joined is `Dead`."""

    state: str
    members: Sequence[Member]


@dataclass(frozen=True, slots=True)
class Place:
    """An offset, and the time on the record there (ms); without one where it was not asked for by time."""

    offset: int
    timestamp_ms: int | None = None


@dataclass
class Survey:
    """One look at a cluster after the other, over the same connections. `begin` starts a look; all is called from one task."""

    settings: KafkaSettings
    client: Any
    requests: int = 0
    """Sent since `begin`."""
    faults: set[Fault] = field(default_factory=set)
    """Met since `begin`."""
    brokers: dict[int, str] = field(default_factory=dict)
    """Those that the cluster knows as alive: number and address."""
    topics: dict[str, dict[int, PartitionState]] = field(default_factory=dict)
    """By name those that exist, with their partitions, as `find_topics` saw them last."""
    silent: set[int] = field(default_factory=set)
    """Brokers that have given no answer since `begin`; they are not asked again."""

    def begin(self) -> None:
        """Forget what the last look has met."""
        self.requests, self.faults, self.silent = 0, set(), set()

    async def find_brokers(self) -> None:
        """Bring `brokers` up to date.

        Raises:
            CannotTell: no broker answers.
        """
        self._note_brokers(await self._ask_any(TopicsRequest([]), "brokers"))

    async def find_topics(self, wanted: Collection[str]) -> None:
        """Bring `topics` up to date; one that does not exist is missing in it.

        Raises:
            CannotTell: no broker answers.
        """
        answer = await self._ask_any(TopicsRequest(sorted(wanted)), "topics")
        self._note_brokers(answer)
        self.topics = {}
        for code, name, _, _, partitions, *_ in answer.topics:
            if code == 0:
                self.topics[name] = {one[1]: PartitionState(one[2], one[4], one[5]) for one in partitions}
            elif code != _UNKNOWN_TOPIC:
                self._blame(-1, f"topic {name}", code)

    async def find_coordinators(self, groups: Sequence[str]) -> dict[int, list[str]]:
        """Which groups each broker coordinates. One without a coordinator is missing.

        Raises:
            CannotTell: no broker answers.
        """
        found: defaultdict[int, list[str]] = defaultdict(list)
        for group, node, _, _, code, *_ in (await self._ask_any(CoordinatorsRequest(groups), "coordinators")).coordinators:
            if code:
                self._blame(-1, f"coordinator of {group}", code)
            else:
                found[node].append(group)
        return found

    async def states(self, coordinators: Mapping[int, Sequence[str]]) -> dict[str, GroupState]:
        """States and members of groups, by who coordinates them."""
        found = {}
        answers = await self._ask_each({node: GroupsRequest(groups) for node, groups in coordinators.items()}, "group states")
        for node, answer in answers:
            for code, group, state, _, _, members in answer.groups:
                if code:
                    self._blame(node, f"state of {group}", code)
                else:
                    found[group] = GroupState(state, [Member(*one[:3]) for one in members])
        return found

    async def committed(self, coordinators: Mapping[int, Sequence[str]]) -> dict[str, dict[TopicPartition, tuple[int, str]]]:
        """What groups have committed, and the text beside each commit. A group that has committed nothing is there and empty; one of
        which anything cannot be told is missing.
        """
        found = {}
        answers = await self._ask_each({node: CommittedRequest(groups) for node, groups in coordinators.items()}, "committed offsets")
        for node, answer in answers:
            for group, topics, code, _ in answer.groups:
                parts = [(topic, *part) for topic, partitions, _ in topics for part in partitions]
                wrong = code or next((part[5] for part in parts if part[5]), 0)
                if wrong:
                    self._blame(node, f"committed offsets of {group}", wrong)
                else:
                    found[group] = {TopicPartition(topic, number): (offset, text or "") for topic, number, offset, _, text, *_ in parts}
        return found

    async def offsets(
        self, wanted: Mapping[TopicPartition, int], question: str, *, committed_only: bool = False
    ) -> dict[TopicPartition, Place]:
        """By partition the offset at `LATEST`, `EARLIEST` or the first one that is not older than a time (ms); an offset of -1 says that
        all are older. With `committed_only` the log ends before a transaction that is still open.
        """
        found, moved = await self._offsets(wanted, question, committed_only=committed_only)
        if moved:
            await self.find_topics(list(self.topics))
            again, moved = await self._offsets({one: wanted[one] for one in moved}, question, committed_only=committed_only)
            found |= again
            for node in moved.values():
                self.faults.add(Fault(node, question, name_of(NotLeaderForPartitionError())))
        return found

    async def _offsets(
        self, wanted: Mapping[TopicPartition, int], question: str, *, committed_only: bool
    ) -> tuple[dict[TopicPartition, Place], dict[TopicPartition, int]]:
        """What was found, and whose leader is another by now."""
        by_node: defaultdict[int, defaultdict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
        for (topic, number), moment in wanted.items():
            state = self.topics.get(topic, {}).get(number)
            if state is None or state.leader == _NO_LEADER:
                self.faults.add(Fault(-1, f"leader of {topic}/{number}", "LeaderNotAvailable"))
            else:
                by_node[state.leader][topic].append((number, moment))
        requests = {node: OffsetRequest(-1, int(committed_only), list(parts.items())) for node, parts in by_node.items()}
        found, moved = {}, {}
        for node, answer in await self._ask_each(requests, question):
            for topic, parts in answer.topics:
                for number, code, timestamp_ms, offset in parts:
                    if code == NotLeaderForPartitionError.errno:
                        moved[TopicPartition(topic, number)] = node
                    elif code:
                        self._blame(node, f"{question} of {topic}/{number}", code)
                    else:
                        found[TopicPartition(topic, number)] = Place(offset, timestamp_ms if timestamp_ms >= 0 else None)
        return found, moved

    async def _ask_each(self, requests: Mapping[int, Request[Any]], question: str) -> list[tuple[int, Any]]:
        answers = await asyncio.gather(*(self._ask(node, request, question) for node, request in requests.items()))
        return [(node, answer) for node, answer in zip(requests, answers, strict=True) if answer is not None]

    async def _ask_any(self, request: Request[Any], question: str) -> Any:
        nodes = [broker.nodeId for broker in self.client.cluster.brokers()]
        random.shuffle(nodes)
        for node in nodes:
            if (answer := await self._ask(node, request, question)) is not None:
                return answer
        raise await why_unreachable(self.settings)

    async def _ask(self, node: int, request: Request[Any], question: str) -> Any | None:
        """The answer of one broker; None where it gives none, which is noted."""
        if node in self.silent:
            return None
        self.requests += 1
        try:
            async with asyncio.timeout(_LIMIT_S):
                return await self.client.send(node, request)
        except NotImplementedError:  # of the client, for a broker that knows only earlier versions of this request
            self.faults.add(Fault(node, question, "needs Kafka 3.0 or newer"))
        except (KafkaError, OSError, TimeoutError, ValueError) as error:  # a ValueError comes from SCRAM, as at the start of clients
            self.silent.add(node)
            self.faults.add(Fault(node, question, name_of(error)))
        return None

    def _note_brokers(self, answer: Any) -> None:
        self.brokers = {node: f"{host}:{port}" for node, host, port, *_ in answer.brokers}

    def _blame(self, node: int, question: str, code: int) -> None:
        self.faults.add(Fault(node, question, name_of(for_code(code)())))


@asynccontextmanager
async def surveying(settings: KafkaSettings, client_id: str) -> AsyncIterator[Survey]:
    """A survey of this cluster, for as long as the block lasts.

    Raises:
        CannotTell: kafka-unreachable, and what else `in_our_words` makes of Kafka's errors, also of those within.
    """
    client = AIOKafkaClient(client_id=client_id, request_timeout_ms=10_000, **connection_options(settings))
    client.set_topics([names.HEARTBEATS])  # without any it would ask for all of them, every few seconds
    try:
        async with in_our_words(settings):
            try:
                await client.bootstrap()
            except ValueError:  # of SCRAM, where the broker cannot show that it knows the password
                raise await why_unreachable(settings) from None
            yield Survey(settings, client)
    finally:
        await client.close()


def topic_partitions(found: Mapping[str, Mapping[int, PartitionState]], wanted: Iterable[str]) -> list[TopicPartition]:
    """All partitions of these topics, as far as they exist."""
    return [TopicPartition(name, number) for name in wanted for number in sorted(found.get(name, {}))]
