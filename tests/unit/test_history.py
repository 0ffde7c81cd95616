"""What became of a submission: for its portal and for operators, in the order of the log."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import uuid4

import sqlalchemy as sa
from aiokafka import TopicPartition

from infra.kafka.outgoing import Written
from infra.settings import StoreSettings
from producers.feedback import history, status_feed
from producers.feedback.history import Step
from producers.outbox.outbox import Outbox
from schemas.events import State
from schemas.search import Search, parse
from tests import builders, outboxes
from tests.outboxes import Open


async def test_steps_of_a_submission(opened: Open) -> None:
    """A portal reads what happened, in UTC, each event once, also after a restart."""
    sent = outboxes.candidate()
    box = opened()
    await box.accept(sent)
    await outboxes.hear(box, outboxes.event(sent.message_id), outboxes.event(sent.message_id))
    await outboxes.hear(box, outboxes.event(sent.message_id))
    found = await history.find_own(opened().store, sent.message_id, "portal")
    assert found is not None
    accepted, steps = found.accepted, found.steps
    assert (accepted.id, accepted.accepted_at) == (sent.message_id, outboxes.ACCEPTED_AT)
    assert steps == [
        Step(State.SUBMITTED, outboxes.ACCEPTED_AT, final=False),
        Step(State.DELIVERED, outboxes.DELIVERED_AT, "M-1", final=True),
    ]


async def test_a_clock_that_is_ahead_hides_no_delivery(box: Outbox) -> None:
    """Steps stand as in the log: a try that failed on a machine whose clock is a day ahead does not come behind the delivery."""
    sent = outboxes.candidate()
    await box.accept(sent)
    ahead = (outboxes.DELIVERED_AT + timedelta(days=1)).isoformat()
    waits = builders.event(sent.message_id, State.RETRY_WAIT, at=ahead, attempt=1)
    await outboxes.hear(box, waits, builders.event(sent.message_id, at=outboxes.DELIVERED_AT.isoformat(), attempt=2))
    found = await history.find_own(box.store, sent.message_id, "portal")
    assert found is not None
    assert [step.state for step in found.steps] == [State.SUBMITTED, State.RETRY_WAIT, State.DELIVERED]


async def test_topic_of_events_made_anew_comes_behind(box: Outbox) -> None:
    """Positions begin again in a new topic: what was told in the old one stays before it, in its order; other cities keep theirs."""
    sent = outboxes.candidate()
    await box.accept(sent)
    told = [builders.event(sent.message_id, State.RETRY_WAIT, attempt=number, at=f"2026-03-01T10:0{number}:00Z") for number in range(1, 4)]
    await box.store.write(lambda connection: status_feed.store_events(connection, builders.records(*told[:2], first=40)))
    for partition in (TopicPartition("muenchen.events", 0), TopicPartition("muenchen.events", 0)):
        await box.store.write(partial(status_feed.begin_again, partition=partition))
    await box.store.write(lambda connection: status_feed.store_events(connection, builders.records(told[2])))
    for partition in (TopicPartition("muenchen.events", 1), TopicPartition("muen.events", 0), TopicPartition("augsburg.events", 0)):
        await box.store.write(partial(status_feed.begin_again, partition=partition))
    found = await history.find_own(box.store, sent.message_id, "portal")
    assert found is not None
    assert [step.at.minute for step in found.steps[1:]] == [1, 2, 3]


async def test_outbox_of_an_earlier_version_keeps_its_order(opened: Open, store_settings: StoreSettings) -> None:
    """Steps that were stored without a position stay in the order of their times, before those that come; nothing else changes."""
    box, sent = opened(), outboxes.candidate()
    await box.accept(sent)
    first, second = (
        builders.event(sent.message_id, State.RETRY_WAIT, attempt=number, at=f"2026-03-01T10:0{number}:00Z") for number in (1, 2)
    )
    await outboxes.hear(box, second, first)
    await box.store.write(_as_before)
    box = opened()
    third = builders.event(sent.message_id, State.PARKED, attempt=3, at="2026-03-01T09:00:00Z")
    await outboxes.hear(box, third)
    found = await history.find_own(box.store, sent.message_id, "portal")
    assert found is not None
    assert [step.at.isoformat()[11:16] for step in found.steps[1:]] == ["10:01", "10:02", "09:00"]
    assert found.steps[-1].state == State.PARKED


def _as_before(connection: sa.Connection) -> None:
    """Make the tables of the version that knew no positions."""
    for column in ("attempt", "partition", "record_offset"):
        connection.exec_driver_sql(f'ALTER TABLE status DROP COLUMN "{column}"')
    connection.exec_driver_sql("ALTER TABLE unreadable_record DROP COLUMN gone")
    connection.exec_driver_sql("DELETE FROM outbox_usage")
    connection.exec_driver_sql("UPDATE store_version SET version = 1")


async def test_steps_are_for_the_portal_that_sent(box: Outbox) -> None:
    """Unknown submissions and those of other portals look the same."""
    sent = outboxes.candidate()
    await box.accept(sent)
    assert [await history.find_own(box.store, sent.message_id, "other"), await history.find_own(box.store, uuid4(), "portal")] == [
        None,
        None,
    ]


async def test_operators_find_a_submission(box: Outbox) -> None:
    """By its id, or by its hotline code as somebody says it: where it is and what became of it, whichever portal sent it."""
    sent = outboxes.candidate()
    accepted = await box.accept(sent)
    found = history.find(box.store, sent.message_id)
    assert found == history.SubmissionHistory(accepted, "portal", None, None, [Step(State.SUBMITTED, outboxes.ACCEPTED_AT, final=False)])
    await outboxes.publish(box)
    await outboxes.hear(box, outboxes.event(sent.message_id))
    found = history.find(box.store, sent.message_id)
    assert found is not None
    assert (found.written, found.steps[-1].state) == (Written(0, 1), State.DELIVERED)
    names = [accepted.hotline_code.lower().replace("-", " "), str(sent.message_id)[:12], str(sent.case_id), found.steps[-1].reference or ""]
    for named in names:
        assert [id_ for _, id_ in history.search(box.store, Search(named=parse(named)), 9)] == [accepted.id]
    assert (history.find(box.store, uuid4()), history.search(box.store, Search(named=parse(str(uuid4()))), 9)) == (None, [])
