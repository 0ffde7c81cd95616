"""Offsets stored with the data: each record counts once, whatever is killed, moved or sent twice."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka import codec as codecs
from aiokafka.admin import RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from infra import metrics
from infra.kafka import polling
from infra.kafka.admin import connected
from infra.kafka.clients import connection_options, outside
from infra.kafka.outgoing import Outgoing
from infra.kafka.sink import Sink, Tables, UnreadableRecord
from infra.kafka.stored_reader import StoredReader
from infra.settings import KafkaSettings, StoreSettings
from infra.stores import Store
from tests.kafka.helpers import committed, eventually, fill, new_topic

metadata = sa.MetaData()
tables = Tables.on(metadata)
counted = sa.Table("counted", metadata, sa.Column("number", sa.Integer), sa.Column("partition", sa.Integer))
"""No unique key on purpose: a record that counts twice shows."""


def decode(record: Any) -> dict[str, int]:
    """A number and where it came from."""
    try:
        return {"number": int(record.value), "partition": record.partition}
    except ValueError:
        raise UnreadableRecord("not a number") from None


def apply(connection: sa.Connection, rows: Any) -> None:
    """Store the numbers."""
    if rows:
        connection.execute(counted.insert(), rows)


def reader(kafka: KafkaSettings, store: Store, topic: str) -> StoredReader[dict[str, int]]:
    """A reader of this topic."""
    return StoredReader(kafka, store, Sink(tables, decode=decode, apply=apply), group=topic, topics=[topic])


def numbers(store: Store) -> list[int]:
    """What was counted."""
    return store.read_now(lambda connection: sorted(connection.execute(sa.select(counted.c.number)).scalars()))


async def stop(*tasks: asyncio.Task[None]) -> None:
    """End readers at once, wherever they are."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def records(topic: str, wanted: range) -> list[Outgoing]:
    """Numbered records over all partitions."""
    return [Outgoing(topic, str(number % 50).encode(), str(number).encode()) for number in wanted]


async def test_each_record_counts_once_across_restarts(kafka: KafkaSettings, tmp_path: Path) -> None:
    """A reader that is cut off at random moments and begun again counts every record exactly once."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, range(5_000)))
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    chance = random.Random(7)
    for _ in range(5):
        task = asyncio.create_task(reader(kafka, store, topic).run())
        await asyncio.sleep(chance.uniform(0.05, 0.6))
        await stop(task)
    last = asyncio.create_task(reader(kafka, store, topic).run())
    await eventually(lambda: len(numbers(store)) >= 5_000)
    await stop(last)
    assert numbers(store) == list(range(5_000))
    store.close()


async def test_each_record_counts_once_while_partitions_move(kafka: KafkaSettings, tmp_path: Path) -> None:
    """Two readers that come and go share the partitions without counting anything twice."""
    topic = await new_topic(kafka)
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    first = asyncio.create_task(reader(kafka, store, topic).run())
    for part in range(4):
        await fill(kafka, records(topic, range(part * 500, part * 500 + 500)))
        second = asyncio.create_task(reader(kafka, store, topic).run())
        await asyncio.sleep(0.5)
        await stop(second)
    await eventually(lambda: len(numbers(store)) >= 2_000)
    await stop(first)
    assert numbers(store) == list(range(2_000))
    store.close()


async def test_a_reader_that_was_overtaken_adds_nothing(kafka: KafkaSettings, tmp_path: Path) -> None:
    """A batch from a position that somebody else has passed is dropped whole, and reading goes on from the stored offset."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, range(300)))
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    zombie = reader(kafka, store, topic)
    task = asyncio.create_task(zombie.run())
    await eventually(lambda: len(numbers(store)) == 300)
    for partition in list(zombie._assignment.next):
        zombie._assignment.next[partition] = 0  # it believes it has read nothing
    await fill(kafka, records(topic, range(300, 400)))
    await eventually(lambda: len(numbers(store)) >= 400)
    await stop(task)
    assert numbers(store) == list(range(400))
    store.close()


async def test_unreadable_records_are_noted_and_passed(kafka: KafkaSettings, tmp_path: Path) -> None:
    """A record that says nothing leaves a row with its place, and does not stop the others."""
    topic = await new_topic(kafka)
    await fill(kafka, [Outgoing(topic, b"k", b"1"), Outgoing(topic, b"k", b"Maier"), Outgoing(topic, b"k", b"2")])
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    task = asyncio.create_task(reader(kafka, store, topic).run())
    await eventually(lambda: numbers(store) == [1, 2])
    await stop(task)
    noted = store.read_now(lambda connection: connection.execute(sa.select(tables.unreadable)).mappings().all())
    assert [(row["record_offset"], row["reason"]) for row in noted] == [(1, "not a number")]
    store.close()


