"""When something comes in at an office, and how long nothing usually does: learnt for each weekday, over the last weeks. Pure.

Offsets show that something came in, not whether it was a probe. So it counts when no answer of a probe has come in time to explain it.
Gaps count in time of opening: a weekend or a holiday on which the office is closed is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from consumers.watch.memory import Arrivals
from schemas.catalogue.calendar import open_s
from schemas.catalogue.expected import ZONE, Expected

_WEEKS: Final = 8
_LEAST_WEEKS: Final = 2
"""A weekday is known when so many of it were seen."""
_ANSWER_S: Final = 60.0
"""A probe that is not answered by then counts as something that came in: the office has other troubles."""
MARGIN: Final = 1.5
"""Longer than usual is what is half as long again."""


def remember(before: Arrivals, came: int, at: datetime, probe_at: datetime | None, expected: Expected) -> Arrivals:
    """What is known after a look at which so many had come in all together, and the last probe known of was sent at `probe_at`."""
    new_probe = probe_at is not None and (before.probe_at is None or probe_at > before.probe_at)
    after = replace(before, came=came, probe_at=probe_at if new_probe else before.probe_at)
    if before.came is None or came < before.came:
        return replace(after, open_count=0, open_since=None)
    count = before.open_count + came - before.came - (1 if new_probe else 0)
    since = before.open_since or (at if count > 0 else None)
    if count <= 0 or since is None:
        return replace(after, open_count=max(-1, count), open_since=None)  # its answer may be here before it is seen to have come in
    if probe_at is not None and (at - since).total_seconds() < _ANSWER_S:
        return replace(after, open_count=count, open_since=since)
    learnt = _learn(before.longest_s, before.last_at, since, expected)
    return replace(after, open_count=0, open_since=None, last_at=since, longest_s=learnt)


def _learn(longest_s: Mapping[date, float], last_at: datetime | None, now: datetime, expected: Expected) -> dict[date, float]:
    """With the gap that ends now, on the day on which it began; days of long ago are forgotten."""
    oldest = _day(now) - timedelta(weeks=_WEEKS)
    kept = {day: gap_s for day, gap_s in longest_s.items() if day >= oldest}
    if last_at is not None:
        kept[_day(last_at)] = max(kept.get(_day(last_at), 0.0), open_s(expected, last_at, now))
    return kept


def usual_gap_s(known: Arrivals) -> float | None:
    """The longest that was usual after a day like that of the last arrival, in seconds of opening; None before enough weeks were seen."""
    if known.last_at is None:
        return None
    day = _day(known.last_at)
    same = [gap_s for other, gap_s in known.longest_s.items() if other.weekday() == day.weekday() and other < day]
    return max(same) if len(same) >= _LEAST_WEEKS else None


def quiet_for_s(known: Arrivals, at: datetime, expected: Expected) -> float | None:
    """For how long nothing came in, if that is longer than usual; else None."""
    usual_s = usual_gap_s(known)
    if usual_s is None or known.last_at is None or known.open_count > 0:
        return None
    gap_s = open_s(expected, known.last_at, at)
    return gap_s if gap_s > MARGIN * usual_s else None


def _day(moment: datetime) -> date:
    return moment.astimezone(ZONE).date()
