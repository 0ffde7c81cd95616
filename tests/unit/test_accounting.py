"""Operators see what waits for Kafka, and what nobody will deliver any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from infra.kafka.outgoing import Written
from producers.outbox import accounting, pending, tables
from producers.outbox.accounting import Snapshot
from producers.outbox.outbox import Outbox
from producers.outbox.turns import Turns
from schemas.events import State
from tests import builders, outboxes
from tests.outboxes import OFFICE


async def test_operators_see_what_waits(box: Outbox) -> None:
    """By office, how many are not on Kafka and since when the oldest of them waits; what is on Kafka does not wait."""
    assert accounting.pending_by_office(box.store) == {}
    first, second = outboxes.candidate(), outboxes.candidate()
    later = replace(second, accepted_at=outboxes.ACCEPTED_AT + timedelta(hours=1))
    for one in (first, later, replace(outboxes.candidate(), office="augsburg.gewerbe")):
        await box.accept(one)
    assert accounting.pending_by_office(box.store) == {
        "muenchen.meldewesen": accounting.PendingOfOffice(2, outboxes.ACCEPTED_AT), "augsburg.gewerbe": accounting.PendingOfOffice(1, outboxes.ACCEPTED_AT)
    }  # fmt: skip
    oldest = (await Turns(box.store, first.office).next(1)).rows[0]
    await pending.note_published(box.store, [(oldest, Written(2, 7))])
    assert accounting.pending_by_office(box.store)[first.office] == accounting.PendingOfOffice(1, later.accepted_at)


async def published_at(box: Outbox, offsets: list[int], partition: int = 0) -> list[UUID]:
    """Submissions on Kafka at these offsets."""
    sent = [outboxes.candidate() for _ in offsets]
    for one in sent:
        await box.accept(one)
    waiting = await builders.waiting(box)
    await pending.note_published(box.store, [(one, Written(partition, offset)) for one, offset in zip(waiting, offsets, strict=True)])
    return [one.message_id for one in sent]


def missed(box: Outbox, *, passed: int, end: int = 100, parked: int = 0, before: Snapshot | None = None) -> int:
    """How many nobody will deliver, when Kafka says so."""
    reach = accounting.Reach({0: passed, 1: 0}, {0: end, 1: end}, parked)
    return accounting.unaccounted(box.store, before or accounting.snapshot(box.store), {OFFICE: reach}).get(OFFICE, 0)


async def test_what_is_passed_over_is_counted(box: Outbox) -> None:
    """What lies before the committed offset, wherever that was set, and was not heard of is nobody's any more; what is behind it waits."""
    await published_at(box, [3, 4, 5])
    assert [missed(box, passed=passed) for passed in (3, 5, 9, 600)] == [0, 2, 3, 3]


@pytest.mark.parametrize("state", [State.DELIVERED, State.REJECTED, State.DEAD_LETTER])
async def test_what_has_ended_is_accounted_for(box: Outbox, state: State) -> None:
    """Delivered, rejected, or a dead letter: it is known what became of it."""
    (sent,) = await published_at(box, [3])
    await outboxes.hear(box, builders.event(sent, state, office=OFFICE))
    assert missed(box, passed=9) == 0


async def test_what_another_office_says_does_not_account(box: Outbox) -> None:
    """An office speaks for its own submissions only."""
    (sent,) = await published_at(box, [3])
    await outboxes.hear(box, builders.event(sent, office="augsburg.gewerbe"))
    assert missed(box, passed=9) == 1


@pytest.mark.parametrize("state", [State.PARKED, State.RETRY_WAIT])
async def test_set_aside_and_not_in_the_retry_topic(box: Outbox, state: State) -> None:
    """Of what was set aside as many are missing as the retry topic has not."""
    for sent in await published_at(box, [3, 4, 5]):
        await outboxes.hear(box, builders.event(sent, state, office=OFFICE))
    assert [missed(box, passed=9, parked=parked) for parked in (3, 2, 0)] == [0, 1, 3]


async def test_a_topic_that_ends_before_what_was_published(box: Outbox) -> None:
    """A log that is shorter than what was published has lost it; what is published while one looks has not."""
    await published_at(box, [3, 4])
    before = accounting.snapshot(box.store)
    await published_at(box, [12])
    assert (missed(box, passed=0, end=4, before=before), missed(box, passed=0, end=10, before=before)) == (1, 0)


async def test_a_topic_or_partition_that_is_gone(box: Outbox) -> None:
    """What was published to a topic that does not exist any more, or to a partition that it no longer has, is missed; nothing later is."""
    await published_at(box, [3, 4])
    await published_at(box, [7], partition=5)
    before = accounting.snapshot(box.store)
    await published_at(box, [12])
    assert missed(box, passed=0, before=before) == 1
    assert accounting.unaccounted(box.store, before, {OFFICE: accounting.Reach({}, {}, 0)}) == {OFFICE: 3}


async def test_another_topic_of_the_name(box: Outbox) -> None:
    """More that is unfinished than records that are left means that some are gone, whatever their places say."""
    await published_at(box, [1, 2, 3, 0, 1, 2])
    assert [missed(box, passed=0, end=end) for end in (9, 6, 5, 3)] == [0, 0, 1, 3]


async def test_set_aside_while_one_looks(box: Outbox) -> None:
    """What is set aside or delivered after Kafka was asked is not missed."""
    first, second = await published_at(box, [3, 4])
    await outboxes.hear(box, builders.event(first, State.PARKED, office=OFFICE))
    before = accounting.snapshot(box.store)
    await outboxes.hear(box, builders.event(first, office=OFFICE), builders.event(second, State.PARKED, office=OFFICE))
    assert missed(box, passed=9, parked=0, before=before) == 0


async def test_looking_for_what_is_missed_reads_an_index(box: Outbox) -> None:
    """Whatever the size of the outbox, only what is unfinished is looked at."""
    condition = sa.and_(tables.is_unfinished, tables.submission.c.office == OFFICE, tables.submission.c.partition == 0)
    query = sa.select(sa.func.count()).select_from(tables.submission).where(condition, tables.submission.c.record_offset < 9)
    text = str(query.compile(box.store._engine, compile_kwargs={"literal_binds": True}))
    if box.store._engine.dialect.name == "sqlite":  # PostgreSQL reads so small a table as a whole
        plan = box.store.read_now(lambda connection: connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all())
        assert "submission_unfinished" in str(plan)
