"""How long a portal waits for its receipt while another one floods the gateway, against the same portal alone.

The gateway with its workers, outbox, relay and Kafka on one machine, limits and rates as they are by default. The honest portal sends one
message after the other, at a fixed pace; the flood comes from a process of its own that takes what the machine has left. Rounds take turns,
so that all variants see the same machine. *Starved* is the part of the time in which the gateway's loop wanted the processor and others had
it: where it is high, the machine is what is slow, and ratios say little about the bus.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final

import httpx

from benchmarks.report import Figure, against
from producers.synthetic import messages
from producers.synthetic.portal import request_of
from stadtbus.local.system import LocalSystem, PortalEntry, Shape
from tests.attack import with_token
from tests.attack.crew import Crew, request
from tests.attack.judge import percentile
from tests.attack.siege import processor_ns, starved

ROUNDS: Final = 3
EACH: Final = 120
"""Messages of the honest portal in each round and variant."""
INTERVAL_S: Final = 0.05
GOAL: Final = 0.5
"""The 99th percentile may double."""
CALLERS: Final = 32
PORT_OFFSET: Final = 20_000
SHAPE: Final = Shape(processes=("gateway", "augsburg.gewerbe", "muenchen.meldewesen"))
START: Final = datetime.fromisoformat("2026-01-05T07:30:00.000+01:00")
ALONE: Final = "alone"


@dataclass
class Seen:
    """What one variant has shown, of all rounds."""

    times_s: list[float] = field(default_factory=list)
    starved: list[float] = field(default_factory=list)
    came_back: Counter[str] = field(default_factory=Counter)

    @property
    def p99_ms(self) -> float:
        """Of the honest portal's receipts."""
        return percentile(self.times_s, 0.99) * 1000

    def told(self, name: str) -> Iterator[Figure]:
        """What stands beside the 99th percentile."""
        yield Figure(f"{name}: half of all", round(percentile(self.times_s, 0.5) * 1000, 1), "ms")
        yield Figure(f"{name}: gateway starved", round(100 * sum(self.starved) / len(self.starved)), "%")
        for status, count in sorted(self.came_back.items()):
            yield Figure(f"{name}: {status}", count, "answers" if status.isdigit() else "connections")


async def run() -> list[Figure]:
    """99th percentiles of the honest portal's receipts in milliseconds, and what came back to each flood."""
    with tempfile.TemporaryDirectory() as folder:
        system = LocalSystem(Path(folder) / "system", port_offset=PORT_OFFSET, shape=SHAPE)
        try:
            await system.start(fresh=True)
            return await _measure(system)
        finally:
            await system.stop()


async def _measure(system: LocalSystem) -> list[Figure]:
    honest, hostile = (next(entry for entry in system.portals if entry.id == name) for name in ("portal-augsburg", "portal-muenchen"))
    stream = messages.applications(honest.route, honest.author, seed=1, start=START)
    seen = {name: Seen() for name in (ALONE, *FLOODS)}
    async with httpx.AsyncClient(base_url=system.gateway_url, headers={"Authorization": f"Bearer {honest.token}"}, timeout=60) as client:
        await _receipts(client, stream)  # warm
        for number, name in itertools.product(range(ROUNDS), seen):
            before = processor_ns(system)
            if name == ALONE:
                seen[name].times_s += await _receipts(client, stream)
            else:
                flood = _Flood(name, system.gateway_url, hostile, number)
                seen[name].times_s += await _beside(flood, seen[name].came_back, lambda: _receipts(client, stream))
            seen[name].starved.append(starved(before, processor_ns(system)))
    alone = Figure(ALONE, round(seen[ALONE].p99_ms, 1), "ms")
    beside = [against(alone, f"beside {name}", seen[name].p99_ms, goal=GOAL, less_is_better=True) for name in FLOODS]
    return [alone, *beside, *(figure for name, one in seen.items() for figure in one.told(name))]


async def _receipts(client: httpx.AsyncClient, stream: Iterator[messages.Message]) -> list[float]:
    """How long each of some messages took until its receipt, in seconds; one that is refused is a failure of the benchmark."""
    times = []
    due_s = time.monotonic()
    for _ in range(EACH):
        await asyncio.sleep(max(0.0, (due_s := due_s + INTERVAL_S) - time.monotonic()))
        request = request_of(next(stream))
        began_s = time.perf_counter()
        response = await client.post("/v1/submissions", **request)  # type: ignore[arg-type]
        times.append(time.perf_counter() - began_s)
        response.raise_for_status()
    return times


# --- the flood


@dataclass(frozen=True, slots=True)
class _Flood:
    name: str
    url: str
    hostile: PortalEntry
    number: int
    """Of its round: what is accepted is another thing in each."""


async def _beside(flood: _Flood, came_back: Counter[str], honest: Callable[[], Awaitable[list[float]]]) -> list[float]:
    """What the honest portal measures while the flood runs in another process."""
    context = multiprocessing.get_context("spawn")
    stop, told = context.Event(), context.SimpleQueue()
    process = context.Process(target=_send_all, args=(flood, stop, told), daemon=True)
    process.start()
    await asyncio.to_thread(told.get)  # it has begun
    times = await honest()
    stop.set()
    came_back.update(await asyncio.to_thread(told.get))
    await asyncio.to_thread(process.join)
    return times


def _send_all(flood: _Flood, stop: Event, told: multiprocessing.SimpleQueue[Counter[str]]) -> None:
    """Send as much as can be sent until it is told to stop, with the lowest priority: its callers stand for machines of their own."""
    os.setsid()
    os.nice(19)
    with suppress(OSError):  # sessions share the processor among themselves first, where the kernel groups them
        Path("/proc/self/autogroup").write_text("19", encoding="ascii")
    told.put(Counter())
    crew = Crew(int(flood.url.rpartition(":")[2]))
    asyncio.run(_until(stop, FLOODS[flood.name](crew, flood)))
    told.put(crew.came_back)


async def _until(stop: Event, attack: Awaitable[object]) -> None:
    attacking = asyncio.ensure_future(attack)
    await asyncio.to_thread(stop.wait)
    attacking.cancel()
    with suppress(asyncio.CancelledError):
        await attacking


def _valid(flood: _Flood) -> Iterator[bytes]:
    hostile = flood.hostile
    stream = messages.applications(hostile.route, hostile.author, seed=100 + flood.number, start=START)
    return with_token.sent(hostile.token, stream)


def _slow(flood: _Flood) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A body that takes its time."""
    head = request(b" " * 100, with_token.XML, flood.hostile.token).rstrip(b" ")

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for _ in range(100):
            writer.write(b" ")
            await asyncio.sleep(0.1)
        await reader.read(1)

    return script


FLOODS: Final[Mapping[str, Callable[[Crew, _Flood], Awaitable[object]]]] = {
    "cheap calls": lambda crew, flood: crew.flood(with_token.cheap(flood.hostile.token), CALLERS),
    "dear forms": lambda crew, flood: crew.flood(with_token.dear(flood.hostile.token), CALLERS),
    "valid ones": lambda crew, flood: crew.flood(_valid(flood), CALLERS),
    "questions": lambda crew, flood: crew.flood(with_token.questions(flood.hostile.token), CALLERS),
    "slow bodies": lambda crew, flood: crew.hold(CALLERS, _slow(flood)),
}
