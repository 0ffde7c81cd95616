"""Workers: what passes a limit is ended and refused, and others go on as if nothing had been."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from infra.process_pool import ProcessPool
from infra.workers.fork_server import CallLimits
from infra.workers.operations import Operation
from schemas import problems
from schemas.errors import Rejected, UsageError
from schemas.problems import Problem
from tests import worker_calls as calls

CANARY = b"Kanarienvogel"
LIMITS = CallLimits(time_s=5.0, cpu_s=1, memory_bytes=1 << 29)


def runs(process: int) -> bool:
    """Whether the kernel still knows it, and it has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def wait_until(condition: Callable[[], bool]) -> None:
    """Until it holds; the test's own limit ends it."""
    while not condition():
        await asyncio.sleep(0.005)


def children(pool: ProcessPool) -> set[int]:
    """The processes of a pool's workers."""
    assert pool._server is not None
    server = pool._server._process.pid
    return set(map(int, Path(f"/proc/{server}/task/{server}/children").read_text("ascii").split()))


async def process_of(pool: ProcessPool) -> int:
    """The process of a worker."""
    return (await pool.run(calls.PROCESS_ID, b"", None))[0]


async def length(pool: ProcessPool, content: bytes) -> int:
    """Something harmless, done by a worker."""
    return (await pool.run(calls.LENGTH, content, None))[0]


@asynccontextmanager
async def pool_of(limits: CallLimits = LIMITS, prepare: Callable[[], None] = calls.nothing, size: int = 2) -> AsyncIterator[ProcessPool]:
    """A pool that is closed afterwards."""
    made = ProcessPool(prepare, calls.ALL, limits, size=size)
    try:
        yield made
    finally:
        await asyncio.to_thread(made.close)


@pytest.fixture
async def workers() -> AsyncIterator[ProcessPool]:
    """Two workers on a short leash."""
    async with pool_of() as made:
        yield made


async def test_result(workers: ProcessPool) -> None:
    """What the operation returns comes back, a whole message too."""
    content = bytes(range(256)) * 4000
    assert await workers.run(calls.ECHO, content, "Sch\u00f6n \U0001f600") == ("Sch\u00f6n \U0001f600", content)


async def test_workers_are_other_processes_and_stay(workers: ProcessPool) -> None:
    """Calls are run elsewhere, one after the other in the same process, and never in more than two."""
    assert len({await process_of(workers) for _ in range(5)} - {os.getpid()}) == 1
    assert len(set(await asyncio.gather(*(process_of(workers) for _ in range(50))))) <= 2


async def test_a_long_call_gives_way(workers: ProcessPool) -> None:
    """A call that takes more processor than most goes on with the lowest priority and is answered; its worker takes no further call."""
    quick = await process_of(workers)
    assert (await workers.run(calls.COMPUTE, b"", 0.001))[0] == quick
    assert os.getpriority(os.PRIO_PROCESS, quick) == 0
    long = asyncio.create_task(workers.run(calls.COMPUTE, b"", 0.3))
    await wait_until(lambda: runs(quick) and os.getpriority(os.PRIO_PROCESS, quick) == 19)
    assert (await long)[0] == quick
    assert await process_of(workers) != quick


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (calls.SLEEP, problems.READING_STALLED),
        (calls.EAT, problems.TOO_COMPLEX),
        (calls.CRASH, problems.TOO_COMPLEX),
    ],
)
async def test_what_passes_a_limit_is_refused(workers: ProcessPool, operation: Operation[None, int], problem: Problem) -> None:
    """The caller hears that the message is too complex, or that the machine had no time, and no value; others get their results."""
    bad = asyncio.create_task(workers.run(operation, CANARY, None))
    good = await asyncio.gather(*(length(workers, b"x") for _ in range(20)))
    with pytest.raises(Rejected) as refused:
        await bad
    assert (refused.value.problem, set(good)) == (problem, {1})
    assert CANARY.decode() not in refused.value.diagnostics()
    assert await length(workers, b"xy") == 2


async def test_limit_is_the_clock() -> None:
    """A call may take its time, not more."""
    async with pool_of(CallLimits(time_s=0.3)) as workers:
        await process_of(workers)
        began = time.monotonic()
        with pytest.raises(Rejected, match=r"0\.3 s"):
            await workers.run(calls.SLEEP, b"", None)
        assert 0.3 <= time.monotonic() - began < 1.5


async def test_death_of_a_worker_without_fault_of_the_message(workers: ProcessPool) -> None:
    """A worker that is killed while it is idle costs nobody their answer."""
    idle = await process_of(workers)
    os.kill(idle, signal.SIGKILL)
    assert await process_of(workers) != idle


