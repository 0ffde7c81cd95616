"""Faults of what Kafka keeps: committed offsets that are gone, and records that nobody has read."""

from __future__ import annotations

import asyncio

from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from infra.kafka.admin import connected
from schemas import topics
from tests.faults.act import Act
from tests.faults.world import forget_group


async def offsets_deleted(act: Act) -> None:
    """F18: the adapter stops with a coded error and takes nothing until an operator has set the offsets."""
    async with act.traffic():
        await act.pause(1.0, 2.0)
    await act.insist_soon(lambda: _nothing_behind(act), "all is committed")
    await act.world.halt(act.office)
    await forget_group(act.world.kafka, act.office)
    async with act.lanes():
        waiting = act.burst(act.office, 20)
    log = act.world.log_of(act.office)
    read = log.stat().st_size
    await act.world.launch(act.office)
    await act.insist_soon(lambda: "offsets-lost" in log.read_text(encoding="utf-8")[read:], "the adapter says that offsets are missing")
    await asyncio.sleep(2)
    await act.checker.effects.follow()
    act.insist(not {one.id for one in waiting} & act.checker.effects.ids(), "nothing is delivered without offsets")
    await act.world.halt(act.office)
    act.insist(await act.world.command("offsets", "reset", act.office, "--go") == 0, "an operator can set the offsets anew")
    await act.world.launch(act.office)
    await act.world.system.supervisor.ready([act.office])
    act.fault()
    async with act.lanes():
        act.burst(act.office, 20)


async def retention(act: Act) -> None:
    """F19: records that nobody has read are gone; the adapter says so and goes on."""
    async with act.traffic():
        await act.pause(1.0, 1.5)
    await act.insist_soon(lambda: _nothing_behind(act), "all is committed")
    await act.world.halt(act.office)
    async with act.lanes():
        act.burst(act.office, 60)
    await _remove_half(act)
    act.insist(any(one.removed for one in act.log.sent.values()), "records were removed")
    log = act.world.log_of(act.office)
    read = log.stat().st_size
    await act.world.launch(act.office)
    act.fault()
    await act.insist_soon(lambda: "records_expired" in log.read_text(encoding="utf-8")[read:], "the adapter raises an alarm")
    async with act.lanes():
        act.burst(act.office, 20)


async def _remove_half(act: Act) -> None:
    """Half of what waits in each partition."""
    waiting = [one for one in act.checker.missing() if one.office == act.office]
    ends: dict[int, RecordsToDelete] = {}
    for number in range(topics.PARTITIONS):
        offsets = sorted(one.offset for one in waiting if one.partition == number)
        if offsets:
            ends[number] = RecordsToDelete(offsets[len(offsets) // 2])
    async with connected(act.world.kafka) as admin:
        await admin.delete_records({TopicPartition(topics.submissions(act.office), number): end for number, end in ends.items()})
    for one in waiting:
        one.removed = one.partition in ends and one.offset < ends[one.partition].before_offset


async def _nothing_behind(act: Act) -> bool:
    await act.checker.effects.follow()
    return not act.checker.missing() and not await act.checker.behind()
