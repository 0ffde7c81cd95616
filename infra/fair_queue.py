"""Whose turn it is, where many wait for a few slots: nobody's calls, however many or dear, put another's behind them.

Knows nothing of what is done in a slot, nor of processes (docs/decisions/0023).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from infra.shares import Shares
from schemas import problems
from schemas.errors import Rejected

ResultT = TypeVar("ResultT")
_Turn = asyncio.Future[None]

_now: Final[Callable[[], float]] = time.monotonic


class FairQueue:
    """`slots` for what is done at the same time, and `places` to wait for one; of both everybody has a share (`infra.shares`).

    Next is, of those that wait and may have one more slot, who has used the slots for the shortest time; who was away has saved nothing up.
    So dear work is paid for by whoever sends it. All of it runs in one event loop.
    """

    def __init__(self, slots: int, places: int) -> None:
        self._slots = Shares(slots)
        self._places = Shares(places)
        self._waiting: dict[str, deque[_Turn]] = {}
        """Who was served last stands last."""
        self._used_s: defaultdict[str, float] = defaultdict(float)
        self._reached_s = 0.0
        """How long whoever was served last had used the slots; whoever comes anew begins there."""

    async def run(self, who: str, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """What the work returns, which is begun when its turn comes. A caller that is cancelled leaves the queue; work that is under way
        then ends in its own time, and keeps its slot until then, so that hanging up and calling again gains nothing.

        Raises:
            Rejected: portal-busy, where all places of this one are taken.
            Exception: what the work raises.
        """
        await self._turn(who)
        under_way = asyncio.ensure_future(self._timed(who, work))
        under_way.add_done_callback(_look_at)
        return await asyncio.shield(under_way)

    def waiting(self, who: str) -> int:
        """How many calls of this one wait for a slot."""
        return self._places.held(who)

    async def _turn(self, who: str) -> None:
        """Wait for a slot, and take it."""
        if who not in self._waiting and self._slots.take(who):
            self._begins(who)
            return
        if not self._places.take(who):
            raise Rejected(problems.PORTAL_BUSY, f"{self.waiting(who)} calls of this portal wait")
        turn: _Turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(who, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(who, turn)
            else:
                self._leave(who)  # its turn had come meanwhile
            raise
        finally:
            self._places.give_back(who)

    async def _timed(self, who: str, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        began_s = _now()
        try:
            return await work()
        finally:
            self._used_s[who] += _now() - began_s
            self._leave(who)

    def _begins(self, who: str) -> None:
        self._used_s[who] = max(self._used_s[who], self._reached_s)
        self._reached_s = self._used_s[who]

    def _forget(self, who: str, turn: _Turn) -> None:
        """It waits no more; its place in the queue may have been passed in the same moment."""
        turns = self._waiting.get(who, deque())
        with contextlib.suppress(ValueError):
            turns.remove(turn)
        if not turns:
            self._waiting.pop(who, None)

    def _leave(self, who: str) -> None:
        """A slot is free: it goes to whoever is next, and so does any other that was nobody's to take before."""
        self._slots.give_back(who)
        while (following := self._next()) is not None:
            turns = self._waiting.pop(following)
            turn = turns.popleft()
            if turns:
                self._waiting[following] = turns
            if turn.done():  # cancelled in this moment
                self._slots.give_back(following)
                continue
            self._begins(following)
            turn.set_result(None)

    def _next(self) -> str | None:
        """Who has the next turn, with the slot taken for them; None where nobody waits that may have one more."""
        for who in sorted(self._waiting, key=lambda who: max(self._used_s[who], self._reached_s)):
            if self._slots.take(who):
                return who
        return None


def _look_at(done: asyncio.Task[Any]) -> None:
    """Of work whose caller is gone nobody asks what became of it."""
    if not done.cancelled():
        done.exception()
