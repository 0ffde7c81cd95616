"""What becomes of a record: each row of the two tables of `consumers.delivery.decide`, without a ledger and without Kafka."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition

from consumers.delivery import states
from consumers.delivery.brake import Brake, Hold, SeriesName
from consumers.delivery.decide import Becomes, Decision, after_failure, decide, immediate_pause_s
from consumers.delivery.entry import LedgerEntry
from consumers.delivery.failures import Cause, Failure, Stage
from consumers.delivery.job import Job
from consumers.engine import Action
from consumers.settings import DeliverySettings
from schemas import topics
from tests import builders
from tests.delivery_model import MAIN, RETRY, record

SETTINGS = DeliverySettings()
FIRST_S, LONGEST_S = SETTINGS.first_backoff_s, SETTINGS.longest_backoff_s
NOW_MS = 1_772_355_600_000
AGAIN, SPENT = Decision(Becomes.TRIED_AGAIN), Decision(Becomes.DEAD, cause=Cause.TRIES_SPENT)


def dead(cause: Cause) -> Decision:
    """A dead letter for this cause."""
    return Decision(Becomes.DEAD, cause=cause)


def parked(cause: Cause) -> Decision:
    """Parked for this cause, for the first time."""
    return Decision(Becomes.PARKED, cause=cause, delay_s=FIRST_S)


def later(cause: Cause, delay_s: float) -> Decision:
    """Tried later, from the retry topic."""
    return Decision(Becomes.TRIED_LATER, cause=cause, delay_s=delay_s)


def failed(cause: Cause, stage: Stage = Stage.DELIVER) -> Failure:
    """An attempt that failed."""
    return Failure(stage, cause, "reason", "Blip")


def job_of(state: str = states.NEW, partition: TopicPartition = MAIN, **values: Any) -> Job:
    """A record that was dispatched, and whose submission is in this state."""
    job = Job(partition, record(builders.application(), 0), 0, topics.is_retry(partition.topic))
    job.submission, job.service, job.entry = "s", "99115005104000", LedgerEntry(b"", state, 1)
    for name, value in values.items():
        setattr(job, name, value)
    return job


def decided(job: Job, brake: Brake | None = None, continuing: tuple[str, ...] = ()) -> Decision:
    """What becomes of it."""
    return decide(job, NOW_MS, SETTINGS, brake or Brake(SETTINGS), continuing)


# --- the first table


@pytest.mark.parametrize(
    ("job", "decision"),
    [
        pytest.param(job_of(states.STARTED, reference="M-1"), Decision(Becomes.DELIVERED, "M-1"), id="the back office has it"),
        pytest.param(job_of(states.STARTED, failure=failed(Cause.CASE_NOT_READY)), parked(Cause.CASE_NOT_READY), id="failed"),
        pytest.param(job_of(states.STARTED, skipped=True), AGAIN, id="given up before it was made"),
        pytest.param(job_of(states.DELIVERED), Decision(Becomes.KNOWN), id="delivered before"),
        pytest.param(job_of(states.DELIVERED, RETRY, discarded="withdrawn"), Decision(Becomes.KNOWN), id="delivered, then discarded"),
        pytest.param(job_of(states.DEAD), Decision(Becomes.KNOWN), id="dead before"),
        pytest.param(job_of(states.DEAD, RETRY, discarded="withdrawn"), Decision(Becomes.DISCARDED, cause="withdrawn"), id="discarded"),
        pytest.param(job_of(states.DEAD, RETRY, found_under="M-7"), Decision(Becomes.DELIVERED, "M-7"), id="settled"),
        pytest.param(job_of(action=Action.PARK), Decision(Becomes.PARKED, cause="case-parked", delay_s=None), id="behind a parked one"),
        pytest.param(job_of(action=Action.HOLD), Decision(Becomes.DEAD, cause="case-held", holds=True), id="behind a dead one"),
        pytest.param(job_of(states.PARKED, RETRY), Decision(Becomes.NOT_DUE, delay_s=0.1), id="not due"),
    ],
)
def test_what_becomes_of_a_record(job: Job, decision: Decision) -> None:
    """Each row of the table."""
    assert decided(job) == decision


def test_an_answer_of_the_back_office_counts_most() -> None:
    """What it has is delivered, whatever else was decided about the record meanwhile."""
    job = job_of(states.DEAD, RETRY, reference="M-1", failure=failed(Cause.UNCLEAR), discarded="withdrawn", action=Action.HOLD)
    assert decided(job) == Decision(Becomes.DELIVERED, "M-1")


@pytest.mark.parametrize(("continuing", "holds"), [((), True), (("99115005104000",), False), (("99050012104000",), True)])
def test_a_dead_letter_holds_its_case(continuing: tuple[str, ...], holds: bool) -> None:
    """But for services whose cases go on."""
    assert decided(job_of(failure=failed(Cause.PERMANENT)), continuing=continuing) == dead(Cause.PERMANENT)._replace(holds=holds)


def held(*portals: str, settings: DeliverySettings = SETTINGS) -> Brake:
    """A brake that holds these portals, and so the office if there are several."""
    brake = Brake(settings)
    for portal in portals:
        for number in range(2 * settings.brake_in_a_row):
            brake.note_refused(portal, f"cause-{number}", 0)
    return brake


REFUSED = failed(Cause.PERMANENT)
LOOKED_AT = AGAIN._replace(delay_s=2.0)
IN_SERIES = parked(Cause.SERIES_HELD)
TRIES_IT_OUT = Hold(SeriesName("b"), "reason", SETTINGS, 0)
NO_ROOM = DeliverySettings(in_flight=10, brake_in_a_row=1)
UNTRIED = dead(Cause.SERIES_HELD)._replace(holds=True)


@pytest.mark.parametrize(
    ("job", "brake", "decision"),
    [
        pytest.param(job_of(failure=REFUSED, portal="b"), held("b"), IN_SERIES, id="one more of a held portal"),
        pytest.param(job_of(failure=REFUSED, portal="a"), held("b"), dead(Cause.PERMANENT), id="of another portal"),
        pytest.param(job_of(failure=REFUSED, portal="b", tries_series=TRIES_IT_OUT), held("b"), dead(Cause.PERMANENT), id="tried it out"),
        pytest.param(job_of(failure=REFUSED, submission=""), held(""), dead(Cause.PERMANENT), id="cannot be read"),
        pytest.param(job_of(partition=RETRY, failure=REFUSED, portal="b"), held("b"), dead(Cause.PERMANENT), id="from the retry topic"),
        pytest.param(job_of(failure=failed(Cause.CANNOT_FIND), portal="b"), held("b"), dead(Cause.CANNOT_FIND), id="for a person"),
        pytest.param(job_of(failure=failed(Cause.CASE_NOT_READY), portal="b"), held("b"), parked(Cause.CASE_NOT_READY), id="not refused"),
        pytest.param(job_of(failure=REFUSED, portal="b"), held("b", "c"), LOOKED_AT, id="the office is held, and its portal"),
        pytest.param(job_of(failure=REFUSED, portal="a"), held("b", "c"), dead(Cause.PERMANENT), id="the office is held, not its portal"),
        pytest.param(job_of(waits_s=1.5), held("b", "c"), Decision(Becomes.NOT_DUE, delay_s=1.5), id="waits"),
        pytest.param(job_of(set_aside=True), held("b", "c"), UNTRIED, id="no room where it stands"),
        pytest.param(
            job_of(action=Action.PARK, portal="b"), held("b"), Decision(Becomes.PARKED, cause="case-parked", delay_s=None), id="room"
        ),
    ],
)
def test_what_becomes_of_a_series(job: Job, brake: Brake, decision: Decision) -> None:
    """Each row of the third table; to decide changes nothing."""
    held_before = [hold.name for hold in brake.held]
    assert decided(job, brake)._replace(holds=decision.holds) == decision
    assert [hold.name for hold in brake.held] == held_before


def test_without_room_a_series_becomes_dead_letters() -> None:
    """A held portal has so much room in the retry topic, and what follows a parked record of its case takes of it; then its records are dead."""
    brake = held("b", settings=NO_ROOM)
    brake.note_parked("b", 1)
    assert decided(job_of(failure=REFUSED, portal="b"), brake) == dead(Cause.PERMANENT)._replace(holds=True)
    assert decided(job_of(action=Action.PARK, portal="b"), brake) == UNTRIED
    assert decided(job_of(action=Action.PARK, portal="a"), brake).becomes is Becomes.PARKED


@pytest.mark.parametrize(("due_in_s", "waits_s"), [(-5, 0.1), (0.05, 0.1), (30, 30), (1e9, LONGEST_S)])
def test_a_parked_record_waits_until_it_is_due(due_in_s: float, waits_s: float) -> None:
    """Never longer than the longest wait, whatever clock has written the time."""
    job = job_of(states.NOT_TAKEN, RETRY)
    job.entry.next_try_ms = NOW_MS + int(due_in_s * 1000)
    assert decided(job) == Decision(Becomes.NOT_DUE, delay_s=waits_s)


# --- the second table


@pytest.mark.parametrize(
    ("cause", "failures", "tries", "in_retry", "decision"),
    [
        (Cause.BLIP, 3, 0, False, parked(Cause.BLIP)),
        (Cause.UNCLEAR, 3, 0, False, parked(Cause.UNCLEAR)),
        (Cause.DESTINATION_DOWN, 1, 0, False, AGAIN),
        (Cause.DESTINATION_DOWN, 99, 0, False, AGAIN),
        (Cause.CASE_NOT_READY, 1, 0, False, parked(Cause.CASE_NOT_READY)),
        (Cause.PERMANENT, 1, 0, False, dead(Cause.PERMANENT)),
        (Cause.CANNOT_FIND, 1, 0, False, dead(Cause.CANNOT_FIND)),
        (Cause.BLIP, 1, 1, True, later(Cause.BLIP, FIRST_S)),
        (Cause.UNCLEAR, 1, 2, True, later(Cause.UNCLEAR, 2 * FIRST_S)),
        (Cause.CASE_NOT_READY, 1, 9, True, later(Cause.CASE_NOT_READY, LONGEST_S)),
        (Cause.BLIP, 1, 10, True, SPENT),
        (Cause.UNCLEAR, 1, 10, True, SPENT),
        (Cause.CASE_NOT_READY, 1, 11, True, SPENT),
        (Cause.DESTINATION_DOWN, 99, 99, True, AGAIN),
        (Cause.PERMANENT, 1, 1, True, dead(Cause.PERMANENT)),
        (Cause.CANNOT_FIND, 1, 1, True, dead(Cause.CANNOT_FIND)),
    ],
)
def test_what_follows_from_a_cause(cause: Cause, failures: int, tries: int, in_retry: bool, decision: Decision) -> None:
    """Each row of the table, in the submissions topic and in the retry topic."""
    assert after_failure(failed(cause), failures, tries, parked=in_retry, settings=SETTINGS) == decision


@pytest.mark.parametrize("cause", [Cause.BLIP, Cause.UNCLEAR])
@pytest.mark.parametrize("failures", [1, 2])
def test_immediate_retries_come_first(cause: Cause, failures: int) -> None:
    """A blip is tried again within two seconds, before anything is parked."""
    decision = after_failure(failed(cause), failures, 0, parked=False, settings=SETTINGS)
    assert decision.becomes is Becomes.TRIED_AGAIN
    assert 0.2 <= (decision.delay_s or 0) <= 2


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_immediate_retries_are_those_after_the_first_attempt(retries: int) -> None:
    """With none of them the first blip parks the case, with one the second."""
    settings = DeliverySettings(immediate_retries=retries)
    decided = [after_failure(failed(Cause.BLIP), number, 0, parked=False, settings=settings).becomes for number in range(1, retries + 2)]
    assert decided == [Becomes.TRIED_AGAIN] * retries + [Becomes.PARKED]


def test_every_cause_is_decided() -> None:
    """No cause falls through: in the end each is decided, parked or not."""
    causes = set(Cause) - {Cause.TRIES_SPENT, Cause.CASE_PARKED, Cause.CASE_HELD}
    decided = {cause: after_failure(failed(cause), 1, SETTINGS.delayed_retries, parked=True, settings=SETTINGS) for cause in causes}
    assert {cause for cause, decision in decided.items() if decision.becomes is not Becomes.DEAD} == {Cause.DESTINATION_DOWN}


def test_schedule_doubles_from_30_seconds_to_an_hour() -> None:
    """The waits that portals are told: ten tries, less than four hours and a half in all."""
    waits = [SETTINGS.backoff_s(tries) for tries in range(1, SETTINGS.delayed_retries)]
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert SETTINGS.backoff_s(10_000) == 3600


def test_quick_pauses_are_spread() -> None:
    """Cases that failed together do not come again together, and none waits for longer than 2 s."""
    pauses = [immediate_pause_s(attempts) for attempts in (1, 2, 5_000) for _ in range(200)]
    assert 0.2 <= min(pauses) < 0.4
    assert 1.5 < max(pauses) <= 2
    assert len(set(pauses)) > 500
    assert max(immediate_pause_s(1) for _ in range(200)) <= 0.8
