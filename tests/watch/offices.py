"""What happens to single offices and to whoever records. Each lane has an office of its own, so that all lanes run at a time."""

from __future__ import annotations

import asyncio
import signal
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from consumers.watch.model import EvidenceCode, SubReason, Verdict
from consumers.watch.remember import FLAP_WINDOW_S
from consumers.watch.stuck import STANDS_S
from schemas import topics
from tests.faults.world import within
from tests.watch.bus import UNUSED
from tests.watch.trial import Trials

BACK_OFFICE: Final = "nuernberg.meldewesen"
STRANGERS: Final = "muenchen.meldewesen"
PACE: Final = "muenchen.gewerbe"
LOG: Final = "augsburg.gewerbe"
_STUCK_LIMIT_S: Final = STANDS_S + 60


def now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


async def away(trials: Trials, office: str = BACK_OFFICE, mood: str = "away") -> None:
    """The back office answers nobody, or with nothing of use."""
    bus = trials.bus
    async with trials.of(f"the back office is out of order (mood `{mood}`)", office, Verdict.STUCK, SubReason.BACK_OFFICE_DOWN) as trial:
        await bus.mood(office, mood)
        await bus.send(office, 3)
        await trial.recognised(await bus.said(office, "the back office is down"))
        await bus.mood(office, "ok")
        await trial.cured(await bus.said(office, "ok"))


async def fails(trials: Trials) -> None:
    """The back office answers everything with an error."""
    await away(trials, BACK_OFFICE, "fail")


async def killed(trials: Trials, office: str = BACK_OFFICE) -> None:
    """`kill -9` of the adapter."""
    bus = trials.bus
    async with trials.of("the adapter is killed (`kill -9`)", office, Verdict.DOWN, SubReason.KILLED) as trial:
        await bus.kill(office)
        await bus.send(office, 3)
        await trial.recognised(await bus.waits_for_empty(office))
        await bus.launch(office)
        await trial.cured(await _heard())


async def stopped(trials: Trials, office: str = BACK_OFFICE) -> None:
    """The adapter is stopped in good order, and not started again."""
    bus = trials.bus
    async with trials.of("the adapter is stopped (SIGTERM), and something comes in", office, Verdict.DOWN, SubReason.STOPPED) as trial:
        await bus.halt(office)
        await bus.send(office, 3)
        await trial.recognised()
        await bus.launch(office)
        await trial.cured(await _heard())


async def frozen(trials: Trials, office: str = BACK_OFFICE) -> None:
    """The adapter hangs as a whole, heartbeats included."""
    bus = trials.bus
    async with trials.of("the adapter hangs (SIGSTOP)", office, Verdict.DOWN, SubReason.KILLED) as trial:
        bus.system.kill(office, signal.SIGSTOP)
        try:
            await bus.send(office, 3)
            await trial.recognised(await bus.waits_for_empty(office))
        finally:
            bus.system.kill(office, signal.SIGCONT)
        await trial.cured(await _heard())


async def braked(trials: Trials, office: str = BACK_OFFICE) -> None:
    """Everything of several portals is refused; and what became dead letters meanwhile."""
    bus = trials.bus
    async with trials.of("everything of three portals is refused, the brake holds", office, Verdict.STUCK, SubReason.HELD) as trial:
        await bus.mood(office, "refuse")
        for portal in ("portal-a", "portal-b", "portal-c"):
            await bus.send(office, 25, portal=portal)
        await trial.recognised(await bus.said(office, "held since"))
        await bus.mood(office, "ok")
        await bus.operate("office", "release", office, "--reason", "the code list is mended", "--go")
        await bus.send(office, 3)
    letters = EvidenceCode.DEAD_LETTERS
    async with trials.of("dead letters are left, lag 0", office, Verdict.OK, None, letters) as trial:
        await trial.recognised(await bus.said(office, "ok"), limit_s=60)
        await bus.operate("deadletters", "replay", office, "--all", "--go")
        await trial.cured(await _heard())


async def paused(trials: Trials, office: str = BACK_OFFICE) -> None:
    """An operator pauses the office."""
    bus = trials.bus
    async with trials.of("an operator pauses it (`office pause`)", office, Verdict.PAUSED, SubReason.BY_OPERATOR) as trial:
        await bus.operate("office", "pause", office, "--reason", "ticket 4711", "--go")
        known = now()
        await bus.send(office, 3)
        await trial.recognised(known)
        await bus.operate("office", "resume", office, "--reason", "done", "--go")
        await trial.cured()


