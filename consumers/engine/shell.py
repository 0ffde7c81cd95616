"""The engine's Kafka side: reads batches, runs one chain per case, commits past finished records only.

FastStream hosts the process; this loop is ours, because batches, order per case and explicit commits decide about loss
(docs/decisions/0002). Stopping and losing partitions follow the same steps: begin nothing new, finish what runs and the
gaps before it up to a budget, cancel the rest (their outcome is unclear, the ledger knows), commit once, forget.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from consumers.engine.core import Core, Work
from infra.health import Progress
from infra.kafka.clients import start_consumer
from infra.settings import KafkaSettings

log = structlog.get_logger()

Handler = Callable[[Any, int], Awaitable[None]]
"""Handles one record (aiokafka's ConsumerRecord); gets how often it was handed out, from 1. Returning means finished; whatever
it raises means not finished, and the record comes again after a while, before later ones of its case."""

_POLL_MS: Final = 200
_FIRST_WORKERS: Final = 8
_BATCH: Final = 500
_COMMIT_TIMEOUT_S: Final = 5
_STALL_LIMIT_S: Final = 60
_FIRST_BACKOFF_S: Final = 0.2
_LONGEST_BACKOFF_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once, and how long to wait."""

    running: int = 500
    """Records handled at the same time, each of another case."""
    in_flight: int = 2_000
    """Records held in memory; above it partitions pause."""
    commit_interval_s: float = 0.5


def backoff_s(attempts: int) -> float:
    """How long a record waits before it is tried again: doubling up to half a minute, with jitter."""
    doubled_s: float = _FIRST_BACKOFF_S * 2 ** min(attempts - 1, 20)
    return random.uniform(0.5, 1.0) * min(_LONGEST_BACKOFF_S, doubled_s)  # noqa: S311 - jitter


class Engine:
    """One member of one group, on one office's topic."""

    def __init__(self, settings: KafkaSettings, *, group: str, topics: list[str], handle: Handler, limits: Limits | None = None) -> None:
        self._settings = settings
        self._group = group
        self._topics = topics
        self._handle = handle
        self._limits = limits or Limits()
        self._workers: set[asyncio.Task[None]] = set()
        self._committed: dict[TopicPartition, int] = {}
        self._committing = asyncio.Lock()
        self.core: Core[TopicPartition, Any] = Core()
        self.progress = Progress(_STALL_LIMIT_S)

    async def run(self) -> None:
        """Consume until cancelled, then drain and leave the group.

        Raises:
            CannotTell: kafka-unreachable, at the start; later the client reconnects by itself.
        """
        consumer = await start_consumer(self._settings, self._group, f"{self._group}-engine")
        committer = asyncio.create_task(self._commit_regularly(consumer))
        try:
            consumer.subscribe(self._topics, listener=_Listener(self, consumer))
            while not committer.done():
                await self._round(consumer)
            committer.result()  # it never ends by itself: raise what ended it
        finally:
            committer.cancel()
            try:
                await self.hand_over(consumer)  # stop() of the client does not call the revoke callback
            finally:
                await consumer.stop()

    async def _round(self, consumer: AIOKafkaConsumer) -> None:
        batches = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH)
        for partition, records in batches.items():
            for record in records:
                self.core.offer(partition, record.offset, record.key, record)
        self._hand_out()
        self._regulate(consumer)
        self.progress.moved()

    def _regulate(self, consumer: AIOKafkaConsumer) -> None:
        """Pause reading above the limit, resume well below: pausing throws away what the client has fetched ahead."""
        if self.core.in_flight >= self._limits.in_flight:
            consumer.pause(*consumer.assignment())
        elif self.core.in_flight <= self._limits.in_flight // 2 and consumer.paused():
            consumer.resume(*consumer.paused())

    def _hand_out(self, workers: int = _FIRST_WORKERS) -> None:
        """Start workers for the cases that are ready; a worker goes on until it finds none.

        A few at first, and twice as many in the next turn of the loop if those were not enough because they wait for the back
        office: quick work then needs no task per record, and slow work has all its workers within some turns.
        """
        starting = min(workers, self.core.ready, self._limits.running - len(self._workers))
        for _ in range(starting):
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        if starting > 0:
            asyncio.get_running_loop().call_soon(self._hand_out, 2 * workers)

    async def _work(self) -> None:
        while (work := self.core.take()) is not None:
            try:
                await self._handle(work.record, work.attempts)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises, the record is not finished
                delay_s = backoff_s(work.attempts)
                log.warning(
                    "record_not_finished", group=self._group, partition=work.partition.partition, offset=work.offset,
                    attempts=work.attempts, error=type(error).__name__, next_try_s=round(delay_s, 1),
                )  # fmt: skip
                asyncio.get_running_loop().call_later(delay_s, self._try_again, work)
            else:
                self.core.finish(work)

    def _try_again(self, work: Work[TopicPartition, Any]) -> None:
        self.core.put_back(work)
        self._hand_out()

    async def _commit_regularly(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            await asyncio.sleep(self._limits.commit_interval_s)
            await self._commit(consumer, self.core.committable())

    async def _commit(self, consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        """Commit what is finished, explicitly. A commit that fails is no loss: those records come again, the ledger knows them."""
        async with self._committing:  # one at a time, so that an older one never arrives after a newer one
            news = {partition: offset for partition, offset in offsets.items() if self._committed.get(partition) != offset}
            if not news:
                return
            try:
                async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                    await consumer.commit(news)
            except (KafkaError, TimeoutError) as error:
                log.warning("offset_commit_failed", group=self._group, error=type(error).__name__)
            else:
                self._committed.update(news)

    def begin(self, partitions: set[TopicPartition]) -> None:
        """Partitions were assigned."""
        self.core.assign(sorted(partitions))
        self._committed.clear()
        log.info("partitions_assigned", group=self._group, count=len(partitions))

    async def hand_over(self, consumer: AIOKafkaConsumer) -> None:
        """Partitions go away, or the process stops: finish what was begun and what lies before it, forget, commit once."""
        self.core.fill_gaps()
        try:
            async with asyncio.timeout(self._settings.rebalance_timeout_s / 3):
                while self._workers:
                    await asyncio.wait(self._workers, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            log.warning("work_cancelled", group=self._group, count=len(self._workers))
        finally:
            offsets = self.core.committable()
            self.core.revoke_all()  # from here on nothing is handed out, by whatever timer
            await self._cancel_workers()
        await self._commit(consumer, offsets)

    async def _cancel_workers(self) -> None:
        """What runs too long has an unclear outcome now; its record comes again and the ledger knows."""
        running = list(self._workers)
        for worker in running:
            worker.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, engine: Engine, consumer: AIOKafkaConsumer) -> None:
        self._engine = engine
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        if revoked:
            await self._engine.hand_over(self._consumer)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._engine.begin(assigned)
