"""A stop has one budget, whatever does not answer: deliveries, the store, Kafka."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError

from consumers.engine import FINISHED, End, Engine, KafkaWork
from consumers.engine.assignment import Assignment
from consumers.engine.commits import Commits
from consumers.engine.rebalance import Rebalance
from consumers.engine.starts import Start
from consumers.settings import DeliverySettings
from infra.kafka.polling import Polling
from infra.settings import KafkaSettings

PARTITION = TopicPartition("t.office.submissions", 0)
LIMIT_S = 1.0


class Handler:
    """One of whose steps never comes back."""

    max_concurrency = 2
    make = KafkaWork

    def __init__(self, hangs: str) -> None:
        self.hangs = hangs
        self.begun = asyncio.Event()
        self.noted: dict[TopicPartition, int] = {}

    async def _hang(self, step: str) -> None:
        if step == self.hangs:
            self.begun.set()
            await asyncio.Event().wait()

    def capacity(self, wanted: int) -> int:
        return wanted

    async def begin(self, works: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        await self._hang("begin")
        return list(works), []

    async def deliver(self, work: Any) -> None:
        await self._hang("deliver")

    def give_up(self, work: Any, reason: str | None) -> None:
        """It is forgotten anyway."""

    async def settle(self, works: Sequence[Any]) -> list[End]:
        await self._hang("settle")
        return [FINISHED for _ in works]

    async def note_offsets(self, offsets: Mapping[TopicPartition, int], lost: Mapping[TopicPartition, int]) -> None:
        self.noted |= offsets
        await self._hang("note_offsets")


class Consumer:
    """Stands for the client."""

    def __init__(self, hangs: bool) -> None:
        self.hangs = hangs
        self.committed: dict[TopicPartition, Any] = {}
        self.failures: list[Exception] = []

    async def commit(self, offsets: dict[TopicPartition, Any]) -> None:
        if self.failures:
            raise self.failures.pop()
        while self.hangs:
            await asyncio.Event().wait()
        self.committed |= offsets


def engine_with(handler: Handler) -> Engine[Any]:
    """An engine that has one partition with one record, as after an assignment."""
    engine: Engine[Any] = Engine(KafkaSettings(), group="g", topics=["t"], handler=handler, limits=DeliverySettings())  # type: ignore[arg-type]
    engine.pipeline.start({PARTITION: 0}, (), {})
    engine.core.offer(PARTITION, [SimpleNamespace(offset=0, key=b"k", value=b"v")])
    engine.pipeline.wake()
    return engine


def commits_of(handler: Handler, consumer: Consumer, assignment: Assignment) -> Commits:
    """The commits of this client."""
    return Commits(consumer, "g", handler, assignment)  # type: ignore[arg-type]


async def drain(engine: Engine[Any], consumer: Consumer) -> None:
    """What a stop does, and a rebalance."""
    commits = commits_of(engine._handler, consumer, engine._assignment)  # type: ignore[arg-type]
    rebalance = Rebalance(
        consumer, Polling(consumer, "g"), engine._handler, engine.pipeline, commits, engine._assignment, engine._topics, limit_s=0
    )  # fmt: skip
    await rebalance.drain(LIMIT_S)


@pytest.mark.parametrize("hangs", ["begin", "deliver", "settle"])
async def test_what_does_not_come_back_is_cut_off(hangs: str) -> None:
    """The stop ends within its limit, the commit is made, and nothing runs any more."""
    handler, consumer = Handler(hangs), Consumer(hangs=False)
    engine = engine_with(handler)
    await handler.begun.wait()
    began_s = time.monotonic()
    async with asyncio.timeout(30):
        await drain(engine, consumer)
    assert time.monotonic() - began_s > LIMIT_S / 2
    assert list(consumer.committed) == [PARTITION]
    assert not engine.pipeline._workers


async def test_nothing_that_waited_to_be_settled_is_kept() -> None:
    """Timers of parked records may hold the settler of partitions that went for an hour; it lets go of the messages that were due."""
    handler, consumer = Handler("settle"), Consumer(hangs=False)
    engine = engine_with(handler)
    await handler.begun.wait()
    settler = engine.pipeline._settler
    engine.core.offer(PARTITION, [SimpleNamespace(offset=1, key=b"other", value=b"v")])
    engine.pipeline.wake()
    async with asyncio.timeout(30):
        while not settler:
            await asyncio.sleep(0.001)
        await drain(engine, consumer)
    assert len(settler) == 0


async def test_operators_read_of_partitions_and_of_what_is_cut_off() -> None:
    """The log says when partitions were assigned, and how many deliveries were cut off when they went."""
    handler = Handler("deliver")
    with structlog.testing.capture_logs() as logs:
        engine = engine_with(handler)
        await handler.begun.wait()
        await drain(engine, Consumer(hangs=False))
    assert [(line["event"], line["group"], line["count"]) for line in logs] == [("partitions_assigned", "g", 1), ("work_cancelled", "g", 1)]


@pytest.mark.parametrize(("hangs", "client_hangs"), [("note_offsets", False), ("nothing", True)])
async def test_the_last_commit_has_a_limit(hangs: str, client_hangs: bool) -> None:
    """A store or a broker that does not answer in the end keeps nobody waiting: the records come again and the ledger knows them."""
    engine = engine_with(Handler(hangs))
    async with asyncio.timeout(30):
        while engine.core.in_flight:
            await asyncio.sleep(0.001)
        await drain(engine, Consumer(client_hangs))
    assert engine.core.committable() == {}


async def test_a_step_that_does_not_come_back_is_told() -> None:
    """What stands is named, though the reader goes on: not only the reader has to move."""
    handler = Handler("settle")
    engine = engine_with(handler)
    await handler.begun.wait()
    assert engine.stuck() is None
    engine.pipeline._steps._began_s["settle"] -= 100
    assert (engine.stuck() or "").startswith("settle waits for 1")
    await engine.pipeline.close()
    assert engine.stuck() is None


async def test_the_ledger_is_not_ahead_of_the_first_commit() -> None:
    """Until Kafka has taken a first commit for a partition, the ledger says where it began: else its offsets seemed lost after a kill."""
    handler, consumer = Handler("nothing"), Consumer(hangs=False)
    assignment = Assignment()
    assignment.on_assigned({PARTITION: Start(0, None, first_commit=True)})
    commits = commits_of(handler, consumer, assignment)
    consumer.failures = [CommitFailedError(), CommitFailedError()]
    for offset in (0, 1):
        await commits.commit({PARTITION: offset})
        assert (handler.noted, consumer.committed) == ({PARTITION: 0}, {})
    for offset in (0, 1):
        await commits.commit({PARTITION: 1})
        assert (handler.noted[PARTITION], consumer.committed[PARTITION].offset) == (offset, offset)
