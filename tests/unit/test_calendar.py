"""Opening hours, holidays and maintenance windows of an office, over weeks, nights and changes of clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import yamllines
from schemas.catalogue import calendar
from schemas.catalogue.expected import ZONE, Expected, Weekly
from schemas.catalogue.windows import window_at

OFFICE_HOURS = Expected.model_validate(
    {
        "open": dict.fromkeys(("mon", "tue", "wed", "thu"), "08:00-16:00") | {"fri": "08:00-12:00"},
        "holidays": ["2026-12-25"],
        "maintenance": [{"days": ["wed"], "hours": "09:00-10:00", "reason": "new version"}],
    }
)
NIGHT_SHIFT = Expected.model_validate({"maintenance": [{"days": ["sat"], "hours": "22:00-04:00", "reason": "backup"}]})


def at(text: str) -> datetime:
    """A wall time of the cities."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-30 07:59", False),
        ("2026-11-30 08:00", True),
        ("2026-11-30 15:59", True),
        ("2026-11-30 16:00", False),
        ("2026-12-04 12:00", False),  # Friday afternoon
        ("2026-12-05 10:00", False),  # Saturday
        ("2026-12-02 09:30", False),  # maintenance
        ("2026-12-02 10:00", True),
        ("2026-12-25 10:00", False),  # holiday
    ],
)
def test_an_office_is_open_in_its_hours(moment: str, is_open: bool) -> None:
    """Outside its hours, on its holidays and in its windows it is closed."""
    assert calendar.is_open(OFFICE_HOURS, at(moment)) is is_open


def test_without_an_entry_an_office_is_always_open() -> None:
    """What a page of before says of hours: nothing."""
    assert calendar.is_open(Expected(), at("2026-12-25 03:00"))
    assert calendar.due_at(Expected(), at("2026-12-25 03:00"), timedelta(hours=1)) == at("2026-12-25 04:00")


def test_only_opening_hours_count() -> None:
    """From Friday 11:00 to Monday 09:00 an office was open for two hours."""
    assert calendar.open_s(OFFICE_HOURS, at("2026-12-04 11:00"), at("2026-12-07 09:00")) == 2 * 3600
    assert calendar.due_at(OFFICE_HOURS, at("2026-12-04 11:00"), timedelta(hours=2)) == at("2026-12-07 09:00")


def test_closed_since_and_opens_at() -> None:
    """On a Sunday the office has been closed since Friday and opens on Monday; while it is open neither is said."""
    assert calendar.closed_since(OFFICE_HOURS, at("2026-12-06 10:00")) == at("2026-12-04 12:00")
    assert calendar.opens_at(OFFICE_HOURS, at("2026-12-06 10:00")) == at("2026-12-07 08:00")
    assert calendar.closed_since(OFFICE_HOURS, at("2026-12-07 10:00")) is None
    assert calendar.opens_at(OFFICE_HOURS, at("2026-12-07 10:00")) == at("2026-12-07 10:00")


def test_a_holiday_in_a_row_of_closed_days() -> None:
    """On a Friday that is a holiday the office has been closed since Thursday and opens on Monday."""
    assert calendar.closed_since(OFFICE_HOURS, at("2026-12-25 10:00")) == at("2026-12-24 16:00")
    assert calendar.opens_at(OFFICE_HOURS, at("2026-12-25 10:00")) == at("2026-12-28 08:00")


@pytest.mark.parametrize(("sunday", "hours"), [("2026-03-29", 5), ("2026-10-25", 7), ("2026-11-29", 6)])
def test_a_window_in_a_night_when_clocks_change(sunday: str, hours: int) -> None:
    """22:00 to 04:00 is five hours in spring and seven in autumn."""
    window = window_at(NIGHT_SHIFT, at(f"{sunday} 00:30"))
    assert window is not None
    assert window.ends - window.begins == timedelta(hours=hours)


