"""When a pause ends, as people write it: `18:00`, `2026-12-01 06:00`, `4 h`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final

from pydantic import TypeAdapter, ValidationError

from schemas import problems
from schemas.catalogue.expected import ZONE, Duration
from schemas.errors import UsageError

_LONGEST: Final = timedelta(days=365)
"""`stadtbus.operations` keeps its records a little longer; what is gone from there does not hold."""
_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):[0-5][0-9]")


def moment(text: str, now: datetime) -> datetime:
    """The moment that is meant, in UTC. A time of day is the next one; what has no zone is by the clocks of the cities.

    Raises:
        UsageError: until-unclear; also where it is past, or more than a year ahead.
    """
    found = _read(text.strip(), now)
    if found is None:
        raise UsageError(problems.UNTIL, f"'{text}' is neither a time nor a duration", where="--until")
    if not now < found <= now + _LONGEST:
        raise UsageError(
            problems.UNTIL, f"{found.astimezone(ZONE):%Y-%m-%d %H:%M} is {'past' if found <= now else 'too far ahead'}", where="--until"
        )
    return found


def _read(text: str, now: datetime) -> datetime | None:
    try:
        if _CLOCK.fullmatch(text):
            return _next(time.fromisoformat(text.rjust(5, "0")), now)
        given = datetime.fromisoformat(text) if "-" in text else now + TypeAdapter(Duration).validate_python(text)
        return (given if given.tzinfo is not None else given.replace(tzinfo=ZONE)).astimezone(UTC)
    except (ValidationError, ValueError, OverflowError):
        return None


def _next(clock: time, now: datetime) -> datetime:
    today = now.astimezone(ZONE).date()
    moments = [datetime.combine(today + timedelta(days=days), clock, ZONE).astimezone(UTC) for days in (0, 1)]
    return next(one for one in moments if one > now)