async def test_unreadable_records_are_taken_up_after_an_upgrade(kafka: KafkaSettings, tmp_path: Path) -> None:
    """A version that can read what an earlier one could not stores it, once; what Kafka has deleted meanwhile is said to be gone."""
    topic = await new_topic(kafka)
    await fill(kafka, [Outgoing(topic, None, value, partition=0) for value in (b"gone", b"1", b"two", b"rubbish", b"4")])
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    task = asyncio.create_task(reader(kafka, store, topic).run())
    await eventually(lambda: numbers(store) == [1, 4])
    await stop(task)
    async with connected(kafka) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=2)})

    def newer(record: Any) -> dict[str, int]:
        return {"number": 2, "partition": 0} if record.value == b"two" else decode(record)

    for _ in range(2):
        upgraded = StoredReader(kafka, store, Sink(tables, decode=newer, apply=apply), group=topic, topics=[topic])
        task = asyncio.create_task(upgraded.run())
        await eventually(lambda: metrics.UNREADABLE.labels(topic)._value.get() == 1)
        await eventually(lambda: numbers(store) == [1, 2, 4])
        await stop(task)
    left = store.read_now(
        lambda connection: connection.execute(sa.select(tables.unreadable.c.record_offset, tables.unreadable.c.gone)).all()
    )
    assert [tuple(row) for row in left] == [(0, True), (3, None)]
    assert metrics.UNREADABLE_GONE.labels(topic)._value.get() == 1
    store.close()


async def test_the_store_wins_over_kafka(kafka: KafkaSettings, tmp_path: Path) -> None:
    """A new store reads from the first record, even where the group has committed: a rebuild gives the same numbers."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, range(200)))
    for name in ("first", "rebuilt"):
        store = Store(StoreSettings(folder=tmp_path), name, metadata)
        task = asyncio.create_task(reader(kafka, store, topic).run())
        await eventually(lambda store=store: len(numbers(store)) >= 200)  # type: ignore[misc]
        await asyncio.sleep(0.2)
        await stop(task)
        assert numbers(store) == list(range(200))
        store.close()
    assert sum((await committed(kafka, topic, topic)).values()) == 200


async def test_trouble_while_partitions_are_assigned_is_not_forgotten(
    kafka: KafkaSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the store fails at the moment of assignment, reading ends with that error instead of leaving partitions out."""
    topic = await new_topic(kafka)
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    sick = reader(kafka, store, topic)

    def fail(*_: object, **__: object) -> int:
        raise OSError("no space")

    monkeypatch.setattr(sick._assignment, "_resume_point", fail)
    result = (await asyncio.gather(asyncio.wait_for(sick.run(), 30), return_exceptions=True))[0]
    assert (type(result), sick.check()) == (OSError, "OSError")
    store.close()


async def test_log_that_is_shorter_is_read_from_its_first_record(kafka: KafkaSettings, tmp_path: Path) -> None:
    """A topic that ends before the stored offset is read anew and said so, instead of skipping what comes until the offset is reached."""
    topic = await new_topic(kafka)
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    row = {"consumer": topic, "topic": topic, "partition": 1, "next_offset": 1000}
    await store.write(lambda connection: connection.execute(tables.offsets.insert().values(row)))
    await fill(kafka, records(topic, range(100)))
    task = asyncio.create_task(reader(kafka, store, topic).run())
    await eventually(lambda: numbers(store) == list(range(100)))
    await stop(task)
    assert metrics.LOGS_REPLACED.labels(topic, topic)._value.get() == 1
    store.close()


@pytest.mark.parametrize("stopped", [True, False])
async def test_topic_that_was_made_anew_is_read_from_its_first_record(kafka: KafkaSettings, tmp_path: Path, stopped: bool) -> None:
    """All records of a topic that was made anew are stored, while stopped or live, also where it holds more than the old one did."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, range(60)))
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    recorder = reader(kafka, store, topic)
    task = asyncio.create_task(recorder.run())
    await eventually(lambda: len(numbers(store)) == 60)
    if stopped:
        await stop(task)
    async with connected(kafka) as admin:
        await admin.delete_topics([topic])
    if not stopped:
        await eventually(lambda: f"topics-missing: {topic}" in (recorder.check() or ""))
    await made_again(kafka, topic)
    await fill(kafka, records(topic, range(60, 260)))
    if stopped:
        task = asyncio.create_task(recorder.run())
    await eventually(lambda: len(numbers(store)) >= 260, 60)
    await asyncio.sleep(0.5)
    await stop(task)
    assert numbers(store) == list(range(260))
    store.close()


async def test_log_that_was_cut_off_and_has_grown_again_is_read_anew(kafka: KafkaSettings, tmp_path: Path) -> None:
    """When Kafka's commit is behind the store, and another record stands where the last one was read, nothing of the log is skipped."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, range(60)))
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    task = asyncio.create_task(reader(kafka, store, topic).run())
    await eventually(lambda: len(numbers(store)) == 60)
    await stop(task)
    of_partition_0 = (tables.offsets.c.topic == topic, tables.offsets.c.partition == 0)
    await store.write(lambda connection: connection.execute(tables.offsets.update().where(*of_partition_0).values(last_mark="1:2")))
    async with outside(kafka, "operator", topic) as consumer:
        places = [TopicPartition(topic, number) for number in range(3)]
        consumer.assign(places)
        await consumer.commit(dict.fromkeys(places, 1))
    before = store.read_now(lambda c: c.execute(sa.select(tables.offsets.c.next_offset).where(*of_partition_0)).scalar_one())
    task = asyncio.create_task(reader(kafka, store, topic).run())
    await eventually(lambda: len(numbers(store)) == 60 + before)  # this table counts what comes again
    await asyncio.sleep(0.5)
    await stop(task)
    assert (len(numbers(store)), set(numbers(store))) == (60 + before, set(range(60)))
    store.close()


