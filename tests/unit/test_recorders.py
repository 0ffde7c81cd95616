"""What audit and statistics make of a submission whose back office decides later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from uuid import UUID, uuid4

import pytest

from consumers.audit import queries, recorder, tables
from consumers.statistics import facts
from consumers.statistics.figures import figures
from infra.kafka.records import AnyRecord, SubmissionRecord
from infra.settings import StoreSettings
from infra.stores import Store
from schemas.events import State, StatusEvent
from tests import builders

OFFICE = "muenchen.gewerbe"
ACCEPTED_AT = datetime(2026, 3, 1, 8, 29, 58, tzinfo=UTC)
RECORD = SubmissionRecord(
    submission=uuid4(),
    case="case",
    city="muenchen",
    office=OFFICE,
    service="99050012104000",
    portal="portal",
    test=False,
    accepted_at=ACCEPTED_AT,
    published_at=ACCEPTED_AT,
    topic=f"{OFFICE}.submissions",
    partition=0,
    offset=0,
    size_bytes=3_600,
)


@pytest.fixture
def audit_store(store_settings: StoreSettings) -> Iterator[Store]:
    """The audit's store, on both databases."""
    opened = tables.open_store(store_settings)
    yield opened
    opened.close()


@pytest.fixture
def statistics_store(store_settings: StoreSettings) -> Iterator[Store]:
    """The statistics' store, on both databases."""
    opened = facts.open_store(store_settings)
    yield opened
    opened.close()


def told(submission: UUID, *states: State) -> list[StatusEvent]:
    """Events of a submission, one second after the other, from two seconds after its acceptance on."""
    moments = [datetime(2026, 3, 1, 8, 30, second, tzinfo=UTC).isoformat(timespec="milliseconds") for second in range(len(states))]
    return [builders.event(submission, state, office=OFFICE, at=at) for state, at in zip(states, moments, strict=True)]


async def test_trace_shows_every_step(audit_store: Store) -> None:
    """The way of a submission goes on to the decision, in the order of the log, whatever clocks say and however often it is read."""
    events = builders.records(
        *reversed(told(RECORD.submission, State.DELIVERED, State.RETRY_WAIT)), *told(RECORD.submission, State.ACCEPTED)
    )
    rows: list[AnyRecord] = [*reversed(events), RECORD, *events]
    for row in rows:
        await audit_store.write(partial(recorder.store_rows, rows=[row]))
    steps = [step.what for step in queries.trace(audit_store, RECORD.submission)]
    assert steps == ["submitted", "published", "retry_wait", "delivered", "accepted"]
    assert queries.submissions_in(audit_store, State.ACCEPTED) == queries.recorded_submissions(audit_store) == {RECORD.submission}
    assert queries.submissions_in(audit_store, State.REJECTED) == set()


async def test_statistics_count_decisions(statistics_store: Store) -> None:
    """Of three delivered submissions one is accepted, one is turned down and one is open; times run to the delivery."""
    records = [replace(RECORD, submission=uuid4()) for _ in range(3)]
    ends = [(State.DELIVERED, State.ACCEPTED), (State.DELIVERED, State.REJECTED), (State.DELIVERED,)]
    events = builders.records(*(event for record, states in zip(records, ends, strict=True) for event in told(record.submission, *states)))
    for _ in range(2):
        await statistics_store.write(partial(facts.store_rows, rows=[*events, *records]))
    (figure,) = figures(statistics_store)
    assert (figure.accepted, figure.delivered, figure.confirmed, figure.rejected) == (3, 3, 1, 1)
    assert (figure.median_s, figure.p95_s) == (2, 2)


async def test_a_clock_that_is_behind_makes_no_negative_time(statistics_store: Store) -> None:
    """Where the adapter's clock is behind the gateway's, a delivery took no time at least."""
    event = builders.event(RECORD.submission, office=OFFICE, at="2026-03-01T06:00:00Z")
    await statistics_store.write(partial(facts.store_rows, rows=[RECORD, *builders.records(event)]))
    (figure,) = figures(statistics_store)
    assert (figure.delivered, figure.median_s) == (1, 0)
