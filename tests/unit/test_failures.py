"""Failure by cause: what follows from which, when an office is paused, and when it is stopped."""

from __future__ import annotations

from itertools import pairwise

import pytest

from adapters.interface import CannotFind
from adapters.kit import NotTheOffice, UnclearAnswer
from consumers.delivery.failures import Brake, Breaker, Cause, Failure, Stage, Verdict, backoff_s, decide, quick_pause_s
from consumers.settings import DeliverySettings
from schemas import problems
from schemas.errors import Blip, CannotTell, CaseNotReady, DestinationDown, Refused

SETTINGS = DeliverySettings()
CANARY = "Kanarienvogel"
FIRST_S, LONGEST_S = SETTINGS.first_backoff_s, SETTINGS.longest_backoff_s
AGAIN, DEAD, SPENT = Verdict("again"), Verdict("dead"), Verdict("dead", cause=Cause.TRIES_SPENT)
PARK = Verdict("park", FIRST_S)


def failed(cause: Cause, stage: Stage = Stage.DELIVER) -> Failure:
    """A hand-over that did not succeed."""
    return Failure(stage, cause, "reason", "Blip")


def noted(breaker: Breaker, *causes: Cause | None, now_s: float = 0.0) -> list[bool]:
    """Whether outcomes, one after the other, open or close a breaker; None is a success."""
    changed = []
    for cause in causes:
        was_open = breaker.reason is not None
        breaker.note(None if cause is None else failed(cause), now_s)
        changed.append(was_open != (breaker.reason is not None))
    return changed


# --- the table


@pytest.mark.parametrize(
    ("cause", "attempts", "tries", "parked", "verdict"),
    [
        (Cause.BLIP, 3, 0, False, PARK),
        (Cause.UNCLEAR, 3, 0, False, PARK),
        (Cause.DESTINATION_DOWN, 1, 0, False, AGAIN),
        (Cause.DESTINATION_DOWN, 99, 0, False, AGAIN),
        (Cause.CASE_NOT_READY, 1, 0, False, PARK),
        (Cause.PERMANENT, 1, 0, False, DEAD),
        (Cause.CANNOT_FIND, 1, 0, False, DEAD),
        (Cause.BLIP, 1, 1, True, Verdict("again", FIRST_S)),
        (Cause.UNCLEAR, 1, 2, True, Verdict("again", 2 * FIRST_S)),
        (Cause.CASE_NOT_READY, 1, 9, True, Verdict("again", LONGEST_S)),
        (Cause.BLIP, 1, 10, True, SPENT),
        (Cause.UNCLEAR, 1, 10, True, SPENT),
        (Cause.CASE_NOT_READY, 1, 11, True, SPENT),
        (Cause.DESTINATION_DOWN, 99, 99, True, AGAIN),
        (Cause.PERMANENT, 1, 1, True, DEAD),
        (Cause.CANNOT_FIND, 1, 1, True, DEAD),
    ],
)
def test_what_follows_from_a_cause(cause: Cause, attempts: int, tries: int, parked: bool, verdict: Verdict) -> None:
    """Each row of the table, in the submissions topic and in the retry topic."""
    assert decide(failed(cause), attempts, tries, parked=parked, settings=SETTINGS) == verdict


@pytest.mark.parametrize("cause", [Cause.BLIP, Cause.UNCLEAR])
@pytest.mark.parametrize("attempts", [1, 2])
def test_immediate_retries_come_first(cause: Cause, attempts: int) -> None:
    """A blip is tried again within two seconds, before anything is parked."""
    verdict = decide(failed(cause), attempts, 0, parked=False, settings=SETTINGS)
    assert (verdict.what, verdict.cause) == ("again", None)
    assert 0.2 <= verdict.delay_s <= 2


def test_every_cause_of_a_hand_over_has_a_verdict() -> None:
    """No cause falls through: in the end each is decided, parked or not."""
    causes = set(Cause) - {Cause.TRIES_SPENT, Cause.CASE_PARKED, Cause.CASE_HELD}
    decided = {cause: decide(failed(cause), 1, SETTINGS.tries, parked=True, settings=SETTINGS).what for cause in causes}
    assert {cause for cause, what in decided.items() if what != "dead"} == {Cause.DESTINATION_DOWN}


