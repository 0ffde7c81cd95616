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
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from infra import metrics
from infra.cancellation import is_own_cancellation
from infra.health import Progress
from infra.kafka import unread
from infra.kafka.clients import Contact, leave, outside, start_consumer
from infra.kafka.cluster import Log, TopicState, logs_of, topics_of
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.polling import Polling
from infra.kafka.reading import RecordFetcher
from infra.kafka.unread import Unread, UnreadableRecord
from infra.settings import KafkaSettings
from infra.stores import Store, add_missing_columns, insert_new
from infra.tasks import in_background
from schemas import problems
from schemas.errors import StadtbusError

log = structlog.get_logger()

RowT = TypeVar("RowT")

_BATCH: Final = 500
_POLL_MS: Final = 500
_COMMIT_TIMEOUT_S: Final = 10
_STALL_LIMIT_S: Final = 60
_LOOK_S: Final = 5.0
_PATIENCE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Tables:
    """The two tables that a reader needs in its store."""

    offsets: sa.Table
    unreadable: sa.Table

    @classmethod
    def on(cls, metadata: sa.MetaData) -> Tables:
        """Add them to the tables of a store."""
        return cls(
            offsets=sa.Table(
                "kafka_offset",
                metadata,
                *_where(),
                sa.Column("next_offset", sa.BigInteger, nullable=False),
                sa.Column("topic_id", sa.Text),
                sa.Column("last_mark", sa.Text),  # of the record before the offset
            ),
            unreadable=unread.table(metadata, *_where()),
        )

    def migrate(self, connection: sa.Connection) -> None:
        """From tables of an earlier version."""
        add_missing_columns(connection, self.offsets)
        add_missing_columns(connection, self.unreadable)


def _where() -> list[sa.Column[Any]]:
    return [
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
    ]


class TakeEnded(Exception):
    """Taking partitions ended, and nobody here had told it to; begin anew."""


