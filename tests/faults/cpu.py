"""Processor time by part, over processes that come and go."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class CpuTimes:
    """Looks now and then; what a process used after the last look before its end is missed."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}
        self._ticks: defaultdict[str, int] = defaultdict(int)

    @staticmethod
    def own_pid() -> int:
        """This process."""
        return os.getpid()

    def look(self, parts: Mapping[str, Sequence[int]]) -> None:
        """Add what the processes of each part used since the last look."""
        for part, pids in parts.items():
            for pid in pids:
                ticks = _ticks(pid)
                self._ticks[part] += max(0, ticks - self._last.get(pid, 0))
                self._last[pid] = ticks

    def totals(self) -> str:
        """Seconds of each part, in words."""
        return ", ".join(f"{part} {ticks / _TICKS_PER_S:.0f}" for part, ticks in self._ticks.items())

    def line(self) -> str:
        """The same, short."""
        return f"CPU s: {self.totals()}"


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])  # proc(5): utime and stime
