"""What the audit can be asked: the way of a submission, and which submissions it knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from consumers.audit.tables import events, submissions
from infra.kafka import order
from infra.stores import Store
from schemas.events import State
from schemas.search import RULED_OUT, Named, Search


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One step of a submission's way."""

    what: str
    at: datetime
    where: str
    office: str
    reference: str | None = None
    """The office's own number for it, where this step told it."""
    reason: str | None = None
    """A code."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the audit knows of a submission beside its way."""

    hotline_code: str
    portal: str


def search(store: Store, wanted: Search, limit: int) -> list[tuple[datetime, UUID]]:
    """When so many of the submissions that are looked for were accepted, and their ids, the last first.

    Raises:
        CannotTell: store-unreachable; so do all queries.
    """
    columns = submissions.c
    narrowed = [
        *([columns.office == wanted.office] if wanted.office is not None else []),
        *([columns.portal == wanted.portal] if wanted.portal is not None else []),
        *([columns.accepted_at >= wanted.since] if wanted.since is not None else []),
        *([columns.accepted_at < wanted.until] if wanted.until is not None else []),
        *([_may_be_in(wanted.state)] if wanted.state is not None else []),
        *([_is_named(wanted.named)] if wanted.named is not None else []),
    ]
    query = sa.select(columns.accepted_at, columns.submission).where(*narrowed)
    query = query.order_by(columns.accepted_at.desc(), columns.offset.desc()).limit(limit)
    return [(at, submission) for at, submission in store.read_now(lambda connection: connection.execute(query).all())]


def _is_named(named: Named) -> sa.ColumnElement[bool]:
    columns = submissions.c
    by_number = sa.select(events.c.submission).where(events.c.reference.in_(named.numbers))
    return sa.or_(
        *([columns.submission.between(named.first, named.last)] if named.first is not None else []),
        *([columns.case == str(named.case)] if named.case is not None else []),
        *([columns.hotline_code.in_(named.codes)] if named.codes else []),
        *([columns.submission.in_(by_number)] if named.numbers else []),
    )


def _may_be_in(state: State) -> sa.ColumnElement[bool]:
    """Its events told this state, and none of those behind which it cannot come again; for the first one, there are no events yet."""
    told = sa.exists().where(events.c.submission == submissions.c.submission)
    if state is State.SUBMITTED:
        return ~told
    return sa.and_(told.where(events.c.state == state), ~told.where(events.c.state.in_(RULED_OUT.get(state, ()))))


def recorded(store: Store, submission_id: UUID) -> Recorded | None:
    """The code and the portal of a submission; None where the audit does not know it."""
    query = sa.select(submissions.c.hotline_code, submissions.c.portal).where(submissions.c.submission == submission_id)
    found = store.read_now(lambda connection: connection.execute(query).one_or_none())
    return None if found is None else Recorded(found.hotline_code or "", found.portal)


def trace(store: Store, submission_id: UUID) -> list[TraceStep]:
    """The way of a submission, first step first, its state last; empty when the audit does not know it."""

    def operation(connection: sa.Connection) -> list[TraceStep]:
        found = connection.execute(sa.select(submissions).where(submissions.c.submission == submission_id)).mappings().one_or_none()
        if found is None:
            return []
        told = order.in_order(connection.execute(sa.select(events).where(events.c.submission == submission_id)).mappings())
        position = f"{found['topic']}, partition {found['partition']}, offset {found['offset']}"
        return [
            TraceStep("submitted", found["accepted_at"], f"by {found['portal']}", found["office"]),
            TraceStep("published", found["published_at"], position, found["office"]),
            *(
                TraceStep(event["state"], event["at"], _where(event), event["office"], event["reference"], event["reason"])
                for event in told
            ),
        ]

    return store.read_now(operation)


def _where(event: sa.RowMapping) -> str:
    known = (event["office"], event["reference"] and f"reference {event['reference']}", event["reason"])
    return ", ".join(part for part in known if part)


def recorded_submissions(store: Store) -> set[UUID]:
    """Ids of all recorded submissions."""
    return store.read_now(lambda connection: set(connection.execute(sa.select(submissions.c.submission)).scalars()))


def submissions_in(store: Store, state: State) -> set[UUID]:
    """Ids of the submissions of which this state is on record, last or not."""
    query = sa.select(events.c.submission).where(events.c.state == state)
    return store.read_now(lambda connection: set(connection.execute(query).scalars()))
