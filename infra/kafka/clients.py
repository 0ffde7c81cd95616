"""The only place that builds Kafka clients, so that every setting that decides about loss stands here once.

The libraries' defaults lose data (auto-commit, `latest`, `acks=1`); the values here follow docs/decisions/0002.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    BrokerNotAvailableError,
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    CommitFailedError,
    DuplicateSequenceNumber,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTimestampError,
    InvalidTopicError,
    KafkaConnectionError,
    KafkaError,
    OutOfOrderSequenceNumber,
    ReplicaNotAvailableError,
    TopicAuthorizationFailedError,
    UnknownProducerId,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import murmur2

from infra.ends import is_our_end
from infra.logs import Seldom
from infra.settings import KafkaSettings
from schemas import problems
from schemas.errors import CannotTell
from schemas.headers import RawHeaders
from schemas.topics import MIB, PARTITIONS

log = structlog.get_logger()

SEND_TIMEOUT_S: Final = 60
"""Well above the 9 s that one send may take while leadership moves; after it the outcome is unknown."""
_STOP_TIMEOUT_S: Final = 3
"""For each client; a process has 30 s in all."""
_METADATA_AGE_MS: Final = 10_000
"""A topic that was deleted or made anew, and partitions that were added, are noticed after it; the library's five minutes are long."""
_RESEND_PAUSE_S: Final = 1
_NO_CONTACT_LIMIT_S: Final = 30
"""Longer than brokers take to elect leaders or a client to find them again."""
_LOOK_TIMEOUT_MS: Final = 10_000
"""A person waits for the answer; the library's 40 s are for processes."""
_MOST_IN_BATCH: Final = 10_000
_LOOKS_FOR_TOPIC: Final = 5
_LOOK_AGAIN_S: Final = 0.5
"""A topic that was just made is not known to every broker at once."""
_OF_BROKER_OR_PRODUCER: Final = (
    BrokerNotAvailableError,
    ReplicaNotAvailableError,
    OutOfOrderSequenceNumber,
    DuplicateSequenceNumber,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    UnknownProducerId,
)
"""Errors without `retriable` that the next producer may not meet."""
_OF_TOPIC: Final = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError, InvalidTopicError, UnknownTopicOrPartitionError)
"""Errors that each record of the topic would meet."""


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
    return CannotTell(problems.KAFKA_UNREACHABLE, f"no broker answers at {settings.bootstrap}", where="kafka.bootstrap")


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
        raise CannotTell(problems.KAFKA_FAILED, type(error).__name__, where=settings.bootstrap) from None


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


async def leave(consumer: AIOKafkaConsumer, group: str) -> None:
    """Leave the group and disconnect, for a limited time; else the group notices by itself."""
    try:
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await consumer.stop()
    except BaseException as error:  # aiokafka may let out a cancellation of its own tasks
        if is_our_end(error):
            raise
        log.warning("group_not_left", group=group, error=type(error).__name__)


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


class KafkaRefusal(NamedTuple):
    """Kafka does not take a record, for a cause that lies in the record or its topic: others can go on."""

    topic: str
    error: str
    """As Kafka calls it, for example MessageSizeTooLarge."""


Known = Position | KafkaRefusal
Sent = Known | None
"""What became of a record: where it is, replicated; why Kafka refuses it; None where it may or may not be there."""


class SendUnknown(Exception):
    """A record may or may not be on Kafka: send it again under the same message id."""


class SendRefused(Exception):
    """Kafka does not take a record."""

    def __init__(self, refusal: KafkaRefusal) -> None:
        super().__init__(f"{refusal.topic}: {refusal.error}")
        self.refusal = refusal


@dataclass(slots=True)
class _Client:
    """A producer and how many sends use it; one that failed ends when none of them waits for its answers any more."""

    producer: AIOKafkaProducer
    users: int = 0
    failed: bool = False


@dataclass(slots=True)
class _Lane:
    """What is still to be written to one partition: numbers of records, in this order."""

    topic: str
    partition: int
    numbers: list[int]