async def waits(trials: Trials, office: str = STRANGERS) -> None:
    """The back office takes a submission and does not answer."""
    bus = trials.bus
    async with trials.of("the back office takes minutes for an answer (mood `slow`)", office, Verdict.STUCK, SubReason.WAITING) as trial:
        await bus.mood(office, "slow", delay_s=STANDS_S + 40)
        began = now()
        await bus.send(office, 1)
        await trial.recognised(began + timedelta(seconds=STANDS_S), limit_s=_STUCK_LIMIT_S)
        await bus.mood(office, "ok")
        await trial.cured(await _answered(trials, office))


async def rewound(trials: Trials, office: str = STRANGERS) -> None:
    """A foreign program in the group sets its offsets back."""
    bus = trials.bus
    async with trials.of("a foreign program in its group sets offsets back to 0", office, Verdict.REWOUND) as trial:
        await bus.send(office, 30)
        await _settled(trials, office)
        async with bus.stranger(office) as stranger:
            assert await within(30, stranger.assignment)
            first = [one for one in sorted(stranger.assignment()) if one.topic == topics.submissions(office)]
            await stranger.commit(dict.fromkeys(first, 0))
            await trial.recognised()
        await trial.cured(await _heard(10))


async def not_taken(trials: Trials, office: str = STRANGERS) -> None:
    """A foreign program in the group takes partitions, and does nothing."""
    bus = trials.bus
    async with trials.of(
        "a foreign program in its group takes a partition and does nothing", office, Verdict.STUCK, SubReason.NOT_TAKEN
    ) as trial:
        async with bus.stranger(office) as stranger:
            assert await within(30, stranger.assignment)
            began = now()
            await bus.send(office, 30)
            await trial.recognised(began + timedelta(seconds=STANDS_S), limit_s=_STUCK_LIMIT_S)
        await trial.cured(await _heard(10), lambda one: one.verdict in (Verdict.OK, Verdict.FLAPPING))


async def flapping(trials: Trials, office: str = PACE) -> None:
    """Rebalance storm: a second adapter is killed again and again."""
    bus = trials.bus
    async with trials.of("a second adapter is killed again and again (rebalances)", office, Verdict.FLAPPING) as trial:
        second = await bus.add_second(office)
        for _ in range(3):
            await bus.strike(second)
            await asyncio.sleep(7)
        await trial.recognised()
        await bus.halt(second)
        trials.later.append((trial, now() + timedelta(seconds=FLAP_WINDOW_S)))


