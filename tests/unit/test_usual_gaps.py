"""How long nothing usually comes in, learnt for each weekday: weeks of an office are played, and then one is quiet."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from consumers.watch import arrivals
from consumers.watch.memory import Arrivals
from schemas.catalogue.expected import ZONE, Expected

MONDAY = datetime(2026, 11, 2, tzinfo=ZONE)
LOOK = timedelta(minutes=10)
ALWAYS = Expected()
HOURS = Expected.model_validate({"open": dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "08:00-16:00")})
CLOCKS = (timedelta(hours=9), timedelta(hours=12), timedelta(hours=15))


def of_weeks(weeks: int) -> list[datetime]:
    """Three on each working day."""
    days = (MONDAY + timedelta(weeks=week, days=day) for week in range(weeks) for day in range(5))
    return [day + clock for day in days for clock in CLOCKS]


def watched(came_at: list[datetime], until: datetime, expected: Expected, probe_s: int = 0) -> Arrivals:
    """What is known after looks every ten minutes, with a probe now and then, which is answered within a look."""
    known, at = Arrivals(), MONDAY
    while at <= until:
        probes = int((at - MONDAY).total_seconds()) // probe_s if probe_s else 0
        sent_at = MONDAY + timedelta(seconds=probes * probe_s) if probes else None
        known = arrivals.remember(known, sum(one <= at for one in came_at) + probes, at, sent_at, expected)
        at += LOOK
    return known


def is_quiet(known: Arrivals, at: datetime, expected: Expected) -> bool:
    """Whether nothing came in for longer than usual."""
    return arrivals.quiet_for_s(known, at, expected) is not None


@pytest.mark.parametrize("probe_s", [0, 1800], ids=["without probes", "with probes"])
@pytest.mark.parametrize("expected", [ALWAYS, HOURS], ids=["always open", "with hours"])
def test_nights_and_weekends_are_usual(expected: Expected, probe_s: int) -> None:
    """After three weeks neither the next night nor the next weekend is quiet, and a working day without anything is."""
    came_at = [*of_weeks(3), *(MONDAY + timedelta(weeks=3) + clock for clock in CLOCKS)]
    silent_since = came_at[-1]
    monday_night, wednesday = silent_since + timedelta(hours=15), silent_since + timedelta(days=2)
    known = watched(came_at, wednesday, expected, probe_s)
    assert known.last_at is not None
    assert timedelta(0) <= known.last_at - silent_since <= 2 * LOOK
    assert not is_quiet(known, monday_night, expected)
    assert is_quiet(known, wednesday, expected)


def test_a_weekend_is_usual_after_a_friday() -> None:
    """The gap belongs to the day on which it begins: 66 hours are usual on a Friday, and unheard of on a Tuesday."""
    known = watched(of_weeks(4), MONDAY + timedelta(weeks=3, days=6), ALWAYS)
    assert arrivals.usual_gap_s(known) == pytest.approx(66 * 3600, abs=3600)
    assert not is_quiet(known, MONDAY + timedelta(weeks=4, hours=9), ALWAYS)


def test_nothing_is_said_before_a_weekday_was_seen_twice() -> None:
    """In its first weeks an office is never quiet, however long nothing comes in."""
    known = watched(of_weeks(1), MONDAY + timedelta(weeks=1), ALWAYS)
    assert arrivals.usual_gap_s(known) is None
    assert not is_quiet(known, MONDAY + timedelta(weeks=10), ALWAYS)


def test_what_is_long_ago_is_forgotten() -> None:
    """Days of more than eight weeks ago are not kept, so the memory does not grow."""
    known = watched(of_weeks(12), MONDAY + timedelta(weeks=12), ALWAYS)
    assert min(known.longest_s) >= (MONDAY + timedelta(weeks=3, days=4)).date()
    assert len(known.longest_s) <= 5 * 9
