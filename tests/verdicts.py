"""Judgements and snapshots, as the watch makes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from consumers.watch.model import RUNBOOK, Attention, Evidence, EvidenceCode, Judgement, Party, SubReason, Verdict
from consumers.watch.observed import BrokerSeen, Kind
from consumers.watch.snapshot import Effort, Snapshot
from schemas.catalogue import load

OFFICES: Final = load().offices
NOW: Final = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)


def judgement(name: str, verdict: Verdict = Verdict.OK, reason: SubReason | None = None, **more: Any) -> Judgement:
    """A judgement on an office, a recorder or the gateway; well unless said otherwise."""
    kind = Kind.OUTBOX if name == "gateway" else Kind.OFFICE if "." in name else Kind.RECORDER
    values: dict[str, Any] = {
        "since": NOW - timedelta(minutes=7), "attention": Attention.NONE, "party": Party.NOBODY, "cause": f"{name}:{verdict}", "evidence": (),
        "runbook": RUNBOOK, "as_of": NOW, "waiting": 0, "processes": 1, "parked": 0, "dead_letters": 0,
    }  # fmt: skip
    return Judgement(name, kind, name.partition(".")[0] if kind is Kind.OFFICE else "", verdict, reason, **(values | more))


def down(office: str) -> Judgement:
    """Its back office is down, and eight wait."""
    line = Evidence(EvidenceCode.BREAKER_OPEN, said="ConnectionRefusedError")
    return judgement(
        office, Verdict.STUCK, SubReason.BACK_OFFICE_DOWN, attention=Attention.SOON, party=Party.BACK_OFFICE, evidence=(line,), waiting=8,
        oldest_at=NOW - timedelta(minutes=8), parked=2,
    )  # fmt: skip


def dead_letters(office: str, count: int = 40) -> Judgement:
    """It works, and so many dead letters are open."""
    line = Evidence(EvidenceCode.DEAD_LETTERS, count=count, at=NOW - timedelta(hours=3), attention=Attention.SOON)
    return judgement(office, attention=Attention.SOON, party=Party.OPERATOR, evidence=(line,), dead_letters=count)


def unknown(name: str) -> Judgement:
    """Kafka does not answer."""
    return judgement(
        name, Verdict.UNKNOWN, SubReason.KAFKA_AWAY, attention=Attention.NOW, party=Party.KAFKA, cause="kafka", waiting=None, parked=None,
        dead_letters=None,
    )  # fmt: skip


def snapshot(*judgements: Judgement, **more: Any) -> Snapshot:
    """What the watch found out, with these judgements; whoever is not among them is well."""
    named = {one.name for one in judgements}
    others = (judgement(name) for name in (*OFFICES, "status", "audit", "statistics", "gateway") if name not in named)
    values: dict[str, Any] = {"brokers": (BrokerSeen(1, "127.0.0.1:9092", up=True),), "at": NOW}
    return Snapshot(interval_s=10, effort=Effort(0.1, 0.05, 30), judgements=(*judgements, *others), processes=(), **(values | more))
