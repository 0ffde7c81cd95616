"""Burrow's rules, as its code and documents have them (version of October 2025), to compare with: a verdict from commits and end offsets alone."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise


class Status(IntEnum):
    """Burrow's numbers."""

    OK = 1
    WARN = 2
    STOP = 4
    STALL = 5
    REWIND = 6


@dataclass(frozen=True)
class Commit:
    """A commit, with the lag at its time; None where no end offset was known."""

    at_s: float
    offset: int
    lag: int | None


@dataclass
class BurrowPartition:
    """One partition of one group. Defaults are those of its code."""

    intervals: int = 10
    """So many commits and end offsets are kept: commits, not minutes."""
    min_distance_s: float = 0.0
    allowed_lag: int = 0
    minimum_complete: float = 0.0
    commits: deque[Commit] = field(default_factory=deque)
    ends: deque[int] = field(default_factory=deque)

    def polled(self, end: int) -> None:
        """The end offset, every 10 s."""
        self.ends.append(end)
        if len(self.ends) > self.intervals:
            self.ends.popleft()

    def committed(self, at_s: float, offset: int) -> None:
        """A commit was read. One that comes too soon takes the place of the last one and keeps its time."""
        lag = max(0, self.ends[-1] - offset) if self.ends else None
        if self.commits and at_s - self.commits[-1].at_s < self.min_distance_s:
            self.commits[-1] = Commit(self.commits[-1].at_s, offset, lag)
            return
        self.commits.append(Commit(at_s, offset, lag))
        if len(self.commits) > self.intervals:
            self.commits.popleft()

    def status(self, now_s: float) -> Status:
        """The first rule that fits."""
        held = list(self.commits)
        if not held or len(held) / self.intervals < self.minimum_complete or not self.ends:
            return Status.OK
        if max(0, self.ends[-1] - held[-1].offset) <= self.allowed_lag:
            return Status.OK
        recently_none = any(end <= held[-1].offset for end in self.ends)
        if now_s - held[-1].at_s > held[-1].at_s - held[0].at_s and not recently_none:
            return Status.STOP
        if self._rewound(held):
            return Status.REWIND
        return self._by_lag(held)

    @staticmethod
    def _rewound(held: list[Commit]) -> bool:
        for number, (before, after) in enumerate(pairwise(held)):
            if after.offset < before.offset:
                return all(later.offset < before.offset for later in held[number + 2 :])
        return False

    def _by_lag(self, held: list[Commit]) -> Status:
        if any(commit.lag is not None and commit.lag <= self.allowed_lag for commit in held):
            return Status.OK
        if len({commit.offset for commit in held}) == 1:
            return Status.STALL
        lags = [commit.lag for commit in held if commit.lag is not None]
        return Status.WARN if all(after >= before for before, after in pairwise(lags)) else Status.OK
