"""Writes records to Kafka, and says of each what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    BrokerResponseError,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from infra.kafka.client_errors import is_refusal, name_of, refuses_all
from infra.kafka.clients import abandon_producer, start_producer, stop_producer
from infra.kafka.outgoing import KafkaRefusal, KnownResult, Outgoing, SendRefused, SendUnknown, Sent, Written, partition_in
from infra.logs import Seldom
from infra.settings import KafkaSettings
from schemas.errors import CannotTell

log = structlog.get_logger()

SEND_TIMEOUT_S: Final = 60
"""Well above the 9 s that one send may take while leadership moves; after it the outcome is unknown."""
_RESEND_PAUSE_S: Final = 1
_MOST_IN_BATCH: Final = 10_000
_LOOKS_FOR_TOPIC: Final = 5
_LOOK_AGAIN_S: Final = 0.5
"""A topic that was just made is not known to every broker at once."""

_stopping: set[asyncio.Future[None]] = set()
"""Producers on their way out; held here, because the event loop keeps only weak references to tasks."""


@dataclass(slots=True)
class _Client:
    """A producer, and how many sends use it. After an error it gets no new ones, and is ended when the last of them has its answers."""

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
    """Writes records with one idempotent producer and `acks=all`. It connects at the first send; a producer that met an error is
    replaced. Every process makes its own, within its event loop; its methods may be called at the same time, and wait for Kafka
    without blocking the loop. Whoever made it calls `stop` at the end.
    """

    def __init__(
        self, settings: KafkaSettings, client_id: str, start: Callable[[KafkaSettings, str], Awaitable[AIOKafkaProducer]] = start_producer
    ) -> None:
        self._settings = settings
        self._client_id = client_id
        self._start = start
        self._client: _Client | None = None
        self._starting = asyncio.Lock()
        self._say = Seldom(log)
        self._most: dict[str, int] = {}
        """By topic how many records go into one batch: Kafka refuses a batch as a whole, for its size or for one record in it."""

    async def send(self, record: Outgoing) -> Written:
        """Write one record; it is replicated when this returns.

        Raises:
            CannotTell: kafka-unreachable; it was not written.
            SendUnknown: it may be written, now or in a moment.
            SendRefused: Kafka refuses it, and it was not written.
        """
        (sent,) = await self.send_all([record])
        if sent is None:
            raise SendUnknown
        if isinstance(sent, KafkaRefusal):
            raise SendRefused(sent)
        return sent

    async def send_all(self, records: Sequence[Outgoing]) -> list[Sent]:
        """Write records, those of one key in this order, and say of each what became of it. Kafka has a minute to answer each time
        that it is asked: for the topics, and for each round of writing; after a refusal there is another one.

        A refused record holds up only the later ones of its key and topic: they are not written, and have the same refusal.
        Where the outcome of one is unknown (None), nothing more is written to its partition, and the later ones there are None too.

        Raises:
            CannotTell: kafka-unreachable, before anything is known of any of them.
        """
        sent: list[Sent] = [None] * len(records)
        if not records:
            return sent
        try:
            await self._write_all(records, sent)
        except CannotTell as error:
            if all(one is None for one in sent):
                raise
            self._say_unknown(error)
        except (KafkaError, TimeoutError) as error:  # of the start of a producer, or nobody answers
            self._say_unknown(error)
            if is_refusal(error):
                for number, record in enumerate(records):
                    sent[number] = sent[number] or KafkaRefusal(record.topic, name_of(error))
        return sent

    async def send_until_known(self, records: Sequence[Outgoing]) -> list[KnownResult]:
        """Write records and return when it is known what became of each, while no broker answers also for hours: only cancelling ends
        it before. What may have been written is written again, so a record can stand on Kafka twice.
        """
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
        """Disconnect, after up to three seconds for what is still being written. Raises nothing of Kafka's."""
        if self._client is not None:
            await stop_producer(self._client.producer)
            self._client = None

    # --- one send

    async def _write_all(self, records: Sequence[Outgoing], sent: list[Sent]) -> None:
        """Note in `sent` what became of each. What a round leaves, because its producer met a refusal, the next one writes with another."""
        async with self._using() as client:
            lanes = await self._lanes(client.producer, records, sent)
        while lanes:
            async with self._using() as client:
                await asyncio.gather(*(self._write(client, lane, records, sent) for lane in lanes))
            lanes = [lane for lane in lanes if lane.numbers]

    async def _lanes(self, producer: AIOKafkaProducer, records: Sequence[Outgoing], sent: list[Sent]) -> list[_Lane]:
        """The numbers of the records by partition; those whose topic does not exist, or may not be seen, are refused."""
        groups = _by_topic(records)
        lanes: dict[tuple[str, int], _Lane] = {}
        for topic, numbers in groups.items():
            try:
                count = await _count_partitions(producer, topic)
            except BrokerResponseError as error:
                _refuse(numbers, KafkaRefusal(topic, name_of(error)), sent)
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
                    sent[number] = Written(lane.partition, first.offset + place)
                del lane.numbers[: len(part)]

    def _note_failed(self, error: Exception, lane: _Lane, part: list[int], records: Sequence[Outgoing], sent: list[Sent]) -> None:
        """Of a refused batch half is tried next, down to the one record that is refused. After an unclear outcome the lane ends."""
        if not is_refusal(error):
            self._say_unknown(error)
            lane.numbers.clear()
        elif len(part) > 1 and not refuses_all(error, [records[number] for number in part]):
            self._most[lane.topic] = len(part) // 2
        else:
            keys = {records[number].key for number in part} - {None}
            refused = {*part, *(number for number in lane.numbers if records[number].key in keys)}
            _refuse(refused, KafkaRefusal(lane.topic, name_of(error)), sent)
            lane.numbers = [number for number in lane.numbers if number not in refused]

    def _say_unknown(self, error: Exception) -> None:
        self._say.warning("send_unknown", error=name_of(error), client=self._client_id)

    # --- the producer

    @asynccontextmanager
    async def _using(self) -> AsyncIterator[_Client]:
        """The producer, for a minute; after an error within it is not used again.

        Raises:
            CannotTell: kafka-unreachable.
            KafkaError: the cluster does not let us write, or what was raised within.
            TimeoutError: the minute is over.
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
            task = asyncio.ensure_future(abandon_producer(client.producer))
            _stopping.add(task)
            task.add_done_callback(_stopping.discard)

    async def _ready(self) -> _Client:
        async with self._starting:
            if self._client is None or self._client.failed:
                self._client = _Client(await self._start(self._settings, self._client_id))
            return self._client


def _by_topic(records: Sequence[Outgoing]) -> dict[str, list[int]]:
    """Numbers of the records for each topic, in their order."""
    groups: dict[str, list[int]] = {}
    for number, record in enumerate(records):
        groups.setdefault(record.topic, []).append(number)
    return groups


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
    """A batch of as many of these as fit, at least one, and their numbers."""
    batch = producer.create_batch()
    part: list[int] = []
    for number in numbers:
        _, key, value, headers, _, timestamp_ms = records[number]
        if batch.append(timestamp=timestamp_ms, key=key, value=value, headers=list(headers)) is None:  # full
            break
        part.append(number)
    batch.close()
    return batch, part


def _refuse(numbers: Iterable[int], refusal: KafkaRefusal, sent: list[Sent]) -> None:
    for number in numbers:
        sent[number] = refusal
