"""Heartbeats say what a process does, in a closed model that readers may know less of, and disturb nothing."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError
from faststream.kafka import TestKafkaBroker
from faststream.kafka.publisher.producer import AioKafkaFastProducerImpl
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from infra import metrics
from infra.health import Health
from infra.kafka import heartbeats as publishing
from infra.kafka.heartbeats import Heartbeats, Identity
from infra.kafka.streams import ModelCodec
from infra.settings import KafkaSettings
from schemas import heartbeats, topics
from schemas.heartbeats import MOST_LETTERS, BreakerState, Heartbeat, PartitionProgress, ProcessKind, Vitals

OFFICE = "muenchen.meldewesen"
SINCE = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
FIRST = (
    '{"partitions":{"muenchen.meldewesen.submissions/0":{"position":12,"committed":10}},"lanes":[],"in_flight":2,'
    '"breaker":{"open":true,"since":"2026-03-01T08:30:00Z"},"at":"2026-03-01T08:31:00Z","instance":"muenchen.meldewesen@host:8084",'
    '"process":"adapter","office":"muenchen.meldewesen","version":"0.1.0","started_at":"2026-03-01T08:00:00Z","stopping":false,'
    '"findings":{"office":"the back office is down"}}'
)
"""As the first version wrote it."""
VITALS = Vitals(
    partitions={f"{OFFICE}.submissions/0": PartitionProgress(position=12, committed=10)},
    in_flight=2,
    breaker=BreakerState(open=True, since=SINCE),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
UNKNOWN = st.dictionaries(st.text().filter(lambda name: name not in Heartbeat.model_fields), JSON, max_size=3)


def beats(health: Health | None = None) -> Heartbeats:
    """Those of an adapter, to a Kafka that is not there."""
    identity = Identity(ProcessKind.ADAPTER, 8084, OFFICE, SINCE)
    return Heartbeats(KafkaSettings(bootstrap="127.0.0.1:1"), identity, health or Health(vitals=lambda: VITALS))


def dropped() -> float:
    """How many heartbeats of this process were not written."""
    return float(metrics.HEARTBEATS_DROPPED._value.get())


# --- the model


@given(more=UNKNOWN)
def test_heartbeat_of_a_newer_writer_is_read(more: dict[str, Any]) -> None:
    """Members that this version does not know change nothing of what it knows."""
    assert heartbeats.read(json.dumps(json.loads(FIRST) | more).encode()) == heartbeats.read(FIRST.encode())


def test_heartbeat_of_the_first_writer_is_read() -> None:
    """What was added since may be missing."""
    heartbeat = heartbeats.read(FIRST.encode())
    assert (heartbeat.process, heartbeat.office, heartbeat.in_flight, heartbeat.brake) == (ProcessKind.ADAPTER, OFFICE, 2, None)
    assert heartbeat.breaker == BreakerState(open=True, since=SINCE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"family_name": "x"},
        {"office": None},
        {"process": "audit"},
        {"process": "a-new-one"},
        {"instance": "with a space"},
        {"instance": "x" * 201},
        {"office": "muenchen.meldewesen\x00"},
        {"findings": {"office": "x" * (MOST_LETTERS + 1)}},
        {"in_flight": -1},
        {"partitions": {"no-place": {"position": 1}}},
    ],
    ids=str,
)
def test_heartbeat_writers_stay_strict(wrong: dict[str, Any]) -> None:
    """Nothing that is not in the model can be put into a heartbeat, and an adapter names its office while nobody else does."""
    with pytest.raises(ValidationError):
        Heartbeat.model_validate_json(json.dumps(json.loads(FIRST) | wrong))


# --- publishing


async def test_heartbeat_is_published_as_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every few seconds a record with the instance as its key says what the process does, and the last one that it stops."""
    monkeypatch.setattr(publishing, "INTERVAL_S", 0.01)
    sent: list[tuple[bytes | None, Heartbeat]] = []
    health = Health(ready={"office": lambda: "x" * 5_000}, degraded={"topics": lambda: None}, vitals=lambda: VITALS)
    one = beats(health)

    async def note(self: object, cmd: Any) -> None:
        assert cmd.headers_to_publish() == {}
        sent.append((cmd.key, heartbeats.read((await ModelCodec().encode(cmd.body))[0])))

    async with TestKafkaBroker(one.broker):
        monkeypatch.setattr(type(one.broker.config.producer), "publish", note)
        one.broker.up.set()
        async with asyncio.timeout(10), one.beating():
            while len(sent) < 3:
                await asyncio.sleep(0.01)
    said = [heartbeat for _, heartbeat in sent]
    assert {key for key, _ in sent} == {said[0].instance.encode()}
    assert [one.stopping for one in said[:2]] == [False, False]
    assert said[-1].stopping
    assert (said[0].office, said[0].partitions, said[0].breaker, said[0].started_at) == (OFFICE, VITALS.partitions, VITALS.breaker, SINCE)
    assert {name: len(text) for name, text in said[0].findings.items()} == {"office": MOST_LETTERS}


@pytest.mark.parametrize("error", [MessageSizeTooLargeError, KafkaConnectionError, ValueError, asyncio.CancelledError])
async def test_heartbeat_that_cannot_be_written_is_dropped(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong is counted and nothing is raised, also where the client lets out a cancellation of its own; the next one is tried."""
    monkeypatch.setattr(publishing, "INTERVAL_S", 0.01)
    one, before = beats(), dropped()

    async def fail(*_: object) -> None:
        raise error

    async with TestKafkaBroker(one.broker):
        monkeypatch.setattr(type(one.broker.config.producer), "publish", fail)
        one.broker.up.set()
        async with asyncio.timeout(10), one.beating():
            while dropped() < before + 3:
                await asyncio.sleep(0.01)


async def test_heartbeat_that_gets_no_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second one waits behind one that hangs, and the connection is made anew."""
    monkeypatch.setattr(publishing, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(publishing, "_LAST_PATIENCE_S", 0.05)
    one, before, under_way = beats(), dropped(), 0

    async def hang(*_: object) -> None:
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        try:
            await asyncio.sleep(60)
        finally:
            under_way -= 1

    async with TestKafkaBroker(one.broker):
        monkeypatch.setattr(type(one.broker.config.producer), "publish", hang)
        one.broker.up.set()
        async with asyncio.timeout(10), one.beating():
            while dropped() < before + 1:
                await asyncio.sleep(0.01)
    assert one.broker._renewal.is_set()


async def test_process_starts_and_ends_without_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no broker answers, nothing fails, nothing waits, and nothing is left behind."""
    made: list[Any] = []
    connect = AioKafkaFastProducerImpl.connect

    async def noted(self: Any, producer: Any, *more: Any) -> None:
        made.append(producer)
        await connect(self, producer, *more)

    monkeypatch.setattr(AioKafkaFastProducerImpl, "connect", noted)
    async with asyncio.timeout(5), beats().hosted():
        while not made:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
    assert [producer._closed for producer in made] == [True] * len(made)


def test_topic_is_compacted_by_instance() -> None:
    """The topic keeps the last heartbeat of each instance."""
    (topic,) = [one for one in topics.of_bus() if one.name == topics.HEARTBEATS]
    assert (topic.key, topic.cleanup) == ("instance", "compact")
