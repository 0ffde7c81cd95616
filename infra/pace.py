"""How fast somebody is answered that nothing is done for: whoever asks again at once gains nothing by it (docs/decisions/0023)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

_now: Final[Callable[[], float]] = time.monotonic


class Pace:
    """`per_s` turns a second for each, but nobody waits for one longer than `longest_s`. All of it runs in one event loop."""

    def __init__(self, per_s: float, longest_s: float) -> None:
        self._interval_s = 1 / per_s
        self._longest_s = longest_s
        self._next_s: dict[str, float] = {}

    async def turn(self, who: str) -> None:
        """Returns when it is this one's turn: at once, where the last one is long ago."""
        now_s = _now()
        turn_s = max(now_s, min(self._next_s.get(who, now_s), now_s + self._longest_s))
        self._next_s[who] = turn_s + self._interval_s
        await asyncio.sleep(turn_s - now_s)
