"""The delivery engine against the plainest consumer there is: aiokafka, `getmany(500)`, a commit after each batch.

3.6 KB records of 5,000 cases on 3 partitions of one broker on the same machine; the handler does nothing. The two take turns,
each round with a group of its own over the same records; the median of the rounds counts.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import structlog

from benchmarks.report import Figure, against
from consumers.engine import Engine
from infra.kafka.admin import create_topics
from infra.kafka.clients import Outgoing, Sender, start_consumer
from infra.kafka.local import LocalKafka
from infra.settings import KafkaSettings
from schemas.topics import Topic

RECORDS: Final = 150_000
CASES: Final = 5_000
SIZE_BYTES: Final = 3_600
ROUNDS: Final = 3
TOPIC: Final = "bench.office.submissions"
PORT: Final = 29_092


async def run() -> list[Figure]:
    """Records per second of both, and their ratio."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as folder:
        broker = LocalKafka(Path(folder), port=PORT)
        await asyncio.to_thread(broker.start, outlive=False, say=lambda _: None)
        try:
            return await _measure(KafkaSettings(bootstrap=broker.bootstrap, replication=1))
        finally:
            await asyncio.to_thread(broker.stop)


async def _measure(kafka: KafkaSettings) -> list[Figure]:
    await create_topics(kafka, [Topic(TOPIC, "case", "benchmark", 3_600_000)])
    await _fill(kafka)
    raw_rates, engine_rates = [], []
    for number in range(ROUNDS):
        raw_rates.append(RECORDS / await _raw(kafka, f"raw-{number}"))
        engine_rates.append(RECORDS / await _engine(kafka, f"engine-{number}"))
    raw = Figure("raw getmany(500) + commit per batch", round(statistics.median(raw_rates), 1), "records/s")
    return [raw, against(raw, "engine, handler does nothing", statistics.median(engine_rates), goal=1.0)]


async def _fill(kafka: KafkaSettings) -> None:
    sender = Sender(kafka, "bench")
    value = b"x" * SIZE_BYTES
    for start in range(0, RECORDS, 2_000):
        await sender.send_all([Outgoing(TOPIC, str(number % CASES).encode(), value) for number in range(start, start + 2_000)])
    await sender.stop()


async def _raw(kafka: KafkaSettings, group: str) -> float:
    """Seconds from the first record to the commit of the last."""
    consumer = await start_consumer(kafka, group, group)
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


async def _engine(kafka: KafkaSettings, group: str) -> float:
    """Seconds from the first record to the commit of the last."""
    count, began = 0, 0.0
    done = asyncio.Event()

    async def handle(_record: Any, _attempts: int) -> None:
        nonlocal count, began
        began = began or time.perf_counter()
        count += 1
        if count == RECORDS:
            done.set()

    engine = asyncio.create_task(Engine(kafka, group=group, topics=[TOPIC], handle=handle).run())
    await done.wait()
    engine.cancel()  # drains and commits
    await asyncio.gather(engine, return_exceptions=True)
    return time.perf_counter() - began
