"""The only place that builds Kafka clients, so that every setting that decides about loss stands here once.

The libraries' defaults lose data (auto-commit, `latest`, `acks=1`); the values here follow docs/decisions/0002.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError

from infra.settings import KafkaSettings
from schemas import errors
from schemas.errors import CannotTell
from schemas.headers import RawHeaders
from schemas.topics import MIB

log = structlog.get_logger()

SEND_TIMEOUT_S: Final = 60
"""Well above the 9 s that one send may take while leadership moves; after it the outcome is unknown."""
_MAX_SENDING: Final = 2_000
_STOP_TIMEOUT_S: Final = 10


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to write; headers travel as bytes, so that any header can be copied."""

    topic: str
    key: bytes
    value: bytes
    headers: RawHeaders = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record went."""

    partition: int
    offset: int


def unreachable(settings: KafkaSettings) -> CannotTell:
    """The error for a cluster that does not answer."""
    return CannotTell(errors.KAFKA_UNREACHABLE, f"no broker answers at {settings.bootstrap}", where="kafka.bootstrap")


async def start_consumer(settings: KafkaSettings, group: str, client_id: str) -> AIOKafkaConsumer:
    """A consumer that commits only what it is told, from the earliest record at a group's first start.

    Raises:
        CannotTell: kafka-unreachable.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap,
        group_id=group,
        client_id=client_id,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        session_timeout_ms=int(settings.session_timeout_s * 1000),
        heartbeat_interval_ms=int(min(3.0, settings.session_timeout_s / 3) * 1000),
        rebalance_timeout_ms=int(settings.rebalance_timeout_s * 1000),
        max_poll_interval_ms=300_000,
        max_partition_fetch_bytes=MIB,
        fetch_max_bytes=16 * MIB,
        partition_assignment_strategy=(StickyPartitionAssignor,),
    )
    try:
        await consumer.start()
    except KafkaConnectionError:
        await consumer.stop()
        raise unreachable(settings) from None
    return consumer


class SendUnknown(Exception):
    """A record may or may not be on Kafka: send it again under the same message id."""


class Sender:
    """Writes records with one idempotent producer and `acks=all`; a broken producer is replaced at the next send."""

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._places = asyncio.Semaphore(_MAX_SENDING)

    async def start(self) -> None:
        """Connect.

        Raises:
            CannotTell: kafka-unreachable.
        """
        await self._ready()

    async def send(self, record: Outgoing) -> Position:
        """Write one record; it is replicated when this returns.

        Raises:
            CannotTell: kafka-unreachable, nothing was written.
            SendUnknown: it may have been written.
        """
        return (await self.send_all([record]))[0]

    async def send_all(self, records: Sequence[Outgoing]) -> list[Position]:
        """Write records, those of one key in this order; all are replicated when this returns.

        Raises:
            CannotTell: kafka-unreachable, nothing was written.
            SendUnknown: some of them may have been written.
        """
        producer = await self._ready()
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                async with self._places:
                    reports = [
                        await producer.send(record.topic, value=record.value, key=record.key, headers=record.headers) for record in records
                    ]
                metadata = await asyncio.gather(*reports)
        except MessageSizeTooLargeError:
            raise  # refused before anything was sent: a fault of the caller
        except (KafkaError, TimeoutError) as error:
            self._give_up(producer)
            raise SendUnknown(type(error).__name__) from error
        return [Position(one.partition, one.offset) for one in metadata]

    async def stop(self) -> None:
        """Send what is waiting, for a limited time, and disconnect."""
        if self._producer is not None:
            await _stop(self._producer)
            self._producer = None

    async def _ready(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                self._producer = await self._start_producer()
            return self._producer

    async def _start_producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=5,
            max_batch_size=256 * 1024,
            request_timeout_ms=30_000,
            max_request_size=2 * MIB,
        )
        try:
            await producer.start()
        except KafkaConnectionError:
            await producer.stop()
            raise unreachable(self._settings) from None
        return producer

    def _give_up(self, producer: AIOKafkaProducer) -> None:
        """After an error the sequence numbers may have a gap (aiokafka #1017): only a new producer is sure to go on."""
        if self._producer is producer:
            self._producer = None
            log.warning("producer_replaced", client=self._client_id)
            task = asyncio.ensure_future(_stop(producer))
            _stopping.add(task)
            task.add_done_callback(_stopping.discard)


_stopping: set[asyncio.Future[None]] = set()
"""Producers on their way out; held here, because the event loop keeps only weak references to tasks."""


async def _stop(client: Any) -> None:
    try:
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await client.stop()
    except (KafkaError, TimeoutError):
        log.warning("client_stop_incomplete")
