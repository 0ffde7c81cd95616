"""What workers are made to run: operations that behave, and operations that do not."""

from __future__ import annotations

import ctypes
import os
import time

from infra.workers.operations import Operation
from schemas import problems
from schemas.errors import Rejected, UsageError


def nothing() -> None:
    """To prepare: nothing."""


def misconfigured() -> None:
    """Finds the settings wrong, where it prepares."""
    raise UsageError(problems.TOO_LARGE, "on purpose")


def crash() -> None:
    """Takes the process with it, where it prepares."""
    os._exit(1)


def process_id(content: bytes, asked: None) -> tuple[int, bytes]:
    """Which process runs this."""
    return os.getpid(), b""


def length(content: bytes, asked: None) -> tuple[int, bytes]:
    """Something harmless."""
    return len(content), b""


def echo(content: bytes, asked: str) -> tuple[str, bytes]:
    """Gives back what it got."""
    return asked, content


def loop(content: bytes, asked: None) -> tuple[int, bytes]:
    """Never ends, and takes all it gets of a processor."""
    while True:
        pass


def compute(content: bytes, asked: float) -> tuple[int, bytes]:
    """Takes so many seconds of a processor; which process does."""
    until_s = time.process_time() + asked
    while time.process_time() < until_s:
        pass
    return os.getpid(), b""


def sleep(content: bytes, asked: None) -> tuple[int, bytes]:
    """Does nothing for a long time, which no limit of processor time sees."""
    time.sleep(3600)
    return 0, b""


def eat(content: bytes, asked: None) -> tuple[int, bytes]:
    """Takes memory until there is none."""
    eaten = [content]
    while True:
        eaten.append(bytes(10_000_000))


def crash_over_it(content: bytes, asked: None) -> tuple[int, bytes]:
    """As libxml2 would: a look at an address that is none."""
    return len(ctypes.string_at(8)), b""


def end_for_want_of_memory(content: bytes, asked: None) -> tuple[int, bytes]:
    """Ends as Python does that cannot even say that it has no memory."""
    os._exit(1)


def refuse(content: bytes, asked: None) -> tuple[int, bytes]:
    """As a parser does."""
    raise Rejected(problems.NOT_WELL_FORMED, f"{len(content)} bytes", where="line 1")


def fail(content: bytes, asked: None) -> tuple[int, bytes]:
    """As a defect of ours would, whose text quotes the message."""
    return int(content), b""


def of_no_type(content: bytes, asked: None) -> tuple[int, bytes]:
    """A result that cannot be written."""
    return object(), b""  # type: ignore[return-value] # on purpose


PROCESS_ID, LENGTH, ECHO = Operation(process_id), Operation(length), Operation(echo)
LOOP, SLEEP, EAT, CRASH, END = (
    Operation(loop),
    Operation(sleep),
    Operation(eat),
    Operation(crash_over_it),
    Operation(end_for_want_of_memory),
)
REFUSE, FAIL, OF_NO_TYPE = Operation(refuse, [problems.NOT_WELL_FORMED]), Operation(fail), Operation(of_no_type)
COMPUTE = Operation(compute)
ALL = (PROCESS_ID, COMPUTE, LENGTH, ECHO, LOOP, SLEEP, EAT, CRASH, END, REFUSE, FAIL, OF_NO_TYPE)
