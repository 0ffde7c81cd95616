"""When something is told, and when not: a clock that the test sets, and verdicts as the watch gives them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.notice_settings import QuietHours
from consumers.watch.model import Attention, Judgement, SubReason, Verdict
from consumers.watch.notices.causes import causes_of, unknown
from consumers.watch.notices.plan import Known, Notice, Rules, advance, is_quiet
from consumers.watch.words import Language
from tests import watching
from tests.watching import MONDAY, down_office, judgement

NIGHT = QuietHours(begin="19:00", end="07:00")
WELL = judgement()


class Clock:
    """Shows verdicts to the plan, one look each ten seconds, and keeps what it tells."""

    def __init__(self, now: datetime = MONDAY, quiet_hours: QuietHours | None = None) -> None:
        self.now = now
        self.rules = Rules(timedelta(hours=4), quiet_hours)
        self.known: list[Known] = []

    def look(self, *judgements: Judgement, minutes: float = 0) -> list[Notice]:
        """What is told in this time, while all stays as it is."""
        told, causes, those = [], causes_of(judgements, Language.EN), unknown(judgements)
        step_s = 10 if minutes < 100 else 300
        for _ in range(int(minutes * 60 / step_s) + 1):
            self.known, notices = advance(self.known, causes, those, self.rules, self.now)
            told += notices
            self.now += timedelta(seconds=step_s)
        return told


def said(notices: Sequence[Notice]) -> list[str]:
    """Occasion and cause of each."""
    return [f"{one.occasion.value} {one.cause.key}" for one in notices]


def test_one_cause_is_one_message_until_its_end() -> None:
    """A back office that stops three offices is told once after a minute, and its end once, after it has been well for five."""
    clock, names = Clock(), ("muenchen.gewerbe", "muenchen.bau", "augsburg.gewerbe")
    down = [down_office(name, cause="back-office:gewerbe") for name in names]
    assert said(clock.look(*down, minutes=0.5)) == []
    (notice,) = clock.look(*down, minutes=60)
    assert (notice.cause.key, notice.cause.consumers) == ("back-office:gewerbe", tuple(sorted(names)))
    well = [judgement(name) for name in names]
    assert said(clock.look(*well, minutes=4)) == []
    assert said(clock.look(*well, minutes=2)) == ["over back-office:gewerbe"]
    assert said(clock.look(*well, minutes=600)) == []
    assert clock.known == []


def test_what_does_not_last_is_told_to_nobody() -> None:
    """A restart, and the first looks of a watch, tell nothing."""
    clock = Clock()
    assert said(clock.look(down_office(), minutes=0.7)) == []
    assert said(clock.look(WELL, minutes=30)) == []


def test_what_comes_and_goes_is_one_trouble() -> None:
    """A back office that is away every other minute is told once, and over when it has been well for five."""
    clock, told = Clock(), []
    for _ in range(20):
        told += clock.look(down_office(), minutes=1.5) + clock.look(WELL, minutes=1)
    assert said(told) == ["begun muenchen.gewerbe:stuck"]
    assert said(clock.look(WELL, minutes=6)) == ["over muenchen.gewerbe:stuck"]


def test_a_change_of_verdict_goes_on_with_the_same_trouble() -> None:
    """Stuck, then down: the second message is a change of the first, under its number."""
    clock = Clock()
    (begun,) = clock.look(down_office(), minutes=10)
    down = judgement(verdict=Verdict.DOWN, sub_reason=SubReason.KILLED, attention=Attention.NOW)
    (changed,) = clock.look(down, minutes=10)
    assert (changed.occasion.value, changed.cause.verdict, changed.incident) == ("changed", Verdict.DOWN, begun.incident)
    (over,) = clock.look(WELL, minutes=10)
    assert (over.occasion.value, over.incident) == ("over", begun.incident)


def test_verdicts_that_take_turns_are_told_each_five_minutes_at_most() -> None:
    """Between two messages of one trouble there are five minutes, unless it gets graver."""
    clock, told = Clock(), []
    late = judgement(verdict=Verdict.LATE, attention=Attention.NOW)
    for _ in range(10):
        told += clock.look(down_office(), minutes=2) + clock.look(late, minutes=2)
    assert all(after.at - before.at >= timedelta(minutes=5) for before, after in pairwise(told))
    assert 2 <= len(told) <= 9


def test_what_gets_graver_is_told_at_once() -> None:
    """Dead letters that wait for a person; two minutes later the office stands."""
    clock = Clock()
    letters = judgement(attention=Attention.SOON, cause="muenchen.gewerbe:dead-letters")
    assert said(clock.look(letters, minutes=2)) == ["begun muenchen.gewerbe:dead-letters"]
    assert said(clock.look(down_office(), minutes=2)) == ["changed muenchen.gewerbe:stuck"]


def test_reminders_while_it_lasts() -> None:
    """What needs a person at once is told again every four hours, the rest once a day."""
    clock = Clock()
    assert said(clock.look(down_office(), minutes=1)) == ["begun muenchen.gewerbe:stuck"]
    assert said(clock.look(down_office(), minutes=12 * 60)) == ["reminder muenchen.gewerbe:stuck"] * 3
    letters = judgement("nuernberg.bau", attention=Attention.SOON, cause="nuernberg.bau:dead-letters")
    assert (
        said(Clock().look(letters, minutes=49 * 60)) == ["begun nuernberg.bau:dead-letters"] + ["reminder nuernberg.bau:dead-letters"] * 2
    )


def test_quiet_hours() -> None:
    """At night what can wait is told in the morning, if it is still so; what cannot is told at once."""
    clock = Clock(MONDAY.replace(hour=20), NIGHT)
    letters = judgement("nuernberg.bau", attention=Attention.SOON, cause="nuernberg.bau:dead-letters")
    gone = judgement("augsburg.gewerbe", attention=Attention.SOON, cause="augsburg.gewerbe:dead-letters")
    assert said(clock.look(letters, gone, down_office(), minutes=60)) == ["begun muenchen.gewerbe:stuck"]
    told = clock.look(letters, down_office(), minutes=10 * 60)
    assert said(told) == ["reminder muenchen.gewerbe:stuck", "reminder muenchen.gewerbe:stuck", "begun nuernberg.bau:dead-letters"]
    assert [is_quiet(NIGHT, told[-1].at - timedelta(minutes=ago)) for ago in (5, 0)] == [True, False]


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        ("2026-11-30T17:59:59Z", False),
        ("2026-11-30T18:00:00Z", True),
        ("2026-12-01T05:59:59Z", True),
        ("2026-12-01T06:00:00Z", False),
        ("2026-11-28T11:00:00Z", True),  # a Saturday
        ("2026-07-01T05:00:00Z", False),  # summer time
        ("2026-07-01T04:59:00Z", True),
        ("2026-10-25T11:00:00Z", True),  # a Sunday, on which clocks change
    ],
)
def test_quiet_hours_are_of_germany(moment: str, quiet: bool) -> None:
    """By the clocks of Germany, in winter and in summer, and all of a weekend."""
    assert is_quiet(NIGHT, datetime.fromisoformat(moment)) is quiet


def test_quiet_hours_within_a_day() -> None:
    """They may also begin and end on the same day, and leave weekends alone."""
    noon = QuietHours(begin="12:00", end="13:00", weekends=False)
    assert [is_quiet(noon, MONDAY.replace(day=28, hour=hour)) for hour in (10, 11, 12)] == [False, True, False]


def test_a_kafka_that_is_away_is_one_message() -> None:
    """All consumers are unknown then, for one cause; what was told of one of them before still stands, and is over only when it is well."""
    clock, names = Clock(), ("muenchen.gewerbe", "nuernberg.bau", "audit")
    assert said(clock.look(down_office(), minutes=5)) == ["begun muenchen.gewerbe:stuck"]
    away = [watching.unknown(name) for name in names]
    assert said(clock.look(*away, minutes=30)) == ["begun kafka"]
    well = [judgement(name) for name in names[1:]]
    assert said(clock.look(down_office(), *well, minutes=30)) == ["over kafka"]
    assert said(clock.look(WELL, *well, minutes=30)) == ["over muenchen.gewerbe:stuck"]


def test_an_end_is_told_although_one_of_many_has_trouble_of_its_own() -> None:
    """Kafka is back, and one office is down now: both are told."""
    clock, names = Clock(), ("muenchen.gewerbe", "nuernberg.bau")
    clock.look(*(watching.unknown(name) for name in names), minutes=5)
    assert sorted(said(clock.look(down_office(), judgement("nuernberg.bau"), minutes=30))) == ["begun muenchen.gewerbe:stuck", "over kafka"]


VERDICTS = st.sampled_from(
    [WELL, down_office(), judgement(verdict=Verdict.LATE, attention=Attention.SOON), watching.unknown("muenchen.gewerbe")]
)


@settings(deadline=None)  # a machine with other work
@given(st.lists(st.tuples(VERDICTS, st.integers(1, 60)), max_size=20))
def test_whatever_happens_each_trouble_begins_once_and_ends_once(course: list[tuple[Judgement, int]]) -> None:
    """For any course of verdicts: a beginning before anything else, one end after it, and in the end nothing that is told for ever."""
    clock, told = Clock(), []
    for verdict, looks in course:
        told += clock.look(verdict, minutes=looks / 6)
    told += clock.look(WELL, minutes=30)
    for incident in {one.incident for one in told}:
        occasions = [one.occasion.value for one in told if one.incident == incident]
        assert (occasions[0], occasions[-1]) == ("begun", "over")
        assert (occasions.count("begun"), occasions.count("over")) == (1, 1)
    assert clock.known == []