def test_schedule_doubles_from_30_seconds_to_an_hour() -> None:
    """The waits that portals are told: ten tries, less than four hours and a half in all."""
    waits = [backoff_s(tries, SETTINGS) for tries in range(1, SETTINGS.tries)]
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert backoff_s(10_000, SETTINGS) == 3600


def test_quick_pauses_are_spread() -> None:
    """Cases that failed together do not come again together, and none waits for longer than 2 s."""
    pauses = [quick_pause_s(attempts) for attempts in (1, 2, 5_000) for _ in range(200)]
    assert 0.2 <= min(pauses) < 0.4
    assert 1.5 < max(pauses) <= 2
    assert len(set(pauses)) > 500
    assert max(quick_pause_s(1) for _ in range(200)) <= 0.8


# --- the breaker


def test_down_pauses_at_once() -> None:
    """One refused connection is enough; the office says why and since when, and up to then all may go."""
    breaker = Breaker(SETTINGS)
    assert (breaker.capacity(0, 7), breaker.reason, breaker.since) == (7, None, None)
    assert noted(breaker, Cause.DESTINATION_DOWN) == [True]
    assert (breaker.capacity(0.9, 7), breaker.reason) == (0, "reason")
    assert breaker.since is not None


@pytest.mark.parametrize("cause", [Cause.BLIP, Cause.UNCLEAR])
def test_doubtful_answers_in_a_row_count_as_down(cause: Cause) -> None:
    """So many blips or unclear answers pause the office; a clear answer between them begins the count anew."""
    breaker = Breaker(DeliverySettings(failure_threshold=3))
    for clear in (None, Cause.CASE_NOT_READY, Cause.PERMANENT):
        assert noted(breaker, cause, cause, clear) == [False] * 3
    assert noted(breaker, cause, cause, cause) == [False, False, True]


def test_one_record_tries_it_out() -> None:
    """After the pause one record goes, and no other until its outcome is known; a good one opens the way for all."""
    breaker = Breaker(SETTINGS)
    noted(breaker, Cause.DESTINATION_DOWN)
    assert (breaker.capacity(1, 7), breaker.capacity(1, 0)) == (1, 0)
    breaker.probing()
    assert breaker.capacity(100, 7) == 0
    assert noted(breaker, None, now_s=100) == [True]
    assert (breaker.capacity(100, 7), breaker.reason, breaker.since) == (7, None, None)


@pytest.mark.parametrize("cause", [Cause.CASE_NOT_READY, Cause.PERMANENT])
def test_any_clear_answer_means_up(cause: Cause) -> None:
    """A back office that refuses a submission is at work."""
    breaker = Breaker(SETTINGS)
    noted(breaker, Cause.DESTINATION_DOWN)
    breaker.probing()
    assert (noted(breaker, cause, now_s=1), breaker.capacity(1, 7)) == ([True], 7)


