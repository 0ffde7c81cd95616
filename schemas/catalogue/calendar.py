"""When an office is open and when its back office is away by plan, out of its page of the catalogue. Pure; times are aware, results in UTC.

An office is open in its opening hours, but for its holidays and its maintenance windows. Wall times are those of `expected.ZONE`: one that a
change of clocks leaves out counts as an hour later, and of one that comes twice a beginning is the first and an end the second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from schemas.catalogue.expected import WEEKDAYS, ZONE, Expected, Once, Weekly

_ALL_DAY: Final = "00:00-24:00"
_DAY: Final = timedelta(days=1)
_FARTHEST: Final = timedelta(days=60)
"""So far ahead it is looked when an office opens."""


@dataclass(frozen=True, slots=True)
class Window:
    """A maintenance window as it comes once."""

    begins: datetime
    ends: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class _Span:
    begins: datetime
    ends: datetime

    def cut(self, begins: datetime, ends: datetime) -> _Span:
        return _Span(max(self.begins, begins), min(self.ends, ends))

    @property
    def is_empty(self) -> bool:
        return self.ends <= self.begins


def window_at(expected: Expected, moment: datetime) -> Window | None:
    """The maintenance window that this moment lies in; of several the one that ends last."""
    there = [window for window in _windows(expected, moment, moment) if window.begins <= moment < window.ends]
    return max(there, key=lambda window: window.ends, default=None)


def is_open(expected: Expected, moment: datetime) -> bool:
    """Whether the office is open at this moment."""
    return open_s(expected, moment, moment + timedelta(microseconds=1)) > 0


def open_s(expected: Expected, since: datetime, until: datetime) -> float:
    """How many seconds of opening there are between two moments; 0 where `until` is not later."""
    if _is_always_open(expected):
        return max(0.0, (until - since).total_seconds())
    return sum((span.ends - span.begins).total_seconds() for span in _open_spans(expected, since, until))


def due_at(expected: Expected, since: datetime, wait: timedelta) -> datetime | None:
    """When so much time of opening will have passed; None where that takes longer than two months."""
    if _is_always_open(expected):
        return since + wait
    left = wait
    for span in _open_spans(expected, since, since + _FARTHEST + wait):
        if span.ends - span.begins >= left:
            return span.begins + left
        left -= span.ends - span.begins
    return None


def opens_at(expected: Expected, moment: datetime) -> datetime | None:
    """When the office opens next: this moment itself where it is open; None where not within two months."""
    return next((span.begins for span in _open_spans(expected, moment, moment + _FARTHEST)), None)


def closed_since(expected: Expected, moment: datetime) -> datetime | None:
    """When it was closed, if it is closed at this moment; None where it is open, or that is longer ago than two months."""
    if is_open(expected, moment):
        return None
    last = None
    for back in (1, 7, 60):
        last = max((span.ends for span in _open_spans(expected, moment - back * _DAY, moment)), default=last)
        if last is not None:
            break
    return last


def wall_date(moment: datetime) -> date:
    """The day on which a moment falls where the cities are."""
    return moment.astimezone(ZONE).date()


def _is_always_open(expected: Expected) -> bool:
    return expected.open is None and not expected.holidays and not expected.maintenance


def _open_spans(expected: Expected, since: datetime, until: datetime) -> Iterator[_Span]:
    """The times of opening between two moments, in order, none of them empty."""
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    for day in _days(since, until):
        hours = _ALL_DAY if expected.open is None else expected.open.get(WEEKDAYS[day.weekday()])
        if hours is None or day in expected.holidays:
            continue
        whole = _span(day, hours).cut(since, until)  # hours that go on after midnight may reach into those of the next day
        since = max(since, whole.ends)
        if not whole.is_empty:
            yield from _without(whole, list(_windows(expected, whole.begins, whole.ends)))


def _without(span: _Span, windows: list[Window]) -> Iterator[_Span]:
    """What the windows leave of a span."""
    begins = span.begins
    for window in sorted(windows, key=lambda window: window.begins):
        before = _Span(begins, min(window.begins, span.ends))
        if not before.is_empty:
            yield before
        begins = max(begins, window.ends)
    rest = _Span(begins, span.ends)
    if not rest.is_empty:
        yield rest


def _windows(expected: Expected, since: datetime, until: datetime) -> Iterator[Window]:
    """The maintenance windows that may touch the time between two moments."""
    for entry in expected.maintenance:
        if isinstance(entry, Once):
            yield Window(entry.begins.astimezone(UTC), entry.ends.astimezone(UTC), entry.reason)
        else:
            yield from _of_week(entry, since, until)


def _of_week(entry: Weekly, since: datetime, until: datetime) -> Iterator[Window]:
    for day in _days(since, until):
        if WEEKDAYS[day.weekday()] in entry.days:
            span = _span(day, entry.hours)
            yield Window(span.begins, span.ends, entry.reason)


def _days(since: datetime, until: datetime) -> Iterator[date]:
    """The days on which something can begin that touches this time: the day before, too, because hours may go on after midnight."""
    day = wall_date(since) - _DAY
    while day <= wall_date(until):
        yield day
        day += _DAY


def _span(day: date, hours: str) -> _Span:
    begins, ends = hours.split("-")
    return _Span(_moment(day, begins, fold=0), _moment(day if ends > begins else day + _DAY, ends, fold=1))


def _moment(day: date, clock: str, *, fold: int) -> datetime:
    if clock == "24:00":
        day, clock = day + _DAY, "00:00"
    return datetime.combine(day, time.fromisoformat(clock).replace(fold=fold), ZONE).astimezone(UTC)
