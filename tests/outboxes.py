"""Outboxes of tests, and what is put into them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from infra.kafka.outgoing import Written
from infra.settings import StoreSettings
from producers.feedback import status_feed
from producers.outbox import pending, tables
from producers.outbox.outbox import Candidate, Outbox
from schemas.events import State, StatusEvent
from schemas.headers import Header
from tests import builders

ACCEPTED_AT = datetime(2026, 3, 1, 8, 30, 0, 123456, tzinfo=UTC)
DELIVERED_AT = datetime(2026, 3, 1, 10, 31, tzinfo=timezone(timedelta(hours=2)))
LIMIT = 10
"""So many of one portal at one office: a quarter of all."""
OFFICE = "muenchen.meldewesen"

Open = Callable[[], Outbox]


@pytest.fixture
def opened(store_settings: StoreSettings) -> Iterator[Open]:
    """Opens the same outbox, as often as the process would start; each opening ends the one before."""
    boxes: list[Outbox] = []

    def open_() -> Outbox:
        for earlier in boxes[-1:]:
            earlier.store.close()
        boxes.append(Outbox(store_settings, limit=4 * LIMIT))
        return boxes[-1]

    yield open_
    boxes[-1].store.close()


@pytest.fixture
def box(opened: Open) -> Outbox:
    """An empty outbox."""
    return opened()


def candidate(submission_id: UUID | None = None, *, portal: str = "portal", content: bytes = b"<a/>") -> Candidate:
    """A submission that passed intake."""
    submission_id = submission_id or uuid4()
    return Candidate(
        message_id=submission_id,
        portal=portal,
        content_sha512=hashlib.sha512(content).hexdigest(),
        office=OFFICE,
        case_id=uuid4(),
        accepted_at=ACCEPTED_AT,
        headers={Header.SUBMISSION: str(submission_id), Header.PORTAL: portal},
        content=content,
    )


def event(submission_id: UUID, state: State = State.DELIVERED) -> StatusEvent:
    """What a back office, or the bus, says about a submission."""
    return builders.event(submission_id, state, at=DELIVERED_AT.isoformat())


async def publish(box: Outbox) -> None:
    """Note everything that waits as published."""
    waiting = await builders.waiting(box)
    await pending.note_published(box.store, [(one, Written(partition=0, offset=one.seq)) for one in waiting])


async def hear(box: Outbox, *events: StatusEvent) -> None:
    """Store events as the status feed does."""
    await box.store.write(lambda connection: status_feed.store_events(connection, builders.records(*events)))


def case_ids(box: Outbox) -> list[UUID]:
    """The cases of all rows, as their portals name them, in order of acceptance."""
    query = sa.select(tables.submission.c.case_id).order_by(tables.submission.c.seq)
    return list(box.store.read_now(lambda connection: connection.execute(query).scalars().all()))


def key(box: Outbox, case_id: UUID) -> bytes:
    """The key of the records of a case that only one portal has."""
    query = sa.select(tables.submission.c.case_key).where(tables.submission.c.case_id == case_id).distinct()
    return str(box.store.read_now(lambda connection: connection.execute(query).scalar_one())).encode()


def contents(box: Outbox) -> list[bytes | None]:
    """The content of every row, in order of acceptance."""
    query = sa.select(tables.submission.c.content).order_by(tables.submission.c.seq)
    return list(box.store.read_now(lambda connection: connection.execute(query).scalars().all()))
