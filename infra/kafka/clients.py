"""The only place that builds Kafka clients, so that every setting that decides about loss stands here once.

The libraries' defaults lose data (auto-commit, `latest`, `acks=1`); the values here follow docs/decisions/0002.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, KafkaConnectionError, KafkaError
from aiokafka.partitioner import murmur2

from infra.settings import KafkaSettings
from schemas import errors
from schemas.errors import CannotTell
from schemas.headers import RawHeaders
from schemas.topics import MIB, PARTITIONS

log = structlog.get_logger()

SEND_TIMEOUT_S: Final = 60
"""Well above the 9 s that one send may take while leadership moves; after it the outcome is unknown."""
_STOP_TIMEOUT_S: Final = 10
_METADATA_AGE_MS: Final = 10_000
"""A topic that was deleted or made anew, and partitions that were added, are noticed after it; the library's five minutes are long."""
_RESEND_PAUSE_S: Final = 1
_NO_CONTACT_LIMIT_S: Final = 30
"""Longer than brokers take to elect leaders or a client to find them again."""
_LOOK_TIMEOUT_MS: Final = 10_000
"""A person waits for the answer; the library's 40 s are for processes."""


class Outgoing(NamedTuple):
    """One record to write; headers travel as bytes, so that any header can be copied."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: RawHeaders = ()
    partition: int | None = None
    """None for the one that Kafka's own clients take for this key."""
    timestamp_ms: int | None = None
    """None for now."""


class Position(NamedTuple):
    """Where a record went."""

    partition: int
    offset: int


def unreachable(settings: KafkaSettings) -> CannotTell:
    """The error for a cluster that does not answer."""
    return CannotTell(errors.KAFKA_UNREACHABLE, f"no broker answers at {settings.bootstrap}", where="kafka.bootstrap")


@contextmanager
def in_our_words(settings: KafkaSettings) -> Iterator[None]:
    """What Kafka's client raises within becomes an error with a code; of one that has several reasons, its name.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed.
    """
    try:
        yield
    except (KafkaConnectionError, TimeoutError):  # the client may go on asking a broker that is gone
        raise unreachable(settings) from None
    except CommitFailedError:
        raise
    except KafkaError as error:  # for example a coordinator or a leader that is not there
        raise CannotTell(errors.KAFKA_FAILED, type(error).__name__, where=settings.bootstrap) from None


async def start_consumer(settings: KafkaSettings, group: str, client_id: str) -> AIOKafkaConsumer:
    """A consumer that commits only what it is told, from the earliest record at a group's first start.

    Kafka cannot tell a first start from a group whose offsets have expired; whoever uses it compares with what its store knows.

    Raises:
        CannotTell: kafka-unreachable.
    """
    consumer = _consumer(
        settings,
        client_id,
        group,
        isolation_level="read_committed",
        session_timeout_ms=int(settings.session_timeout_s * 1000),
        heartbeat_interval_ms=int(min(3.0, settings.session_timeout_s / 3) * 1000),
        rebalance_timeout_ms=int(settings.rebalance_timeout_s * 1000),
        max_poll_interval_ms=300_000,
        partition_assignment_strategy=(RangePartitionAssignor,),  # equal numbers of an office's topics go to the same member
    )
    await _start(consumer, settings)
    return consumer


