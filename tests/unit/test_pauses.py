"""When an office is paused on purpose: by the last word of operators, and by the maintenance windows of its page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumers.pauses import Pauses
from schemas.catalogue.expected import Expected
from schemas.catalogue.windows import window_at
from schemas.operations import Operation, OperatorAction

OFFICE = "muenchen.gewerbe"
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
NIGHTLY = Expected.model_validate({"maintenance": [{"days": ["sat"], "hours": "22:00-02:30", "reason": "backup"}]})


def said(action: OperatorAction, actor: str = "anna", **more: Any) -> Operation:
    """An operator's word."""
    return Operation(**({"at": NOON, "actor": actor, "action": action, "office": OFFICE, "reason": "ticket 1"} | more))


def told(*operations: Operation, expected: Expected | None = None) -> Pauses:
    """What is known after these, written a minute after one another."""
    made = Pauses(OFFICE, expected or Expected())
    for number, one in enumerate(operations):
        made.take(one, NOON + timedelta(minutes=number))
    return made


def utc(text: str) -> datetime:
    """A moment of 2026, by the clock in Greenwich."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def test_the_last_word_in_the_log_counts_whoever_says_it() -> None:
    """Also where its writer's clock says that it was the first."""
    early = NOON - timedelta(hours=1)
    paused = told(said(OperatorAction.RESUME), said(OperatorAction.PAUSE, "bert", at=early, reason="ticket 2")).at(NOON)
    assert paused is not None
    assert (paused.actor, paused.reason, paused.since, paused.until) == ("bert", "ticket 2", NOON + timedelta(minutes=1), None)
    assert told(said(OperatorAction.PAUSE), said(OperatorAction.RESUME, "bert", at=early)).at(NOON) is None


def test_a_pause_ends_when_it_says() -> None:
    """At that moment, and not before it; a later pause takes the place of its end."""
    end = NOON + timedelta(hours=2)
    made = told(said(OperatorAction.PAUSE, until=end))
    assert made.at(end - timedelta(seconds=1)) is not None
    assert made.at(end) is None
    assert told(said(OperatorAction.PAUSE, until=end), said(OperatorAction.PAUSE)).at(end) is not None


@pytest.mark.parametrize("other", [said(OperatorAction.PAUSE, office="augsburg.gewerbe"), said(OperatorAction.RELEASE)])
def test_what_is_not_about_it_changes_nothing(other: Operation) -> None:
    """Neither another office's pause, nor a release."""
    assert told(other).at(NOON) is None
    assert told(said(OperatorAction.PAUSE), other).at(NOON) is not None


@pytest.mark.parametrize(
    ("moment", "until"),
    [
        ("11-28T20:59:59", None),
        ("11-28T21:00:00", "11-29T01:30:00"),
        ("11-29T01:29:59", "11-29T01:30:00"),
        ("11-29T01:30:00", None),
        ("11-29T21:00:00", None),  # it begins on Saturdays
        ("03-29T00:29:59", "03-29T01:30:00"),  # 02:30 is not shown that night: 03:30 is that moment
        ("10-25T00:30:00", "10-25T01:30:00"),  # shown twice that night: until the second time
        ("10-25T01:30:00", None),
    ],
)
def test_a_weekly_window(moment: str, until: str | None) -> None:
    """By the clock on the wall, over midnight and in the nights in which it is changed."""
    paused = told(expected=NIGHTLY).at(utc(moment))
    assert (None if paused is None else paused.until) == (None if until is None else utc(until))
    assert paused is None or (paused.actor, paused.reason) == (None, "backup")


def test_of_windows_that_overlap_the_one_that_ends_last_is_told() -> None:
    """One until midnight ends with the day."""
    once = {"begins": "2026-11-28T20:00:00+01:00", "ends": "2026-11-28T22:30:00+01:00", "reason": "new release"}
    weekly = {"days": ["sat"], "hours": "18:00-24:00", "reason": "backup"}
    window = window_at(Expected.model_validate({"maintenance": [once, weekly]}), utc("11-28T20:00:00"))
    assert window == (utc("11-28T17:00:00"), utc("11-28T23:00:00"), "backup")


def test_an_operator_comes_before_a_window_and_ends_one() -> None:
    """A resume ends the window in which it is said, once, and none that comes later."""
    made = told(expected=NIGHTLY)
    made.take(said(OperatorAction.PAUSE), utc("11-28T21:10:00"))
    paused = made.at(utc("11-28T21:11:00"))
    assert paused is not None
    assert paused.actor == "anna"
    made.take(said(OperatorAction.RESUME), utc("11-28T21:20:00"))
    assert made.at(utc("11-28T21:21:00")) is None
    assert made.at(utc("12-05T21:00:00")) is not None
