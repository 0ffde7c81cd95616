"""Background work: it goes on whatever it ends with, and ends with the process."""

from __future__ import annotations

import asyncio

import pytest

from infra import tasks
from infra.tasks import in_background


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