@asynccontextmanager
async def outside(
    settings: KafkaSettings, client_id: str, group: str | None = None, *, uncommitted: bool = False
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that joins no group: it looks, or commits for a group that has no members. `uncommitted` is for whoever asks for
    ends and times only: what waits behind an open transaction waits too. Whatever of Kafka's is raised within comes out in our words.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed.
    """
    isolation = "read_uncommitted" if uncommitted else "read_committed"
    consumer = _consumer(settings, client_id, group, isolation_level=isolation, request_timeout_ms=_LOOK_TIMEOUT_MS)
    try:
        with in_our_words(settings):
            await consumer.start()
            yield consumer
    finally:
        await consumer.stop()


def _consumer(settings: KafkaSettings, client_id: str, group: str | None, **more: Any) -> AIOKafkaConsumer:
    """What holds for whoever reads: nothing is committed by itself, nothing skipped, and a topic that comes or goes is soon known."""
    return AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap,
        group_id=group,
        client_id=client_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        metadata_max_age_ms=_METADATA_AGE_MS,
        max_partition_fetch_bytes=MIB,
        fetch_max_bytes=16 * MIB,
        **more,
    )


class Contact:
    """Notices that a consumer has lost all brokers for so long that the addresses it knows may be those of before.

    aiokafka asks the bootstrap addresses only when it starts (what KIP-899 mends is not in it), so only a new client finds brokers that
    came back elsewhere.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._last_s = time.monotonic()

    def check(self, consumer: AIOKafkaConsumer) -> None:
        """To be called now and then; costs a look at a few connections.

        Raises:
            CannotTell: kafka-unreachable, after half a minute without a connection.
        """
        now_s = time.monotonic()
        if any(connection.connected() for connection in consumer._client._conns.values()):  # noqa: SLF001 - aiokafka is pinned
            self._last_s = now_s
        elif now_s - self._last_s > _NO_CONTACT_LIMIT_S:
            raise unreachable(self._settings)


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
        positions: list[Position | None] = [None] * len(records)
        reports: list[tuple[list[int], asyncio.Future[Any]]] = []
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                for (topic, partition), numbers in _by_partition(records).items():
                    for batch, part in _batches(producer, records, numbers):
                        reports.append((part, await producer.send_batch(batch, topic, partition=partition)))
                if reports:
                    await asyncio.wait([report for _, report in reports])
        except (KafkaError, TimeoutError) as error:
            log.warning("send_unknown", client=self._client_id, error=type(error).__name__)
        for part, report in reports:
            if (first := _position(report)) is not None:
                for number, index in enumerate(part):
                    positions[index] = Position(first.partition, first.offset + number)
        if None in positions:
            self._give_up(producer)
        return positions

    async def send_surely(self, records: Sequence[Outgoing]) -> list[Position]:
        """Write records and return when all of them are replicated, however long it takes; some may be written twice."""
        positions = await self._try_all(records)
        while missing := [number for number, position in enumerate(positions) if position is None]:
            await asyncio.sleep(_RESEND_PAUSE_S)
            for number, position in zip(missing, await self._try_all([records[number] for number in missing]), strict=True):
                positions[number] = position
        return [position for position in positions if position is not None]

    async def _try_all(self, records: Sequence[Outgoing]) -> list[Position | None]:
        try:
            return await self.send_all(records)
        except CannotTell as error:
            log.warning("send_waits", client=self._client_id, error=error.problem.code, records=len(records))
            return [None] * len(records)

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


def _by_partition(records: Sequence[Outgoing]) -> dict[tuple[str, int], list[int]]:
    """Numbers of the records for each partition, in their order."""
    groups: dict[tuple[str, int], list[int]] = {}
    for number, record in enumerate(records):
        partition = partition_of(record.key) if record.partition is None else record.partition
        groups.setdefault((record.topic, partition), []).append(number)
    return groups


def partition_of(key: bytes | None) -> int:
    """Where Kafka's own clients put a key, too; records without a key have no order to keep."""
    return 0 if key is None else (murmur2(key) & 0x7FFFFFFF) % PARTITIONS


def _batches(producer: AIOKafkaProducer, records: Sequence[Outgoing], numbers: Sequence[int]) -> Iterator[tuple[Any, list[int]]]:
    """Full batches of these records, each with the numbers of those in it."""
    part: list[int] = []
    batch = producer.create_batch()
    for number in numbers:
        _, key, value, headers, _, timestamp_ms = records[number]
        if batch.append(timestamp=timestamp_ms, key=key, value=value, headers=list(headers)) is None:  # full
            yield batch, part
            batch, part = producer.create_batch(), []
            batch.append(timestamp=timestamp_ms, key=key, value=value, headers=list(headers))
        part.append(number)
    batch.close()
    yield batch, part


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
