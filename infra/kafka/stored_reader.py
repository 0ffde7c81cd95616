"""A reader that stores offsets together with the data, so that each record counts once whatever crashes.

Per batch and partition one transaction: move the stored offset from where we believe it is (compare-and-set), then store what
the records say. If the offset is elsewhere, somebody else is ahead: everything is undone, the truth is read again. That is the
fence against a paused process that comes back, which aiokafka cannot give. Commits to Kafka follow, only so that lag is seen.

An offset is said of one topic, so the topic's id stands beside it. Where another topic has the name now, or the log is shorter than what was
read of it, reading goes on at the first record that is there: whatever is stored already is dropped, and nothing is skipped. What one
partition does wrong holds up no other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple

import sqlalchemy as sa
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from infra import metrics
from infra.cancellation import is_own_cancellation
from infra.health import Progress
from infra.kafka.clients import Contact, leave, start_consumer
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.polling import Polling
from infra.kafka.sink import RowT, Sink, UnreadableRecord
from infra.kafka.stored_assignment import StoredAssignment
from infra.kafka.stored_offsets import Overtaken, StoredOffsets, mark_of
from infra.kafka.unreadable import UnreadableRecords
from infra.settings import KafkaSettings
from infra.stores import Store
from infra.tasks import in_background
from schemas import problems
from schemas.errors import StadtbusError
from schemas.heartbeats import PartitionProgress, Vitals

log = structlog.get_logger()

_BATCH: Final = 500
_POLL_MS: Final = 500
_COMMIT_TIMEOUT_S: Final = 10
_STALL_LIMIT_S: Final = 60
_FOLLOW_S: Final = 0.5
"""So often partitions without records are looked at: there are many, and what moves in them is only seen as lag."""


class TakeEnded(Exception):
    """Taking partitions ended by a cancellation that was not ours; `run` raises it, and whoever runs the reader begins it again."""


class _Step(NamedTuple):
    """How far a partition is moved: from where we believe the stored offset is to the next one."""

    start: int
    end: int
    mark: str | None
    """Of the record before `end`; None where there is none."""


class StoredReader(Generic[RowT]):
    """Reads topics as one member of a group, and stores in the same transaction what a `Sink` makes of the records and how far it has come.

    One process runs `run` and, when it has raised, runs it again after a pause; `check` and `progress` are asked by its health page.
    """

    def __init__(self, settings: KafkaSettings, store: Store, sink: Sink[RowT], *, group: str, topics: Sequence[str]) -> None:
        self._settings = settings
        self._store = store
        self._sink = sink
        self._group = group
        self._topics = topics
        self._offsets = StoredOffsets(sink.tables.offsets, group)
        self._unreadable = UnreadableRecords(settings, store, sink, group=group, topics=topics)
        self._assignment = StoredAssignment(settings, store, sink, self._unreadable, group, topics)
        self._polling: Polling | None = None
        self._failure: Exception | None = None
        """What went wrong while partitions were assigned: the client swallows what its listener raises."""
        self._standing: str | None = None
        """Why the last run ended, until one has partitions again."""
        self._followed_s = 0.0
        """When that was, on the monotonic clock."""
        self._committed: dict[TopicPartition, int] = {}
        """What Kafka has taken since the partitions were assigned."""
        self.progress = Progress(_STALL_LIMIT_S)

    def check(self) -> str | None:
        """None while every partition of every topic is being read; else which are not, and why."""
        if self._standing is not None:
            return self._standing
        absent = self._assignment.absent
        findings = [f"{problems.TOPICS_MISSING.code}: {', '.join(absent)}"] if absent else []
        if not self._assignment.partitions:
            findings.append("no partition is assigned")
        if untaken := [f"{topic}/{number}" for topic, number in self._assignment.untaken()]:
            findings.append(f"not read: {', '.join(untaken)}")
        if self._polling is not None and (unreadable := self._polling.check()):
            findings.append(unreadable)
        return "; ".join(findings) or None

    def vitals(self) -> Vitals:
        """What it does at the moment, for heartbeats."""
        partitions = {
            f"{partition.topic}/{partition.partition}": PartitionProgress(position=position, committed=self._committed.get(partition))
            for partition, position in self._assignment.next.items()
        }
        return Vitals(partitions=partitions, last_poll_at=self.progress.last_at, knows_probes=True)

    async def run(self) -> None:
        """Read until cancelled. Whatever is stored is stored with its offset, so it can be cancelled at any moment, and run again.

        Raises:
            CannotTell: kafka-unreachable, at the start or when no broker was to be had for long.
            KafkaError: of the group or the cluster as a whole, not of one partition.
            SQLAlchemyError: of the store, not of what was to be stored.
            TakeEnded: while partitions were assigned, the client was cancelled by something of its own.
        """
        self._failure = None
        try:
            await self._run()
        except Exception as error:
            self._standing = str(error) if isinstance(error, StadtbusError) else type(error).__name__
            raise

    async def _run(self) -> None:
        consumer = await start_consumer(self._settings, self._group, f"{self._group}-reader")
        polling = self._polling = Polling(consumer, self._group)
        try:
            consumer.subscribe(list(self._topics), listener=_Rebalances(self, consumer))
            contact = Contact(self._settings)
            async with in_background(self._unreadable.run, lambda: self._assignment.watch(consumer)):
                while True:
                    await self._round(consumer, polling)
                    contact.check(consumer)
                    self.progress.moved()
        finally:
            self.on_revoked()
            await leave(consumer, self._group)

    # --- called by the rebalance listener

    async def on_assigned(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        """Go on with newly assigned partitions. Raises nothing but our own cancellation: what fails ends the next round."""
        self._assignment.begin(partitions)
        self._committed.clear()
        try:
            await self._assignment.take(consumer, partitions)
            self._standing = None
        except BaseException as error:  # the client swallows it, or ends in silence; the next round raises it
            if is_own_cancellation(error):
                raise
            self._failure = error if isinstance(error, Exception) else TakeEnded()
        log.info("partitions_assigned", group=self._group, count=len(partitions))

    def on_revoked(self) -> None:
        """All partitions are about to move: what is being stored is still stored, and nothing more is taken."""
        self._assignment.drop()
        if self._polling is not None:
            self._polling.forget()

    # --- one round

    async def _round(self, consumer: AIOKafkaConsumer, polling: Polling) -> None:
        starts, generation = dict(self._assignment.next), self._assignment.generation
        batches = await polling.poll(starts, timeout_ms=_POLL_MS, max_records=_BATCH)
        if self._failure is not None:
            raise self._failure
        if generation != self._assignment.generation:
            return  # partitions moved while we waited: they are read from where the store says
        went_back = [partition for partition, records in batches.items() if records[0].offset < starts[partition]]
        await self._commit(consumer, await self._store_round(consumer, polling, starts, batches, went_back))
        await self._assignment.take(consumer, went_back)

    async def _store_round(
        self,
        consumer: AIOKafkaConsumer,
        polling: Polling,
        starts: Mapping[TopicPartition, int],
        batches: Mapping[TopicPartition, Sequence[ConsumerRecord]],
        went_back: Sequence[TopicPartition],
    ) -> dict[TopicPartition, int]:
        """Store the batches of all partitions, and how far the others have come. The new offsets of those for which that succeeded."""
        good = [(partition, starts[partition], batches[partition]) for partition in batches.keys() - went_back]
        idle = (
            [(partition, start, ()) for partition, start in starts.items() if partition not in batches] if self._is_time_to_follow() else []
        )
        work = [*(self._store_batch(consumer, *one) for one in good), *(self._follow(consumer, polling, *one[:2]) for one in idle)]
        stored = {}
        for (partition, start, _), end in zip([*good, *idle], await asyncio.gather(*work, return_exceptions=True), strict=True):
            if isinstance(end, BaseException):
                if not _of_its_records(end):
                    raise end
                polling.leave_out(partition, start, type(end).__name__)
            elif end is not None:
                stored[partition] = end
        return stored

    def _is_time_to_follow(self) -> bool:
        now_s = time.monotonic()
        if now_s - self._followed_s < _FOLLOW_S:
            return False
        self._followed_s = now_s
        return True

    async def _store_batch(
        self, consumer: AIOKafkaConsumer, partition: TopicPartition, start: int, records: Sequence[ConsumerRecord]
    ) -> int | None:
        """Store one batch; the offset to go on with, or None where somebody else was ahead."""
        await self._mind_gap(consumer, partition, start, records[0].offset)
        rows, unreadable = self._decode_all(records)
        step = _Step(start, records[-1].offset + 1, mark_of(records[-1]))
        end = await self._store_all(consumer, partition, step, rows, unreadable)
        if end is not None:
            metrics.RECORDED.labels(self._group).inc(len(records))
        if unreadable:
            await self._unreadable.count()
        return end

    async def _follow(self, consumer: AIOKafkaConsumer, polling: Polling, partition: TopicPartition, start: int) -> int | None:
        """Go with the client over what holds no records: markers of transactions, what they took back, what is gone."""
        position = await polling.position(partition)
        if position is None or position == start:
            return None
        if position < start:  # the log ends before: the client went back to its first record
            await self._assignment.take(consumer, [partition])
            return None
        await self._mind_gap(consumer, partition, start, position)
        return await self._store_all(consumer, partition, _Step(start, position, None), [], {})

    async def _store_all(
        self, consumer: AIOKafkaConsumer, partition: TopicPartition, step: _Step, rows: Sequence[RowT], unreadable: Mapping[int, str]
    ) -> int | None:
        """One transaction: move the offset, note what was unreadable, store the rows. The new offset, or None where somebody was ahead."""

        def operation(connection: sa.Connection) -> None:
            topic_id = self._assignment.topic_ids.get(partition.topic)
            self._offsets.move(connection, partition, step.start, topic_id, {"next_offset": step.end, "last_mark": step.mark})
            self._unreadable.note(connection, partition, unreadable)
            self._sink.apply(connection, rows)

        try:
            await self._store.write(operation)
        except Overtaken:
            await self._assignment.take(consumer, [partition])
            return None
        if self._assignment.next.get(partition) == step.start:  # else the partition moved meanwhile and starts from the store
            self._assignment.next[partition] = step.end
        return step.end

    async def _mind_gap(self, consumer: AIOKafkaConsumer, partition: TopicPartition, start: int, offset: int) -> None:
        """The log goes on at this offset. What lies before it within the log holds no records; what lies before the log is gone."""
        if offset > start:
            first = (await consumer.beginning_offsets([partition]))[partition]
            self._assignment.say_missing(partition, min(first, offset) - start)

    def _decode_all(self, records: Sequence[ConsumerRecord]) -> tuple[list[RowT], dict[int, str]]:
        """Rows, and by offset why a record makes none."""
        rows: list[RowT] = []
        unreadable: dict[int, str] = {}
        for record in records:
            try:
                rows.append(self._sink.decode(record))
            except UnreadableRecord as error:
                log.warning("record_unreadable", topic=record.topic, partition=record.partition, offset=record.offset, reason=str(error))
                unreadable[record.offset] = str(error)
        return rows, unreadable

    async def _commit(self, consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        if not offsets:
            return
        try:
            async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                await consumer.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            # Nothing is lost: the truth is in the store. The next commit says it again.
            log.info("offset_commit_skipped", group=self._group, error=type(error).__name__)
        else:
            self._committed.update(offsets)


def _of_its_records(error: BaseException) -> bool:
    """Whether storing failed for what a partition holds, not for the store or Kafka."""
    if isinstance(error, sa.exc.SQLAlchemyError):
        return isinstance(error, sa.exc.DataError | sa.exc.IntegrityError)
    return isinstance(error, Exception) and not isinstance(error, KafkaError | StadtbusError | TimeoutError | OSError)


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]
    """What the client calls, in its own task, when partitions move; it waits until each call returns."""

    def __init__(self, reader: StoredReader[Any], consumer: AIOKafkaConsumer) -> None:
        self._reader = reader
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - a rebalance moves all
        self._reader.on_revoked()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._reader.on_assigned(self._consumer, sorted(assigned))
