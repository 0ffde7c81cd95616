"""The watch keeps the last heartbeat of each instance and each action once, acknowledges what is stored, and passes over what is none of ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from aiokafka import TopicPartition
from faststream.kafka import TestKafkaBroker
from faststream.kafka.message import FakeConsumer
from structlog.testing import capture_logs

from consumers.watch.freshness import Freshness
from consumers.watch.hearing import Hearing
from consumers.watch.store import all_operations, last_heartbeats, open_store, put_heartbeats, put_operations
from consumers.watch.subscribers import add_subscribers
from infra import metrics, security_events
from infra.kafka.streams import LastingBroker, ModelCodec
from infra.settings import KafkaSettings, StoreSettings
from infra.stores import Store
from schemas import topics
from schemas.heartbeats import Heartbeat, ProcessKind
from schemas.operations import Operation, OperatorAction

AT = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)
OPERATION = Operation(at=AT, actor="op", action=OperatorAction.REPLAY, office="muenchen.meldewesen", count=3)


def heartbeat(instance: str = "audit@host:8082", **more: Any) -> Heartbeat:
    """One of an audit process."""
    return Heartbeat.model_validate(
        {"at": AT, "instance": instance, "process": ProcessKind.AUDIT, "version": "0.1.0", "started_at": AT} | more
    )


def record(offset: int, written_ms: int = AT_MS, partition: int = 0) -> Any:
    """Where a record stands."""
    return SimpleNamespace(topic="t", partition=partition, offset=offset, timestamp=written_ms)


@pytest.fixture
def store(store_settings: StoreSettings) -> Iterator[Store]:
    """An empty store of the watch."""
    opened = open_store(store_settings)
    yield opened
    opened.close()


def last(store: Store) -> dict[str, str]:
    """By instance the version that the last heartbeat names."""
    return {one.heartbeat.instance: one.heartbeat.version for one in store.read_now(last_heartbeats)}


# --- the store


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (record(5), record(6, AT_MS + 1), "second"),
        (record(5), record(6), "second"),
        (record(5), record(5), "first"),
        (record(5), record(4, AT_MS - 1), "first"),
        (record(5), record(0, AT_MS + 1), "second"),
        (record(5), record(0, AT_MS + 1, partition=2), "second"),
    ],
    ids=["later", "later in the same ms", "repeated", "earlier", "topic made anew", "another partition"],
)
async def test_last_heartbeat_by_the_log(store: Store, first: Any, second: Any, kept: str) -> None:
    """What stands later in the log is kept, also where the topic was made anew; what comes again changes nothing."""
    await store.write(lambda connection: put_heartbeats(connection, [(first, heartbeat(version="first"))]))
    await store.write(lambda connection: put_heartbeats(connection, [(second, heartbeat(version="second"))]))
    assert last(store) == {"audit@host:8082": kept}


async def test_operation_is_kept_once(store: Store) -> None:
    """A record that comes again adds nothing; one at the same offset of a topic that was made anew does."""
    for at in (record(0), record(1), record(0), record(0, AT_MS + 60_000)):
        await store.write(partial(put_operations, noted=[(at, OPERATION)]))
    noted = store.read_now(all_operations)
    assert [(one.operation, one.written_at.second, one.written_at.minute) for one in noted] == [
        (OPERATION, 0, 30),
        (OPERATION, 0, 30),
        (OPERATION, 0, 31),
    ]


# --- the handlers


@dataclass
class Bus:
    """The watch's handlers in FastStream's test broker."""

    store: Store
    freshness: Freshness = field(default_factory=lambda: Freshness([]))
    broker: LastingBroker = field(default_factory=lambda: LastingBroker(KafkaSettings(bootstrap="127.0.0.1:1"), "test", reads_only=True))
    acknowledged: list[int] = field(default_factory=list)
    """How many heartbeats and operations were stored, at each acknowledgement."""

    async def publish(self, value: bytes, topic: str = topics.HEARTBEATS, key: bytes = b"audit@host:8082", **more: Any) -> None:
        """A record with this value."""
        await self.broker.publish(value, topic=topic, key=key, **more)

    async def commit(self) -> None:
        """What an acknowledgement does."""
        heard, noted = self.store.read_now(last_heartbeats), self.store.read_now(all_operations)
        self.acknowledged.append(len(heard) + len(noted))


@pytest_asyncio.fixture
async def bus(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bus]:
    """The handlers, with a store of their own."""
    made = Bus(store)
    add_subscribers(made.broker, KafkaSettings(), store, made.freshness, Hearing({}))
    monkeypatch.setattr(FakeConsumer, "commit", lambda _: made.commit())
    async with TestKafkaBroker(made.broker):
        yield made


async def value_of(model: Any) -> bytes:
    """As a publisher writes it."""
    return (await ModelCodec().encode(model))[0]


def left_out(topic: str) -> float:
    """How many records were passed over."""
    return float(metrics.LEFT_OUT.labels(topics.GROUP_WATCH, topic)._value.get())


async def test_heartbeat_is_stored_then_acknowledged(bus: Bus) -> None:
    """The acknowledgement comes after the store has it."""
    await bus.publish(await value_of(heartbeat()))
    assert (last(bus.store), bus.acknowledged) == ({"audit@host:8082": "0.1.0"}, [1])


async def test_operation_is_stored_then_acknowledged(bus: Bus) -> None:
    """As a heartbeat."""
    await bus.publish(await value_of(OPERATION), topics.OPERATIONS, b"op")
    assert ([one.operation for one in bus.store.read_now(all_operations)], bus.acknowledged) == ([OPERATION], [1])


async def test_what_operators_do_is_a_security_event(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """The action is in the log, and neither who did it nor why: that is in the store."""
    monkeypatch.setattr(security_events, "_told", {})
    with capture_logs() as lines:
        await bus.publish(await value_of(OPERATION), topics.OPERATIONS, b"op")
    expected = {"what": "operator-acted", "code": "replay", "portal": "", "count": 1}
    assert lines == [{"event": "security", "log_level": "warning"} | expected]


@pytest.mark.parametrize("topic", [topics.HEARTBEATS, topics.OPERATIONS])
@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"5",
        b"\xff\x00",
        b"{}",
        b"[" * 100_000,
        json.dumps({"at": "x" * 1_000_000}).encode(),
        json.dumps({"findings": {"office": "\x00" * 1_000_000}}).encode(),
    ],
    ids=["empty", "number", "bytes", "object", "deep", "long", "NULs"],
)
async def test_poison_is_passed_over(bus: Bus, topic: str, value: bytes) -> None:
    """What is no model of ours is acknowledged and counted, and the next record is stored."""
    before = left_out(topic)
    await bus.publish(value, topic, b"x")
    await bus.publish(await value_of(heartbeat()))
    assert (left_out(topic) - before, bus.acknowledged, last(bus.store)) == (1, [0, 1], {"audit@host:8082": "0.1.0"})


async def test_only_the_instance_speaks_of_itself(bus: Bus) -> None:
    """A heartbeat under another key is passed over: nobody overwrites what an instance has said."""
    await bus.publish(await value_of(heartbeat()))
    await bus.publish(await value_of(heartbeat(version="9")), key=b"statistics@host:8083")
    assert last(bus.store) == {"audit@host:8082": "0.1.0"}


async def test_texts_of_any_letters_are_kept(bus: Bus) -> None:
    """A NUL in a finding is a letter like others, in each database."""
    await bus.publish(await value_of(heartbeat(findings={"store": "a\x00b" + "ä" * 900})))
    (heard,) = bus.store.read_now(last_heartbeats)
    assert heard.heartbeat.findings == {"store": "a\x00b" + "ä" * 900}


async def test_nothing_is_acknowledged_before_the_store_has_it(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store fails the record is tried again, and the watch says that it is behind."""
    monkeypatch.setattr("consumers.watch.subscribers._STORE_PAUSE_S", 0.01)
    write, failures = bus.store.write, 3

    async def failing(operation: Any) -> Any:
        nonlocal failures
        assert bus.acknowledged == []
        if failures := failures - 1:
            raise sa.exc.OperationalError("x", None, Exception())
        return await write(operation)

    monkeypatch.setattr(bus.store, "write", failing)
    await bus.publish(await value_of(heartbeat()))
    assert (bus.acknowledged, last(bus.store)) == ([1], {"audit@host:8082": "0.1.0"})


