"""Whose end it is: of the exceptions that end tasks and processes, those that are meant for us."""

from __future__ import annotations

import asyncio


def is_cancelled() -> bool:
    """Whether somebody wants this task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def is_own_cancellation(error: BaseException) -> bool:
    """Whether somebody wants this task or process to end. A CancelledError can also be of something that a library waited for, and
    then means no more than any other failure; so does a SystemExit that comes out of code which was called for something else.
    """
    return isinstance(error, KeyboardInterrupt) or (isinstance(error, asyncio.CancelledError) and is_cancelled())
