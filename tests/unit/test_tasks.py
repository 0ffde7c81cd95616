"""Background work: it goes on whatever it ends with, and ends with the process."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from infra import tasks
from infra.tasks import in_background
from schemas import problems
from schemas.errors import CannotTell


async def foreign_cancellation() -> None:
    """What a library lets out that has cancelled a task of its own and waits for it."""
    inner = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    inner.cancel()
    await inner


async def failure() -> None:
    """An ordinary error."""
    raise LookupError


@pytest.mark.parametrize("end", [foreign_cancellation, failure])
async def test_work_goes_on_whatever_it_ends_with(end: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that fails, or ends with a cancellation that is not ours, is begun again; leaving the block ends it at once."""
    monkeypatch.setattr(tasks, "_PAUSE_S", 0.01)
    rounds = asyncio.Semaphore(0)

    async def work() -> None:
        rounds.release()
        await end()  # type: ignore[operator] # one of the two

    async with asyncio.timeout(10):
        async with in_background(work):
            for _ in range(3):
                await rounds.acquire()
        assert not [task for task in asyncio.all_tasks() if "_keep_going" in repr(task)]


async def test_what_fails_again_and_again_is_said_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same failure is logged once a minute, another one at once; what waits for a person is tried less and less often."""
    pauses: list[float] = []
    real_sleep = asyncio.sleep
    ends = iter([LookupError(), LookupError(), *[CannotTell(problems.TOPIC_REPLACED, "it was made anew")] * 6, LookupError()])
    done = asyncio.Event()

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)
        await real_sleep(0)

    async def work() -> None:
        error = next(ends, None)
        if error is None:
            done.set()
            await done_for_good.wait()
        else:
            raise error

    done_for_good = asyncio.Event()
    monkeypatch.setattr(asyncio, "sleep", sleep)
    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(10), in_background(work):
            await done.wait()
    assert [entry["error"].partition(":")[0] for entry in logs] == ["LookupError", "topic-replaced", "LookupError"]
    assert pauses == [2, 2, 4, 8, 16, 30, 30, 30, 2]
