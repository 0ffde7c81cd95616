"""What a city expects of an office: when it is open, when its back office is away by plan, how soon a submission has to be delivered.

Hours and days are those of the clock on the wall in `ZONE`, so a night when the clocks change is an hour longer or shorter.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from schemas.yamllines import Day

ZONE: Final = ZoneInfo("Europe/Berlin")
"""Of all cities of the bus."""

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_UNITS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,5}) ?(s|min|h|d)")


def _duration(value: object) -> object:
    """A duration as people write it; a bare number is refused, because nobody knows its unit."""
    if isinstance(value, timedelta):
        return value
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("expected a duration like 15 min, 4 h or 2 d")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


Duration = Annotated[timedelta, BeforeValidator(_duration)]
Hours = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
"""From and to, like 08:00-16:00. Where the second is not later than the first it ends on the next day."""
Reason = Annotated[str, StringConstraints(min_length=3, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Weekly(_Part):
    """A window that comes back every week."""

    days: tuple[Weekday, ...] = Field(min_length=1)
    """On which it begins."""
    hours: Hours
    reason: Reason


class Once(_Part):
    """A window that comes once."""

    begins: AwareDatetime
    ends: AwareDatetime
    reason: Reason

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ends <= self.begins:
            raise ValueError("the window ends before it begins")
        return self


class Freshness(_Part):
    """How soon submissions have to be delivered."""

    percent: Annotated[float, Field(gt=0, lt=100)] = 99.0
    """So many of them, over 30 days."""
    within: Duration = timedelta(minutes=15)
    """Of opening hours."""


class Deadlines(_Part):
    """When a person has to know that something waits, by the age of the oldest submission, in opening hours."""

    warn: Duration = timedelta(hours=1)
    escalate: Duration = timedelta(hours=4)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.escalate < self.warn:
            raise ValueError("escalate is earlier than warn")
        return self


class Expected(_Part):
    """What is expected of one office. Without an entry: open at all times, no windows, 99 % within 15 minutes."""

    open: dict[Weekday, Hours] | None = None
    """By weekday the hours in which the back office takes submissions; None: always. A day that is not named is closed."""
    holidays: tuple[Day, ...] = ()
    """Days on which it is closed."""
    maintenance: tuple[Weekly | Once, ...] = ()
    """When the back office is away by plan: the adapter does not deliver, and nobody is alarmed."""
    freshness: Freshness = Freshness()
    deadlines: Deadlines = Deadlines()
