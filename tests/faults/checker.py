"""The one checker: follows what twins hold, what dead-letter topics and events hold and what is committed, until all is there."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.kafka.admin import connected
from infra.kafka.clients import connection_options
from schemas import topics
from schemas.headers import Header
from tests.faults import judge
from tests.faults.judge import Effect, Figures, Found
from tests.faults.sends import SendLog, Sent
from tests.faults.world import OFFICES, World

_LOOK_S: Final = 0.3
_CATCH_UP_LIMIT_S: Final = 60
_QUIET_S: Final = 0.7
"""How long nothing may change at the end: a second effect would follow soon."""
_BLOCK: Final = "__connect.errors.topic"
"""The first header of what is added to a dead letter."""


@dataclass
class Effects:
    """What the twins hold since a moment, followed while a run goes on."""

    world: World
    first: dict[str, int] = field(default_factory=dict)
    found: dict[str, list[Effect]] = field(default_factory=lambda: {office: [] for office in OFFICES})

    async def begin(self) -> None:
        """Count from here on: what is there already is not this run's."""
        self.first = await self.world.system.effects()

    async def follow(self) -> None:
        """What came since the last look."""
        for office, found in self.found.items():
            found.extend(await self.world.system.effects_since(office, self.first[office] + len(found)))

    def ids(self) -> set[str]:
        """Submissions with an effect anywhere."""
        return {submission for found in self.found.values() for submission, _ in found}


class Records:
    """Dead letters and events since a moment, followed while a run goes on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.dead: list[Any] = []
        self.foreign_events = 0
        self.latest_event = ""
        """The highest time on an event, as its text."""
        names = [topics.deadletters(office) for office in OFFICES] + [topics.events(office.partition(".")[0]) for office in OFFICES]
        self._partitions = [TopicPartition(name, number) for name in names for number in range(topics.PARTITIONS)]
        self._consumer = AIOKafkaConsumer(
            **connection_options(world.kafka) | {"metadata_max_age_ms": 5_000}, client_id="checker", request_timeout_ms=5_000
        )  # fmt: skip

    async def begin(self) -> None:
        """Count from here on: what is there already is not this run's."""
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        for partition, end in (await self._consumer.end_offsets(self._partitions)).items():
            self._consumer.seek(partition, end)

    async def catch_up(self) -> None:
        """All that is there now."""
        ends = await self._consumer.end_offsets(self._partitions)
        async with asyncio.timeout(_CATCH_UP_LIMIT_S):
            while any([await self._consumer.position(partition) < end for partition, end in ends.items()]):
                await self.follow()

    async def follow(self) -> None:
        """What has come in since the last look."""
        while batches := await self._consumer.getmany(timeout_ms=50):
            for record in (record for batch in batches.values() for record in batch):
                if topics.is_events(record.topic):
                    self._see_event(record)
                else:
                    self.dead.append(record)

    def _see_event(self, record: Any) -> None:
        event = json.loads(record.value)
        self.foreign_events += event["data"]["city"] != record.topic.partition(".")[0]
        self.latest_event = max(self.latest_event, event["time"])

    async def read(self, topic: str, partition: int, offset: int) -> Any:
        """One record."""
        there = TopicPartition(topic, partition)
        async with AIOKafkaConsumer(**connection_options(self._world.kafka)) as consumer:
            consumer.assign([there])
            consumer.seek(there, offset)
            return await asyncio.wait_for(consumer.getone(), 10)

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()


class Checker:
    """Follows one run, and judges it at the end."""

    def __init__(self, world: World, log: SendLog) -> None:
        self._world = world
        self._log = log
        self.effects = Effects(world)
        self.records = Records(world)
        self.faults: list[float] = []
        """When a fault was over (a kill: when it happened), Unix time."""

    async def begin(self) -> None:
        """From here on everything counts."""
        await self.effects.begin()
        await self.records.begin()

    async def wait(self, limit_s: float) -> Figures:
        """The figures once everything has arrived and is committed, at the latest after the limit."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            await self.follow()
            if not self.missing() and not await self.behind():
                break
            await asyncio.sleep(_LOOK_S)
        await asyncio.sleep(_QUIET_S)
        await self.effects.follow()
        await self.records.catch_up()
        return judge.figures(self._log, self._found(), await self.behind(), self.faults)

    async def follow(self) -> None:
        """What came since the last look."""
        await self.effects.follow()
        await self.records.follow()

    def missing(self) -> list[Sent]:
        """Acknowledged ones without effect or dead letter so far."""
        return judge.missing(self._log, self._found())

    def _found(self) -> Found:
        dead = [(dead_id(record), record.topic.removesuffix(".deadletters")) for record in self.records.dead]
        return Found(self.effects.found, dead, self.records.foreign_events)

    async def behind(self) -> int:
        """Records of all offices that are not committed, parked ones included."""
        async with connected(self._world.kafka) as admin:
            committed = [await admin.list_consumer_group_offsets(office) for office in OFFICES]
        partitions = [
            TopicPartition(name, number)
            for office in OFFICES
            for name in (topics.submissions(office), f"{office}.retry")
            for number in range(topics.PARTITIONS)
        ]
        async with AIOKafkaConsumer(**connection_options(self._world.kafka)) as consumer:
            ends, starts = await consumer.end_offsets(partitions), await consumer.beginning_offsets(partitions)
        known: dict[TopicPartition, int] = {partition: at.offset for offsets in committed for partition, at in offsets.items()}
        behind = (ends[partition] - max(known.get(partition, 0), starts[partition]) for partition in partitions)
        return sum(max(0, int(records)) for records in behind)


def dead_id(record: Any) -> str:
    """Which submission a dead letter is about; one without readable headers is known by its key."""
    for name, value in record.headers:
        if name == Header.SUBMISSION and value:
            return str(value.decode(errors="replace"))
    return (record.key or b"").decode(errors="replace")


def added_to(record: Any) -> tuple[list[tuple[str, bytes | None]], list[tuple[str, bytes | None]]]:
    """The headers of a dead letter: those of the original, and those that say why it is dead."""
    headers = list(record.headers)
    start = next((number for number, (name, _) in enumerate(headers) if name == _BLOCK), len(headers))
    return headers[:start], headers[start:]
