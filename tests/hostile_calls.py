"""What a worker runs that was taken over: whatever code a test sends. What an attacker would bring along is imported before it is locked."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from functools import partial

from infra.workers import frames, lockdown, seccomp
from infra.workers.frames import Frame, Kind
from infra.workers.operations import Operation
from schemas import problems

PIPE = 3
libc = ctypes.CDLL(None, use_errno=True)
BROUGHT_ALONG = (Frame, Kind, frames, json, os, resource, signal, socket, subprocess, time)


def system_call(number: int, *arguments: int) -> str:
    """The name of the error of a bare system call, or what it returned."""
    ctypes.set_errno(0)
    returned = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(one) for one in arguments))
    return os.strerror(ctypes.get_errno()) if returned < 0 else f"returned {returned}"


def tried(attempt: Callable[[], object]) -> str:
    """What came of it: the error, or what it returned."""
    try:
        return f"done: {attempt()}"
    except OSError as error:
        return os.strerror(error.errno or 0)
    except ValueError as error:  # as Python tells some that are not permitted
        return str(error)


def run(content: bytes, asked: int) -> tuple[str, bytes]:
    """Run code in the worker; `asked` is the number of the call, `told` what it answers."""
    names = dict(globals()) | {"call": asked, "told": ""}
    exec(content, names)  # noqa: S102 - that is the point
    return str(names["told"]), b""


RUN = Operation(run, [problems.NOT_WELL_FORMED])


def with_all() -> None:
    """To prepare: everything that this machine has is in force."""


def only(*kept: str) -> None:
    """To prepare: all measures but these are missing."""
    if "Landlock" not in kept:
        lockdown._landlock = lambda: False
    if "seccomp" not in kept:
        seccomp.known_here = lambda: False
    if "limits" not in kept:
        lockdown._limit = lambda _: False  # type: ignore[assignment]


ONLY = {name: partial(only, name) for name in ("Landlock", "seccomp", "limits")} | {"none": partial(only)}
