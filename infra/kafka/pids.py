"""Processes of this machine, known by pid and start time: a pid alone may be somebody else's by now. Everything here blocks."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

_POLL_S: Final = 0.1


def started(pid: int) -> str:
    """When a process began, in the words of this system; empty when there is none, or only its remains (a zombie)."""
    if Path("/proc/self/stat").exists():
        state, began = from_proc(pid)
    else:
        state, began = from_ps(pid)
    return "" if state in "ZX" else began


def from_proc(pid: int) -> tuple[str, str]:
    """State and start time, from Linux; empty where there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return "", ""
    return fields[0], fields[19]  # proc(5): state, and starttime in ticks since the machine started


def from_ps(pid: int) -> tuple[str, str]:
    """As `from_proc`, for macOS."""
    ps = ["/bin/ps", "-o", "state=,lstart=", "-p", str(pid)]
    state, _, began = subprocess.run(ps, capture_output=True, text=True, check=False).stdout.strip().partition(" ")  # noqa: S603 - fixed
    return state[:1], began.strip()


def send(pid: int, sig: signal.Signals) -> None:
    """Send a signal to a process, if there is one."""
    with suppress(ProcessLookupError):
        os.kill(pid, sig)


def wait_for_end(pids: Collection[int], limit_s: float) -> None:
    """Return when these processes are gone; those that are not after so many seconds get SIGKILL."""
    begun = {pid: started(pid) for pid in pids}
    deadline = time.monotonic() + limit_s
    while alive := [pid for pid, began in begun.items() if began and started(pid) == began]:
        if time.monotonic() > deadline:
            for pid in alive:
                send(pid, signal.SIGKILL)
        time.sleep(_POLL_S)