class Sender:
    """Writes records with one idempotent producer and `acks=all`; a producer that failed is replaced at the next send."""

    def __init__(self, settings: KafkaSettings, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._client: _Client | None = None
        self._starting = asyncio.Lock()
        self._say = Seldom(log)
        self._most: dict[str, int] = {}
        """By topic how many records go into one batch: Kafka refuses a batch as a whole, for its size or for one record in it."""

    async def send(self, record: Outgoing) -> Position:
        """Write one record; it is replicated when this returns.

        Raises:
            CannotTell: kafka-unreachable, nothing was written.
            SendUnknown: it may have been written.
            SendRefused: Kafka does not take it.

        """
        (sent,) = await self.send_all([record])
        if sent is None:
            raise SendUnknown
        if isinstance(sent, KafkaRefusal):
            raise SendRefused(sent)
        return sent

    async def send_all(self, records: Sequence[Outgoing]) -> list[Sent]:
        """Write records, those of one key in this order; for each what became of it.

        A record that is refused holds up only the later ones of its key and topic: they are not written, and have its refusal too.

        Raises:
            CannotTell: kafka-unreachable, nothing was written.

        """
        sent: list[Sent] = [None] * len(records)
        if not records:
            return sent
        try:
            async with self._using() as client:
                lanes = await self._lanes(client.producer, records, sent)
            while lanes:
                async with self._using() as client:
                    await asyncio.gather(*(self._write(client, lane, records, sent) for lane in lanes))
                lanes = [lane for lane in lanes if lane.numbers]
        except CannotTell as error:
            if all(one is None for one in sent):
                raise
            self._say_unknown(error)
        except (KafkaError, TimeoutError) as error:  # of the start of a producer, or nobody answers
            self._say_unknown(error)
            if _is_refusal(error):
                for number, record in enumerate(records):
                    sent[number] = sent[number] or KafkaRefusal(record.topic, _name(error))
        return sent

    async def send_until_known(self, records: Sequence[Outgoing]) -> list[Known]:
        """Write records and return when it is known what became of each, however long it takes; some may be written twice."""
        sent = await self._try_all(records)
        while missing := [number for number, one in enumerate(sent) if one is None]:
            await asyncio.sleep(_RESEND_PAUSE_S)
            for number, one in zip(missing, await self._try_all([records[number] for number in missing]), strict=True):
                sent[number] = one
        return [one for one in sent if one is not None]

    async def _try_all(self, records: Sequence[Outgoing]) -> list[Sent]:
        try:
            return await self.send_all(records)
        except CannotTell as error:
            self._say.warning("send_waits", error=error.problem.code, client=self._client_id, records=len(records))
            return [None] * len(records)

    async def stop(self) -> None:
        """Send what is waiting, for a limited time, and disconnect."""
        if self._client is not None:
            await _stop(self._client.producer)
            self._client = None

    # --- one send

    async def _lanes(self, producer: AIOKafkaProducer, records: Sequence[Outgoing], sent: list[Sent]) -> list[_Lane]:
        """The records by partition, of those that there are; those whose topic is not there are refused."""
        groups = _by_topic(records)
        lanes: dict[tuple[str, int], _Lane] = {}
        for topic, numbers in groups.items():
            try:
                count = await _count_partitions(producer, topic)
            except BrokerResponseError as error:
                _refuse(numbers, KafkaRefusal(topic, _name(error)), sent)
                continue
            for number in numbers:
                place = topic, partition_in(records[number], count)
                if (lane := lanes.get(place)) is None:
                    lane = lanes[place] = _Lane(*place, [])
                lane.numbers.append(number)
        return list(lanes.values())

    async def _write(self, client: _Client, lane: _Lane, records: Sequence[Outgoing], sent: list[Sent]) -> None:
        """Write a lane until nothing is left of it, or the producer failed; then another one goes on, because the sequence numbers
        of this one have a gap (aiokafka #1017).
        """
        while lane.numbers and not client.failed:
            most = self._most.get(lane.topic, _MOST_IN_BATCH)
            part = lane.numbers[:most]
            try:
                if lane.partition not in await client.producer.partitions_for(lane.topic):
                    raise UnknownTopicOrPartitionError  # noqa: TRY301 - the client would raise an AssertionError
                batch, part = _batch(client.producer, records, part)
                first = await (await client.producer.send_batch(batch, lane.topic, partition=lane.partition))
            except Exception as error:  # noqa: BLE001 - also what the client cannot do with a record has to be told, by its name
                client.failed = True
                self._note_failed(error, lane, part, records, sent)
            else:
                self._most[lane.topic] = most + 1
                for place, number in enumerate(part):
                    sent[number] = Position(lane.partition, first.offset + place)
                del lane.numbers[: len(part)]

    def _note_failed(self, error: Exception, lane: _Lane, part: list[int], records: Sequence[Outgoing], sent: list[Sent]) -> None:
        """Of a refused batch try half next, down to the one record; of what has no clear answer nothing more is tried."""
        if not _is_refusal(error):
            self._say_unknown(error)
            lane.numbers.clear()
        elif len(part) > 1 and not _concerns_all(error, [records[number] for number in part]):
            self._most[lane.topic] = len(part) // 2
        else:
            keys = {records[number].key for number in part} - {None}
            refused = {*part, *(number for number in lane.numbers if records[number].key in keys)}
            _refuse(refused, KafkaRefusal(lane.topic, _name(error)), sent)
            lane.numbers = [number for number in lane.numbers if number not in refused]

    def _say_unknown(self, error: Exception) -> None:
        self._say.warning("send_unknown", error=_name(error), client=self._client_id)

    # --- the producer

    @asynccontextmanager
    async def _using(self) -> AsyncIterator[_Client]:
        """The producer, for a limited time.

        Raises:
            CannotTell: kafka-unreachable.
            KafkaError: the cluster does not let us write.
            TimeoutError: it took too long.
        """
        client: _Client | None = None
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                client = await self._ready()
                client.users += 1
                yield client
        except (KafkaError, TimeoutError):
            if client is not None:
                client.failed = True  # it still holds what it did not send, and may look for brokers where none is any more
            raise
        finally:
            if client is not None:
                client.users -= 1
                self._let_go(client)

    def _let_go(self, client: _Client) -> None:
        if client.failed and self._client is client:
            self._client = None
        if client.failed and client.users == 0:
            task = asyncio.ensure_future(_abandon(client.producer))
            _stopping.add(task)
            task.add_done_callback(_stopping.discard)

    async def _ready(self) -> _Client:
        async with self._starting:
            if self._client is None or self._client.failed:
                self._client = _Client(await self._start_producer())
            return self._client

    async def _start_producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            linger_ms=5,
            max_batch_size=256 * 1024,
            request_timeout_ms=30_000,
            metadata_max_age_ms=_METADATA_AGE_MS,
            max_request_size=2 * MIB,
        )
        await _start(producer, self._settings)
        return producer


