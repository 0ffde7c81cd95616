"""Workers: what passes a limit is ended and refused, and others go on as if nothing had been."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from infra.process_pool import CallLimits, ProcessPool
from schemas import problems
from schemas.errors import Rejected, UsageError
from schemas.problems import Problem
from tests import worker_calls as calls

CANARY = b"Kanarienvogel"
LIMITS = CallLimits(time_s=5.0, cpu_s=1, memory_bytes=1 << 29)


def runs(process: int) -> bool:
    """Whether the kernel still knows it."""
    return Path(f"/proc/{process}").exists()


@pytest.fixture
async def workers() -> AsyncIterator[ProcessPool]:
    """Two workers on a short leash."""
    made = ProcessPool(calls.nothing, LIMITS)
    yield made
    await asyncio.to_thread(made.close)


async def test_result(workers: ProcessPool) -> None:
    """What the function returns comes back, a whole message too."""
    assert await workers.run(calls.length, bytes(1_000_000)) == 1_000_000


async def test_workers_are_other_processes_and_stay(workers: ProcessPool) -> None:
    """Calls are run elsewhere, one after the other in the same process, and never in more than two."""
    assert len({await workers.run(calls.process_id) for _ in range(5)} - {os.getpid()}) == 1
    assert len(set(await asyncio.gather(*(workers.run(calls.process_id) for _ in range(50))))) <= 2


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (calls.loop, problems.TOO_COMPLEX),
        (calls.sleep, problems.READING_STALLED),
        (calls.eat, problems.TOO_COMPLEX),
        (calls.end_itself, problems.TOO_COMPLEX),
    ],
)
async def test_what_passes_a_limit_is_refused(workers: ProcessPool, function: Callable[[bytes], int], problem: Problem) -> None:
    """The caller hears that the message is too complex, or that the machine had no time, and no value; others get their results."""
    bad = asyncio.create_task(workers.run(function, CANARY))
    good = await asyncio.gather(*(workers.run(calls.length, b"x") for _ in range(20)))
    with pytest.raises(Rejected) as refused:
        await bad
    assert (refused.value.problem, set(good)) == (problem, {1})
    assert CANARY.decode() not in refused.value.diagnostics()
    assert await workers.run(calls.length, b"xy") == 2


async def test_limit_is_the_clock() -> None:
    """A call may take its time, not more."""
    workers = ProcessPool(calls.nothing, CallLimits(time_s=0.3))
    await workers.run(calls.process_id)
    began = time.monotonic()
    with pytest.raises(Rejected, match=r"0\.3 s"):
        await workers.run(calls.sleep, b"")
    assert 0.3 <= time.monotonic() - began < 1.5
    await asyncio.to_thread(workers.close)


async def test_processor_time_is_limited_by_the_kernel() -> None:
    """A loop ends even if nobody looks at the clock; many short calls are no loop."""
    workers = ProcessPool(calls.nothing, CallLimits(time_s=60, cpu_s=1), size=1)
    began = time.monotonic()
    with pytest.raises(Rejected):
        await workers.run(calls.loop, b"x")
    assert time.monotonic() - began < 20
    await asyncio.to_thread(workers.close)


async def test_death_of_a_worker_without_fault_of_the_message(workers: ProcessPool, tmp_path: Path) -> None:
    """A worker that is killed, idle or at work, costs nobody their answer."""
    idle = await workers.run(calls.process_id)
    os.kill(idle, signal.SIGKILL)
    while runs(idle):
        await asyncio.sleep(0.01)
    assert await workers.run(calls.end_itself_once, str(tmp_path / "marker")) == 1


@pytest.mark.parametrize("function", [calls.loop_noted, calls.end_for_want_of_memory])
async def test_what_passed_a_limit_is_not_tried_again(workers: ProcessPool, tmp_path: Path, function: Callable[[str], int]) -> None:
    """Who wants to use the workers up pays with one call for one limit."""
    marker = tmp_path / "marker"
    with pytest.raises(Rejected) as refused:
        await workers.run(function, str(marker))
    assert (refused.value.problem, marker.read_text("ascii")) == (problems.TOO_COMPLEX, "x")


async def test_refusal_comes_back_as_it_is(workers: ProcessPool) -> None:
    """Our own errors keep problem, detail and place; the worker stays."""
    before = await workers.run(calls.process_id)
    with pytest.raises(Rejected) as refused:
        await workers.run(calls.refuse, b"x")
    assert (refused.value.problem, refused.value.detail, refused.value.where) == (problems.NOT_WELL_FORMED, "1 bytes", "line 1")
    assert await workers.run(calls.process_id) == before


@pytest.mark.parametrize(("function", "told"), [(calls.fail, r"ValueError.*worker_calls\.py:\d+"), (calls.unpicklable, "AttributeError")])
async def test_defect_is_told_without_values(workers: ProcessPool, function: Callable[[bytes], object], told: str) -> None:
    """Of other errors class and place come back, not the text that quotes the message; the worker stays."""
    before = await workers.run(calls.process_id)
    with pytest.raises(RuntimeError, match=told) as failed:
        await workers.run(function, CANARY)
    assert CANARY.decode() not in str(failed.value)
    assert await workers.run(calls.process_id) == before


@pytest.mark.parametrize(
    ("initialise", "error", "told"),
    [(calls.misconfigured, UsageError, "on purpose"), (calls.crash, RuntimeError, "ended while it started")],
)
async def test_worker_that_cannot_start(initialise: Callable[[], None], error: type[Exception], told: str) -> None:
    """Wrong settings are told as such and refuse no message."""
    workers = ProcessPool(initialise)
    with pytest.raises(error, match=told):
        await workers.run(calls.length, b"")
    await asyncio.to_thread(workers.close)


async def test_close_ends_the_processes() -> None:
    """Nothing of the workers is left."""
    workers = ProcessPool(calls.nothing)
    worker = await workers.run(calls.process_id)
    await asyncio.to_thread(workers.close)
    while runs(worker):
        await asyncio.sleep(0.01)


async def test_cost_of_a_call(workers: ProcessPool) -> None:
    """A message of usual size goes there and back in well under a millisecond; half a millisecond is promised on an idle machine."""
    body = bytes(3600)
    await workers.run(calls.length, body)
    costs = []
    for _ in range(300):
        began = time.perf_counter()
        await workers.run(calls.length, body)
        costs.append(time.perf_counter() - began)
    assert sorted(costs)[30] < 0.0015, f"{sorted(costs)[30]:.6f} s"
