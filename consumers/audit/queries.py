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


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One step of a submission's way."""

    what: str
    at: datetime
    where: str
    office: str


def submissions_of(store: Store, *, code: str | None = None, case: str | None = None) -> list[UUID]:
    """The submissions with this hotline code, or of this case, in the order in which they were accepted.

    Raises:
        CannotTell: store-unreachable; so do all queries.
    """
    wanted = submissions.c.hotline_code == code if code is not None else submissions.c.case == case
    query = sa.select(submissions.c.submission).where(wanted).order_by(submissions.c.accepted_at, submissions.c.offset)
    return list(store.read_now(lambda connection: connection.execute(query).scalars()))


def hotline_code_of(store: Store, submission_id: UUID) -> str:
    """The code of a submission; empty where the audit does not know it."""
    query = sa.select(submissions.c.hotline_code).where(submissions.c.submission == submission_id)
    return store.read_now(lambda connection: connection.execute(query).scalar_one_or_none()) or ""


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
            *(TraceStep(event["state"], event["at"], _where(event), event["office"]) for event in told),
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
