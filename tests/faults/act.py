"""One run of one scenario: its traffic, its moments, and what it insists on."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from producers.synthetic import messages
from tests.faults.checker import Checker
from tests.faults.judge import Figures
from tests.faults.sends import START, Door, Forge, Lane, SendLog, Sent, spread
from tests.faults.world import HTTP_OFFICES, OFFICES, World, within

RATES: Final = {"augsburg.gewerbe": 3.0, "muenchen.meldewesen": 12.0, "nuernberg.meldewesen": 12.0}
"""Submissions per second straight to the topics."""
DOOR_RATE: Final = 2.0
"""And over the gateway, per portal."""
_TICK_S: Final = 0.05
_DRAIN_LIMIT_S: Final = 75.0
"""Longer than a send may take."""


class NotHit(Exception):
    """The fault did not happen as the scenario says, or its outcome is not the expected one."""


class Act:
    """One run of one scenario in a world: what the seed decides, the traffic, and what the scenario insists on."""

    def __init__(self, world: World, name: str, seed: int) -> None:
        self.world = world
        self.chance = random.Random(f"{name} {seed}")
        self.log = SendLog()
        self.checker = Checker(world, self.log)
        self.forges = {office: Forge(office, self.chance.getrandbits(32)) for office in OFFICES}
        self.office = self.chance.choice(HTTP_OFFICES)
        """The office that the fault is about, where it is about one."""
        self.partition = self.chance.randrange(3)
        self.doors: list[Door] = []
        self.kafka = world.kafka
        """The addresses by which submissions go to their topics: the brokers' own, or those of the detour."""
        self._lanes: dict[str, Lane] = {}

    def insist(self, condition: object, what: str) -> None:
        """Go on only where this holds.

        Raises:
            NotHit: it does not.
        """
        if not condition:
            raise NotHit(what)

    async def insist_soon(self, condition: Callable[[], Any], what: str, limit_s: float = 20) -> None:
        """Go on as soon as this holds.

        Raises:
            NotHit: it does not in time.
        """
        self.insist(await within(limit_s, condition), what)

    def fault(self) -> None:
        """The fault happens now (a kill), or is over now (an outage): recovery counts from here."""
        self.checker.faults.append(time.time())

    async def pause(self, shortest_s: float, longest_s: float) -> None:
        """Wait for a time between these two that the seed decides."""
        await asyncio.sleep(self.chance.uniform(shortest_s, longest_s))

    # --- traffic

    def put(self, sent: Sent, record: Any) -> None:
        """Send one submission to its topic."""
        self.log.add(sent)
        self._lanes[sent.office].put(sent, record)

    def burst(self, office: str, count: int) -> list[Sent]:
        """Send many at once."""
        made = [self.forges[office].make() for _ in range(count)]
        for sent, record in made:
            self.put(sent, record)
        return [sent for sent, _ in made]

    @asynccontextmanager
    async def lanes(self) -> AsyncIterator[None]:
        """Senders to the topics of all offices, for `put` and `burst`; when the block ends, all that was put is sent."""
        self._lanes = {office: Lane(self.kafka, office) for office in OFFICES}
        running = [asyncio.create_task(lane.run()) for lane in self._lanes.values()]
        try:
            yield
            await within(_DRAIN_LIMIT_S, lambda: all(lane.empty for lane in self._lanes.values()))
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    @asynccontextmanager
    async def traffic(self, rates: Mapping[str, float] = RATES, door_rate: float = 0, tick_s: float = _TICK_S) -> AsyncIterator[None]:
        """Submissions of all offices to their topics, and over the gateway where it has a rate, while the block lasts."""
        stop = asyncio.Event()
        async with self.lanes(), self._open_doors(door_rate) as doors:
            tasks = [
                asyncio.create_task(self._flow(rates, tick_s, stop)),
                *(asyncio.create_task(door.drive(door_rate, stop)) for door in doors),
            ]
            try:
                yield
                stop.set()
                async with asyncio.timeout(_DRAIN_LIMIT_S):
                    await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _flow(self, rates: Mapping[str, float], tick_s: float, stop: asyncio.Event) -> None:
        for due in spread(rates, tick_s):
            for office in due:
                self.put(*self.forges[office].make())
            if stop.is_set():
                return
            await asyncio.sleep(tick_s)

    @asynccontextmanager
    async def _open_doors(self, rate: float) -> AsyncIterator[list[Door]]:
        self.doors = [self.door(number) for number in range(len(self.world.system.portals))] if rate else []
        try:
            yield self.doors
        finally:
            await self.close_doors()

    def door(self, number: int) -> Door:
        """A portal with a stream of applications of its own."""
        entry = self.world.system.portals[number]
        stream = messages.applications(entry.route, entry.author, seed=self.chance.getrandbits(32), start=START)
        return Door(self.world.system.portal(entry), stream, self.log)

    async def close_doors(self) -> None:
        """Take over which submissions the portals know as accepted or refused, and close them."""
        for door in self.doors:
            door.settle()
            await door.portal.close()

    async def play(self, run: Callable[[Act], Awaitable[None]], wait_limit_s: float) -> Figures:
        """Run the scenario, and judge what became of what it sent.

        Raises:
            NotHit: the scenario was not what it says.
        """
        await self.checker.begin()
        try:
            await run(self)
            return await self.checker.wait(wait_limit_s)
        finally:
            await self.checker.records.stop()
