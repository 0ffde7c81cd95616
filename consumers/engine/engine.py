"""The engine's Kafka side: reads batches, runs one chain per case, commits past finished records only.

FastStream hosts the process; this loop is ours, because batches, order per case and explicit commits decide about loss
(docs/decisions/0002, 0006). Records pass these tasks:

    reader      getmany -> core                       waits when too much is in flight
    dispatcher  core -> begin (durable) -> workers    as many as the back office bears
    workers     one hand-over at a time each
    settler     outcomes -> settle (durable, told) -> core

Beside them one task commits, now and then. Stopping and losing partitions follow the same steps: begin nothing new, finish what
runs and the gaps before it up to a budget, cancel the rest (their outcome is unclear, the ledger knows), commit once, forget.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from consumers.engine.core import CaseState, Core, Work
from consumers.engine.starts import Known, Start, start_of
from consumers.engine.workers import Workers
from consumers.settings import DeliverySettings
from infra import crashpoints, memory, metrics
from infra.cancellation import is_own_cancellation
from infra.health import Progress
from infra.kafka.clients import Contact, leave, start_consumer
from infra.kafka.cluster import logs_of, topics_of
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.group_offsets import commit_of
from infra.kafka.polling import Polling
from infra.settings import KafkaSettings
from schemas import problems, topics
from schemas.errors import CannotTell, StadtbusError, UsageError

log = structlog.get_logger()

_POLL_MS: Final = 200
_BATCH: Final = 500
_BEGIN_BATCH: Final = 2_000
_COMMIT_INTERVAL_S: Final = 0.5
_COMMIT_TIMEOUT_S: Final = 5
_STALL_LIMIT_S: Final = 60
_TOPICS_LOOK_S: Final = 5.0
_STEP_LIMIT_S: Final = 30
_STOP_LIMIT_S: Final = 15
"""For all that a stopping process has to finish. With leaving the group and closing producer, adapter and store it stays below the 30 s
after which a platform kills (compose.yaml, `stadtbus.local.supervisor`)."""
_SHARE_OF_DRAIN: Final = 2 / 3
_SHARE_OF_COMMIT: Final = 1 / 5
"""The rest is for hand-overs that have to be cut off (`consumers.engine.workers`)."""
_FULL_PAUSE_S: Final = 1.0
"""So long reading just waits when too much is in flight; then partitions pause, which throws away what was fetched ahead."""
_LOOK_S: Final = 0.02
_COLLECT_AFTER: Final = (500_000, 10, 10)
"""New objects that are still there, before Python looks for cycles: more than all records in flight are made of."""

KafkaWork = Work[TopicPartition, ConsumerRecord]
"""A record of aiokafka on its way."""
WorkT = TypeVar("WorkT", bound=KafkaWork)
"""What a handler makes of it."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Done with."""


@dataclass(frozen=True, slots=True)
class Parked:
    """Its copy stands in the retry topic."""

    retry_offset: int


@dataclass(frozen=True, slots=True)
class Dead:
    """Its copy is a dead letter that holds its case."""

    submission: str


@dataclass(frozen=True, slots=True)
class Again:
    """Not done with: to be handed out once more, after a while."""

    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Waits:
    """Handed over, and not settled yet: to be settled once more, after a while. Its case waits with it, nobody else does."""

    delay_s: float


End = Finished | Parked | Dead | Again | Waits
FINISHED: Final = Finished()


