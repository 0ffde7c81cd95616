"""What is known of one office and its portals, and which of the next records may go: breaker and brake, fed with what comes of each attempt.

Times and chance of the outside come in here, so that breaker and brake are pure.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

import structlog
from aiokafka import TopicPartition

from consumers.delivery.brake import OFFICE, Brake, Hold, Room, SeriesName
from consumers.delivery.breaker import OTHERS_FIRST_S, Breaker
from consumers.delivery.failures import Cause, Failure, Stage
from consumers.delivery.job import Job
from consumers.settings import DeliverySettings
from infra import metrics
from infra.cancellation import is_own_cancellation
from schemas.copies import fingerprint

log = structlog.get_logger()

_CHECK_LIMIT_S: Final = 5.0
_CHECK_AGE_S: Final = 1.0
"""So long an answer of the back office to `check` is taken to hold: hundreds of attempts that fail together ask once."""


class Guard:
    """Breaker and brake of one office. `Delivery` calls it in its steps; but for `weigh` nothing blocks or waits."""

    def __init__(self, office: str, check: Callable[[], Awaitable[object]], settings: DeliverySettings) -> None:
        """`check` asks the back office whether it is there (`Adapter.check`)."""
        self.breaker = Breaker(settings)
        self.brake = Brake(settings)
        self._office = office
        self._settings = settings
        self._question = _Question(check)
        self._standing: dict[TopicPartition, Room] = {}
        """By partition how many of its records wait where they are because the office is held."""

    def on_assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Other partitions than before: what was tried out is nobody's any more."""
        self.breaker.forget_probe()
        self.brake.forget_probes()
        self._standing = {partition: Room(self._settings, 2 * len(partitions)) for partition in partitions}

    # --- before an attempt

    def hold_back(self, jobs: Iterable[Job]) -> None:
        """Say of each record that was dispatched whether its series has to wait (`waits_s`), is tried out by it (`tries_series`), or leaves no room for
        it where it stands (`set_aside`). While the breaker is open, the one that would try the back office out may have to let others go first.
        """
        now_s = time.monotonic()
        for job in jobs:
            if job.standing:
                job.standing = False
                self._standing[job.partition].give_back(job.size_bytes)
            if not job.wants_attempt or job.unreadable is not None or job.is_probe:
                continue
            hold = self.brake.holding(job.portal, parked=job.of_series)
            if hold is not None:
                self._hold_back(job, hold, now_s)
            elif self.breaker.wants_another(job.portal, now_s):
                job.wait(OTHERS_FIRST_S)

    def _hold_back(self, job: Job, hold: Hold, now_s: float) -> None:
        wait_s = hold.begin_probe(now_s)
        room = self._standing[job.partition]
        if not wait_s:
            job.tries_series = hold
        elif job.retry:  # its copy lies in the room of its portal
            job.wait(wait_s)
        elif room.left:
            job.wait(wait_s)
            job.standing = True
            room.take(job.size_bytes)
        else:  # others behind it could not be read
            job.set_aside = True

    def note_begun(self, jobs: Sequence[Job]) -> None:
        """Attempts have begun in the ledger. Where the breaker is open, or was opened meanwhile, one of them tries the back office out."""
        if jobs and self.breaker.capacity(time.monotonic(), 1) and self.breaker.reason is not None:
            jobs[0].tries_out = True
            self.breaker.note_begun()

    def may_go(self, job: Job) -> bool:
        """Whether an attempt that was begun may be made: not while the breaker is open, but for the one that tries it out."""
        return self.breaker.reason is None or job.tries_out

    # --- after an attempt

    async def weigh(self, job: Job) -> None:
        """Where an attempt has failed as if the back office were down, ask it itself, for some seconds: if it answers, the failure is a matter
        of this submission, and if it does not, of the whole office.
        """
        failure = job.failure
        if failure is None or failure.stage is not Stage.DELIVER or not self.breaker.doubts(failure, job.portal):
            return
        up = await self._question.ask()
        cause = failure.cause if up else Cause.DESTINATION_DOWN
        if up and cause is Cause.DESTINATION_DOWN:
            cause = Cause.UNCLEAR if job.unclear else Cause.BLIP
        job.failure = replace(failure, cause=cause, reachable=up)

    def note_end(self, job: Job) -> None:
        """What came of a record that was dispatched, before it is decided what becomes of it."""
        if job.tries_series is not None:
            job.tries_series.end_probe()
        if job.reference is not None:
            self._note_answer(None, job.portal)
            self._opened(self.brake.note_delivered(job.portal))
        elif job.failure is not None:
            self._note_failure(job, job.failure)

    def note_refused(self, job: Job, cause: str) -> None:
        """A record is a dead letter because of its own failure, or parked as one more of its series. What cannot be read speaks for no portal."""
        if not job.submission or job.failure is None:  # what only follows another one of its case says nothing either
            return
        name = fingerprint(self._office, job.failure.stage, cause, job.original_headers, job.failure.reason)
        held = self.brake.note_refused(job.portal, name, time.monotonic(), job.tries_series)
        if held is not None:
            event = "office_held" if held.name == OFFICE else "series_held"
            log.error(event, office=self._office, portal=held.name.portal, cause=held.name.cause, reason=held.reason)
            self._show_state()

    def note_parked(self, job: Job, cause: str) -> None:
        """A record is parked: as one more of its series, or for a reason that says nothing of others."""
        if cause == Cause.SERIES_HELD:
            self.note_refused(job, Cause.PERMANENT)
        self.brake.note_parked(job.portal, job.size_bytes)

    def release(self, name: SeriesName) -> None:
        """An operator has looked: open what is held of this name."""
        self._opened(self.brake.release(name))

    def _opened(self, holds: Sequence[Hold]) -> None:
        for hold in holds:
            log.info("series_opened", office=self._office, portal=hold.name.portal, cause=hold.name.cause)
        if holds:
            self._show_state()

    def _note_failure(self, job: Job, failure: Failure) -> None:
        metrics.DELIVERY_FAILURES.labels(self._office, failure.cause).inc()
        log.warning(
            "delivery_failed", submission=job.submission, attempt=job.entry.attempt, stage=failure.stage, cause=failure.cause, reason=failure.reason
        )  # fmt: skip
        job.fingerprint = fingerprint(self._office, failure.stage, failure.cause, job.original_headers, failure.reason)
        if failure.stage is Stage.DELIVER:
            self._note_answer(failure, job.portal)
        elif job.tries_out:
            self.breaker.forget_probe()
        if failure.cause is not Cause.DESTINATION_DOWN:
            job.failures += 1

    def _note_answer(self, failure: Failure | None, portal: str) -> None:
        """What an attempt says of the back office; None for one that succeeded."""
        was_up = self.breaker.reason is None
        self.breaker.note_answer(failure, time.monotonic(), portal)
        if was_up and failure is not None and self.breaker.reason is not None:
            log.error("office_down", office=self._office, reason=failure.reason)
            self._show_state()
        elif not was_up and self.breaker.reason is None:
            log.info("office_up", office=self._office)
            self._show_state()

    # --- what operators hear

    def _show_state(self) -> None:
        state = metrics.STOPPED if self.brake.office is not None else metrics.UP if self.breaker.reason is None else metrics.DOWN
        metrics.OFFICE_STATE.labels(self._office).set(state)
        metrics.SERIES_HELD.labels(self._office).set(len(self.brake.held))

    def check(self) -> str | None:
        """For the health page: why nothing is delivered, in a sentence; None while it is."""
        if self.brake.office is not None:
            return f"held since {self.brake.office.since}: {self.brake.office.reason}; {self._next_step}"
        return None if self.breaker.reason is None else f"the back office is down: {self.breaker.reason}; since {self.breaker.since}"

    def notice(self) -> str | None:
        """The same of what is held while all others go on."""
        told = [f"{_told(hold)} is held since {hold.since}: {hold.reason}" for hold in self.brake.held if hold.name != OFFICE]
        more = f" and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
        return f"{'; '.join(told[:_MOST_TOLD])}{more}; {self._next_step}" if told else None

    @property
    def _next_step(self) -> str:
        return f"see `stadtbus deadletters list {self._office}`; mend the cause, then `stadtbus office release {self._office}`"


class _Question:
    """Asks a back office whether it is there, once for all who want to know at that moment."""

    def __init__(self, check: Callable[[], Awaitable[object]]) -> None:
        self._check = check
        self._asking: asyncio.Task[bool] | None = None
        self._asked_s = 0.0

    async def ask(self) -> bool:
        """Whether it answers, within some seconds; whatever `check` raises says that it does not."""
        now_s = time.monotonic()
        if self._asking is None or (self._asking.done() and now_s - self._asked_s > _CHECK_AGE_S):
            self._asking, self._asked_s = asyncio.create_task(self._ask()), now_s
        return await asyncio.shield(self._asking)

    async def _ask(self) -> bool:
        try:
            async with asyncio.timeout(_CHECK_LIMIT_S):
                await self._check()
        except BaseException as error:
            if is_own_cancellation(error):
                raise
            return False
        return True


_MOST_TOLD: Final = 5


def _told(hold: Hold) -> str:
    portal = "a cause" if hold.name.portal is None else f"portal {hold.name.portal}"
    return portal if hold.name.cause is None else f"{portal} ({hold.name.cause})"
