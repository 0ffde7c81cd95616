"""What a person has to know of a consumer whatever its verdict is: dead letters, what is held or parked, a loss that is near. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from consumers.watch.facts import LEFT_S, Facts
from consumers.watch.memory import ConsumerMemory, Found
from consumers.watch.model import Attention, Evidence, EvidenceCode, SubReason, Verdict
from consumers.watch.observed import Kind
from consumers.watch.outbox_rules import line_of
from consumers.watch.rules import is_silent, was_used

LOSS_SOON: Final = 0.5
LOSS_NOW: Final = 0.2
"""Shares of the retention that are left for the oldest record that waits."""


def beside(facts: Facts, memory: ConsumerMemory, found: Found) -> tuple[Evidence, ...]:
    """All of it, what asks most first. What the verdict itself rests on is not said again."""
    lines = [
        *_of_log(facts),
        *_set_aside(facts),
        *_held(facts),
        *_of_processes(facts, memory, found),
        *([line_of(facts.lane)] if facts.lane and facts.lane.why else ()),
    ]
    said = set(found.evidence)
    return tuple(sorted((one for one in lines if one not in said), key=lambda one: -tuple(Attention).index(one.attention)))


def _of_log(facts: Facts) -> Iterator[Evidence]:
    soon = Attention.SOON
    if facts.unknown and facts.known:
        places = ", ".join(one.place for one in facts.unknown)
        why = next((one.fault for one in facts.unknown if one.fault), None) or ""
        yield Evidence(EvidenceCode.PARTITIONS_UNKNOWN, len(facts.unknown), of=places, said=why, attention=soon)
    if facts.known:
        yield from (Evidence(EvidenceCode.TOPIC_FAULT, of=fault, attention=Attention.NOW) for fault in facts.seen.faults)
    for one in facts.waiting_in:
        if one.committed is None and one.start:
            yield Evidence(EvidenceCode.NO_COMMIT, count=one.start, of=one.place, attention=soon)
        elif one.committed is None:
            yield Evidence(EvidenceCode.NO_COMMIT, count=0, of=one.place)
        if one.oldest_at is not None and one.retention_s:
            left = 1 - facts.age_s(one.oldest_at) / one.retention_s
            attention = Attention.NOW if left <= LOSS_NOW else soon
            if left <= LOSS_SOON:
                yield Evidence(
                    EvidenceCode.LOSS_NEAR, until=one.oldest_at + timedelta(seconds=one.retention_s), of=one.place, attention=attention
                )


def _set_aside(facts: Facts) -> Iterator[Evidence]:
    if facts.seen.kind is not Kind.OFFICE:
        return
    letters = facts.seen.dead_letters
    if letters is None:
        yield Evidence(EvidenceCode.DEAD_LETTERS_UNKNOWN)
    elif letters.count:
        yield Evidence(EvidenceCode.DEAD_LETTERS, count=letters.count, at=letters.oldest_at, attention=Attention.SOON)
    if facts.parked:
        oldest_at = facts.seen.parked.oldest_at if facts.seen.parked else None
        long = facts.open_age_s(oldest_at) >= facts.expected.deadlines.escalate.total_seconds()
        yield Evidence(EvidenceCode.PARKED, facts.parked, oldest_at, attention=Attention.SOON if long else Attention.NONE)


def _held(facts: Facts) -> Iterator[Evidence]:
    """Series of a portal or a cause that the brake holds, while the others go on."""
    for heard in facts.alive:
        for one in heard.heartbeat.held:
            if one.portal or one.cause:
                name = " ".join(part for part in (one.portal, one.cause and f"[{one.cause}]") if part)
                yield Evidence(EvidenceCode.SERIES_HELD, at=one.since, of=name, said=one.reason, attention=Attention.SOON)


def _of_processes(facts: Facts, memory: ConsumerMemory, found: Found) -> Iterator[Evidence]:
    if found.sub_reason is not SubReason.UNFIT:
        told = {(name, text) for _, name, text in facts.findings()}
        yield from (Evidence(EvidenceCode.FINDING, of=name, said=text, attention=Attention.SOON) for name, text in sorted(told))
    if facts.alive:
        gone = (one for one in facts.silent if facts.hears and facts.age_s(one.heard_at) <= LEFT_S)
        yield from (
            Evidence(EvidenceCode.PROCESS_GONE, at=one.heard_at, of=one.heartbeat.instance, attention=Attention.SOON) for one in gone
        )
    probes = [one.heartbeat.probe for one in facts.seen.processes if one.heartbeat.probe]
    if probes:
        last = max(probes, key=lambda one: one.sent_at)
        took_s, asks = (last.answered_at - last.sent_at).total_seconds(), Attention.SOON if last.why else Attention.NONE
        yield Evidence(EvidenceCode.PROBE, at=last.sent_at, seconds=took_s, said=last.why or "", attention=asks)
    idle = found.verdict in (Verdict.OK, Verdict.QUIET) and was_used(facts)
    if idle and facts.seen.kind is not Kind.OUTBOX and (facts.members == 0 or is_silent(facts, memory)):
        last_at = facts.last_heard.heard_at if facts.last_heard else None
        yield Evidence(EvidenceCode.NOBODY_THERE, at=last_at, attention=Attention.SOON)
