"""Faults of our own processes: killed at the worst place, paused, crowded, or with a clock that jumps."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from consumers.watch import standing
from infra.crashpoints import LABELS
from tests.faults.act import DOOR_RATE, RATES, Act
from tests.faults.clock import WallClock
from tests.faults.poison import poisons, write
from tests.faults.world import OFFICES, SESSION_TIMEOUT_S

ADAPTER_LABELS: Final = sorted(label for label in LABELS if not label.startswith(("outbox.", "relay.", "watch.")))
GATEWAY_LABELS: Final = sorted(label for label in LABELS if label.startswith(("outbox.", "relay.")))


async def killed_before_commit(act: Act) -> None:
    """F14: the ledger knows, Kafka does not."""
    async with act.traffic():
        act.insist(await _crash(act, act.office, "commit.before"), "the adapter died before the commit")
        act.fault()
        await act.pause(1.0, 2.0)


async def killed_before_note(act: Act) -> None:
    """F15: Kafka has it, the outbox does not know."""
    async with act.traffic(door_rate=DOOR_RATE):
        act.insist(await _crash(act, "gateway", "relay.acknowledged"), "the gateway died before its note")
        act.fault()
        await act.pause(1.0, 2.0)


async def rebalance_storm(act: Act) -> None:
    """F16: a second worker comes and goes."""
    async with act.traffic():
        for _ in range(3):
            second = await act.world.add_second(act.office)
            await act.pause(0.5, 2.0)
            if act.chance.random() < 0.5:
                act.world.system.kill(second)
            await act.world.halt(second)
            act.fault()
            await act.pause(0.5, 2.0)


async def zombie(act: Act) -> None:
    """F17: with hand-overs under way, one of two workers is paused past its session, while the other takes over."""
    second = await act.world.add_second(act.office)
    async with act.traffic(RATES | {act.office: 40.0}):
        await act.world.system.set_mood(act.office, "slow", delay_s=0.3)
        await act.pause(1.0, 2.0)
        sleeper = act.chance.choice((act.office, second))
        act.world.pause(sleeper)
        await asyncio.sleep(SESSION_TIMEOUT_S + 2)
        await act.insist_soon(lambda: _works_alone(act), "the other one works alone")
        act.world.resume(sleeper)
        act.fault()
        await act.pause(1.0, 2.0)
        await act.world.system.set_mood(act.office, "ok")
    await act.world.halt(second)


async def _works_alone(act: Act) -> bool:
    one = (await standing.of_offices(act.world.kafka, [act.office]))[act.office]
    return (one.group_state, one.members) == ("Stable", 1)


async def clock_jumps(act: Act) -> None:
    """F24: the clocks of gateway and one adapter jump an hour forth and back; time limits go by another clock."""
    processes, clock = ("gateway", act.office), WallClock(act.world.folder)
    moved = clock.environment()
    await asyncio.gather(*(act.world.restart(process, moved) for process in processes))
    async with act.traffic(door_rate=DOOR_RATE):
        for ahead_s in act.chance.sample((3600, -3600, 3600), 3):
            await act.pause(1.0, 1.5)
            clock.set(ahead_s)
            act.fault()
        await act.pause(1.5, 2.0)
        clock.set(0)
        await act.pause(0.5, 1.0)
    await act.checker.records.catch_up()
    ahead = (datetime.now(UTC) + timedelta(minutes=50)).isoformat()
    act.insist(
        act.checker.records.latest_event > ahead, f"events have times of the wrong hour, the latest {act.checker.records.latest_event}"
    )
    await asyncio.gather(*(act.world.restart(process, {}) for process in processes))


async def crash_points(act: Act) -> None:
    """F41: each labelled place once."""
    labels = act.chance.sample(ADAPTER_LABELS, len(ADAPTER_LABELS))
    shares = {office: labels[number :: len(OFFICES)] for number, office in enumerate(OFFICES)} | {"gateway": GATEWAY_LABELS}
    async with act.traffic(door_rate=DOOR_RATE):
        async with asyncio.TaskGroup() as group:
            for process, its_labels in shares.items():
                group.create_task(_crash_at_each(act, process, its_labels))
        act.fault()
        await act.pause(0.5, 1.0)


async def _crash_at_each(act: Act, process: str, labels: list[str]) -> None:
    for label in labels:
        poisoning = asyncio.create_task(_poison_slowly(act, process)) if label == "settle.copied" else None
        act.insist(await _crash(act, process, label), f"{process} died at {label}")
        if poisoning is not None:
            poisoning.cancel()
            await asyncio.gather(poisoning, return_exceptions=True)


async def _poison_slowly(act: Act, office: str) -> None:
    while True:
        await write(act.world.kafka, poisons(act.forges[office])[:1], act.log)
        await asyncio.sleep(0.5)


async def _crash(act: Act, process: str, label: str) -> bool:
    return await act.world.crash(process, label, act.chance.randint(1, 4), limit_s=30)
