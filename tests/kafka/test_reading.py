"""Topics are read to their end, whatever stands there."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete

from infra.kafka.admin import connected
from infra.kafka.clients import connection_options
from infra.kafka.outgoing import Outgoing
from infra.kafka.reading import RecordFetcher, looking, read_all
from infra.settings import KafkaSettings
from tests.kafka.helpers import fill, new_topic


async def test_markers_of_transactions_at_the_end_are_passed(kafka: KafkaSettings) -> None:
    """A topic that ends with what a foreign transaction has left, committed or aborted, is read to its end, and all of it is counted."""
    topic = await new_topic(kafka)
    await fill(kafka, [Outgoing(topic, b"k", b"ours", partition=number) for number in range(2)])
    async with AIOKafkaProducer(**connection_options(kafka), transactional_id=topic) as producer:
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed", partition=0)
        for number in (1, 2):
            with suppress(ZeroDivisionError):
                async with producer.transaction():
                    await producer.send_and_wait(topic, b"aborted", partition=number)
                    raise ZeroDivisionError
    found: list[Any] = []
    heard: list[tuple[int, int]] = []
    await read_all(kafka, [topic], found.append, lambda read, total: heard.append((read, total)))
    assert sorted((record.partition, record.value) for record in found) == [(0, b"committed"), (0, b"ours"), (1, b"ours")]
    assert heard[-1] == (8, 8)


async def test_records_that_are_gone_are_left_out(kafka: KafkaSettings) -> None:
    """A record that was deleted meanwhile is left out, also where nothing stands behind it."""
    topic = await new_topic(kafka)
    await fill(kafka, [Outgoing(topic, b"k", str(number).encode(), partition=0) for number in range(4)])
    async with connected(kafka) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=2)})
    async with looking(kafka, [topic]) as consumer:
        assert [record.value for record in await RecordFetcher(kafka, consumer, topic).fetch(0, [0, 1, 2, 3])] == [b"2", b"3"]
    async with connected(kafka) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=4)})
    async with looking(kafka, [topic]) as consumer:
        assert await RecordFetcher(kafka, consumer, topic).fetch(0, [2, 3]) == []
