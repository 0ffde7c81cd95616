"""Whoever is answered for nothing is answered at a measured pace, and nobody else waits for it."""

from __future__ import annotations

import asyncio

import pytest

from infra import pace
from infra.pace import Pace


class Clock:
    """Time that passes where somebody sleeps, and notes for how long."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_000.0
        self.slept: list[float] = []
        patch.setattr(pace, "_now", lambda: self.now_s)
        patch.setattr(asyncio, "sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def test_turns_come_at_a_measured_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one at once, each further one an interval later, and none later than the longest wait; another one's are its own."""
    clock, turns = Clock(monkeypatch), Pace(per_s=4, longest_s=1.0)
    for who in ("flood",) * 7 + ("other",):
        await turns.turn(who)
    assert clock.slept == [0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 0]


async def test_who_was_away_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was refused long ago is forgotten."""
    clock, turns = Clock(monkeypatch), Pace(per_s=4, longest_s=1.0)
    for _ in range(7):
        await turns.turn("flood")
    clock.now_s += 3
    await turns.turn("flood")
    assert clock.slept[-1] == 0
