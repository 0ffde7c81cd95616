"""The delivery engine against the plainest consumer there is: aiokafka, `getmany(500)`, a commit after each batch.

3.6 KB records of 5,000 cases on 3 partitions of one broker on the same machine, with the headers that intake writes; the adapter
does nothing. All take turns, each round with a group of its own over the same records; the median of the rounds counts.

- bare: order per case, many cases at once, explicit commits
- with the ledger: `started` and `delivered` of each submission durable in SQLite
- with ledger and events: and an event of each on Kafka, acknowledged
- plain FastStream subscriber: `AckPolicy.ACK`, a commit per message
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import structlog
from aiokafka import TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from adapters.interface import Adapter
from benchmarks.report import Figure, against
from consumers.delivery.handler import Delivery
from consumers.delivery.job import Job
from consumers.delivery.ledger import Ledger
from consumers.engine import FINISHED, CaseState, End, Engine, KafkaWork, Work
from consumers.engine.starts import LedgerPosition, Start
from consumers.settings import DeliverySettings
from infra import memory
from infra.kafka.admin import create_topics
from infra.kafka.clients import start_consumer
from infra.kafka.local import LocalKafka
from infra.kafka.outgoing import Outgoing
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings, StoreSettings
from schemas import topics
from schemas.headers import Header, encode
from schemas.topics import Topic

RECORDS: Final = 150_000
SLOW_RECORDS: Final = 60_000
PLAIN_RECORDS: Final = 1_000
CASES: Final = 5_000
SIZE_BYTES: Final = 3_600
ROUNDS: Final = 2
OFFICE: Final = "bench.office"
TOPIC: Final = topics.submissions(OFFICE)
PORT: Final = 29_092
WORK_S: Final = 0.02


class Bare:
    """A handler that keeps nothing: what the engine itself costs."""

    max_concurrency = DeliverySettings().max_concurrency
    make = Work

    def __init__(self, work_s: float = 0.0) -> None:
        self._work_s = work_s

    async def on_assigned(
        self, partitions: Sequence[TopicPartition]
    ) -> tuple[Mapping[TopicPartition, LedgerPosition], Mapping[bytes, CaseState]]:
        return {partition: LedgerPosition() for partition in partitions}, {}

    async def note_starts(self, starts: Mapping[TopicPartition, Start]) -> None:
        """Nobody wants to know."""

    def recognise(self, works: Sequence[KafkaWork]) -> None:
        """Nothing is needed of them."""

    def capacity(self, wanted: int) -> int:
        return wanted

    async def begin(self, works: Sequence[KafkaWork]) -> tuple[list[KafkaWork], list[KafkaWork]]:
        return list(works), []

    async def deliver(self, _work: KafkaWork) -> None:
        if self._work_s:
            await asyncio.sleep(self._work_s)

    def give_up(self, work: KafkaWork, reason: str | None) -> None:
        raise NotImplementedError(reason)

    async def settle(self, works: Sequence[KafkaWork]) -> list[End]:
        return [FINISHED] * len(works)

    async def note_offsets(self, offsets: Mapping[TopicPartition, int], lost: Mapping[TopicPartition, int]) -> None:
        """Nobody wants to know."""


class NothingToDo(Delivery):
    """Delivery without an adapter: each submission is there at once."""

    def __init__(self, ledger: Ledger, sender: Sender) -> None:
        """For the office of the benchmark."""
        adapter = SimpleNamespace(max_concurrency=DeliverySettings().max_concurrency)
        super().__init__(OFFICE, cast("Adapter", adapter), ledger, sender, DeliverySettings())

    async def deliver(self, job: Job) -> None:
        job.reference = "B-000001"


class WithoutNews(NothingToDo):
    """The ledger only."""

    async def _tell(self, jobs: Sequence[Job], now_ms: int) -> dict[Job, float]:  # noqa: ARG002 - that of the class above
        """Nobody hears."""
        return {}


async def run() -> list[Figure]:
    """Records per second of all, and their ratios."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    memory.keep_freed()  # the engine does it, and the others shall have it as good
    with tempfile.TemporaryDirectory() as folder:
        broker = LocalKafka(Path(folder), port=PORT)
        await asyncio.to_thread(broker.start, outlive=False, say=lambda _: None)
        try:
            return await _Run(KafkaSettings(bootstrap=broker.bootstrap, replication=1), Path(folder)).measure()
        finally:
            await asyncio.to_thread(broker.stop)


