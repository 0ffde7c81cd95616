"""What a worker gives up before it reads anything, with what the kernel has for it. None of it can be taken back by the process.

    no_new_privs    nothing that it could start would have more rights
    Landlock        no file and no TCP port; no signal and no abstract socket to anybody outside
    limits          no descriptor, process, file or core of its own; memory as it is told
    seccomp         no system call but those that computing needs (`infra.workers.seccomp`)

Each holds by itself. Where one is missing the worker works with the others, and says so.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from infra.workers import seccomp

_libc = ctypes.CDLL(None, use_errno=True)

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_LANDLOCK_CREATE: Final = 444
_LANDLOCK_RESTRICT: Final = 446
_LANDLOCK_VERSION: Final = 1
_FILES: Final = {1: 13, 2: 14, 3: 15, 5: 16}
"""From which version on Landlock knows so many kinds of access to files."""
_TCP_SINCE, _SCOPES_SINCE = 4, 6
_NONE: Final = (
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_NPROC,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_CORE,
    resource.RLIMIT_MEMLOCK,
    resource.RLIMIT_MSGQUEUE,
)
_PIPE: Final = 3
"""The one descriptor of a worker that leads anywhere."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What holds in a worker, and what this machine has not."""

    in_force: tuple[str, ...]
    missing: tuple[str, ...]


MEASURES: Final = TypeAdapter(Measures)


def end_with_parent() -> None:
    """The kernel kills this process when its parent ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def keep_only(descriptor: int) -> int:
    """Close every descriptor but this one, and return its new number; those of the standard streams lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.dup2(descriptor, _PIPE)
    for other in [int(one.name) for one in Path("/proc/self/fd").iterdir()]:
        if other > _PIPE:
            with suppress(OSError):  # the one by which the folder was read
                os.close(other)
    return _PIPE


def lock(memory_bytes: int) -> Measures:
    """Give up everything, for ever. Whatever has to be loaded is loaded before."""
    tried = {
        "no_new_privs": _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0,
        "Landlock": _landlock(),
        "limits": _limit(memory_bytes),
        "seccomp": seccomp.known_here() and seccomp.install(_libc),
    }
    return Measures(tuple(name for name, held in tried.items() if held), tuple(name for name, held in tried.items() if not held))


def _limit(memory_bytes: int) -> bool:
    for kind in _NONE:
        resource.setrlimit(kind, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    return True


def _landlock() -> bool:
    """Forbid all that this version of Landlock can forbid."""
    version = _libc.syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    if version < 1:
        return False
    kinds = max(count for since, count in _FILES.items() if since <= version)
    handled = [(1 << kinds) - 1] + [0b11] * (version >= _TCP_SINCE) + [0b11] * (version >= _SCOPES_SINCE)
    rules = (ctypes.c_uint64 * len(handled))(*handled)
    ruleset = _libc.syscall(_LANDLOCK_CREATE, ctypes.byref(rules), ctypes.c_size_t(ctypes.sizeof(rules)), 0)
    if ruleset < 0:
        return False
    held = bool(_libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) == 0)
    os.close(ruleset)
    return held