def _by_topic(records: Sequence[Outgoing]) -> dict[str, list[int]]:
    """Numbers of the records for each topic, in their order."""
    groups: dict[str, list[int]] = {}
    for number, record in enumerate(records):
        groups.setdefault(record.topic, []).append(number)
    return groups


def partition_of(key: bytes | None) -> int:
    """Where Kafka's own clients put a key, too; records without a key have no order to keep."""
    return 0 if key is None else (murmur2(key) & 0x7FFFFFFF) % PARTITIONS


def partition_in(record: Outgoing, count: int) -> int:
    """Where a record goes in a topic with so many partitions: to the one wanted, or always the same one instead.

    What a key leads to does not change when partitions are added, so the records of a case stay in order.
    """
    return (partition_of(record.key) if record.partition is None else record.partition) % count


async def _count_partitions(producer: AIOKafkaProducer, topic: str) -> int:
    """How many partitions a topic has, as known; asked for at the first time, and by the client every few seconds.

    Raises:
        BrokerResponseError: there is no such topic, or we may not see it.
        KafkaError: nobody answers.
    """
    cluster = producer.client.cluster
    producer.client.add_topic(topic)
    for _ in range(_LOOKS_FOR_TOPIC):
        if partitions := cluster.partitions_for_topic(topic):
            return len(partitions)
        if not await producer.client.force_metadata_update():
            raise KafkaConnectionError
        if topic in cluster.unauthorized_topics:
            raise TopicAuthorizationFailedError
        if not cluster.partitions_for_topic(topic):
            await asyncio.sleep(_LOOK_AGAIN_S)
    raise UnknownTopicOrPartitionError


def _batch(producer: AIOKafkaProducer, records: Sequence[Outgoing], numbers: Sequence[int]) -> tuple[Any, list[int]]:
    """A batch of as many of these as fit, and which they are; one at least."""
    batch = producer.create_batch()
    part: list[int] = []
    for number in numbers:
        _, key, value, headers, _, timestamp_ms = records[number]
        if batch.append(timestamp=timestamp_ms, key=key, value=value, headers=list(headers)) is None:  # full
            break
        part.append(number)
    batch.close()
    return batch, part


def _is_refusal(error: Exception) -> bool:
    """Whether the cause lies in a record or its topic: what a broker says that is no passing state, of itself or of this producer."""
    if not isinstance(error, KafkaError):
        return not isinstance(error, TimeoutError | OSError)
    return isinstance(error, BrokerResponseError) and not error.retriable and not isinstance(error, _OF_BROKER_OR_PRODUCER)


def _concerns_all(error: Exception, part: Sequence[Outgoing]) -> bool:
    """Whether no record of a refused batch can be taken. Times of "now" are all the same to a broker."""
    if isinstance(error, InvalidTimestampError):
        return all(record.timestamp_ms is None for record in part)
    return isinstance(error, _OF_TOPIC)


def _refuse(numbers: Iterable[int], refusal: KafkaRefusal, sent: list[Sent]) -> None:
    for number in numbers:
        sent[number] = refusal


def _name(error: Exception) -> str:
    """Of a broker's error Kafka's name, of others the class: texts of libraries quote values."""
    return type(error).__name__.removesuffix("Error")


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
