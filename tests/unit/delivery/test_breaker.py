"""When an office is paused because its back office is down, and that one portal's poison never pauses it for the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, pairwise

import pytest

from consumers.delivery.breaker import Breaker
from consumers.delivery.failures import Cause, Failure, Stage
from consumers.settings import DeliverySettings
from schemas.errors import DestinationDown

SETTINGS = DeliverySettings()


def failed(cause: Cause, stage: Stage = Stage.DELIVER) -> Failure:
    """An attempt that failed."""
    return Failure(stage, cause, "reason", "Blip")


def noted(breaker: Breaker, *causes: Cause | None, now_s: float = 0.0, portals: Sequence[str] = ("a", "b")) -> list[bool]:
    """Whether outcomes, one after the other, of these portals in turn, open or close a breaker; None is a success."""
    changed = []
    for cause, portal in zip(causes, cycle(portals), strict=False):
        was_open = breaker.reason is not None
        breaker.note_answer(None if cause is None else failed(cause), now_s, portal)
        changed.append(was_open != (breaker.reason is not None))
    return changed


def test_down_pauses_at_once() -> None:
    """One refused connection is enough; the office says why and since when, and up to then all may go."""
    breaker = Breaker(SETTINGS)
    assert (breaker.capacity(0, 7), breaker.reason, breaker.since) == (7, None, None)
    assert noted(breaker, Cause.DESTINATION_DOWN) == [True]
    assert (breaker.capacity(0.9, 7), breaker.reason) == (0, "reason")
    assert breaker.since is not None


@pytest.mark.parametrize("cause", [Cause.BLIP, Cause.UNCLEAR])
def test_doubtful_answers_in_a_row_count_as_down(cause: Cause) -> None:
    """So many blips or unclear answers to several portals pause the office; a clear answer between them begins the count anew."""
    breaker = Breaker(DeliverySettings(failure_threshold=3))
    for clear in (None, Cause.CASE_NOT_READY, Cause.PERMANENT):
        assert noted(breaker, cause, cause, clear) == [False] * 3
    assert noted(breaker, cause, cause, cause) == [False, False, True]


def test_one_record_tries_it_out() -> None:
    """After the pause one record goes, and no other until its outcome is known; a good one opens the way for all."""
    breaker = Breaker(SETTINGS)
    noted(breaker, Cause.DESTINATION_DOWN)
    assert (breaker.capacity(1, 7), breaker.capacity(1, 0)) == (1, 0)
    breaker.note_begun()
    assert breaker.capacity(100, 7) == 0
    assert noted(breaker, None, now_s=100) == [True]
    assert (breaker.capacity(100, 7), breaker.reason, breaker.since) == (7, None, None)


@pytest.mark.parametrize("cause", [Cause.CASE_NOT_READY, Cause.PERMANENT])
def test_any_clear_answer_means_up(cause: Cause) -> None:
    """A back office that refuses a submission is at work."""
    breaker = Breaker(SETTINGS)
    noted(breaker, Cause.DESTINATION_DOWN)
    breaker.note_begun()
    assert (noted(breaker, cause, now_s=1), breaker.capacity(1, 7)) == ([True], 7)


def test_pauses_double_up_to_a_minute() -> None:
    """Each probe that fails doubles the time to the next one; it stays open without saying so again."""
    breaker, now_s, probes = Breaker(SETTINGS), 0.0, [0.0]
    assert noted(breaker, Cause.DESTINATION_DOWN) == [True]
    for _ in range(9):
        now_s = next(second for second in (now_s + step for step in range(1, 100)) if breaker.capacity(second, 1))
        breaker.note_begun()
        assert noted(breaker, Cause.BLIP, now_s=now_s) == [False]
        probes.append(now_s)
    assert [later - earlier for earlier, later in pairwise(probes)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_others_of_the_same_moment_change_nothing() -> None:
    """A hundred attempts that fail together pause the office as long as one."""
    breaker = Breaker(SETTINGS)
    assert noted(breaker, *[Cause.DESTINATION_DOWN] * 100) == [True, *[False] * 99]
    assert breaker.capacity(1, 7) == 1


def test_probe_that_never_got_there_is_forgotten() -> None:
    """A probe that ends without an answer of the back office lets another one try, at once."""
    breaker = Breaker(SETTINGS)
    noted(breaker, Cause.DESTINATION_DOWN)
    breaker.note_begun()
    breaker.forget_probe()
    assert (breaker.capacity(1, 7), breaker.reason) == (1, "reason")


def test_pause_after_a_recovery_is_short_again() -> None:
    """An office that was up since begins with the first pause."""
    breaker = Breaker(SETTINGS)
    for _ in range(5):
        noted(breaker, Cause.DESTINATION_DOWN)
        breaker.note_begun()
    noted(breaker, None, Cause.DESTINATION_DOWN)
    assert (breaker.capacity(0.9, 1), breaker.capacity(1, 1)) == (0, 1)


def test_probing_while_up_means_nothing() -> None:
    """While the office is up every attempt is an ordinary one."""
    breaker = Breaker(SETTINGS)
    breaker.note_begun()
    assert breaker.capacity(0, 7) == 7


@pytest.mark.parametrize(
    ("told_s", "waits_s"), [(25.0, 25.0), (0.0, SETTINGS.first_probe_s), (0.001, SETTINGS.first_probe_s), (1e30, 3600.0), (None, 1.0)]
)
def test_an_office_is_left_alone_as_long_as_it_says(told_s: float | None, waits_s: float) -> None:
    """Each time anew, and within bounds; not doubled."""
    breaker, now_s = Breaker(SETTINGS), 0.0
    down = Failure.of(DestinationDown("HTTP 429", told_s), Stage.DELIVER)
    for _ in range(3 if told_s is not None else 1):
        breaker.note_answer(down, now_s)
        now_s += waits_s
        assert (breaker.capacity(now_s - 0.0005, 7), breaker.capacity(now_s, 7)) == (0, 1)
        breaker.note_begun()


def test_the_longest_wait_of_the_same_moment_counts() -> None:
    """Others that were under way may be told to wait longer, and then all do; a shorter wait changes nothing."""
    breaker = Breaker(SETTINGS)
    for told_s in (10, 40, 20, None):
        breaker.note_answer(Failure.of(DestinationDown("HTTP 429", told_s), Stage.DELIVER), 0)
    assert (breaker.capacity(39.9, 7), breaker.capacity(40, 7)) == (0, 1)


def test_late_success_leaves_the_breaker_open() -> None:
    """An attempt that began before the back office went away says nothing of now; the probe decides."""
    breaker = Breaker(DeliverySettings())
    breaker.note_answer(failed(Cause.DESTINATION_DOWN), 0)
    assert (noted(breaker, None, now_s=0.1), breaker.reason is not None) == ([False], True)
    breaker.note_begun()
    assert (noted(breaker, None, now_s=2), breaker.reason) == ([True], None)


def test_an_office_that_cannot_be_asked_is_not_down() -> None:
    """Outcomes that nobody can find out say nothing about the back office, however many there are."""
    breaker = Breaker(DeliverySettings(failure_threshold=2))
    assert noted(breaker, *[Cause.CANNOT_FIND] * 5) == [False] * 5


@pytest.mark.parametrize("cause", [Cause.BLIP, Cause.UNCLEAR])
def test_one_portals_poison_pauses_nobody(cause: Cause) -> None:
    """However many messages of one portal make a back office fail, and one or two of another beside them."""
    breaker = Breaker(SETTINGS)
    assert noted(breaker, *[cause] * 1_000, portals=["hostile"]) == [False] * 1_000
    assert noted(breaker, *[cause] * 4, portals=["honest"]) == [False] * 4
    assert noted(breaker, cause, portals=["honest"]) == [True]


def test_thousands_of_portals_are_no_growth() -> None:
    """Only so many are counted, and they say as much as more."""
    breaker = Breaker(DeliverySettings(failure_threshold=10_000))
    for number in range(1_000):
        breaker.note_answer(failed(Cause.BLIP), 0, f"portal-{number}")
    assert len(breaker._doubts) == 100


def test_when_the_back_office_is_asked_itself() -> None:
    """Before it counts as down, and when one more doubtful answer to a portal would be one too many; not where it says how long it is to be left alone."""
    breaker = Breaker(DeliverySettings(failure_threshold=2))
    told = Failure.of(DestinationDown("HTTP 429", 9), Stage.DELIVER)
    assert [breaker.doubts(one, "a") for one in (failed(Cause.DESTINATION_DOWN), told, failed(Cause.BLIP))] == [True, False, False]
    breaker.note_answer(failed(Cause.BLIP), 0, "a")
    assert [breaker.doubts(failed(cause), portal) for cause in (Cause.BLIP, Cause.PERMANENT) for portal in "ab"] == [
        True,
        False,
        False,
        False,
    ]


def test_a_back_office_that_answers_is_up() -> None:
    """A probe that fails by itself, while the back office answers a question, opens the way for all."""
    breaker = Breaker(SETTINGS)
    noted(breaker, Cause.DESTINATION_DOWN)
    breaker.note_begun()
    breaker.note_answer(replace(failed(Cause.UNCLEAR), reachable=True), 1)
    assert (breaker.reason, breaker.capacity(1, 7)) == (None, 7)


def test_doubts_of_several_portals_are_not_put_off_by_an_answer() -> None:
    """Where the question is answered and nothing else is, a probe that fails leaves the office paused."""
    breaker = Breaker(DeliverySettings(failure_threshold=2))
    assert noted(breaker, Cause.UNCLEAR, Cause.UNCLEAR) == [False, True]
    breaker.note_begun()
    breaker.note_answer(replace(failed(Cause.UNCLEAR), reachable=True), 1, "a")
    assert breaker.reason == "reason"


def test_after_a_doubtful_probe_another_portal_goes_first() -> None:
    """For a moment, so that it goes on where nobody else is waiting; not where the last probe said that the back office is down."""
    breaker = Breaker(DeliverySettings(failure_threshold=2))
    noted(breaker, Cause.UNCLEAR, Cause.UNCLEAR)
    assert [breaker.wants_another(portal, 1) for portal in "ab"] == [False, False]
    breaker.note_begun()
    breaker.note_answer(failed(Cause.UNCLEAR), 1, "a")
    assert [breaker.wants_another(portal, at_s) for portal in "ab" for at_s in (3, 4.9, 5)] == [True, True, False, False, False, False]
    breaker.note_begun()
    breaker.note_answer(failed(Cause.DESTINATION_DOWN), 5, "a")
    assert not breaker.wants_another("a", 5)