async def test_failed_acknowledgement_is_no_failure(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record comes again, and has no second effect."""

    async def fail(_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(FakeConsumer, "commit", fail)
    await bus.publish(await value_of(heartbeat()))
    assert last(bus.store) == {"audit@host:8082": "0.1.0"}


# --- whether it is of now


def test_since_when_it_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is once everything was read, stays so for moments behind, and is not any more when that lasts."""
    now_s = 1_000.0
    monkeypatch.setattr("consumers.watch.freshness.time.monotonic", lambda: now_s)
    freshness = Freshness([])
    assert (freshness.check(), freshness.fact()) == ("not everything has been read yet", None)
    freshness.note(current=True)
    since = freshness.fact()
    assert (freshness.check(), since is not None) == (None, True)
    now_s += 14
    freshness.note(current=False)
    assert (freshness.check(), freshness.fact()) == (None, since)
    now_s += 2
    freshness.note(current=False)
    assert (freshness.check(), freshness.fact()) == ("behind, or without an answer of Kafka, for 16 s", None)


async def test_batch_under_way_is_not_read(bus: Bus) -> None:
    """What is read and not stored is not up to date."""
    consumer: Any = SimpleNamespace(
        assignment=lambda: [TopicPartition("t", 0)],
        position=lambda _: asyncio.sleep(0, 5),
        highwater=lambda _: 5,
        last_poll_timestamp=lambda _: AT_MS,
    )
    freshness = Freshness(["t"])
    assert await freshness._is_current([consumer])
    assert freshness.vitals().partitions["t/0"].position == 5
    with freshness.busy():
        assert not await freshness._is_current([consumer])
    consumer.highwater = lambda _: 6
    assert not await freshness._is_current([consumer])
    assert not await Freshness(["t", "u"])._is_current([consumer])
