"""Which maintenance window of an office holds at a moment. By the clock on the wall in `ZONE`: where that shows an hour twice, a window
is an hour longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from schemas.catalogue.expected import WEEKDAYS, ZONE, Expected, Weekly


class Window(NamedTuple):
    """One time at which the back office is away by plan, in UTC; `ends` is the first moment after it."""

    begins: datetime
    ends: datetime
    reason: str


def window_at(expected: Expected, moment: datetime) -> Window | None:
    """The window that holds at this moment, of several the one that ends last; None where none does."""
    holding = [window for window in _near(expected, moment) if window.begins <= moment < window.ends]
    return max(holding, key=lambda window: window.ends, default=None)


def _near(expected: Expected, moment: datetime) -> Iterator[Window]:
    today = moment.astimezone(ZONE).date()
    for planned in expected.maintenance:
        if isinstance(planned, Weekly):
            yield from _weekly(planned, (today - timedelta(days=1), today))
        else:
            yield Window(planned.begins.astimezone(UTC), planned.ends.astimezone(UTC), planned.reason)


def _weekly(planned: Weekly, days: Iterable[date]) -> Iterator[Window]:
    """Those that begin on one of these days."""
    first, last = planned.hours.split("-")
    for day in days:
        if WEEKDAYS[day.weekday()] in planned.days:
            ends_on = day + timedelta(days=1) if last <= first or last == "24:00" else day
            yield Window(min(_moments(day, first)), max(_moments(ends_on, last.replace("24:", "00:"))), planned.reason)


def _moments(day: date, clock: str) -> list[datetime]:
    """When the clock shows that: twice, or between two moments, where it is changed."""
    shown = datetime.combine(day, time.fromisoformat(clock), ZONE)
    return [shown.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
