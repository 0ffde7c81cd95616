"""The engine on a real Kafka when offsets, logs or the ledger are not what they were: nothing is skipped in silence."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from consumers.engine.starts import LedgerPosition
from infra import metrics
from infra.kafka.admin import count_records, create_topics
from infra.kafka.clients import connection_options, outside
from infra.kafka.group_offsets import look
from infra.kafka.outgoing import Outgoing
from infra.settings import KafkaSettings
from schemas import topics
from schemas.errors import CannotTell, CaseNotReady, UsageError
from tests.delivery_model import Office as BackOffice
from tests.kafka.helpers import committed, eventually, fill, new_topic
from tests.kafka.live_office import LiveOffice
from tests.kafka.noting_handler import NotingHandler, end_of, engine_of, records, running


async def test_commits_that_are_gone_are_noticed(kafka: KafkaSettings) -> None:
    """When Kafka has forgotten the group's offsets although something was committed, the engine ends with an error that says so."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 10))
    office = NotingHandler()
    office.known[TopicPartition(topic, 0)] = LedgerPosition(3)
    error = await end_of(engine_of(kafka, topic, office))
    assert isinstance(error, CannotTell)
    assert (error.problem.code, error.where, office.calls) == ("offsets-lost", topic, 0)


async def test_topic_that_was_made_anew_is_noticed(kafka: KafkaSettings) -> None:
    """Another topic under the same name is an error that says so, also where it holds more than was read of the old one."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 30))
    office = NotingHandler()
    engine = engine_of(kafka, topic, office)
    async with running(engine):
        await eventually(lambda: office.got == 30)
        assert engine.check() is None
    await delete_topic(kafka, topic)
    await created_again(kafka, topic)
    await fill(kafka, records(topic, 60))
    error = await end_of(engine)
    assert isinstance(error, CannotTell)
    assert (error.problem.code, error.where, office.got) == ("topic-replaced", topic, 30)
    assert (engine.check() or "").startswith("topic-replaced: partition")  # held until there is work again


async def test_topic_that_is_made_anew_while_it_is_read_is_noticed(kafka: KafkaSettings) -> None:
    """While a topic is not there its name is told; when another one has its place, the engine ends with an error that says so."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 30))
    office = NotingHandler()
    engine = engine_of(kafka, topic, office)
    ended = asyncio.create_task(end_of(engine, 60))
    await eventually(lambda: office.got == 30)
    await delete_topic(kafka, topic)
    await eventually(lambda: engine.check() == f"topics-missing: {topic}", 20)
    await created_again(kafka, topic)
    await fill(kafka, records(topic, 60))
    error = await ended
    assert isinstance(error, CannotTell | UsageError)
    if error.problem.code == "topics-missing":  # partitions moved right between the two
        error = await end_of(engine)
    assert isinstance(error, CannotTell)
    assert (error.problem.code, error.where) == ("topic-replaced", topic)


async def delete_topic(kafka: KafkaSettings, topic: str) -> None:
    """As an operator does it."""
    admin = AIOKafkaAdminClient(**connection_options(kafka))
    await admin.start()
    await admin.delete_topics([topic])
    await admin.close()


async def created_again(kafka: KafkaSettings, topic: str) -> None:
    """A topic of this name, as soon as the old one is gone."""
    async with asyncio.timeout(30):
        while True:
            with suppress(Exception):
                await create_topics(kafka, [topics.Topic(topic, "case", "test", 3_600_000)])
                if await count_records(kafka, [topic]) == 0:
                    return
            await asyncio.sleep(0.2)


async def test_group_that_was_set_forward_skips_nothing(make_office: Callable[[BackOffice], LiveOffice]) -> None:
    """After a stopped group was set to the latest, in both topics, what waits is looked for and delivered once, with an alarm."""
    one = make_office(BackOffice(before=[CaseNotReady("x")]))
    await one.create()
    await one.submit(10, cases=10)
    async with one.process(first_backoff_s=600):
        await eventually(lambda: len(one.office.effects) == 9)
    await one.submit(10, cases=10)
    assert await set_to_latest(one.kafka, one.name, one.topics) == 21
    passed_over = sum(metrics.OFFSETS_MOVED.labels(topic)._value.get() for topic in one.topics)
    async with one.process():
        await eventually(lambda: one.complete)
    one.check()
    assert one.office.calls.count("find") == 11
    assert sum(metrics.OFFSETS_MOVED.labels(topic)._value.get() for topic in one.topics) - passed_over == 11


@pytest.mark.parametrize("gone", [False, True], ids=["older", "gone"])
async def test_ledger_that_is_older_than_kafka_delivers_nothing_twice(
    make_office: Callable[[BackOffice], LiveOffice], tmp_path: Path, gone: bool
) -> None:
    """After the ledger was restored from an older copy, or is gone, what it does not know is looked for, and has one effect."""
    one = make_office(BackOffice())
    await one.create()
    for _ in range(2):
        await one.submit(10)
        async with one.process():
            await eventually(lambda: one.complete)
        if len(one.sent) == 10:
            copy_ledger(tmp_path, tmp_path / "copy")
    drop_ledger(tmp_path)
    if not gone:
        copy_ledger(tmp_path / "copy", tmp_path)
    await one.submit(5, cases=5)
    async with one.process():
        await eventually(lambda: one.complete)
        await committed_through(one)
    one.check()
    assert one.office.calls.count("find") == (25 if gone else 15)


