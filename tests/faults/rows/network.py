"""Faults of the line to Kafka: slow, torn within a record, or without the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from infra.kafka import sender
from tests.faults.act import DOOR_RATE, Act


@asynccontextmanager
async def _by_detour(act: Act, *processes: str) -> AsyncIterator[None]:
    """The publisher and these processes reach Kafka by the bad line, and afterwards by the good one again."""
    bad = {"STADTBUS_KAFKA__BOOTSTRAP": act.world.detoured.bootstrap}
    act.kafka = act.world.detoured
    await asyncio.gather(*(act.world.restart(process, bad) for process in processes))
    try:
        yield
    finally:
        act.world.detour.weather = type(act.world.detour.weather)()
    await asyncio.gather(*(act.world.restart(process, {}) for process in processes))


async def slow_network(act: Act) -> None:
    """F12: records arrive late, not at all, or are cut in their middle."""
    detour = act.world.detour
    async with _by_detour(act, "gateway", act.office):
        detour.chance.seed(act.chance.random())
        broken = detour.broken
        async with act.traffic(door_rate=DOOR_RATE):
            detour.weather.delay_s, detour.weather.stall_share, detour.weather.break_share = 0.1, 0.01, 0.03
            await act.insist_soon(lambda: detour.broken >= broken + 3, "three records were cut in their middle", 30)
            act.fault()
            await act.pause(1.0, 2.0)
            detour.weather.break_share = 0


async def acknowledgement_lost(act: Act) -> None:
    """F13: first on a connection that breaks, so that the producer repeats; then on one that hangs until the sender gives up."""
    detour = act.world.detour
    async with _by_detour(act), _impatient_sender():
        swallowed = detour.swallowed
        async with act.traffic(door_rate=DOOR_RATE):
            await act.pause(0.5, 1.0)
            detour.weather.swallow, detour.weather.hang = 4, False
            await act.insist_soon(lambda: detour.swallowed >= swallowed + 4, "acknowledgements got lost on breaking connections")
            detour.weather.swallow, detour.weather.hang = 3, True
            act.fault()
            await act.insist_soon(lambda: any(one.unknown_tries for one in act.log.sent.values()), "a sender gave up")
            await act.pause(0.5, 1.0)


@asynccontextmanager
async def _impatient_sender() -> AsyncIterator[None]:
    """The publisher here gives up a send early, so that its outcome is unknown."""
    before_s = sender.SEND_TIMEOUT_S
    vars(sender)["SEND_TIMEOUT_S"] = 2
    try:
        yield
    finally:
        vars(sender)["SEND_TIMEOUT_S"] = before_s
