"""The judge: from what one cycle has observed, what is expected and what is remembered to a judgement on each consumer. Pure: it asks no clock,
no store and no Kafka, and changes nothing that it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from consumers.watch import arrivals, outbox_rules, rules
from consumers.watch.beside import beside
from consumers.watch.facts import Facts
from consumers.watch.hysteresis import settle
from consumers.watch.memory import ConsumerMemory, Found, Memory
from consumers.watch.model import RUNBOOK, Attention, EvidenceCode, Judgement, Party, Verdict, gravest
from consumers.watch.observed import Kind, Observation
from consumers.watch.remember import remember
from schemas.catalogue.expected import Expected
from schemas.heartbeats import RelayLane

_DEFAULT = Expected()


def judge(observed: Observation, expected: Mapping[str, Expected], memory: Memory) -> tuple[tuple[Judgement, ...], Memory]:
    """A judgement on each consumer, in the order of the observation, and the memory for the next cycle.

    `expected` is by office; who is not in it is held to the defaults. With an empty memory each is judged by this one look.
    """
    lanes = _lanes(observed)
    judgements, after = [], {}
    for seen in observed.consumers:
        before = memory.consumers.get(seen.name, ConsumerMemory())
        facts = Facts(observed, seen, expected.get(seen.name, _DEFAULT), before, lanes.get(seen.name))
        remembered = remember(facts)
        found = _find(facts, remembered)
        after[seen.name] = settled = settle(remembered, found, observed.at)
        judgements.append(_judgement(facts, settled, settled.shown or found))
    return tuple(judgements), Memory(after)


def _lanes(observed: Observation) -> dict[str, RelayLane]:
    outboxes = (Facts(observed, one, _DEFAULT, ConsumerMemory()) for one in observed.consumers if one.kind is Kind.OUTBOX)
    return {lane.office: lane for facts in outboxes if facts.hears for lane in facts.lanes}


def _find(facts: Facts, memory: ConsumerMemory) -> Found:
    """The verdict of this cycle, with what has to be known beside it."""
    find = outbox_rules.find if facts.seen.kind is Kind.OUTBOX else rules.find
    found = find(facts, memory)
    more = beside(facts, memory, found)
    attention = gravest((found.attention, *(one.attention for one in more)))
    asks = replace(found, attention=attention, evidence=(*found.evidence, *more))
    code = gravest_line(asks)
    return asks if code is None else replace(asks, party=_PARTIES.get(code, facts.worker))


def _judgement(facts: Facts, memory: ConsumerMemory, shown: Found) -> Judgement:
    seen = facts.seen
    known = bool(facts.known) or (seen.kind is Kind.OUTBOX and facts.hears)
    return Judgement(
        name=seen.name,
        kind=seen.kind,
        city=seen.name.partition(".")[0] if seen.kind is Kind.OFFICE else "",
        verdict=shown.verdict,
        sub_reason=shown.sub_reason,
        since=memory.since or facts.at,
        attention=shown.attention,
        party=shown.party,
        cause=_cause(seen.name, shown),
        evidence=shown.evidence,
        runbook=f"{RUNBOOK}#{_anchor(shown)}",
        as_of=_as_of(facts),
        waiting=facts.waiting if known else None,
        in_outbox=facts.lane.waiting if facts.lane else None,
        oldest_at=facts.oldest_at,
        parked=facts.parked if seen.kind is Kind.OFFICE and known else None,
        parked_oldest_at=seen.parked.oldest_at if seen.parked else None,
        dead_letters=seen.dead_letters.count if seen.dead_letters else None,
        dead_letters_oldest_at=seen.dead_letters.oldest_at if seen.dead_letters else None,
        done_by=shown.done_by,
        partition=shown.partition,
        group_state=seen.group.state if seen.group else "",
        members=facts.members,
        processes=len(facts.alive),
        lost=sum(count for _, _, count in rules.losses(facts, memory)),
        usual_gap_s=arrivals.usual_gap_s(memory.arrivals),
    )


def _as_of(facts: Facts) -> datetime | None:
    """The age of the oldest thing that the verdict rests on; where nothing is known any more, of the newest that was."""
    if facts.seen.kind is Kind.OUTBOX:
        return facts.observed.heartbeats_as_of
    if facts.known:
        return min(one.as_of for one in facts.known if one.as_of)
    return max((one.as_of for one in facts.seen.partitions if one.as_of), default=None)


_PLACES: Mapping[EvidenceCode, str] = {
    EvidenceCode.DEAD_LETTERS: "dead-letters",
    EvidenceCode.SERIES_HELD: "a-series-that-is-held",
    EvidenceCode.NOBODY_THERE: "down",
    EvidenceCode.PROCESS_GONE: "down",
    EvidenceCode.LANE: "kafka-is-away",
    EvidenceCode.TOPIC_FAULT: "topics-that-differ",
    EvidenceCode.LOSS_NEAR: "lost",
}
"""Where the runbook speaks of what stands beside a verdict that is well; of all else it does under the verdict."""
_PARTIES: Mapping[EvidenceCode, Party] = {
    EvidenceCode.DEAD_LETTERS: Party.OPERATOR,
    EvidenceCode.NO_COMMIT: Party.OPERATOR,
    EvidenceCode.PAUSED_BY: Party.OPERATOR,
    EvidenceCode.SERIES_HELD: Party.PORTAL,
    EvidenceCode.PARKED: Party.BACK_OFFICE,
    EvidenceCode.PROBE: Party.BACK_OFFICE,
    EvidenceCode.LANE: Party.KAFKA,
    EvidenceCode.LOSS_NEAR: Party.KAFKA,
    EvidenceCode.TOPIC_FAULT: Party.KAFKA,
    EvidenceCode.PARTITIONS_UNKNOWN: Party.KAFKA,
}
"""Who can mend what stands beside a verdict that is well; of all else whoever runs the process."""


def gravest_line(found: Found | Judgement) -> EvidenceCode | None:
    """What asks most of a person beside a verdict that asks nothing itself."""
    lines = [one for one in found.evidence if one.attention is found.attention is not Attention.NONE]
    return lines[0].code if lines and found.verdict in (Verdict.OK, Verdict.QUIET, Verdict.DRAINING, Verdict.PAUSED) else None


def _anchor(found: Found) -> str:
    code = gravest_line(found)
    return found.verdict.value if code is None else _PLACES.get(code, found.verdict.value)


def _cause(name: str, found: Found) -> str:
    """The same for all that have the same cause: Kafka and the watch are everybody's, and the status feed lives in the gateway."""
    if found.verdict is Verdict.UNKNOWN:
        return "kafka" if found.party is Party.KAFKA else "watch"
    if found.party is Party.GATEWAY and found.verdict is Verdict.DOWN:
        return "gateway:down"
    code = gravest_line(found)
    parts = (name, found.verdict.value, found.sub_reason.value if found.sub_reason else "") if code is None else (name, code.value)
    return ":".join(part for part in parts if part)
