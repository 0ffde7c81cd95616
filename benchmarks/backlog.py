"""Memory while an office works off a backlog of a million submissions, against its own memory after the first tenth.

The engine with ledger and events, 3.6 KB records, an adapter that has each submission at once; resident memory of the process.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Final

import structlog

from benchmarks import engine as base
from benchmarks.report import Figure, against
from consumers.delivery.ledger import Ledger
from consumers.engine import Engine
from consumers.settings import DeliverySettings
from infra.kafka.admin import create_topics
from infra.kafka.local import LocalKafka
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings, StoreSettings
from schemas import topics
from schemas.topics import Topic

RECORDS: Final = 1_000_000


async def run() -> list[Figure]:
    """Memory after the first tenth, the most after it, and the rate."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as folder:
        broker = LocalKafka(Path(folder), port=base.PORT)
        await asyncio.to_thread(broker.start, outlive=False, say=lambda _: None)
        try:
            return await _measure(KafkaSettings(bootstrap=broker.bootstrap, replication=1), Path(folder))
        finally:
            await asyncio.to_thread(broker.stop)


async def _measure(kafka: KafkaSettings, folder: Path) -> list[Figure]:
    await create_topics(kafka, [Topic(name, "case", "benchmark", 3_600_000) for name in (base.TOPIC, topics.events("bench"))])
    await base.fill(kafka, RECORDS)
    ledger, sender = Ledger(StoreSettings(folder=folder / "stores"), base.OFFICE), Sender(kafka, "backlog")
    handler = base.NothingToDo(ledger, sender)
    engine = Engine(kafka, group="backlog", topics=[base.TOPIC], handler=handler, limits=DeliverySettings())
    task = asyncio.create_task(engine.run())
    samples: list[tuple[int, float]] = []
    while (done := sum(engine.core.committable().values())) < RECORDS:
        samples.append((done, _resident_mib()))
        await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await sender.stop()
    ledger.close()
    early = max(mib for done, mib in samples if done < RECORDS / 10)
    late = max(mib for done, mib in samples if done >= RECORDS / 10)
    start = Figure("memory within the first tenth", round(early, 1), "MiB")
    return [start, against(start, "the most after it", late, goal=0.91, less_is_better=True)]


def _resident_mib() -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
