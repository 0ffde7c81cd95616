"""What the lag watch costs: 1,000 offices in 100 cities, 9,300 partitions on one real broker, all consumers dead, in the worst case behind everywhere.

A look is all of it: asking Kafka, judging, history in SQLite, and making both pages. Two cases, a few looks each; the median counts.

- quiet: each office has finished all, as most of the day
- outage: each partition has waited for an hour, and no age is known yet, so that each is searched by time

Scrapes come from another process while looks are made as fast as they go, and the slowest of them counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
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
from infra.kafka.survey import LATEST, Survey, surveying, topic_partitions
from infra.settings import KafkaSettings, StoreSettings
from infra.web.serving import Site, serve
from schemas import topics
from schemas.catalogue.expected import Expected
from schemas.errors import CannotTell
from schemas.heartbeats import Heartbeat, PartitionProgress, ProcessKind
from schemas.topics import Topic

CITIES: Final = 100
OFFICES: Final = [f"city{number % CITIES:03}.office{number // CITIES}" for number in range(1_000)]
LOOKS: Final = 5
SCRAPES: Final = 40
PORT, PAGE_PORT = 29_192, 29_195
_AT_ONCE: Final = 20


async def run() -> Sequence[Figure]:
    """All of it."""
    with tempfile.TemporaryDirectory(prefix="stadtbus-bench-") as folder:
        kafka = LocalKafka(Path(folder) / "kafka", brokers=1, port=PORT)
        await asyncio.to_thread(kafka.start, outlive=False, say=lambda _: None)
        try:
            return await _measure(KafkaSettings(bootstrap=kafka.bootstrap, replication=1), StoreSettings(folder=Path(folder) / "stores"))
        finally:
            await asyncio.to_thread(kafka.stop)


async def _measure(kafka: KafkaSettings, stores: StoreSettings) -> Sequence[Figure]:
    wanted = [replace(topic, times=topics.ORIGINAL) for topic in topics.all_topics(OFFICES)]  # so that records may be old
    for start in range(0, len(wanted), 100):
        await _create(kafka, wanted[start : start + 100])
    await _until_led(kafka, [topic.name for topic in wanted])
    await _fill(kafka)
    allowed, allowed_scrape = Figure("allowed for a look", 1_000, "ms of processor"), Figure("allowed for a scrape", 50, "ms")
    figures = [allowed, allowed_scrape]
    store, pages = tables.open_store(stores), _Pages()
    app = AsgiFastStream(asgi_routes=[("/metrics", HealthPage(pages.scrape))])
    serving = asyncio.create_task(serve(Site(app, "127.0.0.1", PAGE_PORT)))
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
        slowest_ms, size_mib = await _scrape(watching, pages)
        figures += [
            against(allowed_scrape, f"{case}: the slowest scrape", slowest_ms, goal=1, less_is_better=True),
            Figure(f"{case}: size of a scrape", size_mib, "MiB"),
        ]
        await watching.close()
    serving.cancel()
    await asyncio.wait([serving], timeout=10)
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


async def _create(kafka: KafkaSettings, wanted: Sequence[Topic]) -> None:
    """A broker that makes thousands of partitions may be taken for dead by its controller now and then."""
    while True:
        try:
            return await create_topics(kafka, wanted)
        except CannotTell:
            await asyncio.sleep(2)


async def _until_led(kafka: KafkaSettings, names: Sequence[str]) -> None:
    """A broker leads thousands of new partitions only after a while."""
    async with surveying(kafka, "bench") as survey:
        led = 0
        while led < topics.PARTITIONS * len(names):
            await asyncio.sleep(1)
            survey.begin()
            with contextlib.suppress(CannotTell):  # busy
                await survey.find_topics(names)
                led = len(await survey.offsets(dict.fromkeys(topic_partitions(survey.topics, names), LATEST), "ends"))


async def _fill(kafka: KafkaSettings) -> None:
    """A record of an hour ago in each partition of submissions."""
    an_hour_ago_ms = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000)
    async with AIOKafkaProducer(**connection_options(kafka)) as producer:
        await producer.client.set_topics([topics.submissions(office) for office in OFFICES])  # else it learns one after the other
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
    while True:
        try:
            answer = await survey.client.send(node, OffsetCommitRequest(group, -1, "", -1, places))
            if not any(code for _, parts in answer.topics for _, code in parts):
                return
        except KafkaError:
            pass
        await asyncio.sleep(0.5)


async def _scrape(watching: Watching, pages: _Pages) -> tuple[float, float]:
    """The time (ms) of the slowest scrape while looks are made, and its size (MiB)."""
    pages.watching = watching
    client = await asyncio.create_subprocess_exec(sys.executable, "-c", _CLIENT, str(PAGE_PORT), str(SCRAPES), stdout=PIPE)
    said = asyncio.create_task(client.communicate())
    while not said.done():
        await watching.look()
    slowest_ms, size_bytes = (await said)[0].split()
    return float(slowest_ms), int(size_bytes) / 2**20


class _Pages:
    """Serves the metrics of one case after the other."""

    watching: Watching | None = None

    def scrape(self) -> tuple[int, str, bytes]:
        """Those of the case that is measured."""
        return self.watching.scrape() if self.watching else (503, "text/plain", b"")


_CLIENT: Final = """
import http.client, sys, time
port, scrapes = map(int, sys.argv[1:])
slowest_s = size = 0
time.sleep(2)
for _ in range(scrapes):
    began_s = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/metrics")
    size = len(connection.getresponse().read())
    slowest_s = max(slowest_s, time.perf_counter() - began_s)
    connection.close()
    time.sleep(0.1)
print(slowest_s * 1000, size)
"""
"""A program of its own, as Prometheus is."""
