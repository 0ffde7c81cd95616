"""Weeks of an office on a virtual clock: no false alarm at three submissions a day or in a burst, and a true one when it has to be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import pytest

from consumers.watch.model import Attention, Judgement, SubReason, Verdict
from schemas.catalogue.calendar import is_open
from schemas.catalogue.expected import ZONE, Expected
from tests.office_model import SESSION_S, OfficeModel, Watch, in_order, spread

WEEK_BEGINS = datetime(2026, 10, 19, tzinfo=ZONE)
"""A Monday; on the next Sunday the clocks go back."""
DAY_S = 86_400
CYCLE_S = 120
ALWAYS = Expected()
HOURS = Expected.model_validate(
    {
        "open": dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "08:00-16:00"),
        "holidays": ["2026-10-21"],
        "maintenance": [{"days": ["thu"], "hours": "12:00-13:00", "reason": "new version"}],
    }
)
WELL = {Verdict.OK, Verdict.QUIET, Verdict.DRAINING, Verdict.PAUSED}


def of_citizens(clocks: Iterable[str], days: int = 8) -> list[datetime]:
    """Submissions at these times of each day."""
    dates = [(WEEK_BEGINS + timedelta(days=day)).date() for day in range(days)]
    return in_order(datetime.fromisoformat(f"{date}T{clock}").replace(tzinfo=ZONE) for date in dates for clock in clocks)


def told(judgement: Judgement) -> str:
    """For people who read a failure."""
    return f"{judgement.as_of} {judgement.verdict} {judgement.sub_reason} {judgement.attention} {judgement.evidence}"


@pytest.mark.parametrize("clocks", [("09:15", "11:40", "14:20"), ("02:30", "12:30", "23:50")], ids=["by day", "at night"])
def test_no_false_alarm_in_a_week_at_three_a_day(clocks: tuple[str, ...]) -> None:
    """Nights, a weekend and a change of clocks, always open: each delivery takes minutes, and nobody has to do anything."""
    office = OfficeModel(arrivals=of_citizens(clocks), per_s=1 / 200, at=WEEK_BEGINS)
    for judgement in Watch(office, CYCLE_S).looks(7 * DAY_S // CYCLE_S):
        assert judgement.verdict in WELL, told(judgement)
        assert judgement.attention is Attention.NONE, told(judgement)
    assert office.position == 21


def asleep(office: OfficeModel, expected: Expected) -> Iterator[Judgement]:
    """More than a week in which the back office is down whenever it is closed, as a watch sees it that expects this."""
    watch = Watch(office, CYCLE_S, expected)
    for _ in range(8 * DAY_S // CYCLE_S):
        office.up = is_open(HOURS, office.at)
        yield watch.look()


def test_without_its_hours_the_same_office_is_an_alarm() -> None:
    """So it is the page of the catalogue that keeps the night quiet, and not a watch that sees nothing."""
    office = OfficeModel(arrivals=of_citizens(("02:30",)), per_s=1 / 200, at=WEEK_BEGINS)
    assert any(judgement.sub_reason is SubReason.BACK_OFFICE_DOWN for judgement in asleep(office, ALWAYS))


def test_no_false_alarm_where_the_back_office_sleeps() -> None:
    """What came in while office and back office are closed waits and is no alarm, and within a quarter of an hour after it opens all is delivered."""
    office = OfficeModel(arrivals=of_citizens(("02:30", "09:15", "12:30", "23:50")), per_s=1 / 60, at=WEEK_BEGINS)
    verdicts = set()
    for judgement in asleep(office, HOURS):
        verdicts.add(judgement.verdict)
        assert judgement.verdict in WELL, told(judgement)
        assert judgement.attention is Attention.NONE, told(judgement)
    assert office.position > 20
    assert Verdict.PAUSED in verdicts


@pytest.mark.parametrize("every_s", [0.001, 0.06, 0.3], ids=["in a second", "in a minute", "in five"])
def test_no_false_alarm_in_a_burst_of_a_thousand(every_s: float) -> None:
    """It is worked off at three a second, which is told, and nobody has to do anything."""
    office = OfficeModel(arrivals=spread(WEEK_BEGINS + timedelta(minutes=5), 1000, every_s), per_s=3, at=WEEK_BEGINS)
    seen = list(Watch(office).looks(120))
    assert all(one.attention is Attention.NONE for one in seen), [told(one) for one in seen if one.attention is not Attention.NONE][:1]
    assert {one.verdict for one in seen} <= {Verdict.OK, Verdict.DRAINING}
    assert office.position == 1000
    assert every_s > 0.1 or Verdict.DRAINING in {one.verdict for one in seen}


def test_the_end_of_a_burst_is_foretold() -> None:
    """When it will be worked off is said within a tenth of what is left."""
    office = OfficeModel(arrivals=spread(WEEK_BEGINS + timedelta(minutes=5), 1000, 0.001), per_s=3, at=WEEK_BEGINS)
    *_, judgement = Watch(office).looks(36)
    truth = WEEK_BEGINS + timedelta(minutes=5, seconds=1000 / 3)
    assert judgement.done_by is not None
    assert abs(judgement.done_by - truth) < (truth - office.at) / 10 + timedelta(seconds=10)


@pytest.mark.parametrize("clock", ["09:15", "23:50"])
def test_a_killed_adapter_is_down_with_its_next_submission(clock: str) -> None:
    """At three a day, within three cycles of the moment the submission is there and the process is silent: long before a membership ends."""
    (arrives,) = of_citizens((clock,), days=1)
    office = OfficeModel(arrivals=[arrives], at=arrives - timedelta(minutes=10))
    watch = Watch(office)
    watch.after(300)
    office.runs = False
    while office.at < arrives:
        assert watch.look().verdict is Verdict.OK
    down = watch.after(30)
    assert (down.verdict, down.sub_reason) == (Verdict.DOWN, SubReason.KILLED)


def test_a_process_that_is_silent_is_known_before_its_membership_ends() -> None:
    """Killed while something comes in: DOWN before Kafka has noticed."""
    office = OfficeModel(arrivals=spread(WEEK_BEGINS, 600, 5), at=WEEK_BEGINS)
    watch = Watch(office)
    watch.after(300)
    office.runs = False
    killed_at = office.at
    while watch.look().verdict is not Verdict.DOWN:
        assert (office.at - killed_at).total_seconds() < SESSION_S
    assert office.members()


def test_it_clears_after_the_cure() -> None:
    """A back office that is up again is well within three cycles, and since then."""
    office = OfficeModel(arrivals=[WEEK_BEGINS + timedelta(minutes=10)], at=WEEK_BEGINS)
    watch = Watch(office)
    watch.after(300)
    office.up = False
    assert watch.after(600).verdict is Verdict.STUCK
    office.up = True
    cured_at = office.at
    well = watch.after(40)
    assert well.verdict is Verdict.OK
    assert cured_at <= well.since <= office.at


def test_since_when_survives_the_outage() -> None:
    """While it lasts the same moment is said, whatever else becomes known."""
    office = OfficeModel(arrivals=[WEEK_BEGINS + timedelta(minutes=10)], at=WEEK_BEGINS)
    watch = Watch(office)
    watch.after(300)
    office.runs = False
    watch.after(400)
    moments = {judgement.since for judgement in watch.looks(60)}
    assert len(moments) == 1
