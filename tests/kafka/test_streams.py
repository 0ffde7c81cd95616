"""FastStream's brokers on a real Kafka: what they acknowledge, what comes again, which records reach a handler, and a Kafka that is away."""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from faststream.kafka.annotations import KafkaMessage

from infra.health import Health
from infra.kafka import streams
from infra.kafka.admin import create_topics
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.heartbeats import Heartbeats, Identity
from infra.kafka.jars import java
from infra.kafka.local import LocalKafka
from infra.kafka.outgoing import Outgoing
from infra.kafka.reading import read_all
from infra.kafka.streams import LastingBroker, subscribe
from infra.settings import KafkaSettings
from schemas import heartbeats, topics
from schemas.errors import UsageError
from schemas.headers import RawHeaders
from schemas.heartbeats import ProcessKind
from tests import kafka_service
from tests.kafka.helpers import committed, eventually, fill, new_topic, settings_for

Handler = Callable[[KafkaMessage], Awaitable[None]]


@asynccontextmanager
async def reading(kafka: KafkaSettings, topic: str, group: str, handler: Handler) -> AsyncIterator[None]:
    """A member of a group, for as long as the block lasts."""
    broker = LastingBroker(kafka, group, reads_only=True)

    @subscribe(broker, topic, group, kafka)
    async def handle(message: KafkaMessage) -> None:
        await handler(message)

    await broker.start()
    try:
        yield
    finally:
        await broker.stop()


def some(topic: str, count: int) -> list[Outgoing]:
    """Records over all partitions."""
    return [Outgoing(topic, str(number).encode(), b"x", partition=number % 3) for number in range(count)]


async def test_any_headers_reach_the_handler(kafka: KafkaSettings) -> None:
    """Null and binary headers, repeated names, no value: each record is handed out and acknowledged."""
    group = f"g{uuid.uuid4().hex}"
    topic = await new_topic(kafka)
    strange: list[RawHeaders] = [[("x", None)], [("x", b"\xff\x00")], [("x", b"1"), ("x", b"2")], []]
    await fill(kafka, [Outgoing(topic, b"k", b"v", headers) for headers in strange])
    await fill(kafka, [Outgoing(topic, b"k", None)])
    got: list[ConsumerRecord] = []

    async def take(message: KafkaMessage) -> None:
        got.extend(message.raw_message)
        await message.ack()

    async with reading(kafka, topic, group, take):
        await eventually(lambda: len(got) == 5)
    assert [record.value for record in got] == [b"v"] * 4 + [None]
    assert sum((await committed(kafka, group, topic)).values()) == 5


async def test_what_is_not_acknowledged_comes_again(kafka: KafkaSettings) -> None:
    """A member that ends while its handler works leaves the batch to the next one."""
    group = f"g{uuid.uuid4().hex}"
    topic = await new_topic(kafka)
    await fill(kafka, some(topic, 6))
    first: set[tuple[int, int]] = set()
    second: set[tuple[int, int]] = set()

    async def hang(message: KafkaMessage) -> None:
        first.update((record.partition, record.offset) for record in message.raw_message)
        await asyncio.sleep(600)

    async def take(message: KafkaMessage) -> None:
        second.update((record.partition, record.offset) for record in message.raw_message)
        await message.ack()

    async with reading(kafka, topic, group, hang):
        await eventually(lambda: bool(first))
    assert await committed(kafka, group, topic) == {}
    async with reading(kafka, topic, group, take):
        await eventually(lambda: len(second) == 6)
    assert first <= second


async def test_acknowledgement_passes_nothing_that_is_not_handled(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a batch is under way, what is committed ends before it, in all partitions."""
    monkeypatch.setattr(streams, "_BATCH", 2)
    group = f"g{uuid.uuid4().hex}"
    topic = await new_topic(kafka)
    await fill(kafka, some(topic, 12))
    done: dict[int, int] = {}
    seen: list[tuple[dict[int, int], dict[int, int]]] = []

    async def take(message: KafkaMessage) -> None:
        seen.append((await committed(kafka, group, topic), dict(done)))
        for record in message.raw_message:
            done[record.partition] = record.offset + 1
        await message.ack()

    async with reading(kafka, topic, group, take):
        await eventually(lambda: sum(done.values()) == 12)
    assert len(seen) >= 6
    assert [at for at, handled in seen if at != handled] == []


async def test_kafka_that_comes_later_and_goes(tmp_path: Path) -> None:
    """A process that starts before Kafka is heard as soon as Kafka is there, and again after Kafka was killed."""
    try:
        java()
    except UsageError as error:
        pytest.skip(str(error))
    server = LocalKafka(tmp_path, port=kafka_service.free_port(1))
    kafka = settings_for(server.bootstrap)
    process = Heartbeats(kafka, Identity(ProcessKind.GATEWAY, 8080), Health())

    async def count() -> int:
        heard: list[ConsumerRecord] = []
        await read_all(kafka, [topics.HEARTBEATS], heard.append)
        return len([heartbeats.read(record.value or b"") for record in heard])

    async def more_than(number: int) -> int:
        async with asyncio.timeout(90):
            while (found := await count()) <= number:
                await asyncio.sleep(0.5)
        return found

    try:
        async with process.hosted():
            await asyncio.sleep(1)
            await asyncio.to_thread(server.start, outlive=False, say=print)
            await create_topics(kafka, topics.of_bus())
            before = await more_than(0)
            server.kill(0, signal.SIGKILL)
            await asyncio.sleep(2)
            await asyncio.to_thread(server.start_one, 0)
            await more_than(before + 1)
    finally:
        await asyncio.to_thread(server.stop)


async def test_kafka_that_hangs_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    """Where Kafka stops answering just before a process ends, the last heartbeat costs it a second, and the connection nothing."""
    try:
        java()
    except UsageError as error:
        pytest.skip(str(error))
    server = LocalKafka(tmp_path, port=kafka_service.free_port(1))
    kafka = settings_for(server.bootstrap)
    process = Heartbeats(kafka, Identity(ProcessKind.GATEWAY, 8080), Health())
    try:
        await asyncio.to_thread(server.start, outlive=False, say=print)
        await create_topics(kafka, topics.of_bus())
        async with process.hosted():
            async with asyncio.timeout(60):
                await process.broker.up.wait()
            await asyncio.sleep(1)
            server.kill(0, signal.SIGSTOP)
            began_s = time.monotonic()
        assert time.monotonic() - began_s < 2.5
    finally:
        server.kill(0, signal.SIGCONT)
        await asyncio.to_thread(server.stop)
