"""The engine on a real Kafka: each case in order, many at a time; what stands or is full holds up nothing else."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka import codec as codecs

from infra.kafka import polling
from infra.kafka.clients import connection_options
from infra.kafka.outgoing import Outgoing
from infra.settings import KafkaSettings
from tests.kafka.helpers import committed, eventually, fill, new_topic
from tests.kafka.noting_handler import NotingHandler, engine_of, records, running


async def test_every_record_arrives_in_the_order_of_its_case(kafka: KafkaSettings) -> None:
    """With failures and delays at random, each case is delivered whole, in order, each record once."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 2_000))
    office = NotingHandler(fail_share=0.1, delay_s=0.01)
    async with running(engine_of(kafka, topic, office)):
        await eventually(lambda: office.got == 2_000)
    assert office.disordered == {}
    assert sum((await committed(kafka, topic, topic)).values()) == 2_000
    assert office.behind_it == 2_000


async def test_stuck_case_is_given_up_when_it_holds_back_too_much(kafka: KafkaSettings) -> None:
    """A delivery that does not end holds back so many finished records and no more; then its case is set aside, and all is committed."""
    kafka = kafka.model_copy(update={"rebalance_timeout_s": 6})
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 600))
    office = NotingHandler()
    office.stuck = {b"case-0"}
    async with running(engine_of(kafka, topic, office, gap_limit=100)) as (task,):
        await eventually(lambda: office.got == 600 - 15)
        await eventually(lambda: 0 in office.parked)
        assert not task.done()
    assert office.parked[0] == 0


async def test_few_that_wait_are_no_reason_to_give_up(kafka: KafkaSettings) -> None:
    """A stuck case leaves the offset at its record, while all other cases are delivered; a stop ends it, and it comes again."""
    kafka = kafka.model_copy(update={"rebalance_timeout_s": 6})
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 200))
    office = NotingHandler()
    office.stuck = {b"case-0"}
    async with running(engine_of(kafka, topic, office)):
        await eventually(lambda: office.got == 195)
        await eventually(lambda: office.under_way == 1)
    assert (office.parked, office.under_way) == ([], 0)
    assert 200 - sum((await committed(kafka, topic, topic)).values()) >= 5


async def test_memory_is_bounded_while_an_office_is_away(kafka: KafkaSettings) -> None:
    """While nothing gets through, reading pauses at the limit, the member stays in its group, and then everything is delivered once."""
    kafka = kafka.model_copy(update={"rebalance_timeout_s": 6})
    topic = await new_topic(kafka)
    await fill(kafka, [Outgoing(topic, str(number).encode(), str(number).encode()) for number in range(5_000)])
    office = NotingHandler(delay_s=0.5)
    office.stuck = {str(number).encode() for number in range(5_000)}
    engine = engine_of(kafka, topic, office, max_concurrency=50, in_flight=1_000)
    async with running(engine):
        await eventually(lambda: engine.core.in_flight >= 900)
        await asyncio.sleep(2)  # longer than it waits before it pauses the partitions
        assert engine.core.in_flight < 1_000 + 3 * 500
        assert engine.progress.check() is None


async def test_office_that_is_away_gets_everything_later(kafka: KafkaSettings) -> None:
    """While the office is away nothing is delivered and nothing committed; when it is back, everything goes, once and in order."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 1_000))
    office = NotingHandler()
    office.away = True
    engine = engine_of(kafka, topic, office)
    async with running(engine):
        await eventually(lambda: bool(engine.core.partitions))
        await asyncio.sleep(2)
        assert (office.calls, await committed(kafka, topic, topic)) == (0, {})
        office.away = False
        await eventually(lambda: office.got == 1_000)
    assert (office.calls, office.disordered) == (1_000, {})


async def test_strange_headers_are_no_obstacle(kafka: KafkaSettings) -> None:
    """Records with binary, null and repeated headers reach the handler unchanged, a null value does not stop the others."""
    topic = await new_topic(kafka)
    strange = [("a", b"\xff\x00"), ("b", None), ("a", b"again")]
    async with AIOKafkaProducer(**connection_options(kafka), acks="all") as producer:
        await producer.send_and_wait(topic, b"1", key=b"key", headers=strange)
        await producer.send_and_wait(topic, b"2", key=None, headers=strange)
    office = NotingHandler()
    async with running(engine_of(kafka, topic, office)):
        await eventually(lambda: office.got == 2)
    assert [list(headers) for headers in office.headers] == [strange] * 2


async def test_hot_partition_does_not_starve_others(kafka: KafkaSettings) -> None:
    """With ten thousand records in one partition, the few of another are among the first to be delivered."""
    topic = await new_topic(kafka)
    hot = [Outgoing(topic, f"hot-{number}".encode(), str(number).encode(), partition=0) for number in range(10_000)]
    await fill(kafka, [*hot, *(Outgoing(topic, b"cold", str(number).encode(), partition=2) for number in range(5))])
    office = NotingHandler(delay_s=0.02)
    async with running(engine_of(kafka, topic, office, max_concurrency=50)):
        await eventually(lambda: len(office.cases[b"cold"]) == 5)
        assert office.got < 5_000


async def test_partition_that_cannot_be_read_stops_no_other(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one partition that the client cannot decode the others of the office are delivered; the bad one is named, and goes on when mended."""
    topic = await new_topic(kafka)
    async with AIOKafkaProducer(**connection_options(kafka), compression_type="zstd") as producer:
        await producer.send_and_wait(topic, b"0", key=b"bad", partition=1)
    monkeypatch.setattr(codecs, "has_zstd", lambda: False)
    monkeypatch.setattr(polling, "_FIRST_PAUSE_S", 1.0)
    office = NotingHandler()
    engine = engine_of(kafka, topic, office)
    async with running(engine):
        await eventually(lambda: f"{topic}/1 cannot be read at offset 0" in (engine.check() or ""))
        await fill(kafka, [Outgoing(topic, b"good", str(number).encode(), partition=2 * (number % 2)) for number in range(20)])
        await eventually(lambda: len(office.cases[b"good"]) == 20)
        assert office.cases[b"bad"] == []
        monkeypatch.undo()
        await eventually(lambda: office.cases[b"bad"] == [0])
        await eventually(lambda: engine.check() is None)
