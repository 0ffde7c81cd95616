"""What workers are made to run: functions that behave, and functions that do not."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from schemas import problems
from schemas.errors import Rejected, UsageError


def nothing() -> None:
    """An initialiser with nothing to do."""


def misconfigured() -> None:
    """An initialiser that finds the settings wrong."""
    raise UsageError(problems.TOO_LARGE, "on purpose")


def crash() -> None:
    """An initialiser that takes the process with it."""
    os._exit(1)


def process_id() -> int:
    """Which process runs this."""
    return os.getpid()


def length(body: bytes) -> int:
    """Something harmless."""
    return len(body)


def loop(body: bytes) -> int:
    """Never ends, and takes all it gets of a processor."""
    while body:
        pass
    return 0


def sleep(body: bytes) -> int:
    """Does nothing for a long time, which no limit of processor time sees."""
    time.sleep(3600)
    return len(body)


def eat(body: bytes) -> int:
    """Takes memory until there is none."""
    eaten = [body]
    while True:
        eaten.append(bytes(10_000_000))


def end_itself(body: bytes) -> int:
    """As a crash of libxml2 would."""
    os.kill(os.getpid(), signal.SIGKILL)
    return len(body)


def end_itself_once(marker: str) -> int:
    """As the kernel may choose a process when memory is short."""
    with contextlib.suppress(FileExistsError):
        Path(marker).touch(exist_ok=False)
        os.kill(os.getpid(), signal.SIGKILL)
    return 1


def loop_noted(marker: str) -> int:
    """Notes that it was called, and never ends."""
    with Path(marker).open("a", encoding="ascii") as file:
        file.write("x")
    return loop(b"x")


def end_for_want_of_memory(marker: str) -> int:
    """Notes that it was called, and ends as Python does that cannot even say that it has no memory."""
    with Path(marker).open("a", encoding="ascii") as file:
        file.write("x")
    os._exit(1)


def refuse(body: bytes) -> int:
    """As a parser does."""
    raise Rejected(problems.NOT_WELL_FORMED, f"{len(body)} bytes", where="line 1")


def fail(body: bytes) -> int:
    """As a defect of ours would, whose text quotes the message."""
    return int(body)


def unpicklable(body: bytes) -> object:
    """A result that cannot come back."""
    return lambda: body
