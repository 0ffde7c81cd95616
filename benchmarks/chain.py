"""Submissions per second through the whole chain, portal to back office, against the same hand-overs without a bus.

Everything runs on one machine: three portals, gateway, Kafka, three adapters, audit, statistics, twins. The baseline calls the
same adapters directly, with the same applications made the same way, one after the other per case; it stores, proves and
repeats nothing. What is missing to 1.0 is the price of not losing anything.

Measured twice: with a Kafka that speaks TLS and knows its users, as in production, and with one that does neither, as all versions
before that had it here; their figures compare with the plain ones only.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from adapters import registry
from adapters.interface import Submission
from benchmarks.report import Figure, against
from infra.kafka.local import LocalKafka
from producers.synthetic import messages
from schemas import message, xml
from schemas.message import Application
from stadtbus.local.system import KAFKA_PORT, LocalSystem, PortalEntry, Shape

SHARE: Final = 500
MAX_CONCURRENCY: Final = 24
PORT_OFFSET: Final = 20_000
SHAPE: Final = Shape(processes=("gateway", "augsburg.gewerbe", "muenchen.meldewesen", "nuernberg.meldewesen", "audit", "statistics"))
"""One office per protocol, so that figures can be compared with those of earlier versions."""
START: Final = datetime.fromisoformat("2026-01-05T07:30:00.000+01:00")


async def run() -> list[Figure]:
    """Submissions per second without a bus, and with it over either Kafka."""
    direct, *plain = await _measured(secure=False)
    baseline = Figure("hand-over without a bus", round(direct, 1), "submissions/s")
    _, *secured = await _measured(secure=True)
    named = {"plain Kafka": plain, "secured Kafka": secured}
    told = ("accepted by the gateway", "delivered through the bus")
    return [
        baseline,
        *(against(baseline, f"{what}, {kafka}", rate) for kafka, rates in named.items() for what, rate in zip(told, rates, strict=True)),
    ]


async def _measured(*, secure: bool) -> tuple[float, float, float]:
    """Rates of hand-over without a bus, of acceptance and of delivery."""
    with tempfile.TemporaryDirectory() as folder:
        kafka = LocalKafka(Path(folder) / "kafka", port=KAFKA_PORT + PORT_OFFSET, secure=secure)
        system = LocalSystem(Path(folder) / "system", port_offset=PORT_OFFSET, logins=kafka.settings, shape=SHAPE)
        try:
            await asyncio.to_thread(kafka.start, outlive=False, say=lambda _: None)
            await system.start(fresh=True)
            return await _direct(system), *await _through_the_bus(system)
        finally:
            await system.stop()
            await asyncio.to_thread(kafka.stop)


def _stream(entry: PortalEntry, seed: int) -> Iterator[Application]:
    return itertools.islice(messages.applications(entry.route, entry.author, seed=seed, start=START), SHARE)


async def _direct(system: LocalSystem) -> float:
    async def hand_over(entry: PortalEntry) -> None:
        adapter = registry.connect(entry.route.office, system.settings.office(entry.route.office))
        places = asyncio.Semaphore(MAX_CONCURRENCY)

        async def one(application: Application) -> None:
            async with places:
                body = message.write(application)
                submission = Submission(
                    application.message_id, application.case_id, entry.route.office, datetime.now(UTC), body, xml.parse(body)
                )
                await adapter.deliver(adapter.translate(submission), 1)

        await asyncio.gather(*(one(application) for application in _stream(entry, seed=1)))
        await adapter.close()

    began = time.perf_counter()
    await asyncio.gather(*(hand_over(entry) for entry in system.portals))
    return SHARE * len(system.portals) / (time.perf_counter() - began)


async def _through_the_bus(system: LocalSystem) -> tuple[float, float]:
    """Rates of acceptance and of delivery."""
    portals = [system.portal(entry) for entry in system.portals]
    before = sum((await system.effects()).values())
    wanted = SHARE * len(portals)
    began = time.perf_counter()
    await asyncio.gather(
        *(
            portal.send_all(_stream(entry, seed=2), max_concurrency=MAX_CONCURRENCY)
            for portal, entry in zip(portals, system.portals, strict=True)
        )
    )
    accepted_s = time.perf_counter() - began
    while sum((await system.effects()).values()) - before < wanted:
        await asyncio.sleep(0.05)
    delivered_s = time.perf_counter() - began
    await asyncio.gather(*(portal.close() for portal in portals))
    return wanted / accepted_s, wanted / delivered_s
