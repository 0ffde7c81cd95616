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
from schemas.hotline import parse_hotline_code


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


def find_by_code(store: Store, code: str) -> list[SubmissionHistory]:
    """The submissions with this hotline code, as somebody says or writes it: nearly always one. Blocks."""
    known = parse_hotline_code(code)
    return store.read_now(lambda connection: _find(connection, submission.c.hotline_code == known)) if known else []


def find_by_message(store: Store, message_id: UUID) -> list[SubmissionHistory]:
    """The submissions that portals call by this id: nearly always one. Blocks."""
    return store.read_now(lambda connection: _find(connection, submission.c.message_id == message_id))


def find_by_case(store: Store, case_id: UUID) -> list[SubmissionHistory]:
    """The submissions of a case, as a portal names it or by its key, in the order of acceptance. Blocks."""
    of_it = sa.or_(submission.c.case_id == case_id, submission.c.case_key == case_id)
    return store.read_now(lambda connection: _find(connection, of_it))


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
