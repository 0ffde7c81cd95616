"""What the judge remembers of a cycle, before the rules are asked. Pure: the memory before is not changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from consumers.watch import arrivals, pace
from consumers.watch.facts import Facts, by_our_clock
from consumers.watch.memory import Arrivals, ConsumerMemory, GroupChange, PartitionMemory, Point
from consumers.watch.observed import Heard, Kind, PartitionSeen
from schemas import topics
from schemas.operations import OperatorAction

FLAP_WINDOW_S: Final = 600.0
_SETTLE_S: Final = 60.0
"""So long after the stop or the start of a process its partitions may move."""
_SLACK: Final = timedelta(minutes=5)
"""Between the record of an offset reset and the reset itself, and between the clocks of the broker and the watch."""


def remember(facts: Facts) -> ConsumerMemory:
    """The memory after this look; what was found and shown is put in later (`hysteresis`)."""
    before = facts.before
    raw = {one.place: one.committed for one in facts.seen.partitions}
    fresh = {one.place: _partition(facts, one, raw[one.place], before.partitions.get(one.place)) for one in facts.known}
    partitions = {place: before.partitions[place] for place in raw if place in before.partitions} | fresh
    after = replace(before, looked_at=facts.at, partitions=partitions, points=_points(facts), arrivals=_arrivals(facts))
    return _group(facts, after)


def _partition(facts: Facts, seen: PartitionSeen, committed: int | None, before: PartitionMemory | None) -> PartitionMemory:
    moved = before is not None and seen.position != before.position
    since = before.stands_since if before is not None and not moved and before.stands_since else facts.at
    if before is None and (found := facts.progress_at(seen.place)) and found[1].oldest_since:
        since = min(since, by_our_clock(found[0], found[1].oldest_since))  # it has told before the watch had begun
    return PartitionMemory(
        committed=committed,
        position=seen.position,
        moved_at=facts.at if moved else before.moved_at if before else None,
        stands_since=since if seen.lag else None,
        gone=before.gone + max(0, seen.start - before.position) if before is not None and committed is None else 0,
        went_back=_went_back(facts, seen, committed, before),
    )


def _went_back(
    facts: Facts, seen: PartitionSeen, committed: int | None, before: PartitionMemory | None
) -> tuple[int, int, datetime] | None:
    if before is None:
        return None
    now = seen.start if committed is None else committed
    if before.went_back is not None:
        return None if now >= before.went_back[0] or _is_known(facts, seen.place, now) else before.went_back
    if before.committed is None or now >= before.committed or _is_known(facts, seen.place, now):
        return None
    return before.committed, now, facts.at


def _is_known(facts: Facts, place: str, now: int) -> bool:
    """Whether an operator has recorded a reset to there, or to before it, since the last look."""
    since = (facts.before.looked_at or facts.at) - _SLACK
    resets = (one for one in facts.seen.operations if one.operation.action is OperatorAction.OFFSET_RESET and one.at >= since)
    return any(place in (one.operation.offsets or {}) and (one.operation.offsets or {})[place] <= now for one in resets)


def _points(facts: Facts) -> tuple[Point, ...]:
    """The sums of all partitions; none where one of them is unknown, because it would look like a leap."""
    main = [one for one in facts.known if not topics.is_retry(one.topic)]
    if facts.unknown or not main:
        return facts.before.points if main else ()
    now = Point(facts.at, sum(one.position for one in main), sum(one.end for one in main))
    return pace.remember(facts.before.points, now, pace.window_s(facts.expected.freshness.within, facts.observed.cycle_s))


def _arrivals(facts: Facts) -> Arrivals:
    if facts.seen.kind is not Kind.OFFICE or facts.unknown or not facts.known:
        return facts.before.arrivals
    came = sum(one.end for one in facts.known if not topics.is_retry(one.topic))
    probes = (by_our_clock(one, one.heartbeat.probe.sent_at) for one in facts.seen.processes if one.heartbeat.probe)
    return arrivals.remember(facts.before.arrivals, came, facts.at, max(probes, default=None), facts.expected)


def _group(facts: Facts, memory: ConsumerMemory) -> ConsumerMemory:
    """With the state of the group, and with its change."""
    stopping = {
        one.heartbeat.instance for one in facts.seen.processes if one.heartbeat.stopping and facts.age_s(one.heard_at) <= FLAP_WINDOW_S
    }
    back = {one.heartbeat.instance for one in facts.alive if one.heartbeat.instance in memory.polite and _has_just_begun(facts, one)}
    memory = replace(memory, polite=tuple(sorted(stopping | back)))
    group = facts.seen.group
    if group is None or facts.members is None:
        return memory
    changes = [one for one in memory.changes if facts.age_s(one.at) <= FLAP_WINDOW_S]
    came, went = set(group.members) - set(memory.members), set(memory.members) - set(group.members)
    if memory.group_state and (came or went or group.state != memory.group_state):
        planned = bool(back) or any(
            one.heartbeat.instance in stopping and facts.age_s(one.heard_at) <= _SETTLE_S for one in facts.seen.processes
        )
        changes.append(GroupChange(facts.at, group.state, len(came), len(went), planned))
    return replace(memory, group_state=group.state, members=tuple(sorted(group.members)), changes=tuple(changes))


def _has_just_begun(facts: Facts, heard: Heard) -> bool:
    return facts.age_s(by_our_clock(heard, heard.heartbeat.started_at)) <= _SETTLE_S