def test_pauses_double_up_to_a_minute() -> None:
    """Each probe that fails doubles the time to the next one; it stays open without saying so again."""
    breaker, now_s, probes = Breaker(SETTINGS), 0.0, [0.0]
    assert noted(breaker, Cause.DESTINATION_DOWN) == [True]
    for _ in range(9):
        now_s = next(second for second in (now_s + step for step in range(1, 100)) if breaker.capacity(second, 1))
        breaker.probing()
        assert noted(breaker, Cause.BLIP, now_s=now_s) == [False]
        probes.append(now_s)
    assert [later - earlier for earlier, later in pairwise(probes)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_others_of_the_same_moment_change_nothing() -> None:
    """A hundred hand-overs that fail together pause the office as long as one."""
    breaker = Breaker(SETTINGS)
    assert noted(breaker, *[Cause.DESTINATION_DOWN] * 100) == [True, *[False] * 99]
    assert breaker.capacity(1, 7) == 1


def test_probe_that_never_got_there_is_forgotten() -> None:
    """A probe that ends without an answer of the back office lets another one try, at once."""
    breaker = Breaker(SETTINGS)
    noted(breaker, Cause.DESTINATION_DOWN)
    breaker.probing()
    breaker.forget_probe()
    assert (breaker.capacity(1, 7), breaker.reason) == (1, "reason")


def test_pause_after_a_recovery_is_short_again() -> None:
    """An office that was up since begins with the first pause."""
    breaker = Breaker(SETTINGS)
    for _ in range(5):
        noted(breaker, Cause.DESTINATION_DOWN)
        breaker.probing()
    noted(breaker, None, Cause.DESTINATION_DOWN)
    assert (breaker.capacity(0.9, 1), breaker.capacity(1, 1)) == (0, 1)


def test_probing_while_up_means_nothing() -> None:
    """While the office is up every hand-over is an ordinary one."""
    breaker = Breaker(SETTINGS)
    breaker.probing()
    assert breaker.capacity(0, 7) == 7


@pytest.mark.parametrize(
    ("told_s", "waits_s"), [(25.0, 25.0), (0.0, SETTINGS.first_probe_s), (0.001, SETTINGS.first_probe_s), (1e30, 3600.0), (None, 1.0)]
)
def test_an_office_is_left_alone_as_long_as_it_says(told_s: float | None, waits_s: float) -> None:
    """Each time anew, and within bounds; not doubled."""
    breaker, now_s = Breaker(SETTINGS), 0.0
    down = Failure.of(DestinationDown("HTTP 429", told_s), Stage.DELIVER)
    for _ in range(3 if told_s is not None else 1):
        breaker.note(down, now_s)
        now_s += waits_s
        assert (breaker.capacity(now_s - 0.0005, 7), breaker.capacity(now_s, 7)) == (0, 1)
        breaker.probing()


def test_the_longest_wait_of_the_same_moment_counts() -> None:
    """Others that were under way may be told to wait longer, and then all do; a shorter wait changes nothing."""
    breaker = Breaker(SETTINGS)
    for told_s in (10, 40, 20, None):
        breaker.note(Failure.of(DestinationDown("HTTP 429", told_s), Stage.DELIVER), 0)
    assert (breaker.capacity(39.9, 7), breaker.capacity(40, 7)) == (0, 1)


# --- the brake


def died(brake: Brake) -> bool:
    """One more record wants to be a dead letter, as delivery has it; whether it could."""
    too_many = brake.too_many()
    if too_many is None:
        brake.dead()
    else:
        brake.stop(too_many)
    return too_many is None


def test_brake_after_so_many_in_a_row() -> None:
    """Twenty dead letters in a row are the last; the office is stopped, and stays so."""
    brake = Brake(SETTINGS)
    assert [died(brake) for _ in range(22)] == [True] * 20 + [False] * 2
    assert brake.reason == "20 dead letters in a row"
    brake.good()
    assert not died(brake)


def test_asking_a_brake_changes_nothing() -> None:
    """However often it is asked whether one more dead letter may be, that counts for none, and stops nothing."""
    brake = Brake(DeliverySettings(brake_in_a_row=2))
    assert [brake.too_many() for _ in range(50)] == [None] * 50
    brake.dead()
    brake.dead()
    assert [brake.too_many() for _ in range(50)] == ["2 dead letters in a row"] * 50
    assert brake.reason is None


def test_brake_by_share() -> None:
    """More than half dead letters among the recent ones stop the office, even if none follow each other for long."""
    brake = Brake(SETTINGS)
    allowed = 0
    while died(brake):
        allowed += 1
        if allowed % 3 == 0:
            brake.good()
    assert (brake.reason, allowed) == ("75% of the last 20 are dead letters", 15)


def test_few_records_have_no_share() -> None:
    """Three dead letters at the start of the day stop nothing, nor does half."""
    brake = Brake(SETTINGS)
    for _ in range(300):
        assert died(brake)
        brake.good()
    assert brake.reason is None


def test_small_window_counts_when_it_is_full() -> None:
    """A window below the usual least one is judged as soon as it is full."""
    brake = Brake(DeliverySettings(brake_window=4, brake_in_a_row=100))
    assert [died(brake) for _ in range(5)] == [True] * 4 + [False]


# --- what is known of a failure


@pytest.mark.parametrize(
    ("error", "cause", "reason"),
    [
        (Blip("busy"), Cause.BLIP, "busy"),
        (DestinationDown("refused"), Cause.DESTINATION_DOWN, "refused"),
        (CaseNotReady("locked"), Cause.CASE_NOT_READY, "locked"),
        (Refused("no such street"), Cause.PERMANENT, "no such street"),
        (CannotFind(), Cause.CANNOT_FIND, "CannotFind"),
        (CannotFind(CANARY), Cause.CANNOT_FIND, "CannotFind"),
        (UnclearAnswer("the answer has no aktenzeichen"), Cause.UNCLEAR, "the answer has no aktenzeichen"),
        (NotTheOffice("HTTP 200 with a page for people"), Cause.DESTINATION_DOWN, "HTTP 200 with a page for people"),
        (UnclearAnswer("two\nlines\x1b[1m"), Cause.UNCLEAR, "two lines [1m"),
        (UnclearAnswer("x" * 1000), Cause.UNCLEAR, "x" * 300),
        (UnclearAnswer(""), Cause.UNCLEAR, "UnclearAnswer"),
        (TimeoutError(CANARY), Cause.UNCLEAR, "TimeoutError"),
        (ValueError(CANARY), Cause.UNCLEAR, "ValueError"),
        (ExceptionGroup(CANARY, [KeyError(CANARY)]), Cause.UNCLEAR, "ExceptionGroup"),
        (CannotTell(problems.STORE_UNREACHABLE, "store 'x'"), Cause.UNCLEAR, "store-unreachable: store 'x'"),
    ],
)
def test_cause_of_what_an_adapter_raises(error: Exception, cause: Cause, reason: str) -> None:
    """The four causes are what they say; whatever else is unclear, and of its text nothing is kept."""
    failure = Failure.of(error, Stage.DELIVER)
    assert (failure.cause, failure.reason, failure.exception) == (cause, reason, type(error).__name__)


@pytest.mark.parametrize("stage", [Stage.PARSE, Stage.TRANSLATE])
@pytest.mark.parametrize(("error", "reason"), [(KeyError(CANARY), "KeyError"), (Refused("no form"), "no form")])
def test_before_delivery_everything_is_permanent(stage: Stage, error: Exception, reason: str) -> None:
    """While reading or translating nothing has left, and the same input would fail again."""
    failure = Failure.of(error, stage)
    assert (failure.cause, failure.stage, failure.reason) == (Cause.PERMANENT, stage, reason)


def test_trace_has_places_and_no_texts() -> None:
    """The trace names files, lines and functions, the innermost first; no line of code and no value."""
    failure = Failure.of(raised(1), Stage.TRANSLATE)
    lines = failure.trace.splitlines()
    assert [line.rpartition(" in ")[2] for line in lines] == ["deeper", "deeper", "raised"]
    assert all(line.startswith(__file__) for line in lines)
    assert CANARY not in repr(failure)


def test_trace_is_cut() -> None:
    """A recursion without end does not make a dead letter without end."""
    assert len(Failure.of(raised(500), Stage.TRANSLATE).trace) == 8 * 1024


def deeper(levels: int) -> None:
    """Fails so far down."""
    if levels == 0:
        raise ValueError(CANARY)
    deeper(levels - 1)


def raised(levels: int) -> Exception:
    """An exception with a trace, and a value of the message in its text."""
    try:
        deeper(levels)
    except ValueError as error:
        return error
    raise AssertionError


def test_late_success_leaves_the_breaker_open() -> None:
    """A hand-over that began before the back office went away says nothing of now; the probe decides."""
    breaker = Breaker(DeliverySettings())
    breaker.note(failed(Cause.DESTINATION_DOWN), 0)
    assert (noted(breaker, None, now_s=0.1), breaker.reason is not None) == ([False], True)
    breaker.probing()
    assert (noted(breaker, None, now_s=2), breaker.reason) == ([True], None)


def test_an_office_that_cannot_be_asked_is_not_down() -> None:
    """Outcomes that nobody can find out say nothing about the back office, however many there are."""
    breaker = Breaker(DeliverySettings(failure_threshold=2))
    assert noted(breaker, *[Cause.CANNOT_FIND] * 5) == [False] * 5
