"""Nothing is skipped in silence: after whatever operators and clusters do, what was accepted is delivered, dead, rejected, or named by `lag`.

One bus on a Kafka of its own; each test does its mischief to the topics of one office, holds the promise against what portals are told and what
`stadtbus lag` says, mends, and leaves everything delivered.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete

from consumers.watch.model import exit_code
from infra.kafka.clients import connection_options, outside
from infra.kafka.group_offsets import set_offsets
from infra.kafka.jars import java
from infra.kafka.local_security import ADMIN
from producers.synthetic import messages
from producers.synthetic.portal import SyntheticPortal
from schemas import topics
from schemas.errors import UsageError
from stadtbus import overview
from stadtbus.commands.verdict_views import judgement_as_dict
from stadtbus.local.system import LocalSystem, Shape
from stadtbus.settings import CONFIG_VARIABLE
from tests.kafka_service import free_system_offset

try:
    java()
except UsageError as error:
    pytest.skip(str(error), allow_module_level=True)

OFFICE = "nuernberg.meldewesen"
SUBMISSIONS, RETRY, DEADLETTERS = topics.submissions(OFFICE), topics.retry(OFFICE), topics.deadletters(OFFICE)
START = datetime.fromisoformat("2026-01-05T07:30:00.000+01:00")
SHAPE = Shape(
    processes=["gateway", OFFICE, "audit", "statistics", "watch"],
    environment={"STADTBUS_DELIVERY__IMMEDIATE_RETRIES": "0", "STADTBUS_WATCH__INTERVAL_S": "1"},
)
ENDED = ("delivered", "accepted", "rejected", "dead_letter")
WELL = ("ok", "draining", "flapping")
"""Starting and stopping it, as these tests do, is told for ten minutes; that it does its work is asked here."""
LIMIT_S = 60


@dataclass(frozen=True)
class Said:
    """What `stadtbus lag` says: its exit code, and the line of the office."""

    code: int
    line: dict[str, Any]

    @property
    def named(self) -> int:
        """How many submissions it names as waiting or lost."""
        return int((self.line["waiting"] or 0) + (self.line["in_outbox"] or 0) + (self.line["parked"] or 0) + self.line["lost"])


class Bus:
    """A bus, a portal, and what that portal was promised."""

    def __init__(self, system: LocalSystem) -> None:
        self.system = system
        (entry,) = [one for one in system.portals if one.route.office == OFFICE]
        self.portal: SyntheticPortal = system.portal(entry)
        self._messages = messages.messages(entry.route, entry.author, seed=11, start=START)
        self._ended: set[UUID] = set()

    async def send(self, number: int) -> None:
        """Submit new messages."""
        await self.portal.send_all(itertools.islice(self._messages, number))
        assert not self.portal.book.rejected

    async def open_ones(self) -> list[UUID]:
        """What was accepted and has come to no end, as its portal is told. What has ended is not asked for again: a portal may not ask without end."""
        left = [one for one in self.portal.book.accepted if one not in self._ended]
        states = [(one, (await self.portal.status(one)).json()["state"]) for one in left]
        self._ended.update(one for one, state in states if state in ENDED)
        return [one for one, state in states if state not in ENDED]

    async def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command as an operator gives it."""
        environment = os.environ | {CONFIG_VARIABLE: str(self.system.config)}
        command = [sys.executable, "-m", "stadtbus", *arguments]
        return await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True, check=False)

    async def lag(self) -> Said:
        """What `stadtbus lag` says now, without a new process each time."""
        now = datetime.now(UTC)
        judged = (await overview.look(self.system.settings)).judgements()
        (line,) = [judgement_as_dict(one, now, None) for one in judged if one.name == OFFICE]
        return Said(exit_code(judged), line)

    async def stop(self) -> None:
        """Stop the adapter in good order."""
        await self.system.supervisor.stop([OFFICE])

    async def start(self) -> None:
        """Start the adapter, and wait for nothing: it may have reason not to work."""
        await self.system.supervisor.launch([self.system.spec(OFFICE)])

    async def admin(self, do: Callable[[AIOKafkaAdminClient], Awaitable[object]]) -> None:
        """What an operator's own tools do to the cluster."""
        client = AIOKafkaAdminClient(**connection_options(self.system.login(ADMIN)))
        await client.start()
        try:
            await do(client)
        finally:
            await client.close()

    async def alter(self, topic: str, **configs: str) -> None:
        """Set these settings of a topic, and all others to the broker's defaults."""
        named = {key.replace("_", "."): value for key, value in configs.items()}
        await self.admin(lambda client: client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=named)]))

    async def ends(self, topic: str) -> dict[TopicPartition, int]:
        """Where a topic ends."""
        async with outside(self.system.kafka, "test", uncommitted=True) as consumer:
            ends: dict[TopicPartition, int] = await consumer.end_offsets([TopicPartition(topic, number) for number in range(3)])
            return ends

    async def is_accounted_for(self, *, by_cause: str = "") -> Said:
        """The promise itself: soon, and then for as long as it lasts, each submission has an end or is named. A cause may be expected."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            left, said = await self.open_ones(), await self.lag()
            if (not left and not by_cause) or (said.code == 1 and said.named >= len(left) and by_cause in said.line["sentence"]):
                assert not by_cause or (await self.command("lag")).returncode == 1
                return said
            assert time.monotonic() < deadline, f"{len(left)} have no end, and lag says {said}"
            await asyncio.sleep(0.5)

    async def is_all_well(self) -> None:
        """In the end everything is delivered, once, and `lag` has nothing to say."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            left, said = await self.open_ones(), await self.lag()
            if not left and not said.named and said.line["verdict"] in WELL:
                break
            assert time.monotonic() < deadline, f"{len(left)} have no end, and lag says {said}"
            await asyncio.sleep(0.5)
        held = await self.system.held(OFFICE)
        assert len(held) == len(set(held))
        assert {str(one) for one in self.portal.book.accepted} == set(held)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Bus]:
    """A bus for as long as the block lasts."""
    system = LocalSystem(folder, port_offset=free_system_offset(), shape=SHAPE)
    try:
        await system.start(fresh=False)
        bus = Bus(system)
        yield bus
        await bus.portal.close()
    finally:
        await system.stop()


