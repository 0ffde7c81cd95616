"""The engine on a real Kafka: what a fake broker cannot prove."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from typing import Any

from aiokafka import AIOKafkaProducer

from consumers.engine import Engine, Limits
from infra.kafka.clients import Outgoing
from tests.kafka.helpers import committed, eventually, fill, new_topic, settings_for

CASES = 40


def records(topic: str, count: int) -> list[Outgoing]:
    """Numbered records of 40 cases."""
    return [Outgoing(topic, f"case-{number % CASES}".encode(), str(number).encode()) for number in range(count)]


class Office:
    """A back office that notes what it got, per case, and may fail or take its time."""

    def __init__(self, *, fail_share: float = 0.0, delay_s: float = 0.0, seed: int = 0) -> None:
        self.cases: dict[bytes, list[int]] = defaultdict(list)
        self.calls = 0
        self._fail_share = fail_share
        self._delay_s = delay_s
        self._random = random.Random(seed)

    async def handle(self, record: Any, _attempts: int) -> None:
        self.calls += 1
        await asyncio.sleep(self._delay_s * self._random.random())
        if self._random.random() < self._fail_share:
            raise RuntimeError
        self.cases[record.key].append(int(record.value))

    @property
    def got(self) -> int:
        return sum(len(case) for case in self.cases.values())


async def test_every_record_arrives_in_the_order_of_its_case(kafka_bootstrap: str) -> None:
    """With failures and delays at random, each case is delivered whole, in order, each record once."""
    kafka = settings_for(kafka_bootstrap)
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 600))
    office = Office(fail_share=0.1, delay_s=0.01)
    engine = asyncio.create_task(Engine(kafka, group=topic, topics=[topic], handle=office.handle).run())
    await eventually(lambda: office.got == 600)
    engine.cancel()
    await asyncio.gather(engine, return_exceptions=True)
    assert {key: values for key, values in office.cases.items() if values != sorted(values)} == {}
    assert sum((await committed(kafka, topic, topic)).values()) == 600


async def test_stopping_drains_and_commits(kafka_bootstrap: str) -> None:
    """After a stop under load nothing comes again: what ran was finished and committed, the rest was not begun."""
    kafka = settings_for(kafka_bootstrap)
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 2_000))
    office = Office(delay_s=0.05)
    limits = Limits(running=50)
    first = asyncio.create_task(Engine(kafka, group=topic, topics=[topic], handle=office.handle, limits=limits).run())
    await eventually(lambda: office.got > 300)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert 300 < office.got == office.calls < 2_000
    second = asyncio.create_task(Engine(kafka, group=topic, topics=[topic], handle=office.handle).run())
    await eventually(lambda: office.got == 2_000)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert office.calls == 2_000


async def test_partitions_move_without_repeats(kafka_bootstrap: str) -> None:
    """When a second member joins under load, the first hands over in order: no record twice, no case out of order."""
    kafka = settings_for(kafka_bootstrap)
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 3_000))
    office = Office(delay_s=0.02)
    limits = Limits(running=30)

    def member() -> asyncio.Task[None]:
        return asyncio.create_task(Engine(kafka, group=topic, topics=[topic], handle=office.handle, limits=limits).run())

    members = [member()]
    await eventually(lambda: office.got > 300)
    members.append(member())
    await eventually(lambda: office.got == 3_000, limit_s=60)
    for task in members:
        task.cancel()
    await asyncio.gather(*members, return_exceptions=True)
    assert office.calls == 3_000
    assert {key: values for key, values in office.cases.items() if values != sorted(values)} == {}


async def test_stuck_record_holds_the_commit_but_not_the_others(kafka_bootstrap: str) -> None:
    """One case that never succeeds leaves the offset at its record, while all other cases are delivered."""
    kafka = settings_for(kafka_bootstrap)
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 200))
    office = Office()

    async def handle(record: Any, attempts: int) -> None:
        if record.key == b"case-0":
            raise RuntimeError
        await office.handle(record, attempts)

    engine = asyncio.create_task(Engine(kafka, group=topic, topics=[topic], handle=handle).run())
    await eventually(lambda: office.got == 195)
    engine.cancel()
    await asyncio.gather(engine, return_exceptions=True)
    lag = 200 - sum((await committed(kafka, topic, topic)).values())
    assert lag >= 5


async def test_memory_is_bounded_while_an_office_is_away(kafka_bootstrap: str) -> None:
    """With nothing getting through, reading pauses at the limit instead of filling memory."""
    kafka = settings_for(kafka_bootstrap)
    topic = await new_topic(kafka)
    await fill(kafka, [Outgoing(topic, str(number).encode(), b"x") for number in range(5_000)])

    async def handle(_record: Any, _attempts: int) -> None:
        raise ConnectionRefusedError

    engine = Engine(kafka, group=topic, topics=[topic], handle=handle, limits=Limits(running=50, in_flight=1_000))
    task = asyncio.create_task(engine.run())
    await eventually(lambda: engine.core.in_flight >= 1_000)
    await asyncio.sleep(1)
    held = engine.core.in_flight
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert held < 1_000 + 500


async def test_strange_headers_are_no_obstacle(kafka_bootstrap: str) -> None:
    """Records with binary, null and repeated headers reach the handler unchanged."""
    kafka = settings_for(kafka_bootstrap)
    topic = await new_topic(kafka)
    strange = [("a", b"\xff\x00"), ("b", None), ("a", b"again")]
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, b"value", key=b"key", headers=strange)
    seen: list[Any] = []

    async def handle(record: Any, _attempts: int) -> None:
        seen.append(record.headers)

    engine = asyncio.create_task(Engine(kafka, group=topic, topics=[topic], handle=handle).run())
    await eventually(lambda: bool(seen))
    engine.cancel()
    await asyncio.gather(engine, return_exceptions=True)
    assert [list(headers) for headers in seen] == [strange]


async def test_nothing_runs_after_the_hand_over(kafka_bootstrap: str) -> None:
    """Work that does not end in time is cancelled before the partitions go: nothing of it is still under way afterwards."""
    kafka = settings_for(kafka_bootstrap).model_copy(update={"rebalance_timeout_s": 6})
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 100))
    under_way = 0

    async def handle(record: Any, _attempts: int) -> None:
        nonlocal under_way
        if record.key != b"case-0":
            raise RuntimeError  # comes again by a timer, also while the engine stops
        under_way += 1
        try:
            await asyncio.sleep(60)
        finally:
            under_way -= 1

    engine = asyncio.create_task(Engine(kafka, group=topic, topics=[topic], handle=handle).run())
    await eventually(lambda: under_way == 1)
    engine.cancel()
    await asyncio.gather(engine, return_exceptions=True)
    await asyncio.sleep(1)
    assert under_way == 0
