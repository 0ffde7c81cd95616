"""Verdicts on those who are no office: the gateway's outbox by what gateways say, and recorders, whose store knows more than their commit."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from consumers.watch import words
from consumers.watch.judge import judge
from consumers.watch.memory import Memory
from consumers.watch.model import Attention, EvidenceCode, Judgement, Party, SubReason, Verdict
from consumers.watch.observed import BrokerSeen, ConsumerSeen, GroupSeen, Heard, Kind, Observation, PartitionSeen, SetAside
from schemas.heartbeats import Heartbeat, PartitionProgress, ProcessKind, RelayLane
from tests.office_model import OFFICE, START, heartbeat

NOW = START + timedelta(hours=1)
EVENTS = "muenchen.events"


def gateway(*lanes: RelayLane, heard_s: float = 2, host: str = "host", **more: Any) -> Heard:
    """What a gateway has said, so many seconds ago."""
    at = NOW - timedelta(seconds=heard_s)
    said = {"instance": f"gateway@{host}:8080", "process": ProcessKind.GATEWAY, "version": "1", "started_at": START}
    return Heard(Heartbeat(at=at, lanes=list(lanes), **(said | more)), at)


def lane(waiting: int, oldest_s: float | None = None, why: str | None = None, refused_s: float | None = None) -> RelayLane:
    """What waits for the office."""
    since = {"oldest_accepted_at": oldest_s, "refused_since": refused_s}
    return RelayLane(
        office=OFFICE, waiting=waiting, why=why, **{name: NOW - timedelta(seconds=s) for name, s in since.items() if s is not None}
    )


def said_of(seen: ConsumerSeen, heard_at: datetime | None = NOW, brokers: tuple[BrokerSeen, ...] = ()) -> Judgement:
    """The judgement on one look."""
    (said,), _ = judge(Observation(NOW, 10, (seen,), brokers, heartbeats_as_of=heard_at), {}, Memory())
    return said


def of_gateways(*processes: Heard, **more: Any) -> Judgement:
    """The judgement on the outbox."""
    return said_of(ConsumerSeen("gateway", Kind.OUTBOX, processes=processes), **more)


@pytest.mark.parametrize(
    ("processes", "verdict", "reason", "attention"),
    [
        ((gateway(lane(0)),), Verdict.OK, None, Attention.NONE),
        ((gateway(lane(3)),), Verdict.OK, None, Attention.NONE),
        ((gateway(lane(3, 30)),), Verdict.OK, None, Attention.NONE),
        ((gateway(lane(3, 90)),), Verdict.LATE, None, Attention.SOON),
        ((gateway(lane(3, 30, "Kafka does not answer")),), Verdict.STUCK, SubReason.NOT_PUBLISHED, Attention.SOON),
        ((gateway(lane(3, 2, "MessageSizeTooLarge", 2)),), Verdict.STUCK, SubReason.REFUSED, Attention.SOON),
        ((gateway(lane(3), heard_s=60),), Verdict.DOWN, SubReason.KILLED, Attention.NOW),
        ((gateway(heard_s=1, stopping=True),), Verdict.DOWN, SubReason.STOPPED, Attention.NOW),
        ((), Verdict.DOWN, SubReason.NEVER_STARTED, Attention.NOW),
        ((gateway(heard_s=60, host="old"), gateway()), Verdict.OK, None, Attention.SOON),  # one of two is gone
        ((gateway(heard_s=6000, host="old"), gateway()), Verdict.OK, None, Attention.NONE),  # it has moved to another host
        ((gateway(findings={"disk": "90 MB are free"}),), Verdict.OK, None, Attention.SOON),
        ((gateway(findings={"relay of muenchen.gewerbe": "see the lane"}),), Verdict.OK, None, Attention.NONE),
    ],
)
def test_the_outbox_is_judged_by_what_gateways_say(
    processes: tuple[Heard, ...], verdict: Verdict, reason: SubReason | None, attention: Attention
) -> None:
    """What waits there, since when and why; and whether a gateway is there at all."""
    said = of_gateways(*processes)
    assert (said.verdict, said.sub_reason, said.attention) == (verdict, reason, attention)


def test_of_two_gateways_of_one_outbox_nothing_is_counted_twice() -> None:
    """Both see the same rows: the one that says more counts."""
    assert of_gateways(gateway(lane(3)), gateway(lane(2), host="other")).waiting == 3


def test_without_heartbeats_the_outbox_is_unknown() -> None:
    """Also where gateways were heard once: that nobody reads them says nothing of them. Whose fault it is depends on the brokers."""
    unread = of_gateways(gateway(), heard_at=NOW - timedelta(minutes=2))
    assert (unread.verdict, unread.sub_reason, unread.party) == (Verdict.UNKNOWN, SubReason.NOT_SAID, Party.WATCH)
    away = of_gateways(gateway(), heard_at=None, brokers=(BrokerSeen(1, "kafka:9092", up=False),))
    assert (away.verdict, away.sub_reason, away.cause) == (Verdict.UNKNOWN, SubReason.KAFKA_AWAY, "kafka")
    assert unread.waiting is away.waiting is None


def test_one_dead_gateway_is_one_cause() -> None:
    """The status feed lives in it: both are down, and one message is enough."""
    group = GroupSeen("Stable", ("a",), NOW)
    waits = (PartitionSeen(EVENTS, 0, NOW, 5, 0, 9),)
    processes = (gateway(heard_s=60),)
    feed = said_of(ConsumerSeen("status", Kind.RECORDER, group, waits, processes))
    assert (feed.verdict, feed.sub_reason) == (Verdict.DOWN, SubReason.KILLED)
    assert feed.cause == of_gateways(*processes).cause


def test_an_office_is_told_what_does_not_get_to_kafka() -> None:
    """It has no lag, and yet something waits for it, with the gateway's words for why."""
    office = ConsumerSeen(OFFICE, Kind.OFFICE, GroupSeen("Stable", ("a",), NOW), (PartitionSeen(f"{OFFICE}.submissions", 0, NOW, 5, 0, 5),))
    outbox = ConsumerSeen("gateway", Kind.OUTBOX, processes=(gateway(lane(3, 30, "Kafka does not answer")),))
    (said, _), _ = judge(Observation(NOW, 10, (office, outbox), heartbeats_as_of=NOW), {}, Memory())
    assert said.in_outbox == 3
    assert said.attention is Attention.SOON
    assert "Kafka does not answer" in words.sentence(said, NOW)


