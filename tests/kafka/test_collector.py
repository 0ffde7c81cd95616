"""The collector on a real Kafka: what it finds of each consumer, and what is left when a broker is gone or none answers."""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from consumers.watch.collector import Collector
from consumers.watch.once import look_once
from consumers.watch.watched import Watched, all_watched
from infra.kafka.admin import create_topics
from infra.kafka.clients import connection_options
from infra.kafka.group_offsets import commit_of
from infra.kafka.local import LocalKafka
from infra.kafka.survey import surveying
from infra.settings import KafkaSettings
from schemas import topics
from schemas.catalogue.expected import Expected
from tests.kafka.helpers import settings_for

HOUR_MS = 3_600_000


async def new_offices(kafka: KafkaSettings, count: int) -> list[str]:
    """Offices of a city of their own, whose records may be as old as a test wants."""
    city = f"t{uuid.uuid4().hex[:8]}"
    offices = [f"{city}.office{number}" for number in range(count)]
    wanted = [topic for topic in topics.all_topics(offices) if not topic.name.startswith("stadtbus.")]
    await create_topics(kafka, [replace(topic, times="CreateTime") for topic in wanted])
    return offices


async def write(kafka: KafkaSettings, topic: str, ages_ms: Sequence[int], partition: int = 0) -> int:
    """Records of these ages, and the moment of now (ms)."""
    now_ms = int(time.time() * 1000)
    async with AIOKafkaProducer(**connection_options(kafka), acks="all") as producer:
        for age_ms in ages_ms:
            await producer.send_and_wait(topic, b"x", partition=partition, timestamp_ms=now_ms - age_ms)
    return now_ms


async def commit(kafka: KafkaSettings, group: str, topic: str, offset: int, lost: int = 0) -> None:
    """Commit as the group would."""
    async with AIOKafkaConsumer(**connection_options(kafka), group_id=group, enable_auto_commit=False) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.commit({TopicPartition(topic, 0): commit_of(offset, lost)})


def offices_only(offices: Sequence[str]) -> list[Watched]:
    """The offices, without those who record: their groups are every test's."""
    return [one for one in all_watched(offices, {}) if one.name in offices]


async def looked(kafka: KafkaSettings, offices: Sequence[str]) -> Collector:
    """What the first look finds that is answered in all: a broker hears of new topics a little later than who makes them."""
    async with surveying(kafka, "test") as survey, asyncio.timeout(30):
        while True:
            collector = Collector(offices_only(offices))
            await collector.look(survey)
            if not survey.faults:
                return collector
            await asyncio.sleep(0.1)


async def test_one_look_tells_lag_age_and_what_was_noted(kafka: KafkaSettings) -> None:
    """Of an office behind by two, the age of the first of them, all consumers dead, in the first look; of a new one nothing waits."""
    behind, new = await new_offices(kafka, 2)
    topic = topics.submissions(behind)
    now_ms = await write(kafka, topic, [5 * HOUR_MS, 3 * HOUR_MS, 1000])
    await commit(kafka, behind, topic, 1, lost=4)
    collector = await looked(kafka, [behind, new])
    seen = collector.partitions[behind][TopicPartition(topic, 0)]
    assert (seen.committed, seen.start, seen.end, seen.lag, seen.lost, seen.fresh, seen.fault) == (1, 0, 3, 2, 4, False, None)
    assert seen.oldest_at == datetime.fromtimestamp((now_ms - 3 * HOUR_MS) / 1000, UTC)
    assert seen.retention_s == 30 * 86_400
    assert {one.lag for one in collector.partitions[new].values()} == {0}
    assert {one.committed for one in collector.partitions[new].values()} == {None}
    assert (collector.groups[behind].state, collector.groups[new].state) == ("Empty", "Dead")
    assert collector.faults == {behind: (), new: ()}


async def test_a_missing_topic_is_named_and_hides_nothing(kafka: KafkaSettings) -> None:
    """An office without its dead letters is told so; the lag of its submissions is known all the same."""
    office = f"t{uuid.uuid4().hex[:8]}.office"
    await create_topics(kafka, topics.of_office(office)[:2])
    await write(kafka, topics.submissions(office), [0, 0])
    collector = await looked(kafka, [office])
    assert collector.faults[office] == (f"topic {office}.deadletters is missing",)
    assert sum(one.lag for one in collector.partitions[office].values()) == 2


async def test_an_open_transaction_is_seen(kafka: KafkaSettings) -> None:
    """A record of a foreign transaction waits and cannot be read: `readable` ends before it, as long as it is open."""
    (office,) = await new_offices(kafka, 1)
    topic = topics.submissions(office)
    producer = AIOKafkaProducer(**connection_options(kafka), transactional_id=uuid.uuid4().hex)
    await producer.start()
    await producer.begin_transaction()
    await producer.send_and_wait(topic, b"x", partition=0)
    during = (await looked(kafka, [office])).partitions[office][TopicPartition(topic, 0)]
    await producer.commit_transaction()
    await producer.stop()
    assert (during.readable, during.lag > 0) == (0, True)
    async with asyncio.timeout(20):  # the end of the transaction is a record too, written soon after the answer
        while (after := (await looked(kafka, [office])).partitions[office][TopicPartition(topic, 0)]).lag < 2:
            await asyncio.sleep(0.05)
    assert after.readable is None


async def test_a_broker_that_dies_takes_only_its_own_along(cluster: Callable[[], LocalKafka]) -> None:
    """What the two others lead keeps being asked; what the third led keeps its last values, is said to be old, and the broker is named."""
    local = await asyncio.to_thread(cluster)
    kafka = settings_for(local.bootstrap)
    offices = await new_offices(kafka, 4)
    for office in offices:
        await commit(kafka, office, topics.submissions(office), 0)
    collector = Collector(offices_only(offices))
    async with surveying(kafka, "test") as survey:
        while not collector.partitions or not all(one.fault is None for office in offices for one in collector.partitions[office].values()):
            await collector.look(survey)
        led = {one: survey.topics[one.topic][one.partition].leader for parts in collector.partitions.values() for one in parts}
        before = datetime.now(UTC)
        local.kill(2, signal.SIGKILL)
        await collector.look(survey)
        seen = {one: state for parts in collector.partitions.values() for one, state in parts.items()}
    living = [state for one, state in seen.items() if led[one] != 2 and state.fault is None]
    dead = [state for one, state in seen.items() if led[one] == 2]
    assert living, "partitions whose group has a living coordinator are known"
    assert all(state.as_of is not None and state.as_of > before for state in living)
    assert dead
    assert all(state.fault is not None and state.as_of is not None and state.as_of < before for state in dead)
    assert [number for number, broker in collector.brokers.items() if not broker.up] == [2]


async def test_a_look_without_kafka_says_why_and_keeps_what_was_known(kafka: KafkaSettings) -> None:
    """Where no broker answers, each consumer has a verdict all the same, nothing is raised, and the reason is on the page."""
    away = kafka.model_copy(
        update={"bootstrap": "127.0.0.1:1", "security_protocol": "PLAINTEXT", "user": None, "password_file": None, "ca_file": None}
    )
    seen, snapshot = await look_once(away, {"muenchen.gewerbe": Expected()})
    assert "kafka-unreachable" in snapshot.kafka_fault
    assert [one.name for one in snapshot.judgements] == [one.name for one in seen.consumers]
    assert {one.verdict.value for one in snapshot.judgements} == {"unknown"}
