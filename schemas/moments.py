"""Moments and dates as messages and forms write them (xs:dateTime and RFC 3339): what both allow, with its zone, and nothing guessed."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final

EARLIEST: Final = datetime(2010, 1, 1, tzinfo=UTC)
"""Earlier moments are refused: they come from a clock that was never set (zero is in the years 1, 1601, 1900, 1970, 1980 or 2001)."""

_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?P<hour>[0-9]{2}):[0-9]{2}:(?P<second>[0-9]{2})(?P<fraction>\.[0-9]+)?(?P<zone>Z|[+-][0-9]{2}:[0-5][0-9])?"
)
_DATE: Final = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")
_WIDEST_ZONE: Final = "14:00"


class NoMoment(ValueError):
    """A text is no moment; the exception's text says why, and quotes nothing of it."""


def parse(text: str) -> datetime:
    """The moment in a text, cut to microseconds.

    Raises:
        NoMoment: it has another form, no zone, does not exist, or was never set.
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise NoMoment("expected date and time like 2026-03-01T09:30:00.000+01:00")
    if not found["zone"]:
        raise NoMoment("the time zone is missing; expected a time like 2026-03-01T09:30:00.000+01:00")
    if found["zone"][1:] > _WIDEST_ZONE:
        raise NoMoment("a time zone lies between -14:00 and +14:00")
    if found["hour"] == "24":
        raise NoMoment("the hours end with 23: midnight is 00:00:00 of the next day")
    if found["second"] == "60":
        raise NoMoment("the seconds end with 59: a leap second cannot be told")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NoMoment("there is no such date or time") from None
    if moment < EARLIEST:
        raise NoMoment(f"the time lies before {EARLIEST.year}, as one that was never set")
    return moment


def has_fraction(text: str) -> bool:
    """Whether a moment that can be parsed is written with a fraction of seconds."""
    return "." in text


def is_partial_date(text: str) -> bool:
    """Whether this is a day, a month or a year that exists: 1990-05-17, 1990-05, 1990."""
    try:
        return bool(_DATE.fullmatch(text) and date.fromisoformat(f"{text}-01-01"[: len("1990-05-17")]))
    except ValueError:
        return False
