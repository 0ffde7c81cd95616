"""How long a portal waits for its receipt while another one floods the gateway, against the same portal alone.

The gateway with its workers, outbox, relay and Kafka on one machine, limits and rates as they are by default. The honest portal sends one
message after the other, at a fixed pace; the flood comes from a process of its own that takes what the machine has left. Rounds take turns,
so that all variants see the same machine.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final

import httpx

from benchmarks.report import Figure, against
from producers.synthetic import messages
from producers.synthetic.portal import request_of
from stadtbus.local.system import LocalSystem, PortalEntry, Shape

ROUNDS: Final = 3
EACH: Final = 160
"""Messages of the honest portal in each round and variant."""
INTERVAL_S: Final = 0.05
GOAL: Final = 0.5
"""The 99th percentile may double."""
CALLERS: Final = 32
PORT_OFFSET: Final = 20_000
SHAPE: Final = Shape(processes=("gateway", "augsburg.gewerbe", "muenchen.meldewesen"))
START: Final = datetime.fromisoformat("2026-01-05T07:30:00.000+01:00")
ALONE: Final = "alone"


async def run() -> list[Figure]:
    """99th percentiles of the honest portal's receipts in milliseconds, and how many calls of each flood were answered, by status."""
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
    times: dict[str, list[float]] = {name: [] for name in (ALONE, *FLOODS)}
    answers: dict[str, Counter[str]] = {name: Counter() for name in FLOODS}
    async with httpx.AsyncClient(base_url=system.gateway_url, headers=_login(honest.token), timeout=60) as client:
        await _receipts(client, stream)  # warm
        for _ in range(ROUNDS):
            times[ALONE] += await _receipts(client, stream)
            for name in FLOODS:
                times[name] += await _beside(name, system.gateway_url, hostile, answers[name], lambda: _receipts(client, stream))
    alone = Figure(ALONE, round(_p99_ms(times[ALONE]), 1), "ms")
    beside = [against(alone, f"beside {name}", _p99_ms(times[name]), goal=GOAL, less_is_better=True) for name in FLOODS]
    told = [
        Figure(f"{name}: calls answered {status}", count, "calls") for name in FLOODS for status, count in sorted(answers[name].items())
    ]
    return [alone, *beside, *told]


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


def _p99_ms(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)] * 1000


def _login(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}


# --- the flood


async def _beside(
    name: str, url: str, hostile: PortalEntry, answers: Counter[str], honest: Callable[[], Awaitable[list[float]]]
) -> list[float]:
    """What the honest portal measures while the flood runs in another process."""
    context = multiprocessing.get_context("spawn")
    stop, told = context.Event(), context.SimpleQueue()
    process = context.Process(target=_flood, args=(name, url, hostile.token, stop, told), daemon=True)
    process.start()
    await asyncio.to_thread(told.get)  # it has begun
    times = await honest()
    stop.set()
    answers.update(await asyncio.to_thread(told.get))
    await asyncio.to_thread(process.join)
    return times


def _flood(name: str, url: str, token: str, stop: Event, told: multiprocessing.SimpleQueue[Counter[str]]) -> None:
    """Send as much as can be sent until it is told to stop."""
    os.nice(19)
    told.put(Counter())
    told.put(asyncio.run(_send_all(FLOODS[name], url, token, stop)))


async def _send_all(request: Callable[[], dict[str, object]], url: str, token: str, stop: Event) -> Counter[str]:
    answers: Counter[str] = Counter()

    async def caller(client: httpx.AsyncClient) -> None:
        while not stop.is_set():
            with suppress(httpx.TransportError):
                response = await client.post("/v1/submissions", **request())  # type: ignore[arg-type]
                answers[str(response.status_code)] += 1

    async with httpx.AsyncClient(base_url=url, headers=_login(token), timeout=60, limits=httpx.Limits(max_connections=CALLERS)) as client:
        tasks = [asyncio.create_task(caller(client)) for _ in range(CALLERS)]
        await asyncio.to_thread(stop.wait)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return answers


def _cheap() -> dict[str, object]:
    """Small, and refused at once."""
    return {"content": b"<no", "headers": {"Content-Type": "application/xml"}}


_DEEP: Final = json.dumps({"form": {"fields": [{"id": f"F{n}", "values": ["x" * 12] * 100} for n in range(500)]}}).encode()


def _dear() -> dict[str, object]:
    """As large as may be, and much to read."""
    return {"content": _DEEP, "headers": {"Content-Type": "application/json"}}


def _slow() -> dict[str, object]:
    """A body that takes its time."""

    async def body() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b" "
            await asyncio.sleep(0.1)

    return {"content": body(), "headers": {"Content-Type": "application/xml"}}


FLOODS: Final[Mapping[str, Callable[[], dict[str, object]]]] = {
    "cheap calls": _cheap,
    "dear forms": _dear,
    "slow bodies": _slow,
}
