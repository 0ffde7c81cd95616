"""FastStream's brokers, with the settings of `infra.kafka.clients`: for the topics of low volume that carry pydantic models.

What FastStream does otherwise than we need, and how it is dealt with here, stands in docs/decisions/0020.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.publisher.producer import AioKafkaFastProducerImpl
from faststream.kafka.subscriber.usecase import BatchSubscriber
from faststream.security import BaseSecurity, SASLOAuthBearer, SASLScram512
from pydantic import BaseModel

from infra.cancellation import is_own_cancellation
from infra.kafka.client_errors import in_our_words
from infra.kafka.clients import (
    Contact,
    abandon_producer,
    connection_options,
    group_options,
    producer_options,
    reading_options,
    stop_producer,
)
from infra.kafka.outgoing import partition_of
from infra.settings import KafkaSettings
from infra.tasks import in_background

log = structlog.get_logger()

MODEL_CONTENT_TYPE: Final = "application/json"
_BATCH: Final = 500
_LOOK_S: Final = 1.0
_STOP_LIMIT_S: Final = 5.0
_ABANDON_LIMIT_S: Final = 0.2
_GRACE_S: Final = 3.0
"""For a handler that runs when its broker stops; what it has not acknowledged comes again."""


_ending: set[asyncio.Task[None]] = set()
"""Producers that were abandoned, on their way out; held here, because the event loop keeps only weak references to tasks."""


class Renewed(Exception):
    """Ends the connection of a `LastingBroker` that is to connect anew."""


class ModelCodec:
    """Writes a pydantic model as JSON, without members that are None (docs/decisions/0016). Readers decode for themselves: a record that
    is no model of ours must not become an exception that FastStream swallows.
    """

    async def encode(self, msg: Any, serializer: object = None) -> tuple[bytes, str | None]:  # noqa: ARG002 - the signature is FastStream's
        """A model as the value of a record, and its content type."""
        assert isinstance(msg, BaseModel)  # noqa: S101 - what else is written is a mistake in the code
        return msg.model_dump_json(exclude_none=True).encode(), MODEL_CONTENT_TYPE

    async def decode(self, msg: Any) -> Any:
        """The value as it is."""
        return msg.body


class _Producer(AioKafkaFastProducerImpl):
    """FastStream's producer, of which nothing is left behind when it does not start, and which ends within a limit, whatever it holds."""

    __slots__ = ("abandoned", "client")

    client: AIOKafkaProducer | None
    abandoned: bool

    async def connect(self, producer: AIOKafkaProducer, serializer: Any, codec: Any = None) -> None:
        self.client, self.abandoned = None, False
        try:
            await super().connect(producer, serializer, codec)
        except BaseException:
            await producer.stop()
            raise
        self.client = producer

    async def disconnect(self) -> None:
        """FastStream would first send what waits, for as long as that takes."""
        if (producer := getattr(self, "client", None)) is not None:
            self.client = None
            if self.abandoned:  # it may wait for an answer that does not come, and nobody waits for it
                ending = asyncio.create_task(abandon_producer(producer))
                _ending.add(ending)
                ending.add_done_callback(_ending.discard)
                await asyncio.wait([ending], timeout=_ABANDON_LIMIT_S)
            else:
                await stop_producer(producer)
        await super().disconnect()


class LastingBroker(KafkaBroker):
    """A broker that connects in the background: `start` neither fails nor waits where Kafka is away, and what was lost is connected anew.
    FastStream's own starts once, and an app whose broker did not start goes on serving pages without it. With `reads_only` it has no producer.
    """

    def __init__(self, settings: KafkaSettings, client_id: str, *, reads_only: bool) -> None:
        super().__init__(**_options(settings, client_id, reads_only=reads_only))
        _replace_producer(self)
        self._settings = settings
        self.up = asyncio.Event()
        """Set while it is connected."""
        self._renewal = asyncio.Event()
        self._background: AsyncExitStack | None = None

    async def start(self) -> None:
        """Begin to connect; returns at once."""
        if self._background is None:
            self._background = AsyncExitStack()
            await self._background.enter_async_context(in_background(self._stay_connected))

    async def stop(self, exc_type: Any = None, exc_val: Any = None, exc_tb: Any = None) -> None:  # noqa: ARG002 - the signature is FastStream's
        """Let handlers that run come to an end, for some seconds, and disconnect. What they have not acknowledged comes again."""
        if self._background is not None:
            background, self._background = self._background, None
            await background.aclose()

    def renew(self) -> None:
        """Connect anew soon, without sending what still waits: a producer that failed once may fail for ever (aiokafka #1017). Returns at once."""
        producer = self.config.producer
        if isinstance(producer, _Producer):
            producer.abandoned = True
        self._renewal.set()

    def consumers(self) -> list[AIOKafkaConsumer]:
        """Those of its subscribers, while it is connected."""
        return [one.consumer for one in self.subscribers if isinstance(one, BatchSubscriber) and one.consumer is not None]

    async def _stay_connected(self) -> None:
        """Until something is wrong with the connection.

        Raises:
            CannotTell: kafka-unreachable, at the start or when no broker was to be had for long; kafka-failed.
            Renewed: somebody wanted it.
        """
        self._renewal.clear()
        try:
            async with in_our_words(self._settings):
                await super().start()
            self.up.set()
            contact = Contact(self._settings)
            while not self._renewal.is_set():
                await asyncio.sleep(_LOOK_S)
                for consumer in self.consumers():
                    contact.check(consumer)
            raise Renewed
        finally:
            self.up.clear()
            await self._disconnect()

    async def _disconnect(self) -> None:
        try:
            async with asyncio.timeout(_STOP_LIMIT_S):
                await super().stop()
        except BaseException as error:  # aiokafka may let out a cancellation of its own tasks
            if is_own_cancellation(error):
                raise
            log.warning("client_stop_incomplete", error=type(error).__name__)