def test_an_office_that_never_opens() -> None:
    """There is no next opening, and nothing falls due."""
    never = Expected(open={})
    assert calendar.opens_at(never, at("2026-11-28 12:00")) is None
    assert calendar.due_at(never, at("2026-11-28 12:00"), timedelta(minutes=1)) is None
    assert calendar.closed_since(never, at("2026-11-28 12:00")) is None


@pytest.mark.parametrize(
    "entry",
    [
        {"freshness": {"within": 15}},
        {"freshness": {"within": "15"}},
        {"freshness": {"within": "0 min"}},
        {"freshness": {"percent": 100}},
        {"deadlines": {"warn": "4 h", "escalate": "1 h"}},
        {"open": {"monday": "08:00-16:00"}},
        {"open": {"mon": "8-16"}},
        {"maintenance": [{"days": [], "hours": "22:00-04:00", "reason": "backup"}]},
        {"maintenance": [{"begins": "2026-12-01T20:00:00+01:00", "ends": "2026-12-01T19:00:00+01:00", "reason": "backup"}]},
        {"maintenance": [{"begins": "2026-12-01T20:00:00", "ends": "2026-12-01T21:00:00", "reason": "backup"}]},
    ],
)
def test_what_cannot_be_expected_is_refused(entry: dict[str, object]) -> None:
    """Numbers without a unit, days that do not exist, times without a zone and windows that end before they begin are flaws of a page."""
    with pytest.raises(ValidationError):
        Expected.model_validate(entry)


def test_the_example_of_the_page_can_be_expected() -> None:
    """What docs/catalogue.md shows is taken, and means what it says."""
    page = (Path(__file__).parents[2] / "docs/catalogue.md").read_text()
    expected = Expected.model_validate(yamllines.load(page.split("    expected:\n")[1].split("```")[0]).value)
    assert expected.freshness == Expected().freshness
    assert expected.deadlines == Expected().deadlines
    assert not calendar.is_open(expected, at("2026-12-25 10:00"))
    assert calendar.is_open(expected, at("2026-12-24 17:59"))
    window = window_at(expected, at("2026-12-06 05:00"))
    assert window is not None
    assert window.reason == "new version"


moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is given beside it
clocks = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))
hours = st.builds("{}-{}".format, clocks, clocks)
days = st.sampled_from(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
expectations = st.builds(
    Expected,
    open=st.none() | st.dictionaries(days, hours),
    holidays=st.lists(st.dates(date(2026, 1, 1), date(2027, 12, 31)), max_size=3).map(tuple),
    maintenance=st.lists(st.builds(Weekly, days=st.tuples(days), hours=hours, reason=st.just("backup")), max_size=2).map(tuple),
)


@given(expectations, moments, st.timedeltas(timedelta(0), timedelta(days=3)), st.timedeltas(timedelta(0), timedelta(days=3)))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_time_of_opening_adds_up(expected: Expected, since: datetime, first: timedelta, second: timedelta) -> None:
    """Of two times that follow each other it is the sum, and never more than has passed."""
    middle, until = since + first, since + first + second
    whole = calendar.open_s(expected, since, until)
    assert whole <= (until - since).total_seconds() + 1e-6
    assert whole == pytest.approx(calendar.open_s(expected, since, middle) + calendar.open_s(expected, middle, until))


@given(expectations, moments, st.timedeltas(timedelta(minutes=1), timedelta(hours=30)))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_due_is_due_when_so_much_time_of_opening_has_passed(expected: Expected, since: datetime, wait: timedelta) -> None:
    """The deadline is the first moment up to which the office was open for so long."""
    due = calendar.due_at(expected, since, wait)
    if due is not None:
        assert calendar.open_s(expected, since, due) == pytest.approx(wait.total_seconds(), abs=1e-3)
        assert due >= since


@given(expectations, moments)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_an_office_is_closed_since_or_open(expected: Expected, moment: datetime) -> None:
    """Who is closed has a last end of opening before, unless it never opens; who is open has none."""
    since, opens = calendar.closed_since(expected, moment), calendar.opens_at(expected, moment)
    if calendar.is_open(expected, moment):
        assert since is None
        assert opens == moment
    else:
        assert since is None or since <= moment
        assert opens is None or opens > moment
