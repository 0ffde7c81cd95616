"""The verdict on the gateway's outbox, out of what the gateways say in their heartbeats: the same twelve, as far as they can be. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from consumers.watch.facts import Facts
from consumers.watch.memory import ConsumerMemory, Found
from consumers.watch.model import Attention, Evidence, EvidenceCode, Party, SubReason, Verdict
from schemas.heartbeats import RelayLane

RELAY_S: Final = 10.0
"""The relay brings a submission to Kafka in milliseconds; what waits longer waits for a reason."""
LATE_S: Final = 60.0


def find(facts: Facts, _: ConsumerMemory) -> Found:
    """The verdict of this cycle."""
    return _unknown(facts) or _down(facts) or _stuck(facts) or _late(facts) or _ok(facts)


def _unknown(facts: Facts) -> Found | None:
    """Nobody hears the gateways: what waits there is known to them alone."""
    if facts.hears:
        return None
    away = tuple(Evidence(EvidenceCode.BROKER_AWAY, of=one.address, said=one.why) for one in facts.observed.brokers if not one.up)
    as_of = facts.observed.heartbeats_as_of
    reason, party = (SubReason.KAFKA_AWAY, Party.KAFKA) if away else (SubReason.NOT_SAID, Party.WATCH)
    attention = Attention.NOW if away else Attention.SOON
    return Found(Verdict.UNKNOWN, reason, as_of, attention, party, (Evidence(EvidenceCode.AS_OF, at=as_of), *away))


def _down(facts: Facts) -> Found | None:
    """No gateway is heard: nobody accepts anything, or it is cut off from Kafka and goes on accepting. Either way it has to be looked at."""
    if facts.alive:
        return None
    last = facts.last_heard
    waits = (facts.waits(),) if facts.waiting else ()
    if last is None:
        return _found(Verdict.DOWN, SubReason.NEVER_STARTED, None, Attention.NOW, Evidence(EvidenceCode.NO_HEARTBEAT))
    stopped = last.heartbeat.stopping
    code, reason = (EvidenceCode.STOPPED, SubReason.STOPPED) if stopped else (EvidenceCode.LAST_HEARTBEAT, SubReason.KILLED)
    line = Evidence(code, at=last.heard_at, of=last.heartbeat.instance)
    return _found(Verdict.DOWN, reason, last.heard_at, Attention.NOW, line, *waits)


def _stuck(facts: Facts) -> Found | None:
    """Something waits for longer than the relay takes, and the gateway says why; what Kafka refuses comes first, however young."""
    lanes = [one for one in facts.lanes if one.waiting and (one.refused_since or (one.why and _age_s(facts, one) > RELAY_S))]
    if not lanes:
        return None
    refused = any(one.refused_since for one in lanes)
    since = min((at for one in lanes for at in (one.refused_since, one.oldest_accepted_at) if at), default=None)
    lines = [line_of(one) for one in sorted(lanes, key=lambda one: one.oldest_accepted_at or facts.at)]
    return _found(
        Verdict.STUCK, SubReason.REFUSED if refused else SubReason.NOT_PUBLISHED, since, Attention.SOON, *lines, party=Party.KAFKA
    )


def _late(facts: Facts) -> Found | None:
    if facts.oldest_at is None or facts.age_s(facts.oldest_at) <= LATE_S:
        return None
    lines = (facts.waits(), Evidence(EvidenceCode.TARGET, seconds=LATE_S))
    return _found(Verdict.LATE, None, None, Attention.SOON, *lines)


def _ok(facts: Facts) -> Found:
    heard = max(facts.alive, key=lambda one: one.heard_at)
    lines = (Evidence(EvidenceCode.LAST_HEARTBEAT, at=heard.heard_at, of=heard.heartbeat.instance),)
    return Found(Verdict.OK, evidence=lines)


def line_of(lane: RelayLane) -> Evidence:
    """What waits for one office, since when and why."""
    attention = Attention.SOON if lane.why else Attention.NONE
    return Evidence(
        EvidenceCode.LANE, count=lane.waiting, at=lane.oldest_accepted_at, of=lane.office, said=lane.why or "", attention=attention
    )


def _age_s(facts: Facts, lane: RelayLane) -> float:
    return facts.age_s(lane.oldest_accepted_at) if lane.oldest_accepted_at else 0.0


def _found(
    verdict: Verdict,
    reason: SubReason | None,
    since: datetime | None,
    attention: Attention,
    *lines: Evidence,
    party: Party = Party.GATEWAY,
) -> Found:
    return Found(verdict, reason, since, attention, party, lines)