class Handler(Protocol[WorkT]):
    """What is done with the records of one office. What `deliver` comes to is remembered, not raised."""

    max_concurrency: int
    """How many hand-overs at the same time."""

    @property
    def make(self) -> Callable[[TopicPartition, ConsumerRecord, int, bool], WorkT]:
        """What it makes of a record: `Work`, or a class derived from it."""

    async def on_assigned(self, partitions: Sequence[TopicPartition]) -> tuple[Mapping[TopicPartition, Known], Mapping[bytes, CaseState]]:
        """These partitions are ours now: what is known of each, and cases with parked or dead records."""

    async def starts(self, starts: Mapping[TopicPartition, Start]) -> None:
        """Note durably where they go on, before anything of them is begun."""

    def recognise(self, works: Sequence[WorkT], /) -> None:
        """Read what is needed of records that were just fetched, while the processor still has them at hand. Of those of a retry
        topic say which submission they are, and where they stood (`held_as`, `origin`).
        """

    def capacity(self, wanted: int) -> int:
        """How many records may be begun now; 0 while the office is paused."""

    async def begin(self, works: Sequence[WorkT], /) -> tuple[list[WorkT], list[WorkT]]:
        """Note durably that these are about to be handed over: those to hand over, and those that need no hand-over."""

    async def deliver(self, work: WorkT, /) -> None:
        """Hand one record over and remember what came of it."""

    def give_up(self, work: WorkT, /, reason: str | None) -> None:
        """Instead of the rest of `deliver`: it ended early, for this reason, and the outcome is unclear; None where it did not begin."""

    async def settle(self, works: Sequence[WorkT], /) -> list[End]:
        """Make what came of these durable, copy what is set aside, and tell the portals."""

    async def committing(self, offsets: Mapping[TopicPartition, int], lost: Mapping[TopicPartition, int]) -> None:
        """Note durably the offsets that are about to be committed, and how many records of each partition were gone before."""


class TaskEnded(Exception):
    """A task of the engine ended, and nobody here had told it to; begin anew."""


