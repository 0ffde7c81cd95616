"""Offsets stored with the data: each record counts once, whatever is killed, moved or sent twice."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from infra import metrics
from infra.kafka.admin import connected
from infra.kafka.clients import Outgoing
from infra.kafka.stored_reader import StoredReader, Tables
from infra.kafka.unread import Unreadable
from infra.settings import KafkaSettings, StoreSettings
from infra.stores import Store
from schemas.errors import CannotTell
from tests.kafka.helpers import committed, eventually, fill, new_topic, settings_for

metadata = sa.MetaData()
tables = Tables.on(metadata)
counted = sa.Table("counted", metadata, sa.Column("number", sa.Integer), sa.Column("partition", sa.Integer))
"""No unique key on purpose: a record that counts twice shows."""


def decode(record: Any) -> dict[str, int]:
    """A number and where it came from."""
    try:
        return {"number": int(record.value), "partition": record.partition}
    except ValueError:
        raise Unreadable("not a number") from None


def apply(connection: sa.Connection, rows: Any) -> None:
    """Store the numbers."""
    if rows:
        connection.execute(counted.insert(), rows)


def reader(kafka: KafkaSettings, store: Store, topic: str) -> StoredReader[dict[str, int]]:
    """A reader of this topic."""
    return StoredReader(kafka, store, tables, group=topic, topics=[topic], decode=decode, apply=apply)


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


async def test_each_record_counts_once_across_restarts(kafka_bootstrap: str, tmp_path: Path) -> None:
    """A reader that is cut off at random moments and begun again counts every record exactly once."""
    kafka = settings_for(kafka_bootstrap)
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


async def test_each_record_counts_once_while_partitions_move(kafka_bootstrap: str, tmp_path: Path) -> None:
    """Two readers that come and go share the partitions without counting anything twice."""
    kafka = settings_for(kafka_bootstrap)
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


async def test_a_reader_that_was_overtaken_adds_nothing(kafka_bootstrap: str, tmp_path: Path) -> None:
    """A batch from a position that somebody else has passed is dropped whole, and reading goes on from the stored offset."""
    kafka = settings_for(kafka_bootstrap)
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, range(300)))
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    zombie = reader(kafka, store, topic)
    task = asyncio.create_task(zombie.run())
    await eventually(lambda: len(numbers(store)) == 300)
    for partition in list(zombie._next):
        zombie._next[partition] = 0  # it believes it has read nothing
    await fill(kafka, records(topic, range(300, 400)))
    await eventually(lambda: len(numbers(store)) >= 400)
    await stop(task)
    assert numbers(store) == list(range(400))
    store.close()


async def test_unreadable_records_are_noted_and_passed(kafka_bootstrap: str, tmp_path: Path) -> None:
    """A record that says nothing leaves a row with its place, and does not stop the others."""
    kafka = settings_for(kafka_bootstrap)
    topic = await new_topic(kafka)
    await fill(kafka, [Outgoing(topic, b"k", b"1"), Outgoing(topic, b"k", b"Maier"), Outgoing(topic, b"k", b"2")])
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    task = asyncio.create_task(reader(kafka, store, topic).run())
    await eventually(lambda: numbers(store) == [1, 2])
    await stop(task)
    noted = store.read_now(lambda connection: connection.execute(sa.select(tables.unreadable)).mappings().all())
    assert [(row["record_offset"], row["reason"]) for row in noted] == [(1, "not a number")]
    store.close()


async def test_unreadable_records_are_taken_up_after_an_upgrade(kafka_bootstrap: str, tmp_path: Path) -> None:
    """A version that can read what an earlier one could not stores it, once; what Kafka has deleted meanwhile is said to be gone."""
    kafka = settings_for(kafka_bootstrap)
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
        upgraded = StoredReader(kafka, store, tables, group=topic, topics=[topic], decode=newer, apply=apply)
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


async def test_the_store_wins_over_kafka(kafka_bootstrap: str, tmp_path: Path) -> None:
    """A new store reads from the first record, even where the group has committed: a rebuild gives the same numbers."""
    kafka = settings_for(kafka_bootstrap)
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
    kafka_bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the store fails at the moment of assignment, reading ends with that error instead of leaving partitions out."""
    kafka = settings_for(kafka_bootstrap)
    topic = await new_topic(kafka)
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    sick = reader(kafka, store, topic)

    def fail(*_: object) -> int:
        raise OSError("no space")

    monkeypatch.setattr(sick, "_stored_offset", fail)
    result = (await asyncio.gather(asyncio.wait_for(sick.run(), 30), return_exceptions=True))[0]
    assert (type(result), sick.check()) == (OSError, "no partition is assigned")
    store.close()


async def test_log_that_was_made_anew_is_noticed(kafka_bootstrap: str, tmp_path: Path) -> None:
    """A topic that ends before the stored offset is an error with its name, not a silence."""
    kafka = settings_for(kafka_bootstrap)
    topic = await new_topic(kafka)
    store = Store(StoreSettings(folder=tmp_path), "counts", metadata)
    row = {"consumer": topic, "topic": topic, "partition": 1, "next_offset": 1000}
    await store.write(lambda connection: connection.execute(tables.offsets.insert().values(row)))
    result = (await asyncio.gather(asyncio.wait_for(reader(kafka, store, topic).run(), 30), return_exceptions=True))[0]
    assert isinstance(result, CannotTell)
    assert (result.problem.code, result.where) == ("log-shortened", topic)
    store.close()
