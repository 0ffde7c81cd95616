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
from aiokafka.errors import KafkaConnectionError, KafkaError

from infra.settings import KafkaSettings
from schemas import errors
from schemas.errors import CannotTell
from schemas.headers import RawHeaders
from schemas.topics import MIB

log = structlog.get_logger()

SEND_TIMEOUT_S: Final = 60
"""Well above the 9 s that one send may take while leadership moves; after it the outcome is unknown."""
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
    await _start(consumer, settings)
    return consumer


class SendUnknown(Exception):
    """A record may or may not be on Kafka: send it again under the same message id."""


class Sender:
    """Writes records with one idempotent producer and `acks=all`; a producer that failed is replaced at the next send."""

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def send(self, record: Outgoing) -> Position:
        """Write one record; it is replicated when this returns.

        Raises:
            CannotTell: kafka-unreachable, nothing was written.
            SendUnknown: it may have been written.

        """
        (position,) = await self.send_all([record])
        if position is None:
            raise SendUnknown
        return position

    async def send_all(self, records: Sequence[Outgoing]) -> list[Position | None]:
        """Write records, those of one key in this order; for each where it is, replicated, or None where that is not known.

        Raises:
            CannotTell: kafka-unreachable, nothing was written.

        """
        producer = await self._ready()
        reports: list[asyncio.Future[Any]] = []
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                for record in records:
                    reports.append(await producer.send(record.topic, value=record.value, key=record.key, headers=record.headers))  # noqa: PERF401 - those before a failure are sent too
                await asyncio.wait(reports)
        except (KafkaError, TimeoutError) as error:
            log.warning("send_unknown", client=self._client_id, error=type(error).__name__)
        positions = [_position(report) for report in reports]
        positions += [None] * (len(records) - len(positions))
        if None in positions:
            self._give_up(producer)
        return positions

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
        await _start(producer, self._settings)
        return producer

    def _give_up(self, producer: AIOKafkaProducer) -> None:
        """After a failure the sequence numbers may have a gap (aiokafka #1017): only a new producer is sure to go on."""
        if self._producer is producer:
            self._producer = None
            task = asyncio.ensure_future(_abandon(producer))
            _stopping.add(task)
            task.add_done_callback(_stopping.discard)


def _position(report: asyncio.Future[Any]) -> Position | None:
    if not report.done():
        report.add_done_callback(lambda late: late.cancelled() or late.exception())  # whatever comes later has been given up
        return None
    if report.cancelled() or report.exception() is not None:
        return None
    return Position(report.result().partition, report.result().offset)


_stopping: set[asyncio.Future[None]] = set()
"""Producers on their way out; held here, because the event loop keeps only weak references to tasks."""


async def _abandon(producer: AIOKafkaProducer) -> None:
    """End a producer without sending what it still holds: that is sent again by another, and must not come later once more.

    Its own `stop` would first send everything, for which there is no time limit; so its sending task ends before (aiokafka is pinned).
    """
    producer._sender.sender_task.cancel()  # noqa: SLF001
    await _stop(producer)


async def _start(client: Any, settings: KafkaSettings) -> None:
    """Connect a client, or leave nothing of it behind."""
    try:
        await client.start()
    except KafkaConnectionError:
        await client.stop()
        raise unreachable(settings) from None
    except BaseException:
        await client.stop()
        raise


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await producer.stop()
    except (KafkaError, TimeoutError):
        log.warning("client_stop_incomplete")
        await producer.client.close()
