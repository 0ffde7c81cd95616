"""Why a consumer does not come on although a process is there: what the process says first, then how its partition stands. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from consumers.watch.facts import Facts, by_our_clock
from consumers.watch.memory import ConsumerMemory, Found
from consumers.watch.model import Attention, Evidence, EvidenceCode, Party, SubReason, Verdict
from consumers.watch.observed import Heard, PartitionSeen
from schemas.heartbeats import PartitionProgress

STANDS_S: Final = 120.0
"""So long a place may stand before that is news, where nobody says why. Commits come every half second, and a delivery takes some seconds."""
TRANSACTION_S: Final = 20.0
"""Where a transaction hides what is next it is known why, and ours use none: who holds one for so long has left it open."""
_POLL_S: Final = 60.0
"""Whoever has not asked Kafka for so long hangs."""
_ATTEMPTS: Final = 3


def stuck(facts: Facts, memory: ConsumerMemory) -> Found | None:
    """The reason, the one that explains most first; None where it comes on, or nothing waits."""
    if not (facts.waiting or facts.parked):
        return None
    return _back_office_down(facts) or _held(facts) or _stands(facts, memory)


def _back_office_down(facts: Facts) -> Found | None:
    """The breaker is open: that is known at once."""
    down = [(one, one.heartbeat.breaker) for one in facts.alive if one.heartbeat.breaker and one.heartbeat.breaker.open]
    if not down:
        return None
    since = min((by_our_clock(one, breaker.since) for one, breaker in down if breaker.since), default=None)
    why = next((breaker.why for _, breaker in down if breaker.why), "")
    line = Evidence(EvidenceCode.BREAKER_OPEN, at=since, said=why)
    return _found(SubReason.BACK_OFFICE_DOWN, since, Party.BACK_OFFICE, (line, facts.waits()))


def _held(facts: Facts) -> Found | None:
    """The brake holds the whole office."""
    held = next(((one, one.heartbeat.brake) for one in facts.alive if one.heartbeat.brake), None)
    if held is None:
        return None
    heard, reason = held
    series = next((one for one in heard.heartbeat.held if one.portal is None and one.cause is None), None)
    since = by_our_clock(heard, series.since) if series else None
    line = Evidence(EvidenceCode.OFFICE_HELD, at=since, said=reason or "")
    return _found(SubReason.HELD, since, Party.BACK_OFFICE, (line, facts.waits()))


def _stands(facts: Facts, memory: ConsumerMemory) -> Found | None:
    """The partition that stands for longest, if that is too long."""
    standing = [(since, one) for one in facts.waiting_in if (since := _stands_since(facts, memory, one))]
    too_long = [(since, one) for since, one in standing if facts.age_s(since) > (TRANSACTION_S if _is_hidden(one) else STANDS_S)]
    if not too_long:
        return None
    since, where = min(too_long, key=lambda pair: pair[0])
    place = Evidence(EvidenceCode.STANDS_AT, count=where.lag, at=since, of=f"{where.place}/{where.position}")
    reason, party, lines = _why(facts, where)
    return _found(reason, since, party, (*lines, place, facts.waits()), where.place)


def _is_hidden(where: PartitionSeen) -> bool:
    """A transaction is open, and nobody can read on."""
    return where.readable is not None and where.readable <= where.position


def _stands_since(facts: Facts, memory: ConsumerMemory, where: PartitionSeen) -> datetime | None:
    remembered = memory.partitions[where.place].stands_since
    found = facts.progress_at(where.place)
    told = by_our_clock(found[0], found[1].oldest_since) if found and found[1].oldest_since else None
    return min((at for at in (remembered, told) if at), default=None)


def _why(facts: Facts, where: PartitionSeen) -> tuple[SubReason, Party, tuple[Evidence, ...]]:
    if _is_hidden(where):
        return SubReason.OPEN_TRANSACTION, Party.KAFKA, (Evidence(EvidenceCode.TRANSACTION, of=where.place),)
    worker = facts.worker
    if not facts.alive:
        return SubReason.BLIND, worker, (Evidence(EvidenceCode.NO_HEARTBEAT), Evidence(EvidenceCode.MEMBERS, count=facts.members))
    if findings := facts.findings():
        said = tuple(Evidence(EvidenceCode.FINDING, of=name, said=text) for _, name, text in findings)
        return SubReason.UNFIT, worker, said
    found = facts.progress_at(where.place)
    return _why_of(*found, worker) if found else _not_taken(facts, worker)


def _why_of(heard: Heard, progress: PartitionProgress, worker: Party) -> tuple[SubReason, Party, tuple[Evidence, ...]]:
    polled = heard.heartbeat.last_poll_at
    if polled is not None and (heard.heartbeat.at - polled).total_seconds() > _POLL_S:
        return SubReason.HUNG, worker, (Evidence(EvidenceCode.LAST_POLL, at=by_our_clock(heard, polled), of=heard.heartbeat.instance),)
    if (progress.attempts or 0) >= _ATTEMPTS:
        return SubReason.POISON, Party.BACK_OFFICE, (Evidence(EvidenceCode.ATTEMPTS, count=progress.attempts),)
    asked = bool(progress.attempts) and worker is Party.ADAPTER  # what was handed over, and has no answer
    return SubReason.WAITING, Party.BACK_OFFICE if asked else worker, (Evidence(EvidenceCode.ATTEMPTS, count=progress.attempts or 0),)


def _not_taken(facts: Facts, worker: Party) -> tuple[SubReason, Party, tuple[Evidence, ...]]:
    """Processes are heard, and none of them has this partition."""
    heard = facts.alive[0].heartbeat.instance
    return SubReason.NOT_TAKEN, worker, (Evidence(EvidenceCode.MEMBERS, count=facts.members, of=heard),)


def _found(reason: SubReason, since: datetime | None, party: Party, lines: tuple[Evidence, ...], where: str | None = None) -> Found:
    return Found(Verdict.STUCK, reason, since, Attention.SOON, party, lines, where)
