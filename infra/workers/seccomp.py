"""The system calls that a worker is left with: memory, the pipe that it has, clocks, and its own end. All others fail with EPERM.

So there is no file, no socket, no other process and no limit that it could get at, also where the kernel has nothing else. The filter is
written for the two architectures that servers have; elsewhere it is left out, and said to be (`lockdown`).
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Mapping
from typing import Final

_NUMBERS: Final[Mapping[str, tuple[int, int]]] = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "exit": (60, 93),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "times": (100, 153),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "getrandom": (318, 278),
}
"""Allowed calls, with their numbers on x86-64 and on ARM64."""
_ARCHITECTURES: Final[Mapping[str, tuple[int, int]]] = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""Name, the kernel's number for it (AUDIT_ARCH), and which of the numbers above are meant."""

_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2
_LOAD: Final = 0x20  # a word of `struct seccomp_data`
_IF_EQUAL: Final = 0x15
_RETURN: Final = 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.EPERM
_KILL: Final = 0x80000000


def known_here() -> bool:
    """Whether there is a filter for this machine."""
    return platform.machine() in _ARCHITECTURES


def install(libc: ctypes.CDLL) -> bool:
    """Filter the calls of this process from now on, for ever; whether the kernel does. Needs `no_new_privs`."""
    program = _program(*_ARCHITECTURES[platform.machine()])
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = _Program(len(program) // 8, ctypes.addressof(code))
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(filter_), 0, 0) == 0)


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def _program(architecture: int, column: int) -> bytes:
    """The filter for the Berkeley packet filter. A process that changes its architecture is killed; numbers of x32 are none of the list."""
    numbers = [both[column] for both in _NUMBERS.values()]
    checks = [_step(_IF_EQUAL, number, if_true=len(numbers) - place) for place, number in enumerate(numbers)]
    return b"".join(
        [
            _step(_LOAD, _ARCHITECTURE_AT),
            _step(_IF_EQUAL, architecture, if_true=1),
            _step(_RETURN, _KILL),
            _step(_LOAD, _NUMBER_AT),
            *checks,
            _step(_RETURN, _REFUSE),
            _step(_RETURN, _ALLOW),
        ]
    )


def _step(code: int, value: int, if_true: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, 0, value)
