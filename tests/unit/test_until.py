"""When a pause ends, as an operator writes it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.errors import UsageError
from stadtbus.commands.until import moment

NOW = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
"""13:30 in the cities."""


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("18:00", "2026-11-28T17:00:00+00:00"),
        ("6:00", "2026-11-29T05:00:00+00:00"),
        ("13:30", "2026-11-29T12:30:00+00:00"),
        ("90 min", "2026-11-28T14:00:00+00:00"),
        ("2d", "2026-11-30T12:30:00+00:00"),
        ("2026-12-01 06:00", "2026-12-01T05:00:00+00:00"),
        ("2026-12-01T06:00:00Z", "2026-12-01T06:00:00+00:00"),
        ("2027-03-28 02:30", "2027-03-28T01:30:00+00:00"),  # not shown that night
    ],
)
def test_what_is_meant(text: str, meant: str) -> None:
    """A time of day is the next one; without a zone it is by the clock on the wall of the cities; a duration has a unit."""
    assert moment(text, NOW) == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    "text", ["", "soon", "25:00", "90", "2026-11-28 13:30", "2026-11-27", "2028-01-01 00:00", "400 d", "2026-13-01", "9999-12-31"]
)
def test_what_is_refused(text: str) -> None:
    """What is no moment, is past, or lies further ahead than the log of operations keeps its records."""
    with pytest.raises(UsageError, match="until-unclear"):
        moment(text, NOW)
