"""Where a submission is: from the audit, and from the outbox of the gateway, which knows it first. What lies there is never denied."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import httpx

from consumers.audit import queries
from consumers.audit import tables as audit_tables
from consumers.audit.queries import TraceStep
from producers.feedback import history
from producers.feedback.history import SubmissionHistory
from producers.outbox import tables as outbox_tables
from schemas import problems, topics
from schemas.errors import CannotTell, UsageError
from schemas.events import State
from schemas.hotline import parse_hotline_code
from stadtbus import readiness
from stadtbus.readiness import GATEWAY

if TYPE_CHECKING:
    from infra.stores import Store
    from stadtbus.settings import Settings

WAITS: Final = "waits"
_WAITING: Final = {State.SUBMITTED, State.PARKED, State.RETRY_WAIT}
_PUBLISHED: Final = "published"
_NOT_YET: Final = "not yet on Kafka"


@dataclass(frozen=True, slots=True)
class Trace:
    """The way of one submission; the last step says since when and why it waits, where it does."""

    submission: UUID
    hotline_code: str
    steps: Sequence[TraceStep]
    next_try_at: datetime | None = None
    """Where it is parked and the gateway knows until when."""


def parse_wanted(wanted: str) -> UUID | str:
    """An id, or a hotline code in its one form.

    Raises:
        UsageError: wanted-unclear.
    """
    try:
        return UUID(wanted.strip())
    except ValueError:
        code = parse_hotline_code(wanted)
    if code is None:
        raise UsageError(
            problems.WANTED_UNCLEAR, "an id is a UUID, for example 3f2b6c1e-9d0a-4c55-8b1e-0f7a5d2c9e11; a hotline code is like GTJ2-EXBT"
        )
    return code


class Tracer:
    """Finds submissions in the audit and in the outbox, as far as they are on this machine; to be closed by who made it.

    What asks the stores raises `store-unreachable` where they fail.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises:
        CannotTell: store-unreachable; records-elsewhere where neither is here.
        """
        self._settings = settings
        self._opened = ExitStack()
        self._audit = self._open(audit_tables.open_store(settings.stores)) if audit_tables.is_here(settings.stores) else None
        self._outbox = self._open(outbox_tables.open_store(settings.stores)) if outbox_tables.is_here(settings.stores) else None
        if self._audit is None and self._outbox is None:
            raise CannotTell(problems.RECORDS_ELSEWHERE, "there is neither an audit nor an outbox", where=settings.stores.shown("audit"))

    def _open(self, store: Store) -> Store:
        self._opened.callback(store.close)
        return store

    def close(self) -> None:
        """Close the audit and the outbox."""
        self._opened.close()

    def places(self) -> str:
        """Where was looked, and where not."""
        stores = self._settings.stores
        here = [stores.shown(name) for name, store in (("audit", self._audit), ("outbox", self._outbox)) if store is not None]
        missing = [f"no {name} here" for name, store in (("audit", self._audit), ("outbox", self._outbox)) if store is None]
        return ", ".join([*here, *missing])

    def find(self, wanted: UUID | str) -> list[Trace]:
        """The submissions with this id or hotline code, or all of the case with this id; empty where nobody knows any."""
        if isinstance(wanted, str):
            return self._all(self._by_code(wanted))
        return self._all(self._by_id(wanted)) or self._all(self._by_case(wanted))

    def _by_id(self, wanted: UUID) -> list[UUID]:
        """By the id of the bus, or by the one of a portal."""
        return [wanted, *(found.accepted.id for found in history.find_by_message(self._outbox, wanted))] if self._outbox else [wanted]

    def _by_code(self, code: str) -> list[UUID]:
        accepted = [found.accepted.id for found in history.find_by_code(self._outbox, code)] if self._outbox else []
        return accepted + (queries.submissions_of(self._audit, code=code) if self._audit else [])

    def _by_case(self, case: UUID) -> list[UUID]:
        accepted = [found.accepted.id for found in history.find_by_case(self._outbox, case)] if self._outbox else []
        return accepted + (queries.submissions_of(self._audit, case=str(case)) if self._audit else [])

    def _all(self, submissions: Sequence[UUID]) -> list[Trace]:
        return [trace for submission in dict.fromkeys(submissions) if (trace := self._one(submission))]

    def _one(self, submission: UUID) -> Trace | None:
        recorded = queries.trace(self._audit, submission) if self._audit else []
        found = history.find(self._outbox, submission) if self._outbox else None
        steps = [*recorded, *(_unrecorded(found, recorded) if found else [])]
        if not steps:
            return None
        last = found.steps[-1] if found else None
        next_try_at = last.next_try_at if last and last.state == steps[-1].what else None
        code = found.accepted.hotline_code if found else queries.hotline_code_of(self._audit, submission) if self._audit else ""
        return Trace(submission, code, steps, next_try_at)

    async def with_reasons(self, traces: Sequence[Trace]) -> list[Trace]:
        """The same; those that wait say since when and, as far as the process that has them tells, why."""
        async with httpx.AsyncClient(timeout=2, trust_env=False) as http:
            return [replace(one, steps=[*one.steps, *(await self._waits(http, one))]) for one in traces]

    async def _waits(self, http: httpx.AsyncClient, trace: Trace) -> list[TraceStep]:
        """One more step for a submission that waits; none for others."""
        last = trace.steps[-1]
        if last.what == State.DEAD_LETTER:
            return [TraceStep(WAITS, last.at, f"for an operator: `stadtbus deadletters show {trace.submission}`", last.office)]
        if last.what not in (*_WAITING, _PUBLISHED, _NOT_YET):
            return []
        process = GATEWAY if last.what == _NOT_YET else last.office
        answer = await readiness.ask(http, readiness.address_of(self._settings, process))
        told = "; ".join(answer.text.splitlines()) if answer.status is not None else f"no process answers at {answer.address}"
        why = "its turn has not come" if told == "ok" else told
        next_try = f"; next try {trace.next_try_at.astimezone():%d.%m.%Y %H:%M:%S}" if trace.next_try_at else ""
        return [TraceStep(WAITS, last.at, f"{process}: {why}{next_try}", last.office)]


def _unrecorded(found: SubmissionHistory, recorded: Sequence[TraceStep]) -> list[TraceStep]:
    """What the gateway knows and the audit does not (yet)."""
    known = {(step.what, step.at) for step in recorded}
    accepted = found.accepted
    steps = []
    if not recorded:
        steps = [_step(found, State.SUBMITTED, accepted.accepted_at, f"by {found.portal}")]
        if found.published_at is None:
            return [*steps, _step(found, _NOT_YET, accepted.accepted_at, "in the outbox of the gateway")]
        if found.written is not None:
            place = f"{topics.submissions(accepted.office)}, partition {found.written.partition}, offset {found.written.offset}"
            steps.append(_step(found, _PUBLISHED, found.published_at, place))
    for step in found.steps[1:]:
        if (step.state, step.at) not in known:
            said = (accepted.office, step.reference and f"reference {step.reference}", step.reason)
            steps.append(_step(found, step.state, step.at, ", ".join(part for part in said if part)))
    return steps


def _step(found: SubmissionHistory, what: str, at: datetime, where: str) -> TraceStep:
    return TraceStep(what, at, where, found.accepted.office)
