"""Verdicts for tests of what is told about them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from consumers.watch.model import Attention, Judgement, Party, SubReason, Verdict
from consumers.watch.observed import Kind

MONDAY = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
"""Ten o'clock in Germany."""


def judgement(
    name: str = "muenchen.gewerbe",
    verdict: Verdict = Verdict.OK,
    sub_reason: SubReason | None = None,
    attention: Attention = Attention.NONE,
    cause: str = "",
    **values: Any,
) -> Judgement:
    """A verdict on an office; well, unless told otherwise."""
    given: dict[str, Any] = {
        "kind": Kind.OFFICE if "." in name else Kind.OUTBOX if name == "gateway" else Kind.RECORDER,
        "city": name.partition(".")[0] if "." in name else "",
        "since": MONDAY,
        "party": Party.NOBODY,
        "evidence": (),
        "runbook": f"docs/operations.md#{verdict.value}",
        "as_of": MONDAY,
        "waiting": 0,
    }
    return Judgement(
        name=name, verdict=verdict, sub_reason=sub_reason, attention=attention, cause=cause or f"{name}:{verdict.value}", **given | values
    )


def down_office(name: str = "muenchen.gewerbe", **values: Any) -> Judgement:
    """Its back office does not answer."""
    given: dict[str, Any] = {"attention": Attention.NOW, "party": Party.BACK_OFFICE, "waiting": 14} | values
    return judgement(name, Verdict.STUCK, SubReason.BACK_OFFICE_DOWN, **given)


def unknown(name: str, **values: Any) -> Judgement:
    """Kafka does not answer."""
    return judgement(
        name, Verdict.UNKNOWN, SubReason.KAFKA_AWAY, Attention.NOW, "kafka", **{"party": Party.KAFKA, "waiting": None} | values
    )