@pytest.fixture(scope="module")
def bus(loop: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    """The bus, started once; each test adds its submissions, and the promise is held against all of them."""
    context = running(tmp_path_factory.mktemp("bus"))
    yield loop.run(context.__aenter__())
    loop.run(context.__aexit__(None, None, None))


Mischief = Callable[[Bus], Awaitable[None]]


def test_offsets_moved_forward(loop: asyncio.Runner, bus: Bus) -> None:
    """An operator sets a stopped group to the end of its topics; what waited is delivered."""

    async def run() -> None:
        await bus.send(5)
        await bus.is_all_well()
        await bus.stop()
        await bus.send(10)
        await bus.is_accounted_for(by_cause="nobody takes what waits")
        await set_offsets(bus.system.kafka, OFFICE, await bus.ends(SUBMISSIONS) | await bus.ends(RETRY))
        await bus.is_accounted_for()
        await bus.start()
        await bus.is_all_well()

    loop.run(run())


def test_compression_by_topic(loop: asyncio.Runner, bus: Bus) -> None:
    """Whatever codec an operator sets on a topic, its submissions are delivered."""

    async def run() -> None:
        for codec in ("lz4", "zstd", "snappy", "gzip"):
            await bus.alter(SUBMISSIONS, compression_type=codec, max_message_bytes=str(topics.MIB))
            await bus.send(2)
        await bus.alter(SUBMISSIONS, max_message_bytes=str(topics.MIB))
        await bus.is_all_well()

    loop.run(run())


def test_open_transaction(loop: asyncio.Runner, bus: Bus) -> None:
    """What waits behind a transaction that a foreign tool has left open is named, with that cause, and delivered when it ends."""

    async def run() -> None:
        producer = AIOKafkaProducer(
            **connection_options(bus.system.login(ADMIN)), transactional_id="foreign", transaction_timeout_ms=600_000
        )
        await producer.start()
        await producer.begin_transaction()
        for number in range(3):
            await producer.send_and_wait(SUBMISSIONS, b"x", partition=number)
        await bus.send(5)
        await bus.is_accounted_for(by_cause="transaction is open")
        await producer.abort_transaction()
        await producer.stop()
        await bus.is_all_well()

    loop.run(run())


def test_topic_refuses_submissions(loop: asyncio.Runner, bus: Bus) -> None:
    """What the office's topic refuses waits in the outbox and is named with Kafka's reason; it goes on when that is mended."""

    async def run() -> None:
        await bus.alter(SUBMISSIONS, max_message_bytes="500")
        await bus.send(5)
        await bus.is_accounted_for(by_cause="TooLarge")
        await bus.alter(SUBMISSIONS, max_message_bytes=str(topics.MIB))
        await bus.is_all_well()

    loop.run(run())


@pytest.mark.parametrize("topic", [RETRY, topics.events("nuernberg")])
def test_topic_refuses_copies_and_events(loop: asyncio.Runner, bus: Bus, topic: str) -> None:
    """A copy or an event that its topic refuses holds its own case and is named; it goes on when that is mended."""

    async def run() -> None:
        await bus.alter(topic, max_message_bytes="100")
        await bus.system.set_mood(OFFICE, "fail")
        await bus.send(3)
        await asyncio.sleep(2)
        await bus.system.set_mood(OFFICE, "ok")
        await bus.send(5)
        await bus.is_accounted_for()
        await bus.alter(topic, max_message_bytes=str(2 * topics.MIB))
        await bus.is_all_well()

    loop.run(run())


def test_records_deleted_before_they_were_read(loop: asyncio.Runner, bus: Bus) -> None:
    """What retention or a person takes from Kafka before it was delivered is named as lost, and sent again from the outbox."""

    async def run() -> None:
        await bus.stop()
        await bus.send(6)
        await bus.is_accounted_for(by_cause="nobody takes what waits")
        ends = await bus.ends(SUBMISSIONS)
        await bus.admin(lambda client: client.delete_records({one: RecordsToDelete(before_offset=end) for one, end in ends.items()}))
        assert (await bus.is_accounted_for(by_cause="gone from Kafka")).line["verdict"] == "lost"
        await bus.start()
        await bus.is_accounted_for(by_cause="gone from Kafka")
        assert (await bus.command("outbox", "republish", OFFICE, "--go")).returncode == 0
        await reset(bus)
        await bus.is_all_well()

    loop.run(run())


def test_topic_made_anew(loop: asyncio.Runner, bus: Bus) -> None:
    """A topic that is another one under the same name is named, and nothing of it is skipped once an operator has looked."""

    async def run() -> None:
        await bus.stop()
        await bus.send(4)
        await bus.is_accounted_for(by_cause="nobody takes what waits")
        await bus.admin(lambda client: client.delete_topics([SUBMISSIONS]))
        await bus.is_accounted_for(by_cause="is missing")
        await asyncio.sleep(2)
        assert (await bus.command("topics", "apply")).returncode == 0
        await bus.send(60)
        await bus.start()
        await bus.is_accounted_for(by_cause="topic-replaced")
        await reset(bus)
        await bus.is_accounted_for()
        assert (await bus.command("outbox", "republish", OFFICE, "--go")).returncode == 0
        await bus.is_all_well()

    loop.run(run())


def test_topic_with_more_partitions(loop: asyncio.Runner, bus: Bus) -> None:
    """More partitions than before keep nothing from being delivered."""

    async def run() -> None:
        await bus.admin(lambda client: client.create_partitions({SUBMISSIONS: NewPartitions(6)}))
        await bus.send(20)
        await bus.is_accounted_for()
        await bus.stop()
        await bus.start()
        await bus.is_all_well()

    loop.run(run())


async def reset(bus: Bus) -> None:
    """What the documentation says for offsets that are not to be trusted: stop, look, set, start."""
    await bus.stop()
    done = await bus.command("offsets", "reset", OFFICE, "--go")
    assert done.returncode == 0, done.stdout + done.stderr
    await bus.start()