async def made_again(kafka: KafkaSettings, topic: str) -> None:
    """A topic of this name, as soon as the old one is gone."""
    async with connected(kafka) as admin:
        while topic in await admin.list_topics():
            await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)
    await new_topic(kafka, name=topic)
    await asyncio.sleep(0.5)


async def test_reset_of_the_group_changes_nothing(kafka: KafkaSettings, tmp_path: Path) -> None:
    """What somebody commits for a reader's group, forward or back, is not believed: each record counts once."""
    topic = await new_topic(kafka)
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    for part in range(3):
        await fill(kafka, records(topic, range(part * 100, part * 100 + 100)))
        if part:
            async with outside(kafka, "operator", topic) as consumer:
                places = [TopicPartition(topic, number) for number in range(3)]
                consumer.assign(places)
                await consumer.commit(await consumer.end_offsets(places) if part == 1 else dict.fromkeys(places, 0))
        task = asyncio.create_task(reader(kafka, store, topic).run())
        await eventually(lambda part=part: len(numbers(store)) >= part * 100 + 100)  # type: ignore[misc]
        await stop(task)
    assert numbers(store) == list(range(300))
    store.close()


async def test_every_codec_of_kafka_is_read(kafka: KafkaSettings, tmp_path: Path) -> None:
    """Whatever a producer or a topic's setting compresses with is read."""
    names = []
    for number, codec in enumerate(["gzip", "snappy", "lz4", "zstd"]):
        names += [by_topic := await new_topic(kafka), by_producer := await new_topic(kafka)]
        async with connected(kafka) as admin:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, by_topic, configs={"compression.type": codec})])
        await fill(kafka, records(by_topic, range(number * 100, number * 100 + 50)))
        async with AIOKafkaProducer(**connection_options(kafka), compression_type=codec) as producer:
            for value in range(number * 100 + 50, number * 100 + 100):
                await producer.send(by_producer, str(value).encode(), partition=value % 3)
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    every = StoredReader(kafka, store, Sink(tables, decode=decode, apply=apply), group=names[0], topics=names)
    task = asyncio.create_task(every.run())
    await eventually(lambda: numbers(store) == list(range(400)))
    await stop(task)
    store.close()


async def test_partition_that_cannot_be_read_stops_no_other(kafka: KafkaSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one partition that the client cannot decode all others are stored; the bad one is named, and taken up again when it is mended."""
    topic, other = await new_topic(kafka), await new_topic(kafka)
    await fill(kafka, [Outgoing(topic, b"k", str(number).encode(), partition=1) for number in range(10)])
    async with AIOKafkaProducer(**connection_options(kafka), compression_type="zstd") as producer:
        await producer.send_and_wait(topic, b"10", partition=1)
    monkeypatch.setattr(codecs, "has_zstd", lambda: False)
    monkeypatch.setattr(polling, "_FIRST_PAUSE_S", 1.0)
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    recorder = StoredReader(kafka, store, Sink(tables, decode=decode, apply=apply), group=topic, topics=[topic, other])
    task = asyncio.create_task(recorder.run())
    await eventually(lambda: f"{topic}/1 cannot be read at offset 10" in (recorder.check() or ""))
    await fill(kafka, records(other, range(100, 200)))
    await fill(kafka, [Outgoing(topic, b"k", b"200", partition=0)])
    await eventually(lambda: numbers(store) == [*range(10), *range(100, 201)])
    assert "UnsupportedCodecError" in (recorder.check() or "")
    monkeypatch.undo()
    await eventually(lambda: numbers(store) == [*range(11), *range(100, 201)])
    await eventually(lambda: recorder.check() is None)
    await stop(task)
    store.close()


async def test_markers_of_transactions_are_passed(kafka: KafkaSettings, tmp_path: Path) -> None:
    """What transactions leave in the log is no loss, and is committed, so that a group that has read everything shows no lag."""
    topic = await new_topic(kafka)
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    task = asyncio.create_task(reader(kafka, store, topic).run())
    async with AIOKafkaProducer(**connection_options(kafka), transactional_id=topic) as producer:
        for number in range(2):
            async with producer.transaction():
                await producer.send_and_wait(topic, str(number).encode(), partition=0)
    await eventually(lambda: numbers(store) == [0, 1])
    async with asyncio.timeout(20):
        while await committed(kafka, topic, topic) != {0: 4}:
            await asyncio.sleep(0.2)
    await stop(task)
    assert metrics.MISSING.labels(topic, topic)._value.get() == 0
    store.close()
