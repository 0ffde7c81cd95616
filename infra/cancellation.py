"""Whose end it is: of the exceptions that end tasks and processes, those that are meant for us."""

from __future__ import annotations

import asyncio


def is_cancelled() -> bool:
    """Whether somebody wants this task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def is_own_cancellation(error: BaseException) -> bool:
    """Whether this is the cancellation of the current task, or Ctrl-C, so that it has to be raised on. False for the CancelledError of
    something that a library waited for, and for the SystemExit of code that was called for something else: failures like others.
    """
    return isinstance(error, KeyboardInterrupt) or (isinstance(error, asyncio.CancelledError) and is_cancelled())
