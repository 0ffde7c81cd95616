"""The rules: what one consumer's facts come to, the first that fits. docs/lag.md explains each. Pure.

`outbox_rules.py` has those of the gateway, `stuck.py` the reasons for which a consumer does not come on, `beside.py` what a person has to know
whatever the verdict is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from consumers.watch import arrivals, pace
from consumers.watch.facts import Facts
from consumers.watch.memory import ConsumerMemory, Found
from consumers.watch.model import Attention, Evidence, EvidenceCode, Party, SubReason, Verdict, gravest
from consumers.watch.observed import Kind
from consumers.watch.remember import FLAP_WINDOW_S
from consumers.watch.stuck import stuck
from schemas import problems
from schemas.catalogue.calendar import closed_since, due_at, is_open, opens_at
from schemas.heartbeats import INTERVAL_S

Rule = Callable[[Facts, ConsumerMemory], Found | None]

_FLAPS: Final = 3
_PLANNED_FLAPS: Final = 6
"""Changes for each process that a rollout may bring in the window: more of them are a process that stops again and again."""
_BEAT_S: Final = 1.5 * INTERVAL_S
"""Who was heard so lately has missed no heartbeat."""
_HIDDEN_AT_NIGHT: Final = (Verdict.DOWN, Verdict.STUCK, Verdict.LATE, Verdict.SLOW)


def find(facts: Facts, memory: ConsumerMemory) -> Found:
    """The verdict of this cycle."""
    if unknown := _unknown(facts):
        return unknown
    rest = _first(_REST, facts, memory)
    rest = replace(rest, attention=gravest((rest.attention, by_age(facts))))
    return _lost(facts, memory, rest) or _paused(facts, rest) or rest


def _first(rules: tuple[Rule, ...], facts: Facts, memory: ConsumerMemory) -> Found:
    return next(found for rule in rules if (found := rule(facts, memory)))


def by_age(facts: Facts) -> Attention:
    """What the age of the first in line asks for, by the deadlines of its office."""
    age_s, deadlines = facts.open_age_s(facts.oldest_at), facts.expected.deadlines
    if age_s >= deadlines.escalate.total_seconds():
        return Attention.NOW
    return Attention.SOON if age_s >= deadlines.warn.total_seconds() else Attention.NONE


# --- 1 to 3: what is said whatever else is true


def _unknown(facts: Facts) -> Found | None:
    if facts.known:
        return None
    if facts.seen.faults and not facts.seen.partitions:
        topic_faults = tuple(Evidence(EvidenceCode.TOPIC_FAULT, of=fault) for fault in facts.seen.faults)
        return Found(Verdict.UNKNOWN, SubReason.TOPICS, None, Attention.NOW, Party.KAFKA, topic_faults)
    as_of = max((one.as_of for one in facts.seen.partitions if one.as_of), default=None)
    faults = [one.fault for one in facts.seen.partitions if one.fault] + [facts.seen.group.fault if facts.seen.group else None]
    said = next((fault for fault in faults if fault), "")
    away, answer = brokers_away(facts), (Evidence(EvidenceCode.CALL_FAILED, of=said),) if said else ()
    lines = (Evidence(EvidenceCode.AS_OF, at=as_of), *away, *answer)
    if away or said.startswith(problems.KAFKA_UNREACHABLE.code):
        return Found(Verdict.UNKNOWN, SubReason.KAFKA_AWAY, as_of, Attention.NOW, Party.KAFKA, lines)
    return Found(Verdict.UNKNOWN, SubReason.NOT_ASKED, as_of, Attention.SOON, Party.WATCH, lines)


def brokers_away(facts: Facts) -> list[Evidence]:
    """A line for each broker that does not answer."""
    return [Evidence(EvidenceCode.BROKER_AWAY, of=one.address, said=one.why) for one in facts.observed.brokers if not one.up]


def _lost(facts: Facts, memory: ConsumerMemory, rest: Found) -> Found | None:
    """Records that are gone; what it does beside that is told with it, because a loss does not pass."""
    lines = [(reason, Evidence(EvidenceCode.RECORDS_LOST, count=count, of=place)) for reason, place, count in losses(facts, memory)]
    if not lines:
        return None
    hidden = (Evidence(EvidenceCode.HIDDEN, of=rest.verdict), *rest.evidence) if rest.attention is not Attention.NONE else ()
    evidence = (*(line for _, line in lines), *hidden)
    return Found(Verdict.LOST, lines[0][0], None, Attention.NOW, Party.KAFKA, evidence, lines[0][1].of)


def losses(facts: Facts, memory: ConsumerMemory) -> list[tuple[SubReason, str, int]]:
    """Why, where and how many records are gone before they were read.

    Where nothing is committed, records before the log start may have been delivered before the commits expired: then only those count that
    were seen to wait.
    """
    found = []
    for one in facts.known:
        gone = memory.partitions[one.place].gone if one.committed is None else one.start - one.committed
        if gone > 0:
            found.append((SubReason.EXPIRED, one.place, gone))
        elif one.committed is not None and one.committed > one.end:
            found.append((SubReason.LOG_SHORTENED, one.place, one.committed - one.end))
        if one.lost:
            found.append((SubReason.NOTED, one.place, one.lost))
    return found


def _paused(facts: Facts, rest: Found) -> Found | None:
    pause = facts.seen.pause
    hidden = () if rest.verdict in (Verdict.OK, Verdict.QUIET) else (Evidence(EvidenceCode.HIDDEN, of=rest.verdict),)
    waiting = (facts.waits(),) if facts.waiting else ()
    if pause is not None:
        code = EvidenceCode.PAUSED_BY if pause.actor else EvidenceCode.WINDOW
        line = Evidence(code, at=pause.since, until=pause.until, of=pause.actor or "", said=pause.reason)
        reason = SubReason.BY_OPERATOR if pause.actor else SubReason.MAINTENANCE
        forgotten = pause.actor and pause.until is None and by_age(facts) is Attention.NOW
        attention = Attention.SOON if forgotten else Attention.NONE
        return Found(Verdict.PAUSED, reason, pause.since, attention, Party.OPERATOR, (line, *waiting, *hidden))
    if rest.verdict not in _HIDDEN_AT_NIGHT or is_open(facts.expected, facts.at):
        return None
    line = Evidence(EvidenceCode.CLOSED_UNTIL, until=opens_at(facts.expected, facts.at))
    return Found(
        Verdict.PAUSED, SubReason.CLOSED, closed_since(facts.expected, facts.at), Attention.NONE, Party.NOBODY, (line, *waiting, *hidden)
    )


# --- 4 to 12


def _down(facts: Facts, memory: ConsumerMemory) -> Found | None:
    if not (facts.waiting or facts.parked) or not (facts.members == 0 or is_silent(facts, memory)):
        return None
    reason, since, said = _who_is_gone(facts)
    moved = (Evidence(EvidenceCode.LAST_COMMIT, at=at) for at in _moved(memory))
    lines = (*said, Evidence(EvidenceCode.MEMBERS, count=facts.members), facts.waits(), *moved)
    return Found(Verdict.DOWN, reason, since, Attention.SOON, facts.worker, lines)


def _who_is_gone(facts: Facts) -> tuple[SubReason, datetime | None, tuple[Evidence, ...]]:
    last = facts.last_heard
    beats = any(facts.age_s(one.heard_at) <= _BEAT_S for one in facts.alive)  # Kafka may have missed it before it is silent for long
    if beats or not facts.hears:
        return SubReason.NO_MEMBERS, facts.oldest_at, ()
    if last is None:
        return SubReason.NEVER_STARTED, facts.oldest_at, (Evidence(EvidenceCode.NO_HEARTBEAT),)
    if last.heartbeat.stopping:
        return SubReason.STOPPED, last.heard_at, (Evidence(EvidenceCode.STOPPED, at=last.heard_at, of=last.heartbeat.instance),)
    return SubReason.KILLED, last.heard_at, (Evidence(EvidenceCode.LAST_HEARTBEAT, at=last.heard_at, of=last.heartbeat.instance),)


def is_silent(facts: Facts, memory: ConsumerMemory) -> bool:
    """Whether all processes that were ever heard are gone, although Kafka may still count a killed one as a member. Not where the group comes
    on: then it is only not heard.
    """
    last = facts.last_heard
    if not facts.hears or last is None or facts.alive:
        return False
    return not any(at > last.heard_at and facts.age_s(at) < facts.age_s(last.heard_at) - facts.observed.cycle_s for at in _moved(memory))


def _moved(memory: ConsumerMemory) -> list[datetime]:
    times = [one.moved_at for one in memory.partitions.values() if one.moved_at]
    return [max(times)] if times else []


def _rewound(_: Facts, memory: ConsumerMemory) -> Found | None:
    back = [(place, one.went_back) for place, one in memory.partitions.items() if one.went_back]
    if not back:
        return None
    lines = tuple(
        Evidence(EvidenceCode.WENT_BACK, count=went[0] - went[1], at=went[2], of=f"{place}: {went[0]} -> {went[1]}") for place, went in back
    )
    place, went = min(back, key=lambda pair: pair[1][2])
    return Found(Verdict.REWOUND, None, went[2], Attention.SOON, Party.OPERATOR, lines, place)


def _late(facts: Facts, memory: ConsumerMemory) -> Found | None:
    target = facts.expected.freshness.within
    oldest_at = facts.oldest_at
    unfresh = [one for one in facts.waiting_in if one.oldest_at is None and one.fresh is False] if is_open(facts.expected, facts.at) else []
    if facts.open_age_s(oldest_at) <= target.total_seconds() and not unfresh:
        return None
    since = None if oldest_at is None else due_at(facts.expected, oldest_at, target)
    now = _pace(facts, memory)
    done_by = pace.done_by(memory.points[-1], now) if memory.points else None
    rate = Evidence(EvidenceCode.RATE, seconds=now.done_per_s)
    eta = (Evidence(EvidenceCode.ETA, until=done_by),) if done_by else ()
    lines = (facts.waits(), Evidence(EvidenceCode.TARGET, seconds=target.total_seconds()), rate, *eta)
    return Found(Verdict.LATE, None, since, Attention.SOON, _who_is_slow(facts), lines, _oldest_place(facts), done_by)


def _who_is_slow(facts: Facts) -> Party:
    """Whose fault it is: an adapter that has submissions in flight waits for its back office."""
    return Party.BACK_OFFICE if facts.worker is Party.ADAPTER and any(one.heartbeat.in_flight for one in facts.alive) else facts.worker


def _oldest_place(facts: Facts) -> str | None:
    return next((one.place for one in facts.waiting_in if one.oldest_at == facts.oldest_at), None)


def _slow(facts: Facts, memory: ConsumerMemory) -> Found | None:
    now, target_s = _pace(facts, memory), facts.expected.freshness.within.total_seconds()
    breach = pace.breach_at(memory.points[-1], now, target_s) if memory.points else None
    if breach is None:
        return None
    lines = (
        Evidence(EvidenceCode.RATE, seconds=now.done_per_s, count=facts.waiting),
        Evidence(EvidenceCode.BREACH_AT, until=breach, seconds=target_s),
    )
    return Found(Verdict.SLOW, None, memory.points[0].at, Attention.SOON, _who_is_slow(facts), (*lines, facts.waits()))


def _draining(facts: Facts, memory: ConsumerMemory) -> Found | None:
    done_by = pace.done_by(memory.points[-1], _pace(facts, memory)) if memory.points else None
    if done_by is None or (done_by - facts.at).total_seconds() < pace.WORTH_S:
        return None
    lines = (facts.waits(), Evidence(EvidenceCode.ETA, until=done_by))
    return Found(Verdict.DRAINING, None, None, Attention.NONE, Party.NOBODY, lines, None, done_by)


def _pace(facts: Facts, memory: ConsumerMemory) -> pace.Pace:
    return pace.pace(memory.points, pace.window_s(facts.expected.freshness.within, facts.observed.cycle_s))


def _flapping(facts: Facts, memory: ConsumerMemory) -> Found | None:
    unplanned = [one for one in memory.changes if not one.planned]
    if len(unplanned) < _FLAPS and len(memory.changes) <= _PLANNED_FLAPS * max(1, len(facts.seen.processes)):
        return None
    came, went = (sum(getattr(one, which) for one in memory.changes) for which in ("came", "went"))
    line = Evidence(EvidenceCode.GROUP_CHANGES, len(memory.changes), memory.changes[-1].at, seconds=FLAP_WINDOW_S, of=f"+{came} -{went}")
    return Found(Verdict.FLAPPING, None, memory.changes[0].at, Attention.SOON, facts.worker, (line, facts.waits()))


def _quiet(facts: Facts, memory: ConsumerMemory) -> Found | None:
    if facts.waiting or facts.parked or facts.seen.kind is not Kind.OFFICE:
        return None
    if not was_used(facts):
        return Found(Verdict.QUIET, evidence=(Evidence(EvidenceCode.NOT_IN_USE),))
    known = memory.arrivals
    if arrivals.quiet_for_s(known, facts.at, facts.expected) is None:
        return None
    usual = Evidence(EvidenceCode.USUAL_GAP, seconds=arrivals.usual_gap_s(known))
    return Found(Verdict.QUIET, None, known.last_at, evidence=(Evidence(EvidenceCode.LAST_RECORD, at=known.last_at), usual))


def was_used(facts: Facts) -> bool:
    """Whether somebody ever read it, or wrote something for it."""
    return bool(facts.seen.processes or facts.members or any(one.end or one.committed is not None for one in facts.known))


def _ok(facts: Facts, memory: ConsumerMemory) -> Found | None:
    lines = [Evidence(EvidenceCode.LAST_COMMIT, at=at) for at in _moved(memory)]
    members = [] if facts.members is None else [Evidence(EvidenceCode.MEMBERS, count=facts.members)]
    return Found(Verdict.OK, evidence=(*members, *lines))


_REST: Final[tuple[Rule, ...]] = (_down, _rewound, stuck, _late, _slow, _draining, _flapping, _quiet, _ok)
