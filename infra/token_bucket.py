"""How much somebody may still use: so much per second, and what was not used is kept for some seconds (docs/decisions/0023)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

WINDOW_S: Final = 10
"""So many seconds' worth may be used at once."""

_now: Final[Callable[[], float]] = time.monotonic


class TokenBucket:
    """`rate_per_s` of anything. Whoever does not know beforehand how much it will be begins while there is some, and is charged afterwards:
    then there may be less than nothing, and the next one waits for that. Blocks never, and belongs to one thread.
    """

    def __init__(self, rate_per_s: int) -> None:
        self.rate_per_s = rate_per_s
        self.quota = rate_per_s * WINDOW_S
        self._left = float(self.quota)
        self._at_s = _now()

    def left(self) -> int:
        """How much may be used now; never below 0."""
        return max(0, math.floor(self._filled()))

    def charge(self, amount: int) -> None:
        """Use so much, whether it is there or not."""
        self._left = self._filled() - amount

    def wait_s(self) -> float:
        """In how many seconds there is one again; 0 where there is."""
        return max(0.0, (1 - self._filled()) / self.rate_per_s)

    def _filled(self) -> float:
        """What is there now, less than nothing too."""
        now_s = _now()
        self._left = min(self.quota, self._left + (now_s - self._at_s) * self.rate_per_s)
        self._at_s = now_s
        return self._left