async def slow_late(trials: Trials, office: str = PACE) -> None:
    """More comes in than the back office finishes; until it is late."""
    bus, sent = trials.bus, list[float]()

    async def flow(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await bus.send(office, 6)
            sent.extend([time.time()] * 6)
            await asyncio.sleep(1)

    async def is_late() -> bool:
        done = await bus.effects(office)
        return done < len(sent) and time.time() - sent[done] > 60

    stop = asyncio.Event()
    await bus.mood(office, "slow", delay_s=1)
    traffic, began = asyncio.create_task(flow(stop)), now()
    async with trials.of("6 submissions a second, the back office finishes 2 (mood `slow`)", office, Verdict.SLOW) as trial:
        await trial.recognised(began + timedelta(seconds=24), limit_s=60)
    async with trials.of("the same, until the first in line waits for longer than the target (60 s)", office, Verdict.LATE) as trial:
        assert await within(120, is_late)
        await trial.recognised()
    stop.set()
    await traffic
    await bus.mood(office, "ok")


async def draining(trials: Trials, office: str = STRANGERS) -> None:
    """What has piled up is worked off."""
    bus = trials.bus
    async with trials.of("240 have piled up, the back office finishes 2 a second (mood `slow`)", office, Verdict.DRAINING) as trial:
        await bus.halt(office)
        await bus.send(office, 240)
        await bus.mood(office, "slow", delay_s=1)
        before = await bus.effects(office)
        await bus.launch(office)
        assert await within(60, lambda: _has(trials, office, before + 5))
        await trial.recognised(await _heard(6))  # a peak was seen, and two looks behind it
        await bus.mood(office, "ok")
        await trial.cured(await _answered(trials, office), lambda one: one.verdict in (Verdict.OK, Verdict.FLAPPING))


async def lost(trials: Trials, office: str = LOG) -> None:
    """Retention overtakes the office; then the outbox sends again what was lost."""
    bus = trials.bus
    async with trials.of(
        "records are deleted before the adapter has read them (DeleteRecords)", office, Verdict.LOST, SubReason.EXPIRED
    ) as trial:
        await bus.send(office, 3)
        await _settled(trials, office)
        await bus.halt(office)
        await bus.submit(office, 12)
        await asyncio.sleep(3)
        await bus.delete_records(office)
        await trial.recognised()
    async with trials.of("the same, and the adapter has gone on behind them", office, Verdict.LOST, SubReason.NOTED) as trial:
        before = await bus.effects(office)
        await bus.launch(office)
        await trial.recognised(await _heard())
        await bus.halt(office)
        await bus.operate("offsets", "reset", office, "--go")
        await bus.launch(office)
        await bus.operate("outbox", "republish", office, "--go")
        assert await within(60, lambda: _has(trials, office, before + 12)), "what was lost is not delivered"
        await trial.cured()


async def poison(trials: Trials, office: str = LOG) -> None:
    """A record that nobody can read."""
    bus = trials.bus
    async with trials.of("a poison record (no submission at all)", office, Verdict.OK, None, EvidenceCode.DEAD_LETTERS) as trial:
        await bus.write(office, b"\xff\x00 <nothing")
        await trial.recognised(await _heard(8))
        await bus.discard_all(office)
        await trial.cured(await _heard(8))


async def transaction(trials: Trials, office: str = LOG) -> None:
    """A foreign transaction stays open on the topic."""
    bus = trials.bus
    async with trials.of("a foreign transaction stays open on its topic", office, Verdict.STUCK, SubReason.OPEN_TRANSACTION) as trial:
        async with bus.open_transaction(office):
            began = now()
            await bus.send(office, 5)
            await trial.recognised(began + timedelta(seconds=STANDS_S), limit_s=_STUCK_LIMIT_S)
        await trial.cured(await _heard())


async def unused(trials: Trials, office: str = UNUSED) -> None:
    """Nobody runs its adapter: nothing was ever sent, then something, then a stranger is in its group, then the adapter comes."""
    bus = trials.bus
    async with trials.of("its adapter was never started, nothing was ever sent", office, Verdict.QUIET) as trial:
        await trial.recognised()
    async with trials.of("its adapter was never started, and something comes in", office, Verdict.DOWN, SubReason.NEVER_STARTED) as trial:
        await bus.write(office, b"\xff\x00 <nothing")
        await trial.recognised()
    async with trials.of("only a foreign program is in its group", office, Verdict.STUCK, SubReason.BLIND) as trial:
        async with bus.stranger(office):
            await trial.recognised(now() + timedelta(seconds=STANDS_S), limit_s=_STUCK_LIMIT_S)
        await bus.launch(office)
        await asyncio.sleep(5)
        await bus.discard_all(office)
        await trial.cured(await _heard(8))


async def recorder(trials: Trials) -> None:
    """Statistics are killed."""
    bus = trials.bus
    async with trials.of("statistics are killed (`kill -9`)", "statistics", Verdict.DOWN, SubReason.KILLED) as trial:
        await bus.kill("statistics")
        await bus.send(LOG, 3)
        await trial.recognised(await bus.waits_for_empty("statistics"))
        await bus.launch("statistics")
        await trial.cured(await _heard())


async def _heard(seconds: float = 6) -> datetime:
    """After a start: when the first heartbeat says how it is."""
    await asyncio.sleep(seconds)
    return now()


async def _settled(trials: Trials, office: str) -> None:
    """Wait until nothing waits, and the watch has seen it."""
    done = await _answered(trials, office)
    assert await within(30, lambda: trials.bus.eye.looks[-1].at > done + timedelta(seconds=3))


async def _answered(trials: Trials, office: str) -> datetime:
    """Wait until all that was sent is committed."""

    async def is_done() -> bool:
        return not (await trials.bus.lag(office))

    assert await within(90, is_done), f"{office} does not finish"
    return now()


async def _has(trials: Trials, office: str, count: int) -> bool:
    return await trials.bus.effects(office) >= count
