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
from schemas import problems, search, topics
from schemas.errors import CannotTell
from schemas.events import State
from schemas.search import Named, Search
from stadtbus import readiness
from stadtbus.readiness import GATEWAY

if TYPE_CHECKING:
    from infra.stores import Store
    from stadtbus.settings import Settings

WAITS: Final = "waits"
_WAITING: Final = {State.SUBMITTED, State.PARKED, State.RETRY_WAIT}
PUBLISHED: Final = "published"
NOT_YET: Final = "not yet on Kafka"
_MOST: Final = 10_000
"""So many are looked at; whoever looks for more narrows it down."""
_ALL: Final = Search()


@dataclass(frozen=True, slots=True)
class Trace:
    """The way of one submission; the last step says since when and why it waits, where it does."""

    submission: UUID
    hotline_code: str
    portal: str
    steps: Sequence[TraceStep]
    next_try_at: datetime | None = None
    """Where it is parked and the gateway knows until when."""

    @property
    def last(self) -> TraceStep:
        """Where it is."""
        return next(step for step in reversed(self.steps) if step.what != WAITS)

    @property
    def reference(self) -> str | None:
        """The office's own number for it, as it was told last."""
        return next((step.reference for step in reversed(self.steps) if step.reference), None)

    @property
    def state(self) -> State:
        """Its state, as portals are told."""
        return State(self.last.what) if self.last.what in set(State) else State.SUBMITTED


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

    def find(self, wanted: Search, limit: int) -> tuple[list[Trace], bool]:
        """So many of the submissions that are looked for, the one accepted last first, and whether there are more."""
        found: list[Trace] = []
        for submission in self._candidates(wanted):
            if (trace := self._one(submission)) is not None and wanted.state in (None, trace.state):
                found.append(trace)
            if len(found) > limit:
                break
        return found[:limit], len(found) > limit

    def find_named(self, text: str, named: Named | None, limit: int, narrowed: Search = _ALL) -> tuple[list[Trace], bool, bool]:
        """What `find` finds of what a text names, which was parsed before; where it names nothing, what it names with one mistake in a
        hotline code. The last value says that it is so: nobody can tell then that it is meant.
        """
        found, more = self.find(replace(narrowed, named=named), limit)
        if found or named is None or (near := search.misheard(text)) is None:
            return found, more, False
        found, more = self.find(replace(narrowed, named=near), limit)
        return found, more, bool(found)

    def _candidates(self, wanted: Search) -> list[UUID]:
        """Those that may be meant, the last first, each once."""
        found = queries.search(self._audit, wanted, _MOST) if self._audit else []
        found += history.search(self._outbox, wanted, _MOST) if self._outbox else []
        return list(dict.fromkeys(submission for _, submission in sorted(found, key=lambda one: one[0], reverse=True)))

    def _one(self, submission: UUID) -> Trace | None:
        recorded = queries.trace(self._audit, submission) if self._audit else []
        found = history.find(self._outbox, submission) if self._outbox else None
        steps = [*recorded, *(_unrecorded(found, recorded) if found else [])]
        if not steps:
            return None
        last = found.steps[-1] if found else None
        next_try_at = last.next_try_at if last and last.state == steps[-1].what else None
        if found is not None:
            return Trace(submission, found.accepted.hotline_code, found.portal, steps, next_try_at)
        known = queries.recorded(self._audit, submission) if self._audit else None
        return Trace(submission, known.hotline_code if known else "", known.portal if known else "", steps, next_try_at)

    async def with_reasons(self, traces: Sequence[Trace]) -> list[Trace]:
        """The same; those that wait say since when and, as far as the process that has them tells, why."""
        async with httpx.AsyncClient(timeout=2, trust_env=False) as http:
            return [replace(one, steps=[*one.steps, *(await self._waits(http, one))]) for one in traces]

    async def _waits(self, http: httpx.AsyncClient, trace: Trace) -> list[TraceStep]:
        """One more step for a submission that waits; none for others."""
        last = trace.steps[-1]
        if last.what == State.DEAD_LETTER:
            return [TraceStep(WAITS, last.at, f"for an operator: `stadtbus deadletters show {trace.submission}`", last.office)]
        if last.what not in (*_WAITING, PUBLISHED, NOT_YET):
            return []
        process = GATEWAY if last.what == NOT_YET else last.office
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
            return [*steps, _step(found, NOT_YET, accepted.accepted_at, "in the outbox of the gateway")]
        if found.written is not None:
            place = f"{topics.submissions(accepted.office)}, partition {found.written.partition}, offset {found.written.offset}"
            steps.append(_step(found, PUBLISHED, found.published_at, place))
    for step in found.steps[1:]:
        if (step.state, step.at) not in known:
            said = (accepted.office, step.reference and f"reference {step.reference}", step.reason)
            where = ", ".join(part for part in said if part)
            steps.append(TraceStep(step.state, step.at, where, accepted.office, step.reference, step.reason))
    return steps


def _step(found: SubmissionHistory, what: str, at: datetime, where: str) -> TraceStep:
    return TraceStep(what, at, where, found.accepted.office)
