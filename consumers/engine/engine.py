"""The engine: one member of an office's consumer group, that reads, delivers and commits until it is stopped.

FastStream hosts the process; this loop is ours, because batches, order per case and explicit commits decide about loss
(docs/decisions/0002, 0006). A record passes these tasks; each part has a module of its own:

    reader      polls, offers to the core                                           reading.py
    dispatcher  what the core hands out is begun durably, and given to workers      dispatching.py
    workers     deliver one record at a time each                                   workers.py
    settler     what came of it is made durable, and told to the core               settling.py
    committer   commits what the core has behind it                                 commits.py

`core.py` decides about order and about what may be committed. `rebalance.py` says what happens when partitions are assigned and revoked,
`starts.py` where they start then; `pipeline.py` holds the tasks in between. `assignment.py` and `topic_watch.py` keep what is known of
partitions and topics. `handler.py` is the contract with the delivery.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Generic

from aiokafka import AIOKafkaConsumer, TopicPartition

from consumers.engine.assignment import Assignment
from consumers.engine.commits import Commits
from consumers.engine.core import Core
from consumers.engine.handler import Handler, KafkaCore, WorkT
from consumers.engine.pipeline import Pipeline, TaskEnded
from consumers.engine.reading import Reader
from consumers.engine.rebalance import Rebalance
from consumers.engine.topic_watch import TopicWatch
from consumers.settings import DeliverySettings
from infra import memory
from infra.health import Progress
from infra.kafka.clients import Contact, leave, start_consumer
from infra.kafka.polling import Polling
from infra.settings import KafkaSettings
from schemas.errors import StadtbusError

_COMMIT_INTERVAL_S: Final = 0.5
_STALL_LIMIT_S: Final = 60
_STOP_LIMIT_S: Final = 15
"""For all that a stopping process has to finish. With leaving the group, closing producer, adapter and store, and the last heartbeat it stays below
the 30 s after which a platform kills (compose.yaml, `stadtbus.local.supervisor`)."""
_SHARE_OF_REBALANCE: Final = 1 / 3
"""For draining revoked partitions: the other members wait, and the next owner and the client's own steps need their time, too."""
_COLLECT_AFTER: Final = (500_000, 10, 10)
"""New objects that are still there, before Python looks for cycles: more than all records in flight are made of."""


class Engine(Generic[WorkT]):
    """One member of one group, on one office's topics. It can be run again after a run has ended; health asks it meanwhile."""

    def __init__(
        self, settings: KafkaSettings, *, group: str, topics: Sequence[str], handler: Handler[WorkT], limits: DeliverySettings
    ) -> None:
        self._settings = settings
        self._group = group
        self._topic_names = list(topics)
        self._handler = handler
        self._limits = limits
        self._may_read = asyncio.Event()
        self._assignment = Assignment()
        self._topics = TopicWatch(self._topic_names, self._assignment)
        self._polling: Polling | None = None
        """That of the last run."""
        self.core: KafkaCore[WorkT] = Core(handler.make)
        self.pipeline: Pipeline[WorkT] = Pipeline(
            self.core, handler, limits, group=group, wait_limit_s=settings.session_timeout_s / 2, may_read=self._may_read
        )
        self.progress = Progress(_STALL_LIMIT_S)

    async def run(self) -> None:
        """Consume until cancelled, then drain and leave the group.

        Raises:
            CannotTell: kafka-unreachable, at the start or when no broker was to be had for long; offsets-lost; log-shortened; topic-replaced.
            UsageError: topics-missing, of partitions that were assigned.
            Exception: what came out of the handler, for example that somebody else has our partitions (`Fenced`); of Kafka's client, and not
                because of one partition; OffsetWentBack; TaskEnded. Whatever it was, it can be run again.
        """
        memory.keep_freed()
        try:
            with _rare_garbage_collection():
                await self._run()
        except Exception as error:
            ended = str(error) if isinstance(error, StadtbusError) else f"{type(error).__name__}; begun anew in a moment"
            self._assignment.run_ended = ended
            raise

    async def _run(self) -> None:
        consumer = await start_consumer(self._settings, self._group, f"{self._group}-engine")
        polling = self._polling = Polling(consumer, self._group)
        commits = Commits(consumer, self._group, self._handler, self._assignment)
        reader = Reader(consumer, polling, self.core, self._handler, self._assignment, self._limits, may_read=self._may_read)
        limit_s = self._settings.rebalance_timeout_s * _SHARE_OF_REBALANCE
        rebalance = Rebalance(consumer, polling, self._handler, self.pipeline, commits, self._assignment, self._topics, limit_s=limit_s)
        beside = [asyncio.create_task(work) for work in (self._commit_regularly(commits), self._topics.run(consumer))]
        try:
            consumer.subscribe(self._topic_names, listener=rebalance)
            await self._read(consumer, reader, rebalance, beside)
        finally:
            for task in beside:
                task.cancel()
            try:
                await rebalance.drain(_STOP_LIMIT_S)  # stop() of the client does not call the revoke callback
            finally:
                try:
                    await leave(consumer, self._group)
                finally:
                    await rebalance.forget()  # what an assignment that was under way has still begun

    async def _read(
        self, consumer: AIOKafkaConsumer, reader: Reader[WorkT], rebalance: Rebalance, beside: Sequence[asyncio.Task[None]]
    ) -> None:
        """Read until something fails.

        Raises:
            Exception: what the reader, a rebalance or another task has failed with; all of it comes out here.
        """
        contact = Contact(self._settings)
        while True:
            self.progress.moved()
            await reader.read()
            self.pipeline.wake()
            contact.check(consumer)
            if rebalance.failure is not None:
                raise rebalance.failure
            for task in (*beside, *self.pipeline.tasks):
                if task.cancelled():
                    raise TaskEnded(task.get_name())  # by none of us: a CancelledError that came out of a library
                if task.done():
                    task.result()  # raises: all of them run until they are cancelled

    async def _commit_regularly(self, commits: Commits) -> None:
        while True:
            await asyncio.sleep(_COMMIT_INTERVAL_S)
            await commits.commit(self.core.committable())
            self.pipeline.cancel_overdue()

    # --- for health pages and heartbeats

    def committed(self) -> Mapping[TopicPartition, int]:
        """What Kafka has taken of our commits since the partitions were assigned."""
        return self._assignment.committed

    def check(self) -> str | None:
        """Why nothing is delivered, or not everything; None while all is well. Why a run has ended stands until partitions are assigned."""
        if self._assignment.run_ended is not None:
            return self._assignment.run_ended
        return self._topics.check() or (None if self._polling is None else self._polling.check())

    def notice(self) -> str | None:
        """What a person has to know while work goes on: records that are gone, and offsets that somebody moved."""
        return self._assignment.notice(self.core.committable())

    def stuck(self) -> str | None:
        """Which step has not come back for half a minute, for people; None while all do."""
        return self.pipeline.stuck()


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """Thousands of records live for some milliseconds each; to look through all of them at every 700 new objects, as Python does
    by itself, costs a third of the time. Nothing here makes cycles in numbers.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