class _Run:
    def __init__(self, kafka: KafkaSettings, folder: Path) -> None:
        self._kafka = kafka
        self._folder = folder

    async def measure(self) -> list[Figure]:
        await create_topics(self._kafka, [Topic(name, "case", "benchmark", 3_600_000) for name in (TOPIC, topics.events("bench"))])
        await fill(self._kafka, RECORDS)
        variants: dict[str, Callable[[str], Awaitable[float]]] = {
            "raw": self._raw, "bare": self._bare, "ledger": self._ledger, "events": self._events
        }  # fmt: skip
        rates: dict[str, list[float]] = {name: [] for name in variants}
        for number in range(ROUNDS):
            for name, variant in variants.items():
                rates[name].append(RECORDS / await variant(f"{name}-{number}"))
        median = {name: statistics.median(values) for name, values in rates.items()}
        raw = Figure("raw getmany(500) + commit per batch", round(median["raw"], 1), "records/s")
        plain = Figure("plain FastStream subscriber, AckPolicy.ACK", round(await self._plain(), 1), "records/s")
        ideal = Figure("500 at a time, 20 ms of work each", 500 / WORK_S, "records/s")
        slow = SLOW_RECORDS / await self._engine("slow", Bare(WORK_S), SLOW_RECORDS)
        return [
            raw,
            against(raw, "engine, bare", median["bare"], goal=1.0),
            against(raw, "engine with ledger", median["ledger"], goal=0.70),
            against(raw, "engine with ledger and events", median["events"], goal=0.50),
            plain,
            against(plain, "engine with ledger and events, to the plain one", median["events"], goal=100),
            ideal,
            against(ideal, "engine, 20 ms of work each", slow, goal=0.8),
        ]

    async def _raw(self, group: str) -> float:
        """Seconds from the first record to the commit of the last."""
        consumer = await start_consumer(self._kafka, group, group)
        consumer.subscribe([TOPIC])
        count, began = 0, 0.0
        while count < RECORDS:
            batches = await consumer.getmany(timeout_ms=200, max_records=500)
            began = began or (time.perf_counter() if batches else 0.0)
            count += sum(len(records) for records in batches.values())
            if batches:
                await consumer.commit({partition: records[-1].offset + 1 for partition, records in batches.items()})
        seconds = time.perf_counter() - began
        await consumer.stop()
        return seconds

    async def _bare(self, group: str) -> float:
        return await self._engine(group, Bare(), RECORDS)

    async def _ledger(self, group: str) -> float:
        return await self._delivery(group, WithoutNews)

    async def _events(self, group: str) -> float:
        return await self._delivery(group, NothingToDo)

    async def _delivery(self, group: str, kind: type[NothingToDo]) -> float:
        ledger = Ledger(StoreSettings(folder=self._folder / group), OFFICE)
        sender = Sender(self._kafka, group)
        try:
            return await self._engine(group, kind(ledger, sender), RECORDS)
        finally:
            await sender.stop()
            ledger.close()

    async def _engine(self, group: str, handler: Any, count: int) -> float:
        """Seconds from the first record to the commit of the last."""
        engine = Engine(self._kafka, group=group, topics=[TOPIC], handler=handler, limits=DeliverySettings())
        task = asyncio.create_task(engine.run())
        while not any(engine.core.committable().values()) and not engine.core.in_flight:
            await asyncio.sleep(0.001)
        began = time.perf_counter()
        while sum(engine.core.committable().values()) < count:
            await asyncio.sleep(0.005)
        task.cancel()  # drains and commits
        seconds = time.perf_counter() - began
        await asyncio.gather(task, return_exceptions=True)
        return seconds

    async def _plain(self) -> float:
        """Records per second of a subscriber as the tutorial has it."""
        broker = KafkaBroker(self._kafka.bootstrap, logger=None)
        count, began, done = 0, 0.0, asyncio.Event()

        @broker.subscriber(TOPIC, group_id="plain", ack_policy=AckPolicy.ACK, auto_offset_reset="earliest")
        async def handle(_body: bytes) -> None:
            nonlocal count, began
            began = began or time.perf_counter()
            count += 1
            if count == PLAIN_RECORDS:
                done.set()

        await broker.start()
        await done.wait()
        seconds = time.perf_counter() - began
        await broker.stop()
        return PLAIN_RECORDS / seconds


async def fill(kafka: KafkaSettings, count: int) -> None:
    """Write so many records to the benchmark's topic."""
    sender = Sender(kafka, "bench")
    value = b"x" * SIZE_BYTES
    for start in range(0, count, 2_000):
        await sender.send_until_known([_record(number, value) for number in range(start, start + 2_000)])
    await sender.stop()


def _record(number: int, value: bytes) -> Outgoing:
    case, submission = str(uuid.UUID(int=number % CASES)), str(uuid.uuid4())
    headers = {
        Header.SPECVERSION: "1.0",
        Header.MESSAGE_ID: submission,
        Header.SOURCE: "//stadtbus.example/portals/portal-bench",
        Header.TYPE: "einreichung.antrag.0100",
        Header.TIME: "2026-03-01T09:00:00.000+00:00",
        Header.SUBJECT: submission,
        Header.DATASCHEMA: "https://stadtbus.example/schemas/einreichung/1.0",
        Header.CONTENT_TYPE: "application/xml",
        Header.SUBMISSION: submission,
        Header.CASE: case,
        Header.CITY: "bench",
        Header.OFFICE: OFFICE,
        Header.SERVICE: "99115005104000",
        Header.PORTAL: "portal-bench",
        Header.TRUST: "3",
        Header.ACCEPTED_AT: "2026-03-01T09:00:00.000+00:00",
    }
    return Outgoing(TOPIC, case.encode(), value, encode(headers))
