"""Maintenance windows of an office, as they come. By the clock on the wall in `ZONE`: where that shows an hour twice, a window is an hour longer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from schemas.catalogue.expected import WEEKDAYS, ZONE, Expected, Weekly

_DAY = timedelta(days=1)


class Window(NamedTuple):
    """One time at which the back office is away by plan, in UTC; `ends` is the first moment after it."""

    begins: datetime
    ends: datetime
    reason: str


def window_at(expected: Expected, moment: datetime) -> Window | None:
    """The window that holds at this moment, of several the one that ends last; None where none does."""
    holding = [window for window in windows_near(expected, moment, moment) if window.begins <= moment < window.ends]
    return max(holding, key=lambda window: window.ends, default=None)


def windows_near(expected: Expected, since: datetime, until: datetime) -> Iterator[Window]:
    """All that touch the time between these moments, and perhaps some that do not; in no order."""
    for planned in expected.maintenance:
        if isinstance(planned, Weekly):
            days = (day for day in days_near(since, until) if WEEKDAYS[day.weekday()] in planned.days)
            yield from (Window(*hours_of(day, planned.hours), planned.reason) for day in days)
        else:
            yield Window(planned.begins.astimezone(UTC), planned.ends.astimezone(UTC), planned.reason)


def days_near(since: datetime, until: datetime) -> Iterator[date]:
    """The days on which hours can begin that touch this time: the day before, too, because they may go on after midnight."""
    day = since.astimezone(ZONE).date() - _DAY
    while day <= until.astimezone(ZONE).date():
        yield day
        day += _DAY


def hours_of(day: date, hours: str) -> tuple[datetime, datetime]:
    """From and to, of hours that begin on this day."""
    first, last = hours.split("-")
    ends_on = day + _DAY if last <= first or last == "24:00" else day
    return min(_moments(day, first)), max(_moments(ends_on, last.replace("24:", "00:")))


def _moments(day: date, clock: str) -> list[datetime]:
    """When the clock shows that: twice, or between two moments, where it is changed."""
    shown = datetime.combine(day, time.fromisoformat(clock), ZONE)
    return [shown.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
