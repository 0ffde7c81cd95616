"""What is seen of a group from outside: what waits, what cannot be read yet, what is gone."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from infra.kafka.clients import connection_options, outside
from infra.kafka.cluster import TopicState, topics_of
from infra.kafka.group_offsets import GroupOffsets, look
from infra.kafka.outgoing import Outgoing
from infra.settings import KafkaSettings
from schemas.errors import CannotTell
from tests.kafka.helpers import fill, new_topic


async def seen(kafka: KafkaSettings, topic: str) -> tuple[GroupOffsets, TopicPartition]:
    """The topic's own group at its partition 0."""
    first = TopicPartition(topic, 0)
    async with asyncio.timeout(30):
        while True:
            try:
                return await look(kafka, topic, [first, TopicPartition(topic, 1)]), first
            except CannotTell:  # the very first question makes Kafka create the topic of the offsets
                await asyncio.sleep(0.2)


async def told(consumer: AIOKafkaConsumer, topic: str, *, there: bool) -> dict[str, TopicState]:
    """What Kafka tells of this topic, and of one that never is there, when all its parts have heard of the change."""
    async with asyncio.timeout(30):
        while (topic in (found := await topics_of(consumer._client, [topic, "no.such.topic"]))) is not there:
            await asyncio.sleep(0.1)
    return found


async def test_what_waits_behind_an_open_transaction_waits(kafka: KafkaSettings) -> None:
    """While somebody's transaction is open, all records count as waiting, and it is known that they cannot be read."""
    topic = await new_topic(kafka)
    producer = AIOKafkaProducer(**connection_options(kafka), transactional_id=topic)
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait(topic, b"x", key=b"k", partition=0)
        await fill(kafka, [Outgoing(topic, b"k", b"1", partition=0), Outgoing(topic, b"k", b"2", partition=1)])
        group, first = await seen(kafka, topic)
        assert (group.readable[first], group.end[first], group.held_back(first)) == (0, 2, True)
        assert not group.held_back(TopicPartition(topic, 1))
    await producer.stop()
    group, first = await seen(kafka, topic)
    assert (group.readable[first], group.end[first], group.held_back(first)) == (3, 3, False)


async def test_what_was_deleted_before_anybody_came_is_counted(kafka: KafkaSettings) -> None:
    """Records that are gone before a group has ever committed are lost, as are those that it had not passed; a new topic has lost none."""
    topic = await new_topic(kafka)
    await fill(kafka, [Outgoing(topic, b"k", b"x", partition=0)] * 5)
    admin = AIOKafkaAdminClient(**connection_options(kafka))
    await admin.start()
    group, first = await seen(kafka, topic)
    assert group.expired(first) == 0
    await admin.delete_records({first: RecordsToDelete(3)})
    await admin.close()
    group, first = await seen(kafka, topic)
    assert (group.committed[first], group.expired(first), group.expired(TopicPartition(topic, 1))) == (None, 3, 0)


async def test_topic_that_is_made_anew_has_another_id(kafka: KafkaSettings) -> None:
    """Under one name two topics are told apart; one that is not there is not in the answer."""
    topic = await new_topic(kafka)
    admin = AIOKafkaAdminClient(**connection_options(kafka))
    await admin.start()
    async with outside(kafka, "test") as consumer:
        before = await told(consumer, topic, there=True)
        await admin.delete_topics([topic])
        await told(consumer, topic, there=False)
        await new_topic(kafka, name=topic)
        after = await told(consumer, topic, there=True)
    await admin.close()
    assert (list(before), list(before[topic].partitions)) == ([topic], [0, 1, 2])
    assert before[topic].id is not None
    assert after[topic].id not in (None, before[topic].id)
