"""What the watch does with heartbeats and operations: FastStream hands out batches, and a batch is acknowledged when it is stored.

A record that cannot be read is passed over, logged and counted: it stays in Kafka, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar

import sqlalchemy as sa
import structlog
from faststream.kafka.annotations import KafkaMessage
from pydantic import BaseModel, ValidationError

from consumers.watch import store as tables
from consumers.watch.freshness import Freshness
from consumers.watch.hearing import Hearing
from infra import crashpoints, database, metrics
from infra.kafka.consumer_record import ConsumerRecord, written_at
from infra.kafka.streams import LastingBroker, subscribe
from infra.logs import Seldom
from infra.security_events import Kind, note
from infra.settings import KafkaSettings
from infra.stores import Store
from schemas import heartbeats, operations, topics
from schemas.heartbeats import Heartbeat
from schemas.operations import Operation

log = structlog.get_logger()

ModelT = TypeVar("ModelT", bound=BaseModel)

_STORE_PAUSE_S: Final = 1.0
_NO_TIME_MS: Final = 253_402_300_800_000
"""The year 10000."""


class NotOurs(Exception):
    """A record is none that the watch keeps: it is passed over. The text quotes nothing of it."""


def add_subscribers(broker: LastingBroker, settings: KafkaSettings, store: Store, freshness: Freshness, hearing: Hearing) -> None:
    """Have `stadtbus.heartbeats` and `stadtbus.operations` read into the store, and told to whoever judges. Called once, before the broker starts."""
    recorder = _BatchRecorder(store, freshness)

    @subscribe(broker, topics.HEARTBEATS, topics.GROUP_WATCH, settings)
    async def heartbeats_of_processes(message: KafkaMessage) -> None:
        def hear(_: ConsumerRecord, said: Heartbeat) -> None:
            hearing.hear(said, datetime.now(UTC))

        await recorder.take(message, _heartbeat, hear, tables.put_heartbeats, "watch.heard")

    @subscribe(broker, topics.OPERATIONS, topics.GROUP_WATCH, settings)
    async def operations_of_people(message: KafkaMessage) -> None:
        def hear(record: ConsumerRecord, done: Operation) -> None:
            hearing.note(done, written_at(record))

        for done in await recorder.take(message, _operation, hear, tables.put_operations, "watch.noted"):
            note(Kind.OPERATOR_ACTED, done.action.value)


def _operation(record: ConsumerRecord) -> Operation:
    return operations.read(record.value or b"")


def _heartbeat(record: ConsumerRecord) -> Heartbeat:
    """What the record says; only the instance itself may say it.

    Raises:
        NotOurs: it speaks of another instance than its key.
        ValidationError: it is no heartbeat.
    """
    heartbeat = heartbeats.read(record.value or b"")
    if record.key != heartbeat.instance.encode():
        raise NotOurs("key and instance differ")
    return heartbeat


class _BatchRecorder:
    def __init__(self, store: Store, freshness: Freshness) -> None:
        self._store = store
        self._freshness = freshness
        self._say = Seldom(log)

    async def take(
        self,
        message: KafkaMessage,
        read: Callable[[ConsumerRecord], ModelT],
        hear: Callable[[ConsumerRecord, ModelT], None],
        put: Callable[[sa.Connection, Sequence[tuple[ConsumerRecord, ModelT]]], None],
        stored: str,
    ) -> list[ModelT]:
        """Tell a batch to `hear`, store it, pass the crash point `stored`, acknowledge it, and return what was in it. It ends in no other way: what is
        not acknowledged, the next batch would pass. While the store is away it is known what was said all the same.
        """
        records: Sequence[ConsumerRecord] = message.raw_message
        with self._freshness.busy():
            models = [(record, model) for record in records if (model := self._read(record, read)) is not None]
            for record, model in models:
                hear(record, model)
            await self._store_until_done(lambda connection: put(connection, models))
            crashpoints.reached(stored)
            await self._acknowledge(message)
        return [model for _, model in models]

    def _read(self, record: ConsumerRecord, read: Callable[[ConsumerRecord], ModelT]) -> ModelT | None:
        try:
            if not 0 <= record.timestamp < _NO_TIME_MS:
                raise NotOurs("a time beyond all calendars")  # noqa: TRY301 - told as the others are
            return read(record)
        except (ValidationError, NotOurs) as error:
            metrics.LEFT_OUT.labels(topics.GROUP_WATCH, record.topic).inc()
            self._say.warning(
                "record_left_out", topic=record.topic, partition=record.partition, offset=record.offset, error=type(error).__name__
            )
            return None

    async def _store_until_done(self, operation: Callable[[sa.Connection], None]) -> None:
        while True:
            try:
                await self._store.write(operation)
                return
            except sa.exc.SQLAlchemyError as error:
                self._say.warning("store_failed", store=self._store.name, error=database.reason(error))
                await asyncio.sleep(_STORE_PAUSE_S)

    async def _acknowledge(self, message: KafkaMessage) -> None:
        """A commit that fails is no loss: the records come again, and change nothing."""
        try:
            await message.ack()
            self._freshness.committed(message.raw_message)
        except Exception as error:  # noqa: BLE001 - of Kafka's client: partitions have moved, or nobody answers
            self._say.warning("offset_commit_failed", group=topics.GROUP_WATCH, error=type(error).__name__)
