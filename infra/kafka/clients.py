"""Builds, starts and ends consumers and producers, so that every setting that decides about loss stands here once.

The libraries' defaults lose data (auto-commit, `latest`, `acks=1`); the values here follow docs/decisions/0002.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaConnectionError, KafkaError

from infra.cancellation import is_own_cancellation
from infra.kafka.client_errors import in_our_words
from infra.kafka.diagnosis import unreachable, why_unreachable
from infra.kafka.login import login_options
from infra.settings import KafkaSettings
from schemas.topics import MIB

log = structlog.get_logger()

_STOP_TIMEOUT_S: Final = 3
"""For each client; a process has 30 s in all."""
_METADATA_AGE_MS: Final = 10_000
"""A topic that was deleted or made anew, and partitions that were added, are noticed after it; the library's five minutes are long."""
_NO_CONTACT_LIMIT_S: Final = 30
"""Longer than brokers take to elect leaders or a client to find them again."""
_LOOK_TIMEOUT_MS: Final = 10_000
"""A person waits for the answer; the library's 40 s are for processes."""


async def start_consumer(settings: KafkaSettings, group: str, client_id: str) -> AIOKafkaConsumer:
    """A member of a group that commits only what it is told. Where nothing is committed it begins at the earliest record: at a
    group's first start, and when its offsets have expired, so the caller compares with what its own store knows.

    Raises:
        CannotTell: kafka-unreachable.
        KafkaError: what else keeps the client from starting.
    """
    consumer = _consumer(settings, client_id, group, **group_options(settings))
    await _start(consumer, settings)
    return consumer


async def leave(consumer: AIOKafkaConsumer, group: str) -> None:
    """Leave the group and disconnect, within three seconds; raises nothing of Kafka's. A group that was not told notices after its
    session time-out that a member is gone.
    """
    try:
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await consumer.stop()
    except BaseException as error:  # aiokafka may let out a cancellation of its own tasks
        if is_own_cancellation(error):
            raise
        log.warning("group_not_left", group=group, error=type(error).__name__)


@asynccontextmanager
async def outside(
    settings: KafkaSettings, client_id: str, group: str | None = None, *, uncommitted: bool = False
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that joins no group: it looks at topics, or commits for `group` while that has no members. With `uncommitted`, ends
    and times are asked for past an open transaction; without it, only what can be read counts. Kafka's errors within come out as
    those of `in_our_words`.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed.
        CommitFailedError: of a commit within; the group has members.
    """
    isolation = "read_uncommitted" if uncommitted else "read_committed"
    consumer = _consumer(settings, client_id, group, isolation_level=isolation, request_timeout_ms=_LOOK_TIMEOUT_MS)
    try:
        async with in_our_words(settings):
            await consumer.start()
            yield consumer
    finally:
        await consumer.stop()


def _consumer(settings: KafkaSettings, client_id: str, group: str | None, **more: Any) -> AIOKafkaConsumer:
    """What holds for whoever reads: nothing is committed by itself."""
    connection = connection_options(settings) | {"client_id": client_id, "group_id": group}
    return AIOKafkaConsumer(enable_auto_commit=False, **connection, **reading_options(), **more)


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """How each client finds and reaches the cluster and gets in; a topic that comes or goes is soon known.

    Raises:
        UsageError: settings-invalid, as `login_options`.
    """
    return {"bootstrap_servers": settings.bootstrap.split(","), "metadata_max_age_ms": _METADATA_AGE_MS, **login_options(settings)}


def reading_options() -> dict[str, Any]:
    """What holds for whoever reads: nothing is skipped."""
    return {"auto_offset_reset": "earliest", "max_partition_fetch_bytes": MIB, "fetch_max_bytes": 16 * MIB}


def group_options(settings: KafkaSettings) -> dict[str, Any]:
    """What holds for each member of a group."""
    return {
        "isolation_level": "read_committed",
        "session_timeout_ms": int(settings.session_timeout_s * 1000),
        "heartbeat_interval_ms": int(min(3.0, settings.session_timeout_s / 3) * 1000),
        "rebalance_timeout_ms": int(settings.rebalance_timeout_s * 1000),
        "max_poll_interval_ms": 300_000,
        "partition_assignment_strategy": (RangePartitionAssignor,),  # equal numbers of an office's topics go to the same member
    }


def producer_options() -> dict[str, Any]:
    """What holds for whoever writes: what is acknowledged is replicated, in order and once."""
    return {
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": 5,
        "max_batch_size": 256 * 1024,
        "request_timeout_ms": 30_000,
        "max_request_size": 2 * MIB,
    }


class Contact:
    """Notices that a consumer has had no connection to any broker for half a minute.

    Brokers may have come back under other addresses. aiokafka asks the bootstrap addresses only when it starts (KIP-899 is not in
    it), so whoever reads has to begin again with a new client.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._last_s = time.monotonic()

    def check(self, consumer: AIOKafkaConsumer) -> None:
        """To be called every few seconds; looks only at what the client knows of its connections.

        Raises:
            CannotTell: kafka-unreachable, after half a minute without a connection; the caller stops this consumer.
        """
        now_s = time.monotonic()
        if any(connection.connected() for connection in consumer._client._conns.values()):  # noqa: SLF001 - aiokafka is pinned
            self._last_s = now_s
        elif now_s - self._last_s > _NO_CONTACT_LIMIT_S:
            raise unreachable(self._settings)


async def start_producer(settings: KafkaSettings, client_id: str) -> AIOKafkaProducer:
    """An idempotent producer: what it acknowledges is replicated, in order and once.

    Raises:
        CannotTell: kafka-unreachable.
        KafkaError: the cluster does not let us write.
    """
    producer = AIOKafkaProducer(client_id=client_id, **connection_options(settings), **producer_options())
    await _start(producer, settings)
    return producer


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Send what waits in it, for a limited time, and disconnect; raises nothing of Kafka's."""
    try:
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await producer.stop()
    except (KafkaError, TimeoutError):
        log.warning("client_stop_incomplete")
        await producer.client.close()


async def abandon_producer(producer: AIOKafkaProducer) -> None:
    """End a producer without sending what it still holds: another one sends that again, and it must not come once more later.

    Its own `stop` would first send everything, for which there is no time limit; so its sending task ends before (aiokafka is pinned).
    """
    producer._sender.sender_task.cancel()  # noqa: SLF001
    await stop_producer(producer)


async def _start(client: Any, settings: KafkaSettings) -> None:
    """Connect a consumer or producer; one that does not connect is closed again."""
    try:
        await client.start()
    except (KafkaConnectionError, ValueError):  # a ValueError comes from SCRAM, where the broker cannot show that it knows the password
        await client.stop()
        raise await why_unreachable(settings) from None
    except BaseException:
        await client.stop()
        raise
