"""The rows of the fault list, one function each: what happens, and what has to be seen for the row to count as hit.

What holds for all of them is the checker's: nothing lost, nothing twice, no case out of order, nothing at a wrong office.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from consumers.watch import lag
from infra.crashpoints import LABELS
from infra.kafka import sender
from infra.kafka.admin import connected
from producers.synthetic.portal import SyntheticPortal, request_of
from schemas import topics
from schemas.message import Application
from tests.faults.act import DOOR_RATE, RATES, Act, NotHit
from tests.faults.checker import added_to, dead_id
from tests.faults.clock import WallClock
from tests.faults.poison import poisons, write
from tests.faults.world import ANSWER_LIMIT_S, BROKERS, OFFICES, SESSION_TIMEOUT_S, forget_group, tear

Run = Callable[[Act], Awaitable[None]]

PAUSED_BROKER_S: Final = 8
AWAY_BROKERS_S: Final = 8
AWAY_OFFICE_S: Final = 8
ADAPTER_LABELS: Final = sorted(label for label in LABELS if not label.startswith(("outbox.", "relay.")))
GATEWAY_LABELS: Final = sorted(LABELS - set(ADAPTER_LABELS))


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row. `scaled` says where a time is shorter than the row's."""

    row: str
    name: str
    expected: str
    run: Run
    scaled: str = ""
    needs: str = ""
    """`postgresql` or `compiler`, where one machine may not have it."""


# --- brokers


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
    """F1."""
    await _bounce(act, signal.SIGTERM, 1)


async def leader_killed(act: Act) -> None:
    """F2."""
    await _bounce(act, signal.SIGKILL, 1)


async def leader_bounced_cleanly(act: Act) -> None:
    """F3."""
    await _bounce(act, signal.SIGTERM, 5)


