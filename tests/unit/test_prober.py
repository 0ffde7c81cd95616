"""Which offices are probed: those whose processes know what a probe is, and of which none is still on its way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from producers.gateway.prober import due
from schemas.heartbeats import Heartbeat, ProbeAnswer, ProcessKind

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
A, B = "muenchen.meldewesen", "augsburg.gewerbe"


def said(process: ProcessKind, office: str | None = None, instance: str = "one", **more: Any) -> Heartbeat:
    """A heartbeat of some seconds ago."""
    about: dict[str, Any] = {"at": NOW - timedelta(seconds=4), "version": "1", "started_at": NOW, "knows_probes": True}
    return Heartbeat(process=process, office=office, instance=instance, **(about | more))


def adapter(office: str, **more: Any) -> Heartbeat:
    """One of an adapter."""
    return said(ProcessKind.ADAPTER, office, **more)


def answer(sent_at: datetime) -> ProbeAnswer:
    """Of a probe that was sent then."""
    return ProbeAnswer(sent_at=sent_at, answered_at=sent_at)


def test_offices_whose_adapters_know_probes() -> None:
    """Also where none is alive any more, because that is what a probe finds out; not one of which nobody was ever heard."""
    assert due([A, B], [adapter(A, at=NOW - timedelta(days=2))], {}, NOW) == [A]


@pytest.mark.parametrize(
    "old",
    [
        adapter(A, instance="two", knows_probes=False),
        said(ProcessKind.AUDIT, knows_probes=False),
        said(ProcessKind.STATISTICS, knows_probes=False),
    ],
)
def test_nobody_of_an_earlier_version_meets_one(old: Heartbeat) -> None:
    """To one such instance of an office, to the audit or to the statistics it would be a submission that cannot be read."""
    assert due([A], [adapter(A), old], {}, NOW) == []


def test_who_is_gone_does_not_count() -> None:
    """An instance of an earlier version that was killed long before the others were last heard."""
    gone = [adapter(A, instance="two", knows_probes=False, at=NOW - timedelta(hours=1))]
    gone += [said(ProcessKind.AUDIT, instance="three", knows_probes=False, at=NOW - timedelta(hours=1))]
    assert due([A], [adapter(A), said(ProcessKind.AUDIT), *gone], {}, NOW) == [A]


@pytest.mark.parametrize(
    ("sent_ago", "answered_ago", "is_due"),
    [
        (timedelta(minutes=5), None, False),
        (timedelta(minutes=5), timedelta(minutes=10), False),
        (timedelta(minutes=5), timedelta(minutes=5), True),
        (timedelta(minutes=5), timedelta(minutes=1), True),  # another gateway's, which came later
        (timedelta(hours=7), None, True),
    ],
)
def test_one_on_its_way_is_enough(sent_ago: timedelta, answered_ago: timedelta | None, is_due: bool) -> None:
    """Until it is answered, or hours have passed."""
    heard = adapter(A, probe=None if answered_ago is None else answer(NOW - answered_ago))
    assert due([A], [heard], {A: NOW - sent_ago}, NOW) == ([A] if is_due else [])