def copy_ledger(source: Path, target: Path) -> None:
    """All files of the ledgers in a folder."""
    target.mkdir(exist_ok=True)
    for file in source.glob("ledger-*"):
        shutil.copy(file, target)


def drop_ledger(folder: Path) -> None:
    """As if its disk were lost."""
    for file in folder.glob("ledger-*"):
        file.unlink()


async def committed_through(one: LiveOffice) -> None:
    """Wait until the office has passed everything."""
    async with asyncio.timeout(30):
        while sum((await committed(one.kafka, one.name, one.topics[0])).values()) < len(one.sent):
            await asyncio.sleep(0.2)


async def set_to_latest(kafka: KafkaSettings, group: str, names: Sequence[str]) -> int:
    """What kafka-consumer-groups --reset-offsets --to-latest does; the sum of all offsets."""
    places = [TopicPartition(name, number) for name in names for number in range(3)]
    async with outside(kafka, "operator", group) as consumer:
        consumer.assign(places)
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
        await consumer.commit(ends)
    return sum(ends.values())


async def test_markers_of_transactions_are_no_loss(kafka: KafkaSettings) -> None:
    """What a transaction leaves in the log, committed or taken back, is passed and committed; nothing counts as expired."""
    topic = await new_topic(kafka)
    office = NotingHandler()
    expired = metrics.EXPIRED.labels(topic)._value.get()
    async with running(engine_of(kafka, topic, office)):
        await fill(kafka, [Outgoing(topic, b"a", b"1", partition=0)])
        await transaction(kafka, topic, [b"2"])
        await transaction(kafka, topic, [b"3"], abort=True)
        await fill(kafka, [Outgoing(topic, b"a", b"4", partition=0)])
        await transaction(kafka, topic, [b"5"])
        await eventually(lambda: office.cases[b"a"] == [1, 2, 4, 5])
        async with asyncio.timeout(10):
            while await committed(kafka, topic, topic) != {0: 8}:
                await asyncio.sleep(0.2)
    assert metrics.EXPIRED.labels(topic)._value.get() == expired


async def transaction(kafka: KafkaSettings, topic: str, values: Sequence[bytes], *, abort: bool = False) -> None:
    """Records of case a, and a marker behind them."""
    async with AIOKafkaProducer(**connection_options(kafka), transactional_id=topic) as producer:
        with suppress(ZeroDivisionError):
            async with producer.transaction():
                for value in values:
                    await producer.send_and_wait(topic, value, key=b"a", partition=0)
                if abort:
                    raise ZeroDivisionError


async def test_what_was_deleted_before_the_first_start_is_counted(kafka: KafkaSettings) -> None:
    """Records that were gone before a new office ever came are counted once and said, and stay visible from outside, also after a restart."""
    topic = await new_topic(kafka)
    await fill(kafka, [Outgoing(topic, b"a", str(number).encode(), partition=0) for number in range(9)])
    await delete_before(kafka, topic, 6)
    office = NotingHandler()
    for _ in range(2):
        engine = engine_of(kafka, topic, office)
        async with running(engine):
            await eventually(lambda: office.got == 3 and (engine.notice() or "").startswith("6 records were gone"))  # noqa: B023
            async with asyncio.timeout(10):
                while await committed(kafka, topic, topic) != {0: 9}:
                    await asyncio.sleep(0.2)
    group = await look(kafka, topic, [TopicPartition(topic, 0)])
    assert (group.expired(TopicPartition(topic, 0)), group.lost[TopicPartition(topic, 0)]) == (0, 6)
    assert metrics.EXPIRED.labels(topic)._value.get() == 6


async def test_records_that_expired_unread_are_counted(kafka: KafkaSettings) -> None:
    """Records that retention removed before anybody read them are counted and said; those that are left are delivered."""
    topic = await new_topic(kafka)
    office = NotingHandler()
    await fill(kafka, [Outgoing(topic, b"a", str(number).encode(), partition=0) for number in range(3)])
    async with running(engine_of(kafka, topic, office)):
        await eventually(lambda: office.got == 3)
    await fill(kafka, [Outgoing(topic, b"a", str(number).encode(), partition=0) for number in range(3, 20)])
    await delete_before(kafka, topic, 13)
    async with running(engine_of(kafka, topic, office)):
        await eventually(lambda: 19 in office.cases[b"a"])
    assert office.cases[b"a"] == [*range(3), *range(13, 20)]
    assert metrics.EXPIRED.labels(topic)._value.get() == 10


async def delete_before(kafka: KafkaSettings, topic: str, offset: int) -> None:
    """What retention does, at once."""
    admin = AIOKafkaAdminClient(**connection_options(kafka))
    await admin.start()
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(offset)})
    await admin.close()