def audit(position: int | None, **more: Any) -> ConsumerSeen:
    """The audit, whose commit is behind what its store has, as its heartbeat says."""
    at = NOW - timedelta(seconds=2)
    progress = {} if position is None else {f"{EVENTS}/0": PartitionProgress(position=position)}
    said = {"instance": "audit@host:8082", "process": ProcessKind.AUDIT, "version": "1", "started_at": START, "partitions": progress}
    heard = () if position is None else (Heard(Heartbeat(at=at, **(said | more)), at),)
    waits = PartitionSeen(EVENTS, 0, NOW, 5, 0, 9, oldest_at=START)
    return ConsumerSeen("audit", Kind.RECORDER, GroupSeen("Stable", ("a",), NOW), (waits,), heard)


@pytest.mark.parametrize(("position", "waiting"), [(9, 0), (7, 2), (99, 0), (3, 4), (None, 4)])
def test_a_recorder_is_as_far_as_its_store(position: int | None, waiting: int) -> None:
    """Its commit to Kafka may be missing; what it says of its store counts where that is farther, and never beyond the end."""
    said = said_of(audit(position))
    assert said.waiting == waiting
    assert (said.verdict is Verdict.OK) == (waiting == 0)


def test_an_office_is_as_far_as_its_commit() -> None:
    """Its position is what it reads, not what is delivered: it counts for nothing."""
    seen = PartitionSeen(f"{OFFICE}.submissions", 0, NOW, 5, 0, 9)
    heard = Heard(heartbeat(NOW, partitions={seen.place: PartitionProgress(position=9)}), NOW)
    assert said_of(ConsumerSeen(OFFICE, Kind.OFFICE, GroupSeen("Stable", ("a",), NOW), (seen,), (heard,))).waiting == 4


def test_what_is_told_beside_a_verdict() -> None:
    """A retention that runs out asks for a person, at once where a fifth is left; dead letters that nobody knows are said to be unknown."""
    office = ConsumerSeen(OFFICE, Kind.OFFICE, GroupSeen("Stable", ("a",), NOW), parked=SetAside(2, START, NOW))
    seen = PartitionSeen(f"{OFFICE}.submissions", 0, NOW, 5, 0, 9, oldest_at=NOW - timedelta(minutes=9), retention_s=1000)
    half = said_of(replace(office, partitions=(seen,)))
    assert (half.verdict, half.attention) == (Verdict.OK, Attention.SOON)
    assert {line.code for line in half.evidence} >= {EvidenceCode.LOSS_NEAR, EvidenceCode.DEAD_LETTERS_UNKNOWN, EvidenceCode.PARKED}
    assert said_of(replace(office, partitions=(replace(seen, oldest_at=NOW - timedelta(minutes=14)),))).attention is Attention.NOW
    assert half.parked == 2
