"""How submissions get to one back office: the ledger before and after, failures by cause, copies, and the news for portals.

A record passes three steps, each for a batch but the hand-over itself:
 1. begin      read the headers; the ledger says `started`, or what became of the submission before
 2. hand over  `consumers.delivery.deliver`
 3. settle     decide what follows (`consumers.delivery.failures`); copy what is set aside, and wait until Kafka has it;
               write the ledger; tell the portals, and wait until Kafka has it. Only then a record counts as finished.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from copy import copy
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeVar

import structlog
from aiokafka import TopicPartition
from sqlalchemy.exc import SQLAlchemyError

from adapters.interface import Adapter, AnswersLater
from consumers.delivery import states
from consumers.delivery.copies import Copies
from consumers.delivery.deliver import deliver
from consumers.delivery.entry import OLDER_THAN_ALL, LedgerEntry
from consumers.delivery.failures import Brake, Breaker, Cause, Failure, Stage, decide
from consumers.delivery.job import HeaderReader, Job, UnreadableHeaders
from consumers.delivery.ledger import Ledger
from consumers.delivery.outcomes import Awaited
from consumers.engine import FINISHED, Action, Again, CaseState, Dead, End, Parked, Waits
from consumers.engine.starts import Known, Start
from consumers.settings import DeliverySettings
from infra import crashpoints, database, metrics
from infra.kafka.outgoing import KafkaRefusal, Outgoing
from infra.kafka.refusals import Refusals
from infra.kafka.sender import Sender
from infra.logs import Seldom
from schemas import events, topics
from schemas.events import EVENT_CONTENT_TYPE, State
from schemas.headers import Header

log = structlog.get_logger()

ResultT = TypeVar("ResultT")

_STORE_PAUSE_S: Final = 1.0
_LEAST_WAIT_S: Final = 0.1


class Delivery:
    """What the engine does with the records of one office (`consumers.engine.Handler`)."""

    make = Job

    def __init__(
        self,
        office: str,
        adapter: Adapter,
        ledger: Ledger,
        sender: Sender,
        settings: DeliverySettings,
        continuing: Collection[str] = (),
    ) -> None:
        self.max_concurrency = adapter.max_concurrency
        self.breaker = Breaker(settings)
        self.brake = Brake(settings)
        self.refusals = Refusals()
        self._say = Seldom(log)
        self._office = office
        self._adapter = adapter
        self._answers_later = isinstance(adapter, AnswersLater)
        self._ledger = ledger
        self._sender = sender
        self._settings = settings
        self._continuing = continuing
        """Keys of services whose cases go on after a dead letter."""
        self._reader = HeaderReader(office)
        self._copies = Copies(office, office)
        self._events = topics.events(office.partition(".")[0])
        self._writer = events.EventWriter(office, answers_later=self._answers_later)
        self._delivered = metrics.DELIVERED.labels(office)
        self._seconds = metrics.DELIVERY_SECONDS.labels(office)

    # --- what the engine asks

    async def on_assigned(self, partitions: Sequence[TopicPartition]) -> tuple[Mapping[TopicPartition, Known], Mapping[bytes, CaseState]]:
        """See `Handler`."""
        self.breaker.forget_probe()
        self.refusals.forget()
        known = await self._stored(lambda: self._ledger.take_over(partitions))
        return known, await self._stored(lambda: self._ledger.cases(sorted({partition.partition for partition in partitions})))

    def recognise(self, jobs: Sequence[Job]) -> None:
        """See `Handler`. A record of the retry topic that is no copy of ours counts as older than all others of its case."""
        for job in jobs:
            try:
                self._reader.read(job)
            except UnreadableHeaders as error:
                job.unreadable = Failure.of(error, Stage.PARSE)
            if job.retry:
                origin = job.first_place
                job.held_as = job.submission
                job.origin = origin.offset if origin.topic == topics.submissions(self._office) else OLDER_THAN_ALL

    def capacity(self, wanted: int) -> int:
        """See `Handler`."""
        return 0 if self.brake.reason is not None else self.breaker.capacity(time.monotonic(), wanted)

    async def starts(self, starts: Mapping[TopicPartition, Start]) -> None:
        """See `Handler`."""
        await self._stored(lambda: self._ledger.note_starts(starts))

    async def committing(self, offsets: Mapping[TopicPartition, int], lost: Mapping[TopicPartition, int]) -> None:
        """See `Handler`."""
        await self._stored(lambda: self._ledger.note_offsets(offsets, lost))

    # --- 1. begin

    async def begin(self, works: Sequence[Job]) -> tuple[list[Job], list[Job]]:
        """See `Handler`."""
        for job in works:
            job.handed_out()
        jobs = [job for job in works if job.unreadable is None]
        first_time = all(
            not job.retry and job.wants_attempt and job.attempts == 1 and not self._ledger.has_to_ask(job.partition, job.offset)
            for job in jobs
        )
        if jobs and not (first_time and await self._begin_new(jobs)):
            requests = [job.request for job in jobs]
            for job, (entry, begun) in zip(jobs, await self._stored(lambda: self._ledger.begin(requests)), strict=True):
                job.entry, job.begun, job.unclear = entry, begun, bool(entry.unclear)
        to_deliver = [job for job in jobs if job.begun]
        if to_deliver:
            self.breaker.probing()
        return to_deliver, [job for job in works if not job.begun]

    async def _begin_new(self, jobs: Sequence[Job]) -> bool:
        """Begin records that are read for the first time; False, and nothing was done, where one of them was not."""
        ids, partitions = [job.id for job in jobs], {job.partition for job in jobs}
        entries = await self._stored(lambda: self._ledger.begin_new(ids, partitions))
        for job, entry in zip(jobs, entries, strict=False):
            job.entry, job.begun = entry, True
        return len(entries) == len(jobs)

    # --- 2. hand over

    async def deliver(self, job: Job) -> None:
        """See `Handler`."""
        await deliver(job, self._adapter, self._office)

    def give_up(self, job: Job, reason: str | None) -> None:
        """See `Handler`. What takes too long is parked at once: quick tries would take too long as well."""
        if reason is not None:
            job.failures = self._settings.immediate_retries
            job.failure = Failure(Stage.DELIVER, Cause.UNCLEAR, reason, TimeoutError.__name__)
        else:
            job.skipped = True
            self.breaker.forget_probe()

    # --- 3. settle

    async def settle(self, jobs: Sequence[Job]) -> list[End]:
        """See `Handler`. What Kafka refuses, a copy or an event, waits where it has come to; the others go on."""
        now_ms = int(time.time() * 1000)
        for job in jobs:
            if not job.decided:
                job.decided, job.copy = True, self._decide(job, now_ms)
        waits = await self._copy([job for job in jobs if job.copy is not None])
        await self._record([job for job in jobs if job.writes], [job for job in waits if job.begun and job.submission])
        waits |= await self._tell([job for job in jobs if job.state is not None and job not in waits], now_ms)
        self._count_delivered([job for job in jobs if job.reference is not None and job not in waits], now_ms)
        return [Waits(waits[job]) if job in waits else job.end or FINISHED for job in jobs]

    def _decide(self, job: Job, now_ms: int) -> Outgoing | None:
        """What becomes of the record; a copy, if one is to be made first."""
        if job.reference is not None:
            self._note_delivered(job, job.reference, now_ms)
        elif job.failure is not None:
            return self._decide_failure(job, job.failure, now_ms)
        elif job.skipped:
            job.entry.attempt -= 1  # it never came to it
            _note_again(job, 0)
        elif not job.open:
            _repeat(job)
        elif job.discarded is not None:
            _note_refused(job, now_ms)
        elif job.settled is not None:
            _note_settled(job, job.settled, now_ms)
        elif job.action is not Action.TRY:
            return self._set_aside_untried(job, now_ms)
        else:
            job.end = Again(self._wait_s(job, now_ms))
        return None

    def _note_delivered(self, job: Job, reference: str, now_ms: int) -> None:
        _note_settled(job, reference, now_ms)
        self._heed(None)
        self.brake.good()

    def _heed(self, failure: Failure | None) -> None:
        """What a hand-over says of the back office; None for one that succeeded."""
        was_up = self.breaker.reason is None
        self.breaker.note(failure, time.monotonic())
        if was_up and failure is not None and self.breaker.reason is not None:
            log.error("office_down", office=self._office, reason=failure.reason)
            self._show_state()
        elif not was_up and self.breaker.reason is None:
            log.info("office_up", office=self._office)
            self._show_state()

    def _decide_failure(self, job: Job, failure: Failure, now_ms: int) -> Outgoing | None:
        self._say_failure(job, failure)
        if failure.stage is Stage.DELIVER:
            self._heed(failure)
        else:
            self.breaker.forget_probe()
        if failure.cause is not Cause.DESTINATION_DOWN:
            job.failures += 1
        verdict = decide(failure, job.failures, job.entry.tries + 1, parked=job.retry, settings=self._settings)
        cause = verdict.cause or failure.cause
        if verdict.what == "park":
            return self._park(job, cause, now_ms, verdict.delay_s)
        if verdict.what == "dead":
            too_many = self.brake.too_many()
            if too_many is None:
                self.brake.dead()
                return self._dead(job, cause, now_ms, holds=job.service not in self._continuing)
            self._stop(too_many)
        if verdict.what == "again" and job.retry and cause is not Cause.DESTINATION_DOWN:
            job.entry.tries += 1
            job.entry.cause, job.entry.next_try_ms, job.state = cause, now_ms + int(verdict.delay_s * 1000), State.RETRY_WAIT
        _note_again(job, verdict.delay_s)
        return None

    def _stop(self, reason: str) -> None:
        if self.brake.reason is None:
            self.brake.stop(reason)
            log.error("office_stopped", office=self._office, reason=reason)
            self._show_state()

    def _park(self, job: Job, cause: Cause, now_ms: int, delay_s: float | None) -> Outgoing:
        entry = job.entry
        entry.state, entry.cause, entry.tries, entry.unclear = states.PARKED, cause, 0, job.unclear
        entry.next_try_ms = None if delay_s is None else now_ms + int(delay_s * 1000)
        job.state = _WAITING.get(cause, State.RETRY_WAIT)
        metrics.PARKED.labels(self._office, cause).inc()
        return self._copies.parked(job, now_ms)

    def _dead(self, job: Job, cause: Cause, now_ms: int, *, holds: bool) -> Outgoing:
        entry = job.entry
        entry.state, entry.cause, entry.next_try_ms, entry.holds = states.DEAD, cause, None, holds
        entry.unclear = job.unclear and cause is not Cause.CANNOT_FIND  # there a person finds out, and then decides
        entry.retry_offset = job.offset if job.retry else None
        job.state = State.DEAD_LETTER if job.submission else None
        metrics.DEADLETTERS.labels(self._office, cause).inc()
        return self._copies.dead(job, now_ms)

    def _set_aside_untried(self, job: Job, now_ms: int) -> Outgoing:
        if job.action is Action.PARK:
            return self._park(job, Cause.CASE_PARKED, now_ms, None)
        return self._dead(job, Cause.CASE_HELD, now_ms, holds=True)

    def _wait_s(self, job: Job, now_ms: int) -> float:
        """Until it is due; never longer than the longest wait, whatever clock wrote it."""
        wait_s = ((job.entry.next_try_ms or 0) - now_ms) / 1000
        return min(max(wait_s, _LEAST_WAIT_S), self._settings.longest_backoff_s)

    async def _copy(self, jobs: Sequence[Job]) -> dict[Job, float]:
        """Write the copies; where they are decides how the records end. Those that wait, and for how long."""
        copies = [job.copy for job in jobs if job.copy is not None]
        waits = {}
        for job, one, sent in zip(jobs, copies, await self._sender.send_until_known(copies), strict=True):
            if isinstance(sent, KafkaRefusal):
                waits[job] = self._refused(job, sent)
            else:
                job.copy = None
                self.refusals.taken(_who(job))
                _note_copy(job, sent.offset, parked=topics.is_retry(one.topic))
        if copies:
            crashpoints.reached("settle.copied")
        return waits

    async def _record(self, jobs: Sequence[Job], waiting: Sequence[Job]) -> None:
        """Make durable in the ledger what became of these, and what could not be set aside."""
        entries = [*(job.entry for job in jobs), *map(_untaken, waiting)]
        if entries:
            partitions = {job.partition for job in (*jobs, *waiting)}
            awaited = [_awaited(job) for job in jobs if job.entry.state == states.DELIVERED] if self._answers_later else []
            await self._stored(lambda: self._ledger.end(entries, partitions, awaited))
        for job in jobs:
            job.writes = False
        crashpoints.reached("settle.recorded")

    async def _tell(self, jobs: Sequence[Job], now_ms: int) -> dict[Job, float]:
        """Write the events, and return when Kafka has them; those that wait, and for how long."""
        waits = {}
        for job, sent in zip(jobs, await self._sender.send_until_known([self._news(job, now_ms) for job in jobs]), strict=True):
            if isinstance(sent, KafkaRefusal):
                waits[job] = self._refused(job, sent)
            elif self.refusals:
                self.refusals.taken(_who(job))
        crashpoints.reached("settle.told")
        return waits

    def _refused(self, job: Job, refusal: KafkaRefusal) -> float:
        return self.refusals.refused(_who(job), refusal)

    def _news(self, job: Job, now_ms: int) -> Outgoing:
        """The event for the portal. All events of a case go to one partition, that with the number of its records."""
        entry, record = job.entry, job.record
        step = events.StatusChange(
            job.state or State.DELIVERED,
            _iso(entry.ended_ms or now_ms),
            entry.attempt,
            _iso(entry.started_ms),
            entry.reference,
            entry.cause,
        )
        if entry.next_try_ms is not None:
            step = step._replace(next_try_at=events.iso(entry.next_try_ms))
        value = self._writer.write(step, job.submission, job.case_id, job.service, job.portal)
        headers = _EVENT_HEADERS if job.traceparent is None else [*_EVENT_HEADERS, (Header.TRACEPARENT.value, job.traceparent)]
        partition = job.first_place.partition if job.retry else record.partition
        return Outgoing(self._events, record.key, value, headers, partition)

    # --- what operators hear

    def _say_failure(self, job: Job, failure: Failure) -> None:
        metrics.DELIVERY_FAILURES.labels(self._office, failure.cause).inc()
        log.warning(
            "delivery_failed", submission=job.submission, attempt=job.entry.attempt, stage=failure.stage, cause=failure.cause, reason=failure.reason
        )  # fmt: skip

    def _show_state(self) -> None:
        state = metrics.STOPPED if self.brake.reason is not None else metrics.UP if self.breaker.reason is None else metrics.DOWN
        metrics.OFFICE_STATE.labels(self._office).set(state)

    def _count_delivered(self, jobs: Sequence[Job], now_ms: int) -> None:
        self._delivered.inc(len(jobs))
        metrics.observe_all(self._seconds, [max(0.0, now_ms / 1000 - datetime.fromisoformat(job.accepted_at).timestamp()) for job in jobs])

    def finding(self) -> str | None:
        """Why nothing is delivered, for people; None while it is."""
        if self.brake.reason is not None:
            return f"stopped: {self.brake.reason}; mend the cause, then start this process anew"
        return None if self.breaker.reason is None else f"the back office is down: {self.breaker.reason}; since {self.breaker.since}"

    # --- stores that fail

    async def _stored(self, write: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """What a store answers, however often it has to be asked."""
        while True:
            try:
                return await write()
            except SQLAlchemyError as error:
                self._say.warning("store_failed", error=database.reason(error), store="ledger", office=self._office)
                await asyncio.sleep(_STORE_PAUSE_S)


_EVENT_HEADERS: Final = [(Header.CONTENT_TYPE.value, EVENT_CONTENT_TYPE.encode())]
_WAITING: Final[dict[str, State]] = {Cause.CASE_NOT_READY: State.PARKED, Cause.CASE_PARKED: State.PARKED}
_iso = lru_cache(maxsize=256)(events.iso)
"""Most events of a batch are of the same few moments."""


def _who(job: Job) -> tuple[TopicPartition, int]:
    """What a record is called among those under way: its place in the log."""
    return job.partition, job.offset


def _untaken(job: Job) -> LedgerEntry:
    """Its row while Kafka refuses the copy: a process that starts anew must not take its outcome for unclear."""
    entry = copy(job.entry)
    entry.state, entry.unclear, entry.next_try_ms = states.NOT_TAKEN, job.unclear, None
    return entry


def _note_again(job: Job, delay_s: float) -> None:
    job.entry.state, job.entry.unclear = states.NOT_TAKEN, job.unclear
    job.writes, job.end = bool(job.submission), Again(delay_s)


def _note_settled(job: Job, reference: str, now_ms: int) -> None:
    """The back office has it."""
    entry = job.entry
    entry.state, entry.reference, entry.ended_ms = states.DELIVERED, reference, now_ms
    entry.cause = entry.next_try_ms = entry.unclear = None
    job.writes, job.state = True, State.DELIVERED


def _awaited(job: Job) -> Awaited:
    """What is to be asked of the back office, and what the event about its answer will say."""
    entry = job.entry
    return Awaited(
        job.submission, entry.reference or "", job.case_id, job.service, job.portal, job.record.key, job.record.partition,
        entry.attempt, entry.started_ms, job.traceparent, entry.ended_ms or 0,
    )  # fmt: skip


def _note_refused(job: Job, now_ms: int) -> None:
    entry = job.entry
    entry.state, entry.cause, entry.ended_ms = states.REFUSED, job.discarded, now_ms
    if job.submission:  # else it could not be read, and nobody waits for it under an id
        job.writes, job.state = True, State.REJECTED


def _note_copy(job: Job, offset: int, *, parked: bool) -> None:
    """The copy stands: so the record is done with here."""
    entry, record = job.entry, job.record
    entry.partition, entry.origin_offset, entry.case_key = record.partition, job.first_place.offset, record.key
    job.writes = bool(job.submission)
    if parked:
        entry.retry_offset = offset
        job.end = Parked(offset)
    elif entry.holds and job.submission:
        job.end = Dead(job.submission)


def _repeat(job: Job) -> None:
    """The outcome is known already; only the news of it may be missing."""
    entry = job.entry
    match entry.state:
        case states.DELIVERED:
            job.state = State.DELIVERED
        case states.REFUSED:
            job.state = State.REJECTED
        case states.DEAD:
            job.state = State.DEAD_LETTER
            job.end = Dead(job.submission) if entry.holds else FINISHED
        case _:
            job.state = _WAITING.get(entry.cause or Cause.CASE_PARKED, State.RETRY_WAIT)
            job.end = Parked(entry.retry_offset or 0)