async def leader_bounced_hard(act: Act) -> None:
    """F4."""
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
    """F8: the outbox grows to its limit, then the gateway answers 503 with Retry-After; after the return all are sent."""
    limit = 30
    await act.world.restart("gateway", {"STADTBUS_GATEWAY__OUTBOX_LIMIT": str(limit)})
    async with act.traffic(door_rate=2 * DOOR_RATE):
        await act.pause(0.5, 1.5)
        before = _accepted(act)
        await asyncio.gather(*(act.world.strike(broker) for broker in range(BROKERS)))
        await act.insist_soon(lambda: _answers(act, 503) > 0, "the gateway answers 503 when its outbox is full")
        act.insist(_accepted(act) - before >= limit // 2, "the outbox was filled before")
        await asyncio.sleep(AWAY_BROKERS_S)
        await act.world.revive()
        act.fault()
        await act.pause(1.0, 2.0)
    act.insist(not sum(door.without_retry_after for door in act.doors), "each 503 says when to come back")
    await act.world.restart("gateway", {})


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


# --- the line


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
    """F12."""
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


# --- processes


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


async def _crash(act: Act, process: str, label: str) -> bool:
    return await act.world.crash(process, label, act.chance.randint(1, 4), limit_s=30)


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
    (one,) = await lag.of_offices(act.world.kafka, [act.office])
    return (one.group_state, one.members) == ("Stable", 1)


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


async def _nothing_behind(act: Act) -> bool:
    await act.checker.effects.follow()
    return not act.checker.missing() and not await act.checker.behind()


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


async def poison(act: Act) -> None:
    """F20: each poisonous record ends in its office's dead letters, byte for byte; the others go on."""
    async with act.traffic():
        await act.pause(0.5, 1.0)
        written = []
        for office in OFFICES:
            written += await write(act.world.kafka, poisons(act.forges[office]), act.log)
        act.fault()
        wanted = {one.sent.id for one in written}
        await act.insist_soon(lambda: _are_dead(act, wanted), "all of them are dead letters", 30)
        await act.pause(0.5, 1.0)
    for one in written:
        original = await act.checker.records.read(topics.submissions(one.sent.office), one.sent.partition, one.sent.offset)
        (dead,) = [record for record in act.checker.records.dead if dead_id(record) == one.sent.id]
        own, _ = added_to(dead)
        same = (dead.key, dead.value, dead.timestamp, own) == (original.key, original.value, original.timestamp, list(original.headers))
        act.insist(same, f"the dead letter of '{one.flaw}' is the record that was sent")


async def _are_dead(act: Act, wanted: set[str]) -> bool:
    await act.checker.records.follow()
    return wanted <= {dead_id(record) for record in act.checker.records.dead}


# --- back offices


async def office_away(act: Act) -> None:
    """F21: lag is seen, memory is bounded, the others go on, and the backlog is delivered in order."""
    office = act.office
    async with act.traffic():
        await act.pause(0.5, 1.0)
        await act.world.system.set_mood(office, "away")
        backlog = act.burst(office, 1_500)
        before_mib = act.world.memory_mib(office)
        await asyncio.sleep(AWAY_OFFICE_S)
        (waiting,) = await lag.of_offices(act.world.kafka, [office])
        act.insist(waiting.behind >= len(backlog), f"lag shows the backlog, it shows {waiting.behind}")
        grown_mib = act.world.memory_mib(office) - before_mib
        act.insist(grown_mib < 150, f"memory is bounded, it grew by {grown_mib:.0f} MiB")
        await act.world.system.set_mood(office, "ok")
        act.fault()
        await act.pause(0.5, 1.0)


async def _moody(act: Act, moods: Mapping[str, Mapping[str, float]], longest_s: float) -> None:
    async with act.traffic():
        for mood, more in moods.items():
            await asyncio.gather(*(act.world.system.set_mood(office, mood, seed=act.chance.getrandbits(16), **more) for office in OFFICES))
            await act.pause(longest_s / 2, longest_s)
        await asyncio.gather(*(act.world.system.set_mood(office, "ok") for office in OFFICES))
        act.fault()
        await act.pause(0.5, 1.0)


async def late_and_lost_answers(act: Act) -> None:
    """F22."""
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


# --- clocks, ids, crash points


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


async def other_content(act: Act) -> None:
    """F38: the first content stays, the second is refused with 409; a true repeat is answered as the first."""
    act.doors = [act.door(number) for number in range(len(OFFICES))]
    for door in act.doors:
        for application in await door.send(5):
            act.insist(await _status_of(door.portal, application) == 202, "the same once more is accepted")
            act.insist(await _status_of(door.portal, _changed(application)) == 409, "other content under the same id is refused")
    act.fault()
    await act.close_doors()


def _changed(application: Application) -> Application:
    return application.model_copy(update={"created_at": application.created_at + timedelta(seconds=1)})


async def _status_of(portal: SyntheticPortal, application: Application) -> int:
    response = await portal._http.post("/v1/submissions", **request_of(application))  # type: ignore[arg-type]
    return response.status_code


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


def _accepted(act: Act) -> int:
    return sum(len(door.portal.book.accepted) for door in act.doors)


def _answers(act: Act, status: int) -> int:
    return sum(door.answers.get(status, 0) for door in act.doors)


_AS_F1: Final = "nothing lost or twice; recovery below 60 s"

SCENARIOS: Final = (
    Scenario("F1", "leader SIGTERM", _AS_F1, leader_terminated),
    Scenario("F2", "leader SIGKILL", _AS_F1, leader_killed),
    Scenario("F3", "five clean bounces of the leader", _AS_F1, leader_bounced_cleanly),
    Scenario("F4", "five hard bounces of the leader", _AS_F1, leader_bounced_hard),
    Scenario("F5", "controller SIGKILL", "intake goes on, nothing lost", controller_killed),
    Scenario(
        "F6",
        "leader SIGSTOP, then SIGCONT",
        "no stale acknowledgement, the old leader is fenced",
        leader_paused,
        f"40 s → {PAUSED_BROKER_S} s",
    ),
    Scenario("F7", "two of three brokers down", "kept in the outbox, sent later once", two_brokers_down),
    Scenario(
        "F8",
        "all brokers down",
        "outbox to its limit, then 503; after the return all sent in order",
        all_brokers_down,
        f"10 min → {AWAY_BROKERS_S} s",
    ),
    Scenario("F9", "all brokers SIGKILL at once, one log torn", "with flush.messages=1 nothing lost", power_cut),
    Scenario("F12", "200 ms, 1 % loss, resets within a record", "unknown → sent again, one effect", slow_network),
    Scenario("F13", "acknowledgement lost after the write", "the repeat is dropped, by the broker or by its id", acknowledgement_lost),
    Scenario("F14", "adapter SIGKILL between ledger and commit", "comes again, no second effect", killed_before_commit),
    Scenario("F15", "gateway SIGKILL between acknowledgement and note", "sent again, one effect", killed_before_note),
    Scenario("F16", "rebalance storm", "nothing skipped or twice, order holds", rebalance_storm, needs="postgresql"),
    Scenario("F17", "zombie worker, paused past its session", "what it still does is fenced", zombie, needs="postgresql"),
    Scenario("F18", "committed offsets deleted", "stops with a clear error, no silent jump", offsets_deleted),
    Scenario("F19", "retention removed unread records", "alarm; the rest is delivered", retention),
    Scenario("F20", "poison records", "dead letters of the same office, unchanged; other cases flow", poison),
    Scenario(
        "F21",
        "back office away, then its backlog",
        "paused, lag seen, memory bounded, order kept",
        office_away,
        f"24 h → {AWAY_OFFICE_S} s",
    ),
    Scenario("F22", "answers late, lost, refused", "one effect, state reconciled", late_and_lost_answers),
    Scenario("F23", "garbage and endless answers", "limits, no crash, one effect", nonsense),
    Scenario("F24", "clock jumps ±1 h", "order and limits do not depend on the clock", clock_jumps, needs="compiler"),
    Scenario("F38", "other content under the same id", "409; the first content is delivered", other_content),
    Scenario("F41", "SIGKILL at each labelled crash point", "checker clean", crash_points),
)
