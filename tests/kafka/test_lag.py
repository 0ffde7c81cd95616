"""Lag on a real Kafka: how much waits, since when, and who is there, without reading a record."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from consumers.watch import lag
from infra.kafka.admin import create_topics
from infra.kafka.clients import connection_options
from infra.settings import KafkaSettings
from schemas import topics

HOUR_MS = 3_600_000


async def office_with(kafka: KafkaSettings, ages_ms: list[tuple[int, int]]) -> tuple[str, list[int]]:
    """A new office whose records (partition, age) are that old by their sender's clock; its name and the timestamps."""
    office = f"t{uuid.uuid4().hex[:8]}.office"
    await create_topics(kafka, [replace(topic, times="CreateTime", retention_ms=-1) for topic in topics.of_office(office)])
    now_ms = int(time.time() * 1000)
    async with AIOKafkaProducer(**connection_options(kafka), acks="all") as producer:
        for partition, age_ms in ages_ms:
            await producer.send_and_wait(topics.submissions(office), b"x", partition=partition, timestamp_ms=now_ms - age_ms)
    return office, [now_ms - age_ms for _, age_ms in ages_ms]


async def commit(kafka: KafkaSettings, office: str, offsets: dict[int, int]) -> None:
    """Commit as the office's group would."""
    consumer = AIOKafkaConsumer(**connection_options(kafka), group_id=office, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(topics.submissions(office), number) for number in offsets])
    await consumer.commit({TopicPartition(topics.submissions(office), number): offset for number, offset in offsets.items()})
    await consumer.stop()


def at(timestamp_ms: int) -> datetime:
    """A record's timestamp as a time."""
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC)


async def test_age_of_the_oldest_undelivered(kafka: KafkaSettings) -> None:
    """The age is that of the oldest record behind the committed offsets, exactly, over all partitions."""
    office, stamps = await office_with(kafka, [(0, 5 * HOUR_MS), (0, 2 * HOUR_MS), (0, 1000), (1, HOUR_MS), (1, 500)])
    await commit(kafka, office, {0: 1, 1: 1})
    (one,) = await lag.of_offices(kafka, [office])
    assert (one.behind, one.oldest_undelivered_at) == (3, at(stamps[1]))
    age_s = one.oldest_age_s(at(stamps[1]) + timedelta(seconds=90))
    assert age_s == 90


async def test_group_that_never_committed(kafka: KafkaSettings) -> None:
    """Without a commit everything waits, from the first record on, and nobody is there."""
    office, stamps = await office_with(kafka, [(2, 3 * HOUR_MS), (2, 1000)])
    (one,) = await lag.of_offices(kafka, [office])
    assert (one.behind, one.oldest_undelivered_at, one.members) == (2, at(stamps[0]), 0)


async def test_nothing_waits(kafka: KafkaSettings) -> None:
    """When all is delivered there is no lag and no age."""
    office, _ = await office_with(kafka, [(0, 1000)])
    await commit(kafka, office, {0: 1})
    (one,) = await lag.of_offices(kafka, [office])
    assert (one.behind, one.oldest_undelivered_at, one.oldest_age_s(datetime.now(UTC))) == (0, None, None)


async def test_members_are_counted(kafka: KafkaSettings) -> None:
    """A group with a working member says so."""
    office, _ = await office_with(kafka, [(0, 1000)])
    async with AIOKafkaConsumer(
        topics.submissions(office), **connection_options(kafka), group_id=office, enable_auto_commit=False
    ) as consumer:
        async with asyncio.timeout(20):
            while not consumer.assignment():
                await asyncio.sleep(0.05)
        (one,) = await lag.of_offices(kafka, [office])
    assert (one.group_state, one.members, one.behind) == ("Stable", 1, 1)


async def test_one_bad_topic_hides_nobody(kafka: KafkaSettings) -> None:
    """A topic that is missing is named with its office, soon; one with one partition is read as it is; the others' lag is there."""
    good, _ = await office_with(kafka, [(0, 1000)])
    narrow, missing = f"t{uuid.uuid4().hex[:8]}.narrow", f"t{uuid.uuid4().hex[:8]}.missing"
    await create_topics(kafka, [replace(topic, partitions=1) for topic in topics.of_office(narrow)])
    while not (await lag.of_offices(kafka, [narrow]))[0].offsets.end:  # type: ignore[union-attr] # until brokers know what was just created
        await asyncio.sleep(0.1)
    began = time.monotonic()
    lags = await lag.of_offices(kafka, [missing, narrow, good])
    assert time.monotonic() - began < 10
    assert [len(one.faults) for one in lags] == [3, 0, 0]
    assert [lags[0].faults[0], lags[0].faults[2]] == [f"topic {missing}.{kind} is missing" for kind in ("submissions", "deadletters")]
    assert lags[1].offsets is not None
    assert len(lags[1].offsets.end) == 2
    assert lags[2].behind == 1


async def test_age_where_times_do_not_rise(kafka: KafkaSettings) -> None:
    """The first in line counts, whatever clock its sender had: 40 days behind after one that was right."""
    office = f"t{uuid.uuid4().hex[:8]}.office"
    await create_topics(kafka, [replace(topic, times="CreateTime", retention_ms=-1) for topic in topics.of_office(office)])
    now_ms = int(time.time() * 1000)
    async with AIOKafkaProducer(**connection_options(kafka), acks="all") as producer:
        for age_ms in (9_000, 40 * 24 * HOUR_MS, 1_000):
            await producer.send_and_wait(topics.submissions(office), b"x", partition=0, timestamp_ms=now_ms - age_ms)
    await commit(kafka, office, {0: 1})
    (one,) = await lag.of_offices(kafka, [office])
    assert (one.behind, one.oldest_undelivered_at) == (2, at(now_ms - 40 * 24 * HOUR_MS))


async def test_open_transaction_is_named(kafka: KafkaSettings) -> None:
    """What waits behind an open transaction waits, and the transaction is named with its partition and since when."""
    office, _ = await office_with(kafka, [(0, 1000)])
    await commit(kafka, office, {0: 1})
    producer = AIOKafkaProducer(**connection_options(kafka), transactional_id=office, transaction_timeout_ms=60_000)
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(topics.submissions(office), b"x", partition=0)
        (one,) = await lag.of_offices(kafka, [office])
        await producer.abort_transaction()
    finally:
        await producer.stop()
    assert (one.behind, list(one.held_back)) == (1, [f"{topics.submissions(office)}/0"])
    assert one.held_back_since is not None
    assert one.held_back_since == one.oldest_undelivered_at


async def test_recorders_have_a_lag(kafka: KafkaSettings) -> None:
    """Audit, statistics and status feed are groups on many topics, and what they have not read is counted as an office's is."""
    office, _ = await office_with(kafka, [(0, 1000), (1, 1000)])
    await create_topics(kafka, topics.of_city(office.partition(".")[0]))
    read = {f"{office}-{group}": names for group, names in lag.read_by_recorders([office]).items()}
    lags = await lag.of_groups(kafka, read)
    assert [(one.group, one.behind, one.faults) for one in lags] == [
        (f"{office}-status", 0, []), (f"{office}-audit", 2, []), (f"{office}-statistics", 2, []),
    ]  # fmt: skip
