"""How submissions get to one back office: the ledger before and after, failures by cause, copies, and the news for portals.

A record passes three steps, each for a batch but the delivery itself:
 1. begin      the ledger notes `started`, or says what became of the submission before
 2. deliver    `deliver.py`: find, or parse, translate and deliver
 3. settle     `decide.py` says what becomes of the record; then
                 copy    what is parked or dead, and wait until Kafka has it
                 ledger  what became of the submission
                 tell    the portals, and wait until Kafka has it
               Only then a record counts as finished. Whatever a crash leaves between two of them is done again, with the same end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Final, TypeVar

import structlog
from aiokafka import TopicPartition
from sqlalchemy.exc import SQLAlchemyError

from adapters.interface import Adapter, AnswersLater
from consumers.delivery import states
from consumers.delivery.awaited import Awaited
from consumers.delivery.copies import Copies
from consumers.delivery.decide import Becomes, Decision, decide
from consumers.delivery.deliver import deliver
from consumers.delivery.entry import OLDER_THAN_ALL, LedgerEntry
from consumers.delivery.failures import Cause, Failure, Stage
from consumers.delivery.guard import Guard
from consumers.delivery.job import HeaderReader, Job, Unreadable
from consumers.delivery.ledger import Ledger
from consumers.delivery.news import News
from consumers.delivery.probes import Prober
from consumers.engine import FINISHED, Again, CaseState, Dead, End, Handler, Parked, Waits
from consumers.engine.starts import LedgerPosition, Start
from consumers.settings import DeliverySettings
from infra import crashpoints, database, metrics
from infra.kafka.outgoing import KafkaRefusal
from infra.kafka.refusals import Refusals
from infra.kafka.sender import Sender
from infra.logs import Seldom
from schemas import topics
from schemas.events import State

log = structlog.get_logger()

ResultT = TypeVar("ResultT")

_STORE_PAUSE_S: Final = 1.0


class Delivery(Handler[Job]):
    """What the engine does with the records of one office. `Handler` says of each method when it is called, by whom, and what an exception does.

    A ledger that does not answer is asked until it does, so the methods that write to it wait as long as that takes. They raise `Fenced`
    when somebody else has our partitions, and then nothing was written.
    """

    make = Job

    def __init__(
        self,
        office: str,
        adapter: Adapter,
        ledger: Ledger,
        sender: Sender,
        settings: DeliverySettings,
        continuing: Collection[str] = (),
        stand: Callable[[], bool] = lambda: False,
    ) -> None:
        """`continuing` are the keys of services whose cases go on after a dead letter. While `stand` says so, nothing new begins."""
        self.max_concurrency = adapter.max_concurrency
        self.guard = Guard(office, adapter.check, settings)
        self.prober = Prober(office, adapter.check)
        self._stand = stand
        self.refusals = Refusals()
        self._say = Seldom(log)
        self._office = office
        self._adapter = adapter
        self._answers_later = isinstance(adapter, AnswersLater)
        self._ledger = ledger
        self._sender = sender
        self._settings = settings
        self._continuing = continuing
        self._headers = HeaderReader(office)
        self._copies = Copies(office)
        self._news = News(office, answers_later=self._answers_later)
        self._delivered = metrics.DELIVERED.labels(office)
        self._seconds = metrics.DELIVERY_SECONDS.labels(office)

    # --- partitions, and what is read of them

    async def on_assigned(
        self, partitions: Sequence[TopicPartition]
    ) -> tuple[Mapping[TopicPartition, LedgerPosition], Mapping[bytes, CaseState]]:
        """Fence off earlier owners in the ledger, and read what it knows. Probes and refused records of before are nobody's any more."""
        self.guard.on_assigned(partitions)
        self.refusals.forget()
        known = await self._stored(lambda: self._ledger.take_over(partitions))
        return known, await self._stored(lambda: self._ledger.cases(sorted({partition.partition for partition in partitions})))

    async def note_starts(self, starts: Mapping[TopicPartition, Start]) -> None:
        """Note in the ledger where the partitions start."""
        await self._stored(lambda: self._ledger.note_starts(starts))

    async def note_offsets(self, offsets: Mapping[TopicPartition, int], lost: Mapping[TopicPartition, int]) -> None:
        """Note in the ledger what is about to be committed."""
        await self._stored(lambda: self._ledger.note_offsets(offsets, lost))

    def recognise(self, jobs: Sequence[Job]) -> None:
        """Read the headers. What they do not say is a failure of the job; nothing is raised. A record of the retry topic that is no copy of
        ours counts as older than all others of its case.
        """
        for job in jobs:
            try:
                self._headers.read(job)
            except Unreadable as error:
                job.unreadable = Failure.of(error, Stage.PARSE)
            if job.retry:
                origin = job.first_place
                job.held_as = job.submission
                job.origin = origin.offset if origin.topic == topics.submissions(self._office) else OLDER_THAN_ALL

    def capacity(self, wanted: int) -> int:
        """What the breaker lets through, and nothing while the office is paused on purpose."""
        return 0 if self._stand() else self.guard.breaker.capacity(time.monotonic(), wanted)

    # --- 1. begin

    async def begin(self, works: Sequence[Job]) -> tuple[list[Job], list[Job]]:
        """Begin an attempt in the ledger for each that may; those begun, and the others. Those whose series is held, unreadable ones and probes have
        no entry to begin.
        """
        for job in works:
            job.dispatched()
        self.guard.hold_back(works)
        jobs = [job for job in works if job.unreadable is None and job.waits_s is None and not job.is_probe]
        if jobs and not (self._look_new(jobs) and await self._begin_new(jobs)):
            requests = [job.request for job in jobs]
            for job, (entry, begun) in zip(jobs, await self._stored(lambda: self._ledger.begin(requests)), strict=True):
                job.entry, job.begun, job.unclear = entry, begun, bool(entry.unclear)
        self.guard.note_begun([job for job in jobs if job.begun])
        to_deliver = [job for job in works if job.begun or job.is_probe]
        return to_deliver, [job for job in works if not (job.begun or job.is_probe)]

    def _look_new(self, jobs: Sequence[Job]) -> bool:
        """Whether all of these are read for the first time, as far as can be seen without asking the ledger."""
        return all(
            not job.retry and job.wants_attempt and job.dispatches == 1 and not self._ledger.has_to_ask(job.partition, job.offset)
            for job in jobs
        )

    async def _begin_new(self, jobs: Sequence[Job]) -> bool:
        """Begin records that are read for the first time; False, and nothing was done, where one of them was not."""
        ids, partitions = [job.id for job in jobs], {job.partition for job in jobs}
        entries = await self._stored(lambda: self._ledger.begin_new(ids, partitions))
        for job, entry in zip(jobs, entries, strict=False):
            job.entry, job.begun = entry, True
        return len(entries) == len(jobs)

    # --- 2. deliver

    async def deliver(self, job: Job) -> None:
        """Ask, or deliver, once; the job has the reference or the failure. Waits for the back office, and raises only the end of this task."""
        if self._stand() or not (
            job.is_probe or self.guard.may_go(job)
        ):  # the office was paused, or its back office went down, since it was begun
            self.give_up(job, None)
            return
        if job.is_probe:
            if job.probe_sent_at is not None:
                await self.prober.probe(job.probe_sent_at)
            return
        await deliver(job, self._adapter, self._office)
        await self.guard.weigh(job)

    def give_up(self, job: Job, reason: str | None) -> None:
        """Note a failure, unclear unless it was still translated, or that no attempt was made. What took too long is parked at once: to repeat
        it would take too long, too.
        """
        if reason is not None:
            job.failures = self._settings.immediate_retries
            stage, cause = (Stage.TRANSLATE, Cause.BLIP) if job.stage is Stage.TRANSLATE else (Stage.DELIVER, Cause.UNCLEAR)
            job.failure = Failure(stage, cause, reason, TimeoutError.__name__)
        else:
            job.skipped = True
            job.entry.attempt -= 1  # it was not made
            if job.tries_out:
                self.guard.breaker.forget_probe()

    # --- 3. settle

    async def settle(self, jobs: Sequence[Job]) -> list[End]:
        """Decide, copy, write the ledger, tell; waits until Kafka has copies and events. What Kafka refuses waits where it has come to, and
        is settled again from there; the others go on.
        """
        now_ms = int(time.time() * 1000)
        for job in jobs:
            if not job.decided:
                self._decide(job, now_ms)
        waits = await self._copy([job for job in jobs if job.copy is not None])
        await self._write_ledger([job for job in jobs if job.ledger_due], [job for job in waits if job.begun and job.submission])
        waits |= await self._tell([job for job in jobs if job.news is not None and job not in waits], now_ms)
        self._count_delivered([job for job in jobs if job.reference is not None and job not in waits], now_ms)
        return [Waits(waits[job]) if job in waits else job.end or FINISHED for job in jobs]

    def _decide(self, job: Job, now_ms: int) -> None:
        """Let the guard hear of the attempt, decide, and note in the job what has to be done."""
        job.decided = True
        if job.is_probe:
            job.end = Again() if job.skipped else FINISHED
            return
        self.guard.note_end(job)
        decision = decide(job, now_ms, self._settings, self.guard.brake, self._continuing)
        self._prepare(job, decision, now_ms)

    def _prepare(self, job: Job, decision: Decision, now_ms: int) -> None:
        """What follows from a decision: the entry as it is to be written, the copy, the news, and what the engine hears."""
        entry, next_try_ms = job.entry, None if decision.delay_s is None else now_ms + int(decision.delay_s * 1000)
        match decision.becomes:
            case Becomes.DELIVERED:
                entry.note_delivered(decision.reference, now_ms)
                job.ledger_due, job.news = True, State.DELIVERED
            case Becomes.DISCARDED:
                entry.note_discarded(decision.cause, now_ms)
                if job.submission:  # else it could not be read, and nobody waits for it under an id
                    job.ledger_due, job.news = True, State.REJECTED
            case Becomes.PARKED:
                entry.note_parked(decision.cause, next_try_ms, unclear=job.unclear)
                job.news, job.copy = _news_of_waiting(decision.cause), self._copies.parked(job, now_ms)
                metrics.PARKED.labels(self._office, decision.cause).inc()
                self.guard.note_parked(job, decision.cause)
            case Becomes.DEAD:
                self._prepare_dead(job, decision, now_ms)
            case Becomes.TRIED_AGAIN | Becomes.TRIED_LATER:
                self._prepare_again(job, decision, next_try_ms)
            case Becomes.NOT_DUE:
                job.end = Again(decision.delay_s or 0.0)
            case Becomes.KNOWN:
                _tell_again(job)

    def _prepare_dead(self, job: Job, decision: Decision, now_ms: int) -> None:
        unclear = job.unclear and decision.cause != Cause.CANNOT_FIND  # there a person finds out, and then decides
        job.entry.note_dead(decision.cause, job.offset if job.retry else None, holds=decision.holds, unclear=unclear)
        job.news, job.copy = State.DEAD_LETTER if job.submission else None, self._copies.dead(job, now_ms)
        metrics.DEADLETTERS.labels(self._office, decision.cause).inc()
        self.guard.note_refused(job, decision.cause)

    @staticmethod
    def _prepare_again(job: Job, decision: Decision, next_try_ms: int | None) -> None:
        job.entry.note_not_taken(unclear=job.unclear)
        if decision.becomes is Becomes.TRIED_LATER:
            job.entry.note_try_failed(decision.cause, next_try_ms)
            job.news = State.RETRY_WAIT
        job.ledger_due, job.end = bool(job.submission), Again(decision.delay_s or 0.0)

    async def _copy(self, jobs: Sequence[Job]) -> dict[Job, float]:
        """Write the copies; where they are decides how the records end. Those that wait, and for how long."""
        copies = [job.copy for job in jobs if job.copy is not None]
        waits = {}
        for job, one, sent in zip(jobs, copies, await self._sender.send_until_known(copies), strict=True):
            if isinstance(sent, KafkaRefusal):
                waits[job] = self.refusals.refused(_place(job), sent)
            else:
                job.copy = None
                self.refusals.taken(_place(job))
                _note_copied(job, sent.offset, parked=topics.is_retry(one.topic))
        if copies:
            crashpoints.reached("settle.copied")
        return waits

    async def _write_ledger(self, jobs: Sequence[Job], waiting: Sequence[Job]) -> None:
        """Make durable in the ledger what became of these, and what could not be set aside."""
        entries = [*(job.entry for job in jobs), *map(_entry_of_waiting, waiting)]
        if entries:
            partitions = {job.partition for job in (*jobs, *waiting)}
            awaited = [_awaited(job) for job in jobs if job.entry.state == states.DELIVERED] if self._answers_later else []
            await self._stored(lambda: self._ledger.note_outcomes(entries, partitions, awaited))
        for job in jobs:
            job.ledger_due = False
        crashpoints.reached("settle.recorded")

    async def _tell(self, jobs: Sequence[Job], now_ms: int) -> dict[Job, float]:
        """Write the events, and return when Kafka has them; those that wait, and for how long."""
        events = [self._news.of_record(job, job.news, now_ms) for job in jobs if job.news is not None]
        waits = {}
        for job, sent in zip(jobs, await self._sender.send_until_known(events), strict=True):
            if isinstance(sent, KafkaRefusal):
                waits[job] = self.refusals.refused(_place(job), sent)
            elif self.refusals:
                self.refusals.taken(_place(job))
        crashpoints.reached("settle.told")
        return waits

    def _count_delivered(self, jobs: Sequence[Job], now_ms: int) -> None:
        self._delivered.inc(len(jobs))
        metrics.observe_all(self._seconds, [max(0.0, now_ms / 1000 - datetime.fromisoformat(job.accepted_at).timestamp()) for job in jobs])

    async def _stored(self, ask: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """What the ledger answers, however often it has to be asked. `ask` makes a new question each time."""
        while True:
            try:
                return await ask()
            except SQLAlchemyError as error:
                self._say.warning("store_failed", error=database.reason(error), store="ledger", office=self._office)
                await asyncio.sleep(_STORE_PAUSE_S)


def _place(job: Job) -> tuple[TopicPartition, int]:
    """By which the refusals know a record: its place in the log."""
    return job.partition, job.offset


def _entry_of_waiting(job: Job) -> LedgerEntry:
    """What the ledger says while Kafka refuses the copy: a process that starts anew must not take the outcome for unclear."""
    entry = copy(job.entry)
    entry.note_not_taken(unclear=job.unclear)
    entry.next_try_ms = None
    return entry


def _awaited(job: Job) -> Awaited:
    """What is to be asked of the back office, and what the event about its answer will say."""
    entry = job.entry
    return Awaited(
        job.submission, entry.reference or "", job.case_id, job.service, job.portal, job.record.key, job.record.partition,
        entry.attempt, entry.started_ms, job.traceparent, entry.ended_ms or 0,
    )  # fmt: skip


def _note_copied(job: Job, offset: int, *, parked: bool) -> None:
    """Kafka has the copy, so the record is finished here."""
    entry, record = job.entry, job.record
    entry.partition, entry.origin_offset, entry.case_key = record.partition, job.first_place.offset, record.key
    job.ledger_due = bool(job.submission)
    if parked:
        entry.retry_offset = offset
        job.end = Parked(offset)
    elif entry.holds and job.submission:
        job.end = Dead(job.submission)


def _tell_again(job: Job) -> None:
    """The outcome is known already; only the news of it may be missing."""
    entry = job.entry
    match entry.state:
        case states.DELIVERED:
            job.news = State.DELIVERED
        case states.DISCARDED:
            job.news = State.REJECTED
        case states.DEAD:
            job.news = State.DEAD_LETTER
            job.end = Dead(job.submission) if entry.holds else FINISHED
        case _:
            job.news, job.end = _news_of_waiting(entry.cause or Cause.CASE_PARKED), Parked(entry.retry_offset or 0)


def _news_of_waiting(cause: str) -> State:
    """What a portal hears of a parked submission: whether its case waits, or a failure may pass."""
    return State.PARKED if cause in (Cause.CASE_NOT_READY, Cause.CASE_PARKED) else State.RETRY_WAIT
