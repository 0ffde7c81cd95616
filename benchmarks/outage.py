"""Delivery time of offices whose back office works, while another office's is away, against the same without the outage.

The whole system on one machine, twins at the end; three portals submit at a fixed rate. Rounds take turns, so that both variants
see the same machine. Delivery time is from the portal's request to the arrival at the back office.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from benchmarks.chain import SHAPE
from benchmarks.report import Figure, against
from producers.synthetic import messages
from producers.synthetic.portal import SyntheticPortal
from schemas.message import Application
from stadtbus.local.system import LocalSystem

ROUNDS: Final = 5
EACH: Final = 250
"""Submissions per office and round."""
INTERVAL_S: Final = 0.05
PORT_OFFSET: Final = 20_000
AWAY: Final = "nuernberg.meldewesen"
START: Final = datetime.fromisoformat("2026-01-05T07:30:00.000+01:00")


async def run() -> list[Figure]:
    """99th percentile of the delivery time of the others, without and with the outage."""
    with tempfile.TemporaryDirectory() as folder:
        system = LocalSystem(Path(folder) / "system", port_offset=PORT_OFFSET, shape=SHAPE)
        try:
            await system.start(fresh=True)
            return await _Run(system).measure()
        finally:
            await system.stop()


class _Run:
    def __init__(self, system: LocalSystem) -> None:
        self._system = system
        self._portals = [system.portal(entry) for entry in system.portals]
        self._streams = [messages.applications(entry.route, entry.author, seed=1, start=START) for entry in system.portals]
        self._sent_at: dict[UUID, datetime] = {}

    async def measure(self) -> list[Figure]:
        await self._round()  # warm
        without, during = [], []
        for _ in range(ROUNDS):
            without.append(await self._round())
            await self._system.set_mood(AWAY, "away")
            during.append(await self._round())
            await self._system.set_mood(AWAY, "ok")
            await self._until_delivered(self._portals)
        await asyncio.gather(*(portal.close() for portal in self._portals))
        baseline = Figure("p99 without an outage", round(statistics.median(without), 1), "ms")
        name = f"p99 of the others while {AWAY} is away"
        return [baseline, against(baseline, name, statistics.median(during), goal=0.91, less_is_better=True)]

    async def _round(self) -> float:
        """The 99th percentile of one round, in milliseconds."""
        ids = await asyncio.gather(*(self._send(portal, stream) for portal, stream in zip(self._portals, self._streams, strict=True)))
        others = [portal for portal in self._portals if portal.office != AWAY]
        await self._until_delivered(others)
        measured = {one for portal, sent in zip(self._portals, ids, strict=True) if portal in others for one in sent}
        durations_ms = [ms for portal in others for ms in await self._durations_ms(portal.office, measured)]
        return statistics.quantiles(durations_ms, n=100)[98]

    async def _send(self, portal: SyntheticPortal, stream: Iterator[Application]) -> list[UUID]:
        sent = []
        for _ in range(EACH):
            application = next(stream)
            self._sent_at[application.message_id] = datetime.now(UTC)
            sent.append(application.message_id)
            await asyncio.gather(portal.send(application), asyncio.sleep(INTERVAL_S))
        return sent

    async def _until_delivered(self, portals: Sequence[SyntheticPortal]) -> None:
        while True:
            effects = await self._system.effects()
            if all(effects[portal.office] >= len(portal.book.accepted) for portal in portals):
                return
            await asyncio.sleep(0.2)

    async def _durations_ms(self, office: str, wanted: set[UUID]) -> list[float]:
        effects = await self._system.effects_since(office, 0)
        arrived = [(UUID(one), at_s) for one, at_s in effects]
        return [(at_s - self._sent_at[one].timestamp()) * 1000 for one, at_s in arrived if one in wanted]
