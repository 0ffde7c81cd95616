"""Faults of back offices: away, late, silent, or talking nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from consumers.watch import standing
from tests.faults.act import Act
from tests.faults.world import ANSWER_LIMIT_S, OFFICES

AWAY_OFFICE_S: Final = 8


async def office_away(act: Act) -> None:
    """F21: lag is seen, memory is bounded, the others go on, and the backlog is delivered in order."""
    office = act.office
    async with act.traffic():
        await act.pause(0.5, 1.0)
        await act.world.system.set_mood(office, "away")
        backlog = act.burst(office, 1_500)
        before_mib = act.world.memory_mib(office)
        await asyncio.sleep(AWAY_OFFICE_S)
        waiting = (await standing.of_offices(act.world.kafka, [office]))[office]
        act.insist(waiting.behind >= len(backlog), f"lag shows the backlog, it shows {waiting.behind}")
        grown_mib = act.world.memory_mib(office) - before_mib
        act.insist(grown_mib < 150, f"memory is bounded, it grew by {grown_mib:.0f} MiB")
        await act.world.system.set_mood(office, "ok")
        act.fault()
        await act.pause(0.5, 1.0)


async def late_and_lost_answers(act: Act) -> None:
    """F22: answers come too late, get lost after the effect, or are refusals for now."""
    late = {"delay_s": ANSWER_LIMIT_S + 1}
    await _moody(act, {"slow": late, "fail-after": {}, "flaky": {"share": 0.3} | late, "busy": {"share": 0.3}}, 3.0)


async def nonsense(act: Act) -> None:
    """F23: limits hold, and nothing crashes."""
    before = [(act.world.process_id(office), act.world.memory_mib(office)) for office in OFFICES]
    await _moody(act, {"garbage": {}, "endless": {}}, 4.0)
    after = [(act.world.process_id(office), act.world.memory_mib(office)) for office in OFFICES]
    act.insist([one[0] for one in before] == [one[0] for one in after], "no adapter crashed")
    grown_mib = max(late - early for (_, early), (_, late) in zip(before, after, strict=True))
    act.insist(grown_mib < 400, f"endless answers do not fill memory, it grew by {grown_mib:.0f} MiB")


async def _moody(act: Act, moods: Mapping[str, Mapping[str, float]], longest_s: float) -> None:
    async with act.traffic():
        for mood, more in moods.items():
            await asyncio.gather(*(act.world.system.set_mood(office, mood, seed=act.chance.getrandbits(16), **more) for office in OFFICES))
            await act.pause(longest_s / 2, longest_s)
        await asyncio.gather(*(act.world.system.set_mood(office, "ok") for office in OFFICES))
        act.fault()
        await act.pause(0.5, 1.0)
