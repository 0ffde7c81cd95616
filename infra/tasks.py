"""Background work of a process: it goes on after a failure, and ends with the process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from infra.cancellation import is_cancelled
from schemas import problems
from schemas.errors import StadtbusError

log = structlog.get_logger()

_PAUSE_S: Final = 2.0
_LONGEST_PAUSE_S: Final = 30.0
_SAY_AGAIN_S: Final = 60.0
_FOR_A_PERSON: Final = (problems.LOG_SHORTENED, problems.OFFSETS_LOST, problems.TOPIC_REPLACED)
"""Nothing changes before somebody has done something."""


@asynccontextmanager
async def in_background(*works: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run these until the block is left; then they are cancelled, and waited for.

    Each is called with no arguments in a task of its own. One that raises an exception, or returns, is begun again after 2 s; after an error
    that only a person can mend the pause grows to 30 s. A failure is logged at once, and every minute while it stays the same.
    """
    tasks = [asyncio.create_task(_keep_going(work)) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_going(work: Callable[[], Awaitable[None]]) -> None:
    said, said_s, pause_s = "", 0.0, _PAUSE_S
    while True:
        try:
            await work()
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled():  # libraries let out a CancelledError of tasks of their own, too
                raise
            what, now_s = _named(error), time.monotonic()
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s) if _is_for_a_person(error) else _PAUSE_S
            if what != said or now_s - said_s > _SAY_AGAIN_S:
                said, said_s = what, now_s
                log.warning("background_work_failed", work=getattr(work, "__qualname__", "work"), error=what, next_try_s=pause_s)
        await asyncio.sleep(pause_s)


def _is_for_a_person(error: BaseException) -> bool:
    return isinstance(error, StadtbusError) and error.problem in _FOR_A_PERSON


def _named(error: BaseException) -> str:
    """Our own errors say what is wrong and quote nothing; of others the class has to do."""
    return str(error) if isinstance(error, StadtbusError) else type(error).__name__
