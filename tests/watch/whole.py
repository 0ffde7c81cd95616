"""What happens to all: the gateway, Kafka, the watch's way to it, and what cities plan. One after the other."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from typing import Final

from consumers.watch.facts import STALE_CYCLES
from consumers.watch.model import Judgement, SubReason, Verdict
from schemas.catalogue.expected import WEEKDAYS, ZONE
from tests.watch.offices import BACK_OFFICE, now
from tests.watch.trial import Trials

OFFICE: Final = BACK_OFFICE
CYCLE_S: Final = 3.0


async def gateway_killed(trials: Trials) -> None:
    """`kill -9` of the gateway."""
    bus = trials.bus
    async with trials.of("the gateway is killed (`kill -9`)", "gateway", Verdict.DOWN, SubReason.KILLED) as trial:
        await bus.kill("gateway")
        await asyncio.sleep(20)  # four heartbeats: it is in no group that could say more
        await trial.recognised()
        await bus.launch("gateway")
        await trial.cured()


async def refused(trials: Trials, office: str = OFFICE) -> None:
    """The topic takes no record of this size."""
    bus = trials.bus
    async with trials.of(
        "the topic refuses what the gateway publishes (`max.message.bytes`)", "gateway", Verdict.STUCK, SubReason.REFUSED
    ) as trial:
        await bus.set_size_limit(office, 500)
        await bus.submit(office, 2)
        await trial.recognised(await bus.said("gateway", "refuses records"))
        await bus.operate("topics", "apply")
        await trial.cured(await bus.said("gateway", "ok"))


async def maintenance(trials: Trials, office: str = OFFICE) -> None:
    """A maintenance window begins and ends by itself."""
    bus = trials.bus
    async with trials.of("a maintenance window begins, and ends", office, Verdict.PAUSED, SubReason.MAINTENANCE) as trial:
        begins = now() + timedelta(seconds=25)
        ends = begins + timedelta(seconds=25)
        window = {"begins": begins.isoformat(), "ends": ends.isoformat(), "reason": "a new release"}
        await bus.expect(office, {"maintenance": [window]})
        await asyncio.sleep((begins - now()).total_seconds())
        await bus.send(office, 3)
        await trial.recognised(begins)
        await asyncio.sleep(max(0.0, (ends - now()).total_seconds()))
        await trial.cured(await _after(5))


async def closed(trials: Trials, office: str = OFFICE) -> None:
    """The back office is away outside its opening hours; when it should be open again, it is told."""
    bus = trials.bus
    async with trials.of("its back office is away while it is closed", office, Verdict.PAUSED, SubReason.CLOSED) as trial:
        here = datetime.now(ZONE)
        hours = f"{(here + timedelta(hours=2)):%H:%M}-{(here + timedelta(hours=3)):%H:%M}"
        await bus.mood(office, "away")
        await bus.expect(office, {"open": dict.fromkeys(WEEKDAYS, hours)}, restart=False)
        await bus.halt("watch")
        await bus.launch("watch")
        await bus.send(office, 3)
        await trial.recognised(await bus.said(office, "the back office is down"))
        await bus.mood(office, "ok")
        await trial.cured(await bus.said(office, "ok"))
    await bus.expect(office, None, restart=False)


async def quiet(trials: Trials, office: str = OFFICE) -> None:
    """Nothing comes in for longer than is usual there. Weeks are not waited for: they are put into what the watch remembers."""
    bus = trials.bus
    async with trials.of("nothing comes in for longer than usual (two weeks put into the watch's memory)", office, Verdict.QUIET) as trial:
        await bus.halt("watch")
        await bus.remember_weeks(office, gap_s=20.0)
        await bus.launch("watch")
        await trial.recognised(limit_s=60)
        await bus.send(office, 1)
        await trial.cured(condition=lambda one: one.verdict is Verdict.OK)


async def cut_off(trials: Trials, office: str = OFFICE) -> None:
    """The watch does not reach Kafka, everybody else does."""
    bus = trials.bus
    async with trials.of("the watch is cut off from Kafka", office, Verdict.UNKNOWN, SubReason.KAFKA_AWAY) as trial:
        await bus.line.cut()
        known = now() + timedelta(seconds=STALE_CYCLES * CYCLE_S)
        await trial.recognised(known, limit_s=60)
        bus.line.mend()
        await trial.cured(await _after(6))


async def kafka_away(trials: Trials) -> None:
    """The broker is killed. What the gateway accepts meanwhile waits in its outbox."""
    bus = trials.bus
    async with trials.of("the broker is killed (`kill -9`)", "gateway", Verdict.UNKNOWN, SubReason.KAFKA_AWAY) as trial:
        await asyncio.to_thread(bus.brokers.kill, 0, signal.SIGKILL)
        await bus.submit(OFFICE, 2)
        await trial.recognised(now() + timedelta(seconds=STALE_CYCLES * CYCLE_S), limit_s=90)
        await asyncio.to_thread(bus.brokers.start_one, 0)
        await trial.cured(await _after(12), limit_s=90)


def is_unknown(judgement: Judgement) -> bool:
    """Nobody can tell."""
    return judgement.verdict is Verdict.UNKNOWN


async def _after(seconds: float) -> datetime:
    await asyncio.sleep(seconds)
    return datetime.now(UTC)