class _Overtaken(Exception):
    """The stored offset is not where this process believes it is."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """Where a partition is read on."""

    offset: int
    anew: str | None = None
    """Why it is read from its first record, as a code; None where it is not."""
    missing: int = 0
    """Records that are gone and were never stored."""


def go_on(offset: int, topic_id: str | None, log: Log, *, was_cut: bool = False) -> GoOn:
    """Where to read on, when this offset in this topic (None where it is not known which) was stored. `was_cut`: another record stands
    before the offset than the one that was read there. Pure.
    """
    if None not in (topic_id, log.topic_id) and topic_id != log.topic_id:
        return GoOn(log.first, problems.TOPIC_REPLACED.code, log.first)
    if was_cut or offset > log.end:
        return GoOn(log.first, problems.LOG_SHORTENED.code)
    return GoOn(max(offset, log.first), missing=max(0, log.first - offset))


class StoredReader(Generic[RowT]):
    """Reads topics as one member of a group and stores rows with their offsets.

    `decode` makes a row of a record or raises `UnreadableRecord`; `apply` stores rows within the transaction and must drop repeats.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        store: Store,
        tables: Tables,
        *,
        group: str,
        topics: Sequence[str],
        decode: Callable[[ConsumerRecord], RowT],
        apply: Callable[[sa.Connection, Sequence[RowT]], None],
        begin_again: Callable[[sa.Connection, TopicPartition], None] = lambda *_: None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._tables = tables
        self._group = group
        self._topics = topics
        self._decode = decode
        self._apply = apply
        self._begin_again = begin_again
        """Told, within the transaction, that a partition is another log from here on."""
        self._unread = Unread(settings, store, tables.unreadable, group=group, topics=topics, decode=decode, apply=apply)
        self._next: dict[TopicPartition, int] = {}
        """Where each assigned partition goes on; empty while partitions move, so nothing is taken."""
        self._ids: dict[str, str | None] = {}
        """Which topics are read, by their names."""
        self._assigned: list[TopicPartition] = []
        self._assignment = 0
        """Grows whenever partitions come or go."""
        self._absent: list[str] = []
        """Topics that do not exist at the moment."""
        self._polling: Polling | None = None
        self._failure: Exception | None = None
        """What went wrong while partitions were assigned: the client swallows what its listener raises."""
        self._standing: str | None = None
        """Why the last run ended, until one has partitions again."""
        self.progress = Progress(_STALL_LIMIT_S)

    def check(self) -> str | None:
        """Whether every partition of every topic is being read; else which are not, and why."""
        if self._standing is not None:
            return self._standing
        findings = [f"{problems.TOPICS_MISSING.code}: {', '.join(self._absent)}"] if self._absent else []
        if not self._assigned:
            findings.append("no partition is assigned")
        if waiting := [f"{topic}/{number}" for topic, number in self._assigned if (topic, number) not in self._next]:
            findings.append(f"not read: {', '.join(waiting)}")
        if self._polling is not None and (unreadable := self._polling.finding()):
            findings.append(unreadable)
        return "; ".join(findings) or None

    async def run(self) -> None:
        """Read until cancelled. Whatever is stored is stored with its offset, so stopping needs no care.

        Raises:
            CannotTell: kafka-unreachable, at the start or when no broker was to be had for long.
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
            consumer.subscribe(list(self._topics), listener=_Listener(self, consumer))
            contact = Contact(self._settings)
            async with in_background(self._unread.run, lambda: self._watch(consumer)):
                while True:
                    await self._round(consumer, polling)
                    contact.check(consumer)
                    self.progress.moved()
        finally:
            self.drop()
            await leave(consumer, self._group)

    async def _round(self, consumer: AIOKafkaConsumer, polling: Polling) -> None:
        places, assignment = dict(self._next), self._assignment
        batches = await polling.some(places, timeout_ms=_POLL_MS, max_records=_BATCH)
        if self._failure is not None:
            raise self._failure
        if assignment != self._assignment:
            return  # partitions moved while we waited: they are read from where the store says
        went_back = [partition for partition, records in batches.items() if records[0].offset < places[partition]]
        good = [(partition, places[partition], batches[partition]) for partition in batches.keys() - went_back]
        idle = [(partition, start, ()) for partition, start in places.items() if partition not in batches]
        work = [*(self._store_batch(consumer, *one) for one in good), *(self._follow(consumer, polling, *one[:2]) for one in idle)]
        ends = await asyncio.gather(*work, return_exceptions=True)
        stored = {}
        for (partition, start, _), end in zip([*good, *idle], ends, strict=True):
            if isinstance(end, BaseException):
                if not _of_its_records(end):
                    raise end
                polling.leave_out(partition, start, type(end).__name__)
            elif end is not None:
                stored[partition] = end
        await self._commit(consumer, stored)
        await self._take_again(consumer, went_back)

    async def _store_batch(
        self, consumer: AIOKafkaConsumer, partition: TopicPartition, start: int, records: Sequence[ConsumerRecord]
    ) -> int | None:
        """Store one batch; the offset to go on with, or None where somebody else was ahead."""
        await self._mind_gap(consumer, partition, start, records[0].offset)
        rows, unreadable = self._decode_all(records)
        end = await self._store_all(consumer, partition, start, records[-1].offset + 1, rows, unreadable, _mark(records[-1]))
        if end is not None:
            metrics.RECORDED.labels(self._group).inc(len(records))
        if unreadable:
            await self._unread.count()
        return end

    async def _follow(self, consumer: AIOKafkaConsumer, polling: Polling, partition: TopicPartition, start: int) -> int | None:
        """Go with the client over what holds no records: markers of transactions, what they took back, what is gone."""
        position = await polling.position(partition)
        if position is None or position == start:
            return None
        if position < start:  # the log ends before: the client went back to its first record
            await self._take_again(consumer, [partition])
            return None
        await self._mind_gap(consumer, partition, start, position)
        return await self._store_all(consumer, partition, start, position, [], {}, None)

    async def _store_all(
        self,
        consumer: AIOKafkaConsumer,
        partition: TopicPartition,
        start: int,
        end: int,
        rows: Sequence[RowT],
        unreadable: Mapping[int, str],
        mark: str | None,
    ) -> int | None:
        def operation(connection: sa.Connection) -> None:
            self._move(connection, partition, start, {"next_offset": end, "last_mark": mark})
            self._unread.note(connection, partition, unreadable)
            self._apply(connection, rows)

        try:
            await self._store.write(operation)
        except _Overtaken:
            await self._take_again(consumer, [partition])
            return None
        if self._next.get(partition) == start:  # else the partition moved meanwhile and starts from the store
            self._next[partition] = end
        return end

    async def _mind_gap(self, consumer: AIOKafkaConsumer, partition: TopicPartition, start: int, offset: int) -> None:
        """The log goes on at this offset. What lies before it within the log holds no records; what lies before the log is gone."""
        if offset > start:
            first = (await consumer.beginning_offsets([partition]))[partition]
            self._say_missing(partition, min(first, offset) - start)

    def _say_missing(self, partition: TopicPartition, count: int) -> None:
        if count > 0:
            metrics.MISSING.labels(self._group, partition.topic).inc(count)
            log.error("records_missing", group=self._group, topic=partition.topic, partition=partition.partition, count=count)

    def _decode_all(self, records: Sequence[ConsumerRecord]) -> tuple[list[RowT], dict[int, str]]:
        """Rows, and by offset why a record makes none."""
        rows: list[RowT] = []
        unreadable: dict[int, str] = {}
        for record in records:
            try:
                rows.append(self._decode(record))
            except UnreadableRecord as error:
                log.warning("record_unreadable", topic=record.topic, partition=record.partition, offset=record.offset, reason=str(error))
                unreadable[record.offset] = str(error)
        return rows, unreadable

    def _move(self, connection: sa.Connection, partition: TopicPartition, start: int, values: Mapping[str, Any]) -> None:
        offsets = self._tables.offsets
        here = (offsets.c.next_offset == start, offsets.c.topic_id.is_not_distinct_from(self._ids.get(partition.topic)))
        if connection.execute(offsets.update().where(*self._row_of(partition), *here).values(values)).rowcount != 1:
            raise _Overtaken

    def _row_of(self, partition: TopicPartition) -> tuple[sa.ColumnElement[bool], ...]:
        columns = self._tables.offsets.c
        return (
            columns.consumer == self._group,
            columns.topic == partition.topic,
            columns.partition == partition.partition,
        )

    async def _commit(self, consumer: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
        if not offsets:
            return
        try:
            async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                await consumer.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            # Nothing is lost: the truth is in the store. The next commit says it again.
            log.info("offset_commit_skipped", group=self._group, error=type(error).__name__)

    async def _watch(self, consumer: AIOKafkaConsumer) -> None:
        """For ever: is a topic another one than before, or gone, and can a partition be read that could not?"""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    found = await topics_of(consumer._client, self._topics)  # noqa: SLF001 - see `infra.kafka.cluster`
            except (KafkaError, TimeoutError):
                continue  # no broker answers; others say so
            self._absent = sorted(set(self._topics) - found.keys())
            others = {name for name, topic in found.items() if None not in (before := self._ids.get(name), topic.id) and before != topic.id}
            waiting = {place for place in self._assigned if place not in self._next and place.topic in found}
            await self._take_again(consumer, [place for place in self._assigned if place.topic in others or place in waiting])

    async def _take_again(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        """Go on with these at what the store says, those of a topic that does not answer later."""
        if not partitions:
            return
        for partition in partitions:
            self._next.pop(partition, None)
        found = await topics_of(consumer._client, self._topics)  # noqa: SLF001 - as above
        self._absent = sorted(set(self._topics) - found.keys())
        by_topic = {name: [place for place in partitions if place.topic == name] for name in found}
        taking = [self._take_topic(consumer, places, found) for places in by_topic.values() if places]
        for answer in await asyncio.gather(*taking, return_exceptions=True):
            if isinstance(answer, KafkaError | TimeoutError):
                log.warning("topic_does_not_answer", group=self._group, error=type(answer).__name__)
            elif isinstance(answer, BaseException):
                raise answer

    async def _take_topic(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], found: Mapping[str, TopicState]) -> None:
        assignment = self._assignment
        async with asyncio.timeout(_PATIENCE_S):
            logs = await logs_of(consumer, partitions, found)
        for partition, seen in logs.items():
            was_cut = await self._was_cut(consumer, partition, seen)
            start = await self._store.write(partial(self._go_on, partition=partition, seen=seen, was_cut=was_cut))
            if assignment != self._assignment or partition not in consumer.assignment():
                return
            consumer.seek(partition, start.offset)
            self._ids[partition.topic] = seen.topic_id
            self._next[partition] = start.offset
            self._say_missing(partition, start.missing)
            if start.anew is not None:
                metrics.LOGS_REPLACED.labels(self._group, partition.topic).inc()
                log.error(
                    "log_replaced", group=self._group, topic=partition.topic, partition=partition.partition, code=start.anew, start=start.offset,
                    what="reading goes on at the first record; what is stored already is dropped",
                )  # fmt: skip

    async def _was_cut(self, consumer: AIOKafkaConsumer, partition: TopicPartition, seen: Log) -> bool:
        """Whether the log was cut off before the stored offset and has grown past it since: Kafka was restored from an older copy of itself. Its
        commit is older than what is stored then, as it is after a kill; which of both it was, the last record that was stored tells.
        """
        query = sa.select(self._tables.offsets).where(*self._row_of(partition))
        stored = await self._store.read(lambda connection: connection.execute(query).one_or_none())
        committed = await consumer.committed(partition)
        if stored is None or stored.last_mark is None or committed is None or committed >= stored.next_offset:
            return False
        last = stored.next_offset - 1
        if not seen.first <= last < seen.end:
            return False
        async with outside(self._settings, f"{self._group}-reader") as beside:
            beside.assign([partition])
            records = await RecordFetcher(self._settings, beside, partition.topic).fetch(partition.partition, [last])
        return [_mark(record) for record in records] != [stored.last_mark]

    def _go_on(self, connection: sa.Connection, partition: TopicPartition, seen: Log, *, was_cut: bool) -> GoOn:
        """Within a transaction: where to go on, as the store says it from now on. What was never read starts at its first record."""
        offsets = self._tables.offsets
        row = {"consumer": self._group, "topic": partition.topic, "partition": partition.partition}
        insert_new(connection, offsets, [row | {"next_offset": seen.first, "topic_id": seen.topic_id}])
        stored = connection.execute(sa.select(offsets).where(*self._row_of(partition))).one()
        start = go_on(stored.next_offset, stored.topic_id, seen, was_cut=was_cut)
        if start.anew is not None:
            start = replace(start, missing=start.missing + self._unread.forget(connection, partition))
            self._begin_again(connection, partition)
        mark = stored.last_mark if start.offset == stored.next_offset else None
        now = {"next_offset": start.offset, "topic_id": seen.topic_id, "last_mark": mark}
        connection.execute(offsets.update().where(*self._row_of(partition)).values(now))
        return start

    async def take(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        """Go on with newly assigned partitions."""
        self._assignment += 1
        self._assigned = list(partitions)
        try:
            await self._take_again(consumer, partitions)
            self._standing = None
        except BaseException as error:  # the client swallows it, or ends in silence; the next round raises it
            if is_own_cancellation(error):
                raise
            self._failure = error if isinstance(error, Exception) else TakeEnded()
        log.info("partitions_assigned", group=self._group, count=len(partitions))

    def drop(self) -> None:
        """Forget all partitions: they are about to move."""
        self._assignment += 1
        self._assigned = []
        self._next.clear()
        if self._polling is not None:
            self._polling.forget()


def _mark(record: ConsumerRecord) -> str:
    """The same for the same record; another one hardly has the same time and content."""
    return f"{record.timestamp}:{zlib.crc32(record.value or b'', zlib.crc32(record.key or b''))}"


def _of_its_records(error: BaseException) -> bool:
    """Whether storing failed for what a partition holds, not for the store or Kafka."""
    if isinstance(error, sa.exc.SQLAlchemyError):
        return isinstance(error, sa.exc.DataError | sa.exc.IntegrityError)
    return isinstance(error, Exception) and not isinstance(error, KafkaError | StadtbusError | TimeoutError | OSError)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, reader: StoredReader[Any], consumer: AIOKafkaConsumer) -> None:
        self._reader = reader
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002 - a rebalance moves all
        self._reader.drop()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        await self._reader.take(self._consumer, sorted(assigned))