def _told(told: Sequence[object], times: int) -> bool:
    return len(told) == times


async def test_a_call_whose_worker_was_killed_is_made_once_more() -> None:
    """The second time it counts as the fault of the message."""
    async with pool_of(size=1) as workers:
        first = await process_of(workers)
        sleeping = asyncio.create_task(workers.run(calls.SLEEP, b"", None))
        with capture_logs() as told:
            for tries in (1, 2):
                await wait_until(lambda: not workers._idle)
                for process in {first} if tries == 1 else children(workers) - {first}:
                    os.kill(process, signal.SIGKILL)
                await wait_until(partial(_told, told, tries))
            with pytest.raises(Rejected, match="ended over it"):
                await sleeping


async def test_the_process_that_workers_come_from_may_be_killed(workers: ProcessPool) -> None:
    """Its workers end with it, and calls get theirs from a new one."""
    before = await process_of(workers)
    assert workers._server is not None
    os.kill(workers._server._process.pid, signal.SIGKILL)
    await wait_until(lambda: not runs(before))
    assert await length(workers, b"xy") == 2
    assert await process_of(workers) != before


@pytest.mark.parametrize("operation", [calls.LOOP, calls.END])
async def test_what_passed_a_limit_is_not_tried_again(operation: Operation[None, int]) -> None:
    """A loop ends even if nobody looks at the clock. Who wants to use the workers up pays with one call for one limit."""
    async with pool_of(CallLimits(time_s=60, cpu_s=1)) as workers:
        with capture_logs() as told, pytest.raises(Rejected) as refused:
            await workers.run(operation, b"x", None)
    assert refused.value.problem == problems.TOO_COMPLEX
    assert [one["event"] for one in told].count("worker_ended") == 1


async def test_refusal_comes_back_as_it_is(workers: ProcessPool) -> None:
    """Our own errors keep problem, detail and place; the worker stays."""
    before = await process_of(workers)
    with pytest.raises(Rejected) as refused:
        await workers.run(calls.REFUSE, b"x", None)
    assert (refused.value.problem, refused.value.detail, refused.value.where) == (problems.NOT_WELL_FORMED, "1 bytes", "line 1")
    assert await process_of(workers) == before


@pytest.mark.parametrize(
    ("operation", "told"), [(calls.FAIL, r"ValueError in a worker at worker_calls\.py:\d+"), (calls.OF_NO_TYPE, "SerializationError")]
)
async def test_defect_is_told_without_values(workers: ProcessPool, operation: Operation[None, int], told: str) -> None:
    """Of other errors class and place come back, not the text that quotes the message; the worker stays."""
    before = await process_of(workers)
    with pytest.raises(RuntimeError, match=told) as failed:
        await workers.run(operation, CANARY, None)
    assert CANARY.decode() not in str(failed.value)
    assert await process_of(workers) == before


async def test_a_worker_that_has_read_much_is_replaced() -> None:
    """After so many calls another process answers, and the one before is gone."""
    async with pool_of(replace(LIMITS, calls=3), size=1) as workers:
        processes = [await process_of(workers) for _ in range(7)]
        assert [processes.count(one) for one in dict.fromkeys(processes)] == [3, 3, 1]
        await wait_until(lambda: not runs(processes[0]))


@pytest.mark.parametrize(
    ("prepare", "error", "told"),
    [(calls.misconfigured, UsageError, "on purpose"), (calls.crash, RuntimeError, "ended while it started")],
)
async def test_worker_that_cannot_start(prepare: Callable[[], None], error: type[Exception], told: str) -> None:
    """Wrong settings are told as such and refuse no message."""
    async with pool_of(prepare=prepare) as workers:
        for _ in range(2):
            with pytest.raises(error, match=told):
                await length(workers, b"")


async def test_close_ends_the_processes() -> None:
    """Nothing of the workers is left."""
    async with pool_of() as workers:
        worker = await process_of(workers)
    await wait_until(lambda: not runs(worker))


async def test_cost_of_a_call(workers: ProcessPool) -> None:
    """A message of usual size goes there and back in well under a millisecond; half a millisecond is promised on an idle machine."""
    content = bytes(3600)
    await length(workers, content)
    costs = []
    for _ in range(300):
        began = time.perf_counter()
        await length(workers, content)
        costs.append(time.perf_counter() - began)
    assert sorted(costs)[30] < 0.0015, f"{sorted(costs)[30]:.6f} s"
