"""Faults of brokers: they are stopped, killed, paused, or lose their power."""

from __future__ import annotations

import asyncio
import signal
from typing import Final

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from infra.kafka.admin import connected
from schemas import topics
from tests.faults.act import DOOR_RATE, Act, NotHit
from tests.faults.world import BROKERS, OFFICES, tear

PAUSED_BROKER_S: Final = 8
AWAY_BROKERS_S: Final = 8


async def _bounce(act: Act, sig: signal.Signals, times: int) -> None:
    async with act.traffic(door_rate=DOOR_RATE):
        for _ in range(times):
            await act.pause(0.3, 1.0)
            leader = await _leader(act)
            act.fault()
            await act.world.strike(leader, sig)
            act.insist(await act.world.moved(act.office, act.partition, leader), "leadership moved")
            await act.world.revive()
        await act.pause(0.5, 1.0)


async def _leader(act: Act) -> int:
    found = await act.world.leader(act.office, act.partition)
    if found is None:
        raise NotHit("the partition has no leader")
    return found


async def leader_terminated(act: Act) -> None:
    """F1: the leader of a partition stops in good order."""
    await _bounce(act, signal.SIGTERM, 1)


async def leader_killed(act: Act) -> None:
    """F2: the leader of a partition is killed."""
    await _bounce(act, signal.SIGKILL, 1)


async def leader_bounced_cleanly(act: Act) -> None:
    """F3: five leaders, one after the other, stop in good order and come back."""
    await _bounce(act, signal.SIGTERM, 5)


async def leader_bounced_hard(act: Act) -> None:
    """F4: five leaders, one after the other, are killed and come back."""
    await _bounce(act, signal.SIGKILL, 5)


async def controller_killed(act: Act) -> None:
    """F5: intake goes on; the controllers have another leader."""
    async with act.traffic(door_rate=DOOR_RATE):
        await act.pause(0.5, 1.5)
        old = act.world.controller()
        act.fault()
        await act.world.strike(old)
        before = _accepted(act)
        await act.insist_soon(lambda: act.world.controller() != old, "another controller leads")
        await act.insist_soon(lambda: _accepted(act) > before, "intake goes on")
        await act.world.revive()
        await act.pause(0.5, 1.0)


async def leader_paused(act: Act) -> None:
    """F6: the paused broker wakes up and leads no more."""
    async with act.traffic(door_rate=DOOR_RATE):
        await act.pause(0.5, 1.5)
        old = await _leader(act)
        await act.world.strike(old, signal.SIGSTOP)
        act.fault()
        act.insist(await act.world.moved(act.office, act.partition, old), "leadership moved")
        await asyncio.sleep(PAUSED_BROKER_S)
        await act.world.strike(old, signal.SIGCONT)
        act.insist(await act.world.leader(act.office, act.partition, without=old) != old, "the old leader is fenced")
        await act.insist_soon(lambda: _follows(act, old), "the old leader follows")
        await act.pause(0.5, 1.0)


async def _follows(act: Act, broker: int) -> bool:
    return all(broker in one.in_sync for one in await act.world.partitions(without=broker))


async def two_brokers_down(act: Act) -> None:
    """F7: the gateway accepts, the outbox holds, and sends later."""
    async with act.traffic(door_rate=DOOR_RATE):
        await act.pause(0.5, 1.5)
        for broker in act.chance.sample(range(BROKERS), 2):
            await act.world.strike(broker)
        before = _accepted(act)
        await act.insist_soon(lambda: _accepted(act) > before + 5, "the gateway takes submissions into its outbox")
        await asyncio.sleep(4)
        await act.world.revive()
        act.fault()
        await act.pause(1.0, 2.0)


async def all_brokers_down(act: Act) -> None:
    """F8: the outbox grows to a portal's share of it, then the gateway answers 503 with Retry-After; after the return all are sent."""
    limit = 60
    await act.world.restart("gateway", {"STADTBUS_GATEWAY__OUTBOX_LIMIT": str(limit)})
    async with act.traffic(door_rate=2 * DOOR_RATE):
        await act.pause(0.5, 1.5)
        before = _accepted(act)
        await asyncio.gather(*(act.world.strike(broker) for broker in range(BROKERS)))
        await act.insist_soon(lambda: _answers(act, 503) > 0, "the gateway answers 503 when its outbox is full")
        act.insist(_accepted(act) - before >= limit // 4, "a portal had its share of the outbox before")
        await asyncio.sleep(AWAY_BROKERS_S)
        await act.world.revive()
        act.fault()
        await act.pause(1.0, 2.0)
    act.insist(not sum(door.without_retry_after for door in act.doors), "each 503 says when to come back")
    await act.world.restart("gateway", {})


def _accepted(act: Act) -> int:
    return sum(len(door.portal.book.accepted) for door in act.doors)


def _answers(act: Act, status: int) -> int:
    return sum(door.answers.get(status, 0) for door in act.doors)


async def power_cut(act: Act) -> None:
    """F9: all brokers die at once; of the files that are flushed with each record only a torn last record is lost."""
    await _flush_each_record(act, "1")
    async with act.traffic(door_rate=DOOR_RATE):
        await act.pause(1.5, 2.5)
        await asyncio.gather(*(act.world.strike(broker) for broker in range(BROKERS)))
        torn = _tear_one_log(act)
        await act.world.revive()
        act.fault()
        await act.pause(1.0, 2.0)
    act.insist(torn, "a log was torn")
    await _flush_each_record(act, str(2**63 - 1))


async def _flush_each_record(act: Act, messages: str) -> None:
    async with connected(act.world.kafka) as admin:
        for topic in (one for office in OFFICES for one in topics.of_office(office)):
            config = topic.config() | {"flush.messages": messages, "min.insync.replicas": "2"}
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=config)])


def _tear_one_log(act: Act) -> bool:
    """Half a record behind the last whole one, on one broker in one partition that has records."""
    folder = act.world.brokers.folder_of(act.chance.randrange(BROKERS)) / f"{topics.submissions(act.office)}-{act.partition}"
    segments = sorted(path for path in folder.glob("*.log") if path.stat().st_size)
    for path in segments[-1:]:
        tear(path)
    return bool(segments)
