"""What became of one submission: for the portal that sent it, and for operators who look for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from infra.kafka import order
from infra.kafka.outgoing import Written
from infra.stores import Store
from producers.outbox.outbox import AcceptedSubmission, accepted_of
from producers.outbox.tables import NOT_THERE, is_of_submission, status, submission
from schemas.events import State
from schemas.search import RULED_OUT, Named, Search


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a submission."""

    state: State
    at: datetime
    reference: str | None = None
    reason: str | None = None
    next_try_at: datetime | None = None
    final: bool | None = None
    """Whether nothing follows; None where the office's process did not say."""


@dataclass(frozen=True, slots=True)
class SubmissionHistory:
    """A submission as the gateway knows it: what was accepted, where it is on Kafka, and what became of it."""

    accepted: AcceptedSubmission
    portal: str
    published_at: datetime | None
    """When Kafka took it; None while it is pending."""
    written: Written | None
    """Where it is on the office's topic; None also for one that its topic has refused, which is a dead letter."""
    steps: Sequence[Step]
    """What became of it, as its portal is told, from `submitted` on; the last one is its state."""


async def find_own(store: Store, message_id: UUID, portal: str) -> SubmissionHistory | None:
    """A portal's own submission, by the id that it gave; None for one that is not there, and for one that another portal sent.

    Raises:
        SQLAlchemyError: the store does not answer.
    """
    own = (submission.c.message_id == message_id, submission.c.portal == portal)
    found = await store.read(lambda connection: _find(connection, *own))
    return found[0] if found else None


def find(store: Store, submission_id: UUID) -> SubmissionHistory | None:
    """A submission by its id, whichever portal sent it. Blocks."""
    found = store.read_now(lambda connection: _find(connection, submission.c.id == submission_id))
    return found[0] if found else None


def search(store: Store, wanted: Search, limit: int) -> list[tuple[datetime, UUID]]:
    """When so many of the submissions that are looked for were accepted, and their ids, the last first. Ids and cases are those of the bus as
    well as those that portals gave. Blocks.
    """
    columns = submission.c
    narrowed = [
        *([columns.office == wanted.office] if wanted.office is not None else []),
        *([columns.portal == wanted.portal] if wanted.portal is not None else []),
        *([columns.accepted_at >= wanted.since] if wanted.since is not None else []),
        *([columns.accepted_at < wanted.until] if wanted.until is not None else []),
        *([_may_be_in(wanted.state)] if wanted.state is not None else []),
        *([_is_named(wanted.named)] if wanted.named is not None else []),
    ]
    query = sa.select(columns.accepted_at, columns.id).where(*narrowed).order_by(columns.seq.desc()).limit(limit)
    return [(at, id_) for at, id_ in store.read_now(lambda connection: connection.execute(query).all())]


def _is_named(named: Named) -> sa.ColumnElement[bool]:
    columns = submission.c
    ids = [one.between(named.first, named.last) for one in (columns.id, columns.message_id)] if named.first is not None else []
    cases = [one == named.case for one in (columns.case_id, columns.case_key)] if named.case is not None else []
    codes = [columns.hotline_code.in_(named.codes)] if named.codes else []
    of_number = sa.select(status.c.submission_id, status.c.office).where(status.c.reference.in_(named.numbers))
    numbers = [sa.tuple_(columns.id, columns.office).in_(of_number)] if named.numbers else []
    return sa.or_(*ids, *cases, *codes, *numbers)


def _may_be_in(state: State) -> sa.ColumnElement[bool]:
    """Its events told this state, and none of those behind which it cannot come again; for the first one, there are no events yet."""
    told = sa.exists().where(is_of_submission)
    if state is State.SUBMITTED:
        return ~told
    return sa.and_(told.where(status.c.state == state), ~told.where(status.c.state.in_(RULED_OUT.get(state, ()))))


def _find(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[SubmissionHistory]:
    rows = connection.execute(sa.select(submission).where(*conditions).order_by(submission.c.seq)).mappings().all()
    return [_found(row, _steps(connection, row)) for row in rows]


def _found(row: sa.RowMapping, steps: Sequence[Step]) -> SubmissionHistory:
    written = None if row["record_offset"] in (None, NOT_THERE) else Written(row["partition"], row["record_offset"])
    return SubmissionHistory(accepted_of(row), row["portal"], row["published_at"], written, steps)


def _steps(connection: sa.Connection, row: sa.RowMapping) -> list[Step]:
    told = sa.select(status).join(submission, is_of_submission).where(submission.c.seq == row["seq"])
    events = order.in_order(connection.execute(told).mappings().all())
    return [Step(State.SUBMITTED, row["accepted_at"], final=False), *map(_step, events)]


def _step(event: sa.RowMapping) -> Step:
    state, final = State(event["state"]), event["final"]
    if final is None and state is not State.DELIVERED:  # which alone is the end at some offices and not at others
        final = state.once
    return Step(state, event["at"], event["reference"], event["reason"], event["next_try_at"], final)
