"""A handler that keeps no ledger, and engines with it, for tests of the engine alone."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from aiokafka import TopicPartition

from consumers.engine import FINISHED, Again, CaseState, End, Engine, KafkaWork, Parked
from consumers.engine.starts import LedgerPosition, Start
from consumers.settings import DeliverySettings
from infra.kafka.outgoing import Outgoing
from infra.settings import KafkaSettings

CASES = 40


def records(topic: str, count: int, cases: int = CASES) -> list[Outgoing]:
    """Numbered records of so many cases."""
    return [Outgoing(topic, f"case-{number % cases}".encode(), str(number).encode()) for number in range(count)]


class Attempt(KafkaWork):
    """A record, and whether its delivery was given up after it began."""

    given_up: bool | None = None


class NotingHandler:
    """A handler that keeps no ledger: notes what it got, per case, and may fail, take its time, or be away."""

    max_concurrency = 500
    make = Attempt

    def __init__(self, *, fail_share: float = 0.0, delay_s: float = 0.0, seed: int = 0) -> None:
        self.cases: dict[bytes, list[int]] = defaultdict(list)
        self.headers: list[Any] = []
        self.calls = 0
        self.under_way = 0
        self.away = False
        self.stuck: set[bytes] = set()
        self.parked: list[int] = []
        self.known: dict[TopicPartition, LedgerPosition] = {}
        self._failed: set[Attempt] = set()
        self._fail_share = fail_share
        self._delay_s = delay_s
        self._random = random.Random(seed)

    @property
    def got(self) -> int:
        return sum(len(case) for case in self.cases.values())

    @property
    def disordered(self) -> dict[bytes, list[int]]:
        return {key: values for key, values in self.cases.items() if values != sorted(values)}

    async def on_assigned(
        self, partitions: Sequence[TopicPartition]
    ) -> tuple[Mapping[TopicPartition, LedgerPosition], Mapping[bytes, CaseState]]:
        return {partition: self.known.get(partition, LedgerPosition()) for partition in partitions}, {}

    async def note_starts(self, starts: Mapping[TopicPartition, Start]) -> None:
        self.known.update(
            {place: LedgerPosition(start.offset, start.topic_id, start.ask_before, start.lost) for place, start in starts.items()}
        )

    def recognise(self, works: Sequence[Attempt]) -> None:
        """Nothing is known of them."""

    def capacity(self, wanted: int) -> int:
        return 0 if self.away else wanted

    async def begin(self, works: Sequence[Attempt]) -> tuple[list[Attempt], list[Attempt]]:
        return list(works), []

    async def deliver(self, work: Attempt) -> None:
        self.calls += 1
        self.under_way += 1
        try:
            await asyncio.sleep(60 if work.record.key in self.stuck else self._delay_s * self._random.random())
        finally:
            self.under_way -= 1
        if self._random.random() < self._fail_share:
            self._failed.add(work)
        else:
            self.cases[work.record.key or b""].append(int(work.record.value or b""))
            self.headers.append(work.record.headers)

    def give_up(self, work: Attempt, reason: str | None) -> None:
        work.given_up = reason is not None  # False where it did not even begin

    async def settle(self, works: Sequence[Attempt]) -> list[End]:
        return [self._end(work) for work in works]

    def _end(self, work: Attempt) -> End:
        given_up, work.given_up = work.given_up, None
        if given_up:
            self.parked.append(int(work.record.value or b""))
            return Parked(0)
        if given_up is False:
            return Again()
        if work in self._failed:
            self._failed.discard(work)
            return Again(self._random.random() / 20)
        return FINISHED

    async def note_offsets(self, offsets: Mapping[TopicPartition, int], lost: Mapping[TopicPartition, int]) -> None:
        for place, offset in offsets.items():
            self.known[place] = replace(self.known[place], offset=offset, lost=lost.get(place, 0))

    @property
    def behind_it(self) -> int:
        """Records that are known to be done with."""
        return sum(known.offset or 0 for known in self.known.values())


def engine_of(kafka: KafkaSettings, topic: str, handler: Any, **limits: Any) -> Engine[Any]:
    """A member of the topic's own group."""
    return Engine(kafka, group=topic, topics=[topic], handler=handler, limits=DeliverySettings(**limits))


@asynccontextmanager
async def running(*engines: Engine[Any]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Engines that consume as long as the block lasts, and then stop as the process would."""
    tasks = [asyncio.create_task(engine.run()) for engine in engines]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def end_of(engine: Engine[Any], limit_s: float = 30) -> Exception | None:
    """What an engine ends with by itself."""
    try:
        async with asyncio.timeout(limit_s):
            await engine.run()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    return None
