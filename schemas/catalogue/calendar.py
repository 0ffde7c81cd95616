"""When an office is open, out of its page of the catalogue: in its opening hours, but for its holidays and its maintenance windows.

Pure; times are aware, results in UTC. Wall times are those of `windows`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from schemas.catalogue.expected import WEEKDAYS, Expected
from schemas.catalogue.windows import days_near, hours_of, windows_near

_ALL_DAY: Final = "00:00-24:00"
_DAY: Final = timedelta(days=1)
_FARTHEST: Final = timedelta(days=60)
"""So far ahead and back it is looked when an office opens or was closed."""


class _Span(NamedTuple):
    begins: datetime
    ends: datetime

    @property
    def seconds(self) -> float:
        return (self.ends - self.begins).total_seconds()


def is_open(expected: Expected, moment: datetime) -> bool:
    """Whether the office is open at this moment."""
    return open_s(expected, moment, moment + timedelta(microseconds=1)) > 0


def open_s(expected: Expected, since: datetime, until: datetime) -> float:
    """How many seconds of opening there are between two moments; 0 where `until` is not later."""
    if _is_always_open(expected):
        return max(0.0, (until - since).total_seconds())
    return sum(span.seconds for span in _open_spans(expected, since, until))


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
    for back in (_DAY, 7 * _DAY, _FARTHEST):
        ends = [span.ends for span in _open_spans(expected, moment - back, moment)]
        if ends:
            return ends[-1]
    return None


def _is_always_open(expected: Expected) -> bool:
    return expected.open is None and not expected.holidays and not expected.maintenance


def _open_spans(expected: Expected, since: datetime, until: datetime) -> Iterator[_Span]:
    """The times of opening between two moments, in order, none of them empty."""
    free_from, until = since.astimezone(UTC), until.astimezone(UTC)
    for day in days_near(since, until):
        hours = _ALL_DAY if expected.open is None else expected.open.get(WEEKDAYS[day.weekday()])
        if hours is None or day in expected.holidays:
            continue
        begins, ends = hours_of(day, hours)
        whole = _Span(max(begins, free_from), min(ends, until))
        if whole.begins < whole.ends:
            yield from _without_windows(whole, expected)
            free_from = whole.ends  # hours that go on after midnight may reach into those of the next day


def _without_windows(span: _Span, expected: Expected) -> Iterator[_Span]:
    """What maintenance leaves of a time of opening."""
    begins = span.begins
    for window in sorted(windows_near(expected, span.begins, span.ends)):
        if begins < min(window.begins, span.ends):
            yield _Span(begins, min(window.begins, span.ends))
        begins = max(begins, window.ends)
    if begins < span.ends:
        yield _Span(begins, span.ends)