class Engine(Generic[WorkT]):
    """One member of one group, on one office's topics."""

    def __init__(
        self, settings: KafkaSettings, *, group: str, topics: Sequence[str], handler: Handler[WorkT], limits: DeliverySettings
    ) -> None:
        self._settings = settings
        self._group = group
        self._topics = list(topics)
        self._handler = handler
        self._limits = limits
        self._running = min(limits.max_concurrency, handler.max_concurrency)
        self._workers = self._new_workers()
        self._done: list[WorkT] = []
        self._settled = 0
        """How many the last round of the settler had."""
        self._steps: dict[str, float] = {}
        """Calls of `begin` and `settle` under way, each with when it began (monotonic, in s)."""
        self._assignment = 0
        """Grows whenever partitions come or go."""
        self._tasks: list[asyncio.Task[None]] = []
        """Dispatcher and settler of this assignment."""
        self._committed: dict[TopicPartition, int] = {}
        self._first: dict[TopicPartition, int] = {}
        """Where partitions began that had no commit yet: it goes before any other, because the ledger is written before. Were it further on, and Kafka
        did not take its commit, offsets seemed lost.
        """
        self._committing = asyncio.Lock()
        self._to_dispatch = asyncio.Event()
        self._to_settle = asyncio.Event()
        self._room = asyncio.Event()
        self._failure: Exception | None = None
        """What went wrong where the client would swallow it."""
        self._lost: dict[TopicPartition, int] = {}
        """By partition: records that were gone before they were read."""
        self._moved: dict[TopicPartition, Start] = {}
        """Partitions whose commit was ahead of what the handler knew."""
        self._ids: dict[str, str | None] = {}
        """Which topics are read, by their names."""
        self._missing: list[str] = []
        """Topics that do not exist at the moment."""
        self._standing: str | None = None
        """Why the last run ended, until one has partitions again."""
        self._polling: Polling | None = None
        self.core: Core[TopicPartition, ConsumerRecord, WorkT] = Core(handler.make)
        self.progress = Progress(_STALL_LIMIT_S)
        self.move_limit_s = settings.rebalance_timeout_s / 3
        """For handing over when partitions move: others wait, and take-over and the client's own steps need their time, too."""

    async def run(self) -> None:
        """Consume until cancelled, then drain and leave the group.

        Raises:
            CannotTell: kafka-unreachable, at the start or when no broker was to be had for long; offsets-lost; log-shortened; topic-replaced.
            Fenced: somebody else has our partitions; begin anew.
        """
        self._failure = None
        memory.keep_freed()
        try:
            with _few_collections():
                await self._run()
        except Exception as error:
            self._standing = str(error) if isinstance(error, StadtbusError) else f"{type(error).__name__}; begun anew in a moment"
            raise

    def finding(self) -> str | None:
        """Why nothing is delivered, or not everything; it stands until there is work again. None while all is well."""
        if self._standing is not None:
            return self._standing
        if self._missing:
            return f"{problems.TOPICS_MISSING.code}: {', '.join(self._missing)}"
        return None if self._polling is None else self._polling.finding()

    def notice(self) -> str | None:
        """What a person has to know while work goes on: records that are gone, and offsets that somebody moved, until all is asked for."""
        lost = sum(self._lost.values())
        moved = [
            f"{topic}/{number} goes on at {start.offset}, Kafka said {start.offset + start.moved}"
            for (topic, number), start in self._moved.items()
            if self.core.committable().get(TopicPartition(topic, number), 0) < start.ask_before
        ]
        said = [f"{lost} records were gone before they were read (see `stadtbus offsets reset`)"] if lost else []
        return "; ".join([*said, *moved]) or None

    async def _run(self) -> None:
        consumer = await start_consumer(self._settings, self._group, f"{self._group}-engine")
        self._polling = Polling(consumer, self._group)
        beside = [asyncio.create_task(work) for work in (self._commit_regularly(consumer), self._watch_topics(consumer))]
        try:
            consumer.subscribe(self._topics, listener=_Listener(self, consumer))
            contact = Contact(self._settings)
            while True:
                await self._read(consumer)
                contact.check(consumer)
                self._raise_what_failed(beside)
        finally:
            for task in beside:
                task.cancel()
            try:
                await self.on_revoked(consumer, _STOP_LIMIT_S)  # stop() of the client does not call the revoke callback
            finally:
                try:
                    await leave(consumer, self._group)
                finally:
                    await self._forget()  # what a take-over that was under way has still begun

    def stuck(self) -> str | None:
        """Which step has not come back for long, for people: what it waits for does not answer. None while all do."""
        now_s = time.monotonic()
        waits = [f"{step} waits for {now_s - began_s:.0f} s" for step, began_s in self._steps.items() if now_s - began_s > _STEP_LIMIT_S]
        return f"{', '.join(waits)}: the store or Kafka does not answer" if waits else None

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        self._steps[name] = time.monotonic()
        try:
            yield
        finally:
            del self._steps[name]

    def _raise_what_failed(self, beside: Sequence[asyncio.Task[None]]) -> None:
        if self._failure is not None:
            raise self._failure
        for task in (*beside, *self._tasks):
            if task.cancelled():
                raise TaskEnded(task.get_name())  # by none of us: a CancelledError that came out of a library
            if task.done():
                task.result()  # none ends by itself

    # --- reader

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        self.progress.moved()
        readable = self._readable()
        if not readable:
            await self._wait_for_room(consumer)
        else:
            if consumer.paused():
                consumer.resume(*consumer.paused())
            assignment = self._assignment
            places = {partition: self.core.position(partition) for partition in readable}
            batches = await self._poll().some(places, timeout_ms=_POLL_MS, max_records=_BATCH)
            for partition, records in batches.items():
                if assignment == self._assignment:
                    await self._mind_gap(consumer, partition, records[0].offset)
                if assignment == self._assignment:
                    self._handler.recognise(self.core.offer(partition, records))
                elif partition in self.core.partitions:  # partitions moved while we waited: it is not known from where these come
                    consumer.seek(partition, self.core.position(partition))
            for partition in places.keys() - batches.keys():
                if assignment == self._assignment:
                    await self._follow(consumer, partition)
            crashpoints.reached("engine.read")
        self._to_dispatch.set()

    def _poll(self) -> Polling:
        assert self._polling is not None  # noqa: S101 - made before anything is read
        return self._polling

    def _readable(self) -> list[TopicPartition]:
        """Only what is asked for is handed out by the client, so nothing comes of a partition before it was taken over."""
        if not self._handler.capacity(1):
            return []
        return self.core.readable(self._limits.in_flight, self._limits.in_flight_bytes)

    async def _mind_gap(self, consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int) -> None:
        """The log goes on at this offset: what lies before it within the log are markers of transactions, and what they took back; what
        lies before the log is gone.
        """
        expected, assignment = self.core.position(partition), self._assignment
        if offset <= expected:
            return
        first = (await consumer.beginning_offsets([partition]))[partition]
        gone = min(first, offset) - expected
        if gone > 0 and assignment == self._assignment:
            self._lost[partition] += gone
            _say_expired(partition, gone)

    async def _follow(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> None:
        """Go with the client over what holds no records, so that it can be committed.

        Raises:
            CannotTell: log-shortened; the client goes back to the first record where the log ends before its position.
        """
        assignment = self._assignment
        position = await self._poll().position(partition)
        if position is None or assignment != self._assignment:
            return
        if position < (expected := self.core.position(partition)):
            raise CannotTell(problems.LOG_SHORTENED, f"partition {partition.partition}: {expected} was read", where=partition.topic)
        await self._mind_gap(consumer, partition, position)
        if assignment == self._assignment:
            self.core.advance(partition, position)

    async def _wait_for_room(self, consumer: AIOKafkaConsumer) -> None:
        """Short of a second reading just waits, because pausing throws away what was fetched ahead. But the client leaves the group
        when nobody asks it for minutes, so then it is asked, for nothing.
        """
        self._room.clear()
        try:
            async with asyncio.timeout(_FULL_PAUSE_S):
                await self._room.wait()
        except TimeoutError:
            consumer.pause(*consumer.assignment())
            await consumer.getmany(timeout_ms=0)

    # --- dispatcher and workers

    async def _dispatch(self) -> None:
        while True:
            await self._to_dispatch.wait()
            self._to_dispatch.clear()
            while works := self.core.take(self._handler.capacity(min(_BEGIN_BATCH, self._free_workers()))):
                with self._step("begin"):
                    to_deliver, rest = await self._handler.begin(works)
                self._workers.add(to_deliver)
                self._finish_with(rest)

    def _free_workers(self) -> int:
        """How many may be begun. Ahead of the workers only as many as they take in the time of a round or two: what is begun and not
        handed over when the process dies has to be asked about.
        """
        ahead = max(self._running, 2 * self._settled)
        return max(0, self._running + ahead - len(self._workers))

    def _new_workers(self) -> Workers[WorkT]:
        """Those of one assignment. What waited, or was asleep, for so long that somebody else may have the partition, does not begin:
        the ledger is asked again.
        """
        return Workers(self._handler, self._handed_over, most=self._running, begin_limit_s=self._settings.session_timeout_s / 2)

    def _handed_over(self, work: WorkT) -> None:
        self._done.append(work)
        self._to_settle.set()
        self._to_dispatch.set()  # there is a place

    def _end_overdue(self) -> None:
        """A hand-over that takes too long, or holds back too many finished ones, is given up: its outcome is unclear."""
        began_before_s = time.monotonic() - self._limits.attempt_limit_s
        gaps = self.core.gaps(self._limits.gap_limit)
        running = self._workers.running.items()
        self._workers.end([work for work, began_s in running if began_s < began_before_s or (work.partition, work.offset) in gaps])

    # --- settler

    def _finish_with(self, works: Sequence[WorkT]) -> None:
        if works:
            self._done.extend(works)
            self._to_settle.set()

    async def _settle(self) -> None:
        while True:
            await self._to_settle.wait()
            self._to_settle.clear()
            works, self._done = self._done, []
            with self._step("settle"):
                ends = await self._handler.settle(works)
            self._settled = len(works)
            finished = [work for work, end in zip(works, ends, strict=True) if end is FINISHED]
            self.core.finish(*finished)
            if len(finished) < len(works):
                for work, end in zip(works, ends, strict=True):
                    self._apply(work, end)
            self._room.set()
            self._to_dispatch.set()

    def _apply(self, work: WorkT, end: End) -> None:
        if isinstance(end, Parked):
            self.core.finish_parked(work, end.retry_offset)
        elif isinstance(end, Dead):
            self.core.finish_dead(work, end.submission)
        elif isinstance(end, Again):
            self.core.defer(work)
            asyncio.get_running_loop().call_later(end.delay_s, self._put_back, work)
        elif isinstance(end, Waits):
            asyncio.get_running_loop().call_later(end.delay_s, self._settle_again, work, self._assignment)

    def _put_back(self, work: WorkT) -> None:
        self.core.requeue(work)
        self._to_dispatch.set()

    def _settle_again(self, work: WorkT, assignment: int) -> None:
        if assignment == self._assignment:
            self._finish_with([work])

    # --- committer

    async def _commit_regularly(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            await asyncio.sleep(_COMMIT_INTERVAL_S)
            await self._commit(consumer, self.core.committable())
            self._end_overdue()

    async def _commit(self, consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        """Commit what is finished, explicitly. A commit that fails is no loss: those records come again, the ledger knows them."""
        async with self._committing:  # one at a time, so that an older one never arrives after a newer one
            first = {
                partition: offset for partition, offset in self._first.items() if partition in offsets and partition not in self._committed
            }
            news = {partition: offset for partition, offset in (offsets | first).items() if self._committed.get(partition) != offset}
            if not news:
                return
            crashpoints.reached("commit.before")
            await self._handler.committing(news, self._lost)
            crashpoints.reached("commit.noted")
            try:
                async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                    await consumer.commit(
                        {partition: commit_of(offset, self._lost.get(partition, 0)) for partition, offset in news.items()}
                    )
            except (KafkaError, TimeoutError) as error:
                log.warning("offset_commit_failed", group=self._group, error=type(error).__name__)
            else:
                self._committed.update(news)
                crashpoints.reached("commit.after")

    # --- partitions come and go

    async def on_assigned(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        """Partitions were assigned: fence off whoever had them, find out where to start, begin."""
        await self._forget()  # else something of before would begin work under the new epoch, or under none
        try:
            known, cases = await self._handler.on_assigned(partitions)
            starts = await self._starts(consumer, partitions, known)
            await self._handler.starts(starts)
        except BaseException as error:  # the client swallows it; the next round raises it
            if is_own_cancellation(error):
                raise
            self._failure = error if isinstance(error, Exception) else TaskEnded("on_assigned")
            return
        self._committed.clear()
        self._first = {partition: start.offset for partition, start in starts.items() if start.first_commit}
        for partition, start in starts.items():
            _say_start(partition, start)
            consumer.seek(partition, start.offset)  # whatever was fetched for an earlier assignment comes again
        self._lost = {partition: start.lost for partition, start in starts.items()}
        self._moved = {partition: start for partition, start in starts.items() if start.moved}
        self._ids = {partition.topic: start.topic_id for partition, start in starts.items()}
        self._assignment += 1
        self.core.assign(
            {partition: start.offset for partition, start in starts.items()},
            [partition for partition in partitions if topics.is_retry(partition.topic)],
            cases,
        )
        self._tasks = [asyncio.create_task(work) for work in (self._dispatch(), self._settle())]
        self._room.set()
        self._standing = None
        log.info("partitions_assigned", group=self._group, count=len(partitions))
        await self._commit(consumer, self._first)

    async def _starts(
        self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], known: Mapping[TopicPartition, Known]
    ) -> dict[TopicPartition, Start]:
        """Where each partition goes on (`consumers.engine.starts`).

        Raises:
            CannotTell: offsets-lost, log-shortened, topic-replaced.
            UsageError: topics-missing.
        """
        found = await topics_of(consumer._client, self._topics)  # noqa: SLF001 - see `infra.kafka.cluster`
        self._missing = sorted(set(self._topics) - found.keys())
        if gone := {partition.topic for partition in partitions} - found.keys():
            raise UsageError(problems.TOPICS_MISSING, ", ".join(sorted(gone)))
        logs = await logs_of(consumer, partitions, found)
        return {
            partition: start_of(partition, known[partition], await consumer.committed(partition), logs[partition])
            for partition in partitions
        }

    async def _watch_topics(self, consumer: AIOKafkaConsumer) -> None:
        """A topic that is deleted, or made anew under its name, while it is read.

        Raises:
            CannotTell: topic-replaced.
        """
        while True:
            await asyncio.sleep(_TOPICS_LOOK_S)
            try:
                found = await topics_of(consumer._client, self._topics)  # noqa: SLF001 - see `infra.kafka.cluster`
            except (KafkaError, TimeoutError):
                continue  # no broker answers; others say so
            self._missing = sorted(set(self._topics) - found.keys())
            for name, topic in found.items():
                if None not in (before := self._ids.get(name), topic.id) and before != topic.id:
                    raise CannotTell(problems.TOPIC_REPLACED, "it was made anew while it was read", where=name)

    async def on_revoked(self, consumer: AIOKafkaConsumer, limit_s: float) -> None:
        """Partitions go away, or the process stops: finish what was begun and what lies before it, forget, commit once; all of it,
        whatever does not answer, within this limit.
        """
        self.core.drain()
        try:
            async with asyncio.timeout(limit_s * _SHARE_OF_DRAIN):
                while self._unfinished():
                    self._to_dispatch.set()
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            log.warning("work_cancelled", group=self._group, count=len(self._workers))
        finally:
            offsets = self.core.committable()
            await self._forget()
        try:
            async with asyncio.timeout(limit_s * _SHARE_OF_COMMIT):
                await self._commit(consumer, offsets)
        except TimeoutError:
            log.warning("offset_commit_failed", group=self._group, error=TimeoutError.__name__)

    def _unfinished(self) -> bool:
        """Whether something is under way, or could still be handed out while the tasks live."""
        if any(task.done() for task in self._tasks) or not self._tasks:
            return False
        under_way = self._workers or self._done or self._steps
        return bool(under_way or (self.core.ready and self._handler.capacity(1)))

    async def _forget(self) -> None:
        """No partition is ours any more. What still runs has an unclear outcome now; its record comes again and the ledger knows."""
        self._assignment += 1
        if self._polling is not None:
            self._polling.forget()
        self.core.revoke_all()  # from here on nothing is handed out, by whatever timer
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        workers, self._workers = self._workers, self._new_workers()
        await asyncio.gather(workers.close(), *tasks, return_exceptions=True)
        self._done.clear()


def _say_expired(partition: TopicPartition, count: int) -> None:
    """Records that nobody delivered are gone, by retention or by somebody's hand. The bus must go on, and a person has to know."""
    metrics.EXPIRED.labels(partition.topic).inc(count)
    log.error("records_expired", topic=partition.topic, partition=partition.partition, count=count)


def _say_start(partition: TopicPartition, start: Start) -> None:
    """What a person has to know of where a partition goes on."""
    if start.newly_lost:
        _say_expired(partition, start.newly_lost)
    if start.moved:
        metrics.OFFSETS_MOVED.labels(partition.topic).inc(start.moved)
        log.error(
            "offsets_moved", topic=partition.topic, partition=partition.partition, start=start.offset, count=start.moved,
            what="Kafka's commit is ahead of the ledger; what lies between is asked for, not skipped",
        )  # fmt: skip


@contextmanager
def _few_collections() -> Iterator[None]:
    """Thousands of records live for some milliseconds each; to look through all of them at every 700 new objects, as Python does
    by itself, costs a third of the time. Nothing here makes cycles in numbers.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, engine: Engine[Any], consumer: AIOKafkaConsumer) -> None:
        self._engine = engine
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        if revoked:
            await self._engine.on_revoked(self._consumer, self._engine.move_limit_s)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._engine.on_assigned(self._consumer, sorted(assigned))
