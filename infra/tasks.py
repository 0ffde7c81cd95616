"""Background work of a process: it goes on after a failure, and ends with the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from schemas.errors import StadtbusError

log = structlog.get_logger()

_PAUSE_S: Final = 2.0


@asynccontextmanager
async def in_background(*works: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run these until the block is left; one that fails is logged and begun again after a pause."""
    tasks = [asyncio.create_task(_keep_going(work)) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_going(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except (Exception, asyncio.CancelledError) as error:
            if _is_cancelled():
                raise
            log.warning("background_work_failed", work=getattr(work, "__qualname__", "work"), error=_named(error), next_try_s=_PAUSE_S)
        await asyncio.sleep(_PAUSE_S)


def _is_cancelled() -> bool:
    """Whether it is we who are to end. Libraries let out a CancelledError of tasks of their own, too."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _named(error: BaseException) -> str:
    """Our own errors say what is wrong and quote nothing; of others the class has to do."""
    return str(error) if isinstance(error, StadtbusError) else type(error).__name__
