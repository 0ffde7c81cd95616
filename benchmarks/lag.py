"""What the lag watch costs: 1,000 offices in 100 cities, 9,300 partitions on one real broker, all consumers dead, in the worst case behind everywhere.

A look is all of it: asking Kafka, judging, history in SQLite, and making both pages. Two cases, a few looks each; the median counts.

- quiet: each office has finished all, as most of the day
- outage: each partition has waited for an hour, and no age is known yet, so that each is searched by time

Scrapes come from another process while looks are made as fast as they go, and the slowest of them counts.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.protocol.commit import OffsetCommitRequest
from faststream.asgi import AsgiFastStream

from benchmarks.report import Figure, against
from consumers.settings import WatchSettings
from consumers.watch import store as tables
from consumers.watch.hearing import Hearing
from consumers.watch.watching import Watching
from infra.health import HealthPage
from infra.kafka.admin import create_topics
from infra.kafka.clients import connection_options
from infra.kafka.local import LocalKafka
from infra.kafka.survey import Survey, surveying
from infra.settings import KafkaSettings, StoreSettings
from infra.web.serving import Site, serve
from schemas import topics
from schemas.catalogue.expected import Expected
from schemas.heartbeats import Heartbeat, PartitionProgress, ProcessKind

CITIES: Final = 100
OFFICES: Final = [f"city{number % CITIES:03}.office{number // CITIES}" for number in range(1_000)]
LOOKS: Final = 5
SCRAPES: Final = 40
PORT, PAGE_PORT = 29_192, 29_195
_AT_ONCE: Final = 50


async def run() -> Sequence[Figure]:
    """All of it."""
    with tempfile.TemporaryDirectory(prefix="stadtbus-bench-") as folder:
        kafka = LocalKafka(Path(folder) / "kafka", brokers=1, port=PORT)
        kafka.start(outlive=False, say=lambda _: None)
        try:
            return await _measure(KafkaSettings(bootstrap=kafka.bootstrap, replication=1), StoreSettings(folder=Path(folder) / "stores"))
        finally:
            kafka.stop()


async def _measure(kafka: KafkaSettings, stores: StoreSettings) -> Sequence[Figure]:
    wanted = [replace(topic, times=topics.ORIGINAL) for topic in topics.all_topics(OFFICES)]  # so that records may be old
    for start in range(0, len(wanted), 100):
        await create_topics(kafka, wanted[start : start + 100])
    await _fill(kafka)
    allowed, allowed_scrape = Figure("allowed for a look", 1_000, "ms of processor"), Figure("allowed for a scrape", 50, "ms")
    figures = [allowed, allowed_scrape]
    store = tables.open_store(stores)
    for case, committed in (("quiet", 1), ("outage", 0)):
        await _commit(kafka, committed)
        watching = Watching(kafka, WatchSettings(interval_s=1), dict.fromkeys(OFFICES, Expected()), _hearing(), lambda: datetime.now(UTC))
        await watching.begin(store)
        efforts = [await watching.look() for _ in range(LOOKS)]
        first, later = efforts[0], efforts[1:]
        figures += [
            against(allowed, f"{case}: a look", statistics.median(one.cpu_s for one in later) * 1000, goal=1, less_is_better=True),
            against(allowed, f"{case}: the first look", first.cpu_s * 1000, goal=1, less_is_better=True),
            Figure(f"{case}: a look takes", statistics.median(one.took_s for one in later) * 1000, "ms"),
            Figure(f"{case}: requests of a look", statistics.median(one.requests for one in later), "requests"),
            Figure(f"{case}: requests of the first look", first.requests, "requests"),
        ]
        slowest_ms, size_mib = await _scrape(watching)
        figures += [
            against(allowed_scrape, f"{case}: the slowest scrape", slowest_ms, goal=1, less_is_better=True),
            Figure(f"{case}: size of a scrape", size_mib, "MiB"),
        ]
        await watching.close()
    store.close()
    return figures


def _hearing() -> Hearing:
    """Everybody has said how far it is."""
    hearing, now = Hearing(dict.fromkeys(OFFICES, Expected())), datetime.now(UTC)
    for office in OFFICES:
        parts = {f"{topics.submissions(office)}/{number}": PartitionProgress(position=1, committed=1) for number in range(3)}
        said = Heartbeat(
            at=now, instance=f"{office}@bench:1", process=ProcessKind.ADAPTER, office=office, version="1", started_at=now, partitions=parts
        )
        hearing.hear(said, now)
    return hearing


async def _fill(kafka: KafkaSettings) -> None:
    """A record of an hour ago in each partition of submissions."""
    an_hour_ago_ms = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000)
    async with AIOKafkaProducer(**connection_options(kafka)) as producer:
        for office in OFFICES:
            for number in range(topics.PARTITIONS):
                await producer.send(topics.submissions(office), b"x", partition=number, timestamp_ms=an_hour_ago_ms)
        await producer.flush()


async def _commit(kafka: KafkaSettings, offset: int) -> None:
    """Let each office stand at this offset, and those who record at the end."""
    recorded = topics.recorded(OFFICES)
    read: dict[str, Mapping[str, int]] = {office: {topics.submissions(office): offset} for office in OFFICES}
    read |= {group: dict.fromkeys(recorded, 1) for group in (topics.GROUP_AUDIT, topics.GROUP_STATISTICS)}
    async with surveying(kafka, "bench") as survey:
        survey.begin()
        coordinators = await survey.find_coordinators(list(read))
        while sum(map(len, coordinators.values())) < len(read):
            await asyncio.sleep(1)
            coordinators = await survey.find_coordinators(list(read))
        for node, groups in coordinators.items():
            for start in range(0, len(groups), _AT_ONCE):
                await asyncio.gather(*(_commit_one(survey, node, group, read[group]) for group in groups[start : start + _AT_ONCE]))


async def _commit_one(survey: Survey, node: int, group: str, offsets: Mapping[str, int]) -> None:
    places = [(topic, [(number, at, "") for number in range(topics.PARTITIONS)]) for topic, at in offsets.items()]
    await survey.client.send(node, OffsetCommitRequest(group, -1, "", -1, places))


async def _scrape(watching: Watching) -> tuple[float, float]:
    """The time (ms) of the slowest scrape while looks are made, and its size (MiB)."""
    app = AsgiFastStream(asgi_routes=[("/metrics", HealthPage(watching.scrape))])
    serving = asyncio.create_task(serve(Site(app, "127.0.0.1", PAGE_PORT)))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        scraping = asyncio.create_task(asyncio.to_thread(_scrapes, pool))
        while not scraping.done():
            await watching.look()
        slowest_ms, size_bytes = await scraping
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    return slowest_ms, size_bytes / 2**20


def _scrapes(pool: Pool) -> tuple[float, int]:
    return pool.apply(_scrape_all)


def _scrape_all() -> tuple[float, int]:
    """In a process of its own."""
    slowest_s, size_bytes = 0.0, 0
    time.sleep(2)
    for _ in range(SCRAPES):
        began_s = time.perf_counter()
        with urllib.request.urlopen(f"http://127.0.0.1:{PAGE_PORT}/metrics") as answer:
            size_bytes = len(answer.read())
        slowest_s = max(slowest_s, time.perf_counter() - began_s)
        time.sleep(0.05)
    return slowest_s * 1000, size_bytes