@asynccontextmanager
async def connected(settings: KafkaSettings, client_id: str) -> AsyncIterator[KafkaBroker]:
    """A broker for a few records, without an app, for commands.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed.
    """
    broker = KafkaBroker(**_options(settings, client_id, reads_only=False))
    _replace_producer(broker)
    try:
        async with in_our_words(settings):
            await broker.start()
        yield broker
    finally:
        await broker.stop()


def subscribe(broker: LastingBroker, topic: str, group: str, settings: KafkaSettings) -> BatchSubscriber:
    """A subscriber whose handler is given batches of raw records, as the body of one message, and acknowledges them itself: `ack` commits
    where the client stands in all its partitions, which is behind the batch, because the next one is not asked for before the handler ends.
    A handler must not end before its batch is done with: the next acknowledgement would pass it.
    """
    subscriber: BatchSubscriber = broker.subscriber(
        topic,
        group_id=group,
        batch=True,
        max_records=_BATCH,
        ack_policy=AckPolicy.MANUAL,
        no_reply=True,
        parser=_without_headers,
        decoder=_raw,
        **reading_options(),
        **group_options(settings),
    )
    return subscriber


def follow(broker: LastingBroker, topic: str) -> BatchSubscriber:
    """As `subscribe`, for what concerns every process by itself, and only while it runs: without a group, from the end of the topic on each
    time that the broker is connected. What is written meanwhile is not heard.
    """
    subscriber: BatchSubscriber = broker.subscriber(
        topic,
        batch=True,
        max_records=_BATCH,
        ack_policy=AckPolicy.ACK_FIRST,  # there is no group, so nothing is committed
        no_reply=True,
        parser=_without_headers,
        decoder=_raw,
        isolation_level="read_committed",
        **(reading_options() | {"auto_offset_reset": "latest"}),
    )
    return subscriber


async def _without_headers(records: Sequence[Any], original: Any) -> KafkaMessage:
    """FastStream drops a record in silence whose headers are null or not UTF-8 (its #2458); no header decides anything here."""
    message: KafkaMessage = await original(tuple(replace(record, headers=()) for record in records))
    return message


async def _raw(message: KafkaMessage) -> Any:
    return message.raw_message


def _options(settings: KafkaSettings, client_id: str, *, reads_only: bool) -> dict[str, Any]:
    return {
        **_connection_options(settings),
        **producer_options(),
        "client_id": client_id,
        "consumer_only": reads_only,
        "codec": None if reads_only else ModelCodec(),
        "partitioner": _partition,
        "allow_auto_create_topics": False,
        "graceful_timeout": _GRACE_S,
        "id_generator": str,  # no `correlation_id`: headers are a closed list
        "logger": None,  # it would log texts of exceptions, which quote values
    }


def _connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """As for other clients. FastStream takes what keeps strangers out as an object of its own, and knows no mechanism by name."""
    options = connection_options(settings)
    tls = {"use_ssl": settings.is_encrypted, "ssl_context": options.pop("ssl_context", None)}
    del options["security_protocol"]
    mechanism, user, password = (options.pop(name, None) for name in ("sasl_mechanism", "sasl_plain_username", "sasl_plain_password"))
    if mechanism is None:
        return options | {"security": BaseSecurity(**tls)}
    oauth = "sasl_oauth_token_provider" in options
    return options | {"security": SASLOAuthBearer(**tls) if oauth else SASLScram512(user, password, **tls)}


def _replace_producer(broker: KafkaBroker) -> None:
    broker.config.broker_config.producer = _Producer(parser=None, decoder=None)


def _partition(key: bytes | None, partitions: list[int], _: list[int]) -> int:
    """As `Sender` does: what a key leads to does not change when partitions are added."""
    return partitions[partition_of(key) % len(partitions)]
