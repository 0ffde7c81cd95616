"""The engine with the whole delivery on a real Kafka: one effect per submission, whatever fails."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from consumers.delivery.handler import Delivery
from consumers.delivery.ledger import Fenced, Ledger
from consumers.engine import Engine
from consumers.settings import DeliverySettings
from infra.kafka.admin import count_records
from infra.kafka.clients import connection_options
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings, StoreSettings
from schemas import topics
from schemas.errors import Blip, CaseNotReady, DestinationDown, Refused
from tests import builders
from tests.delivery_model import Office as BackOffice
from tests.kafka import victim
from tests.kafka.helpers import committed, environment_of, eventually, fill
from tests.kafka.live_office import LiveOffice
from tests.kafka.noting_handler import end_of


class Moody(BackOffice):
    """A back office that fails now and then, in every way that passes, and always knows what it has."""

    chance = random.Random(3)

    async def deliver(self, document: Any, attempt: int) -> Any:
        await asyncio.sleep(0.002)
        mood = self.chance.random()
        if mood < 0.2:
            raise self.chance.choice([Blip("x"), CaseNotReady("x")])
        answer = await super().deliver(document, attempt)
        if mood > 0.9:
            raise TimeoutError
        return answer


async def test_moody_office_gets_everything_once_in_order(make_office: Callable[[BackOffice], LiveOffice]) -> None:
    """With blips, cases that are not ready and answers that never come, each submission has one effect, in the order of its case."""
    one = make_office(Moody())
    await one.create()
    await one.submit(150, cases=25)
    async with one.process(delayed_retries=1_000, failure_threshold=1_000):
        await eventually(lambda: one.complete, 60)
    one.check()
    assert await count_records(one.kafka, [topics.deadletters(one.name)]) == 0


async def test_restarts_and_a_moody_office(make_office: Callable[[BackOffice], LiveOffice]) -> None:
    """Processes that come and go while cases are parked change nothing of it."""
    one = make_office(Moody())
    await one.create()
    await one.submit(150, cases=25)
    for _ in range(3):
        async with one.process(delayed_retries=1_000, failure_threshold=1_000) as (engine, _):
            before = len(one.office.effects)
            await eventually(lambda before=before: len(one.office.effects) > min(before + 30, 149))  # type: ignore[misc]
    async with one.process(delayed_retries=1_000, failure_threshold=1_000) as (engine, _):
        await eventually(lambda: one.complete and engine.core.in_flight == 0, 60)
        assert engine.core.parked_cases == 0
    one.check()


class Away(BackOffice):
    """A back office that is not there for a while."""

    away = True

    async def deliver(self, document: Any, attempt: int) -> Any:
        if self.away:
            self.calls.append("refused")
            raise DestinationDown("refused")
        return await super().deliver(document, attempt)

    async def check(self) -> str:
        if self.away:
            raise DestinationDown("refused")
        return "fine"


async def test_office_that_is_down_loses_nothing_and_no_tries(make_office: Callable[[BackOffice], LiveOffice]) -> None:
    """While the back office is down few probes are made, nothing is moved, and health says so; then everything is delivered."""
    office = Away()
    one = make_office(office)
    await one.create()
    await one.submit(200, cases=200)
    async with one.process() as (_, delivery):
        await eventually(lambda: delivery.guard.check() is not None)
        await asyncio.sleep(2)
        probes = len(office.calls) - office.calls.count("deliver 1")
        assert probes <= 2 * min(one.office.max_concurrency, 200) + 5
        assert await committed(one.kafka, one.name, one.topics[0]) == {}
        office.away = False
        await eventually(lambda: one.complete)
        assert delivery.guard.check() is None
    one.check()
    assert await count_records(one.kafka, [topics.retry(one.name), topics.deadletters(one.name)]) == 0


class Slow(BackOffice):
    """A back office that takes a moment."""

    async def deliver(self, document: Any, attempt: int) -> Any:
        await asyncio.sleep(0.02)
        return await super().deliver(document, attempt)


@pytest.mark.postgresql
async def test_paused_process_is_fenced(kafka: KafkaSettings, postgresql_stores: StoreSettings) -> None:
    """A process whose partitions went to another one while it slept writes nothing more, and both have one effect per submission."""
    one = LiveOffice(kafka, postgresql_stores, Slow())
    await one.create()
    await one.submit(400, cases=40)
    zombie = Ledger(postgresql_stores, one.name)
    taken = [TopicPartition(topic, number) for topic in one.topics for number in range(3)]
    await zombie.take_over(taken)
    async with one.process():
        await eventually(lambda: len(one.office.effects) > 50)
        with pytest.raises(Fenced):
            await zombie.begin_new([one.sent[-1].message_id.bytes], {taken[0]})
        with pytest.raises(Fenced):
            await zombie.note_offsets({taken[0]: 400}, {})
        await eventually(lambda: one.complete)
    zombie.close()
    one.check()


@pytest.mark.postgresql
async def test_engine_that_was_overtaken_ends(kafka: KafkaSettings, postgresql_stores: StoreSettings) -> None:
    """When somebody else takes the partitions over in the ledger, the engine ends instead of delivering on."""
    one = LiveOffice(kafka, postgresql_stores, Slow())
    await one.create()
    await one.submit(2_000, cases=40)
    ledger, sender = Ledger(postgresql_stores, one.name), Sender(kafka, one.name)
    delivery = Delivery(one.name, one.office, ledger, sender, DeliverySettings())
    engine = Engine(kafka, group=one.name, topics=one.topics, handler=delivery, limits=DeliverySettings())
    ended = asyncio.create_task(end_of(engine, 60))
    await eventually(lambda: len(one.office.effects) > 20)
    other = Ledger(postgresql_stores, one.name)
    await other.take_over([TopicPartition(topic, number) for topic in one.topics for number in range(3)])
    assert isinstance(await ended, Fenced)
    rows = other._store.read_now(lambda connection: connection.execute(sa.text("SELECT count(*) FROM delivery")).scalar_one())
    assert rows < 2_000
    for store in (ledger, other):
        store.close()
    await sender.stop()


async def test_killed_process_repeats_no_more_than_was_in_flight(make_office: Callable[[BackOffice], LiveOffice], tmp_path: Path) -> None:
    """After SIGKILL exactly what was begun and not noted is asked about, a few rounds of the office at most; nothing has a second effect."""
    one = make_office(BackOffice(max_concurrency=victim.MAX_CONCURRENCY))
    await one.create()
    await one.submit(1_500, cases=300)
    effects = tmp_path / "effects"
    command = [sys.executable, "-m", "tests.kafka.victim", one.name, str(tmp_path), str(effects)]
    process = await asyncio.create_subprocess_exec(*command, env=os.environ | environment_of(one.kafka))
    await eventually(lambda: effects.exists() and effects.read_bytes().count(b"\n") > 500, 30)
    process.kill()
    await process.wait()
    one.office.effects += [UUID(line) for line in effects.read_text().split()]
    begun = len(in_state(tmp_path, one.name, "started"))
    async with one.process():
        await eventually(lambda: one.complete, 60)
    one.check()
    assert one.office.calls.count("find") == begun
    assert 0 < begun <= 15 * victim.MAX_CONCURRENCY  # on a quiet machine 5; a slow disk makes rounds larger, but never all that was read


def in_state(folder: Path, office: str, state: str) -> list[Any]:
    """Submissions that the ledger of an office has in this state, read past everything."""
    with closing(sqlite3.connect(folder / f"ledger-{office}.sqlite")) as connection:
        return connection.execute("SELECT submission FROM delivery WHERE state = ?", (state,)).fetchall()


async def test_a_topic_that_refuses_copies_holds_up_one_case(make_office: Callable[[BackOffice], LiveOffice], kafka: KafkaSettings) -> None:
    """A dead letter that Kafka refuses waits alone, also through a stop, and is written when the topic is mended; each has one effect."""
    one = make_office(BackOffice(before=[Refused("x")]))
    await one.create()
    dead = topics.deadletters(one.name)
    await limit_of(kafka, dead, 500)
    await one.submit(1)
    async with one.process() as (_, delivery):
        await eventually(lambda: delivery.refusals.check() is not None)
        assert f"{dead} refuses records: MessageSizeTooLarge" in (delivery.refusals.check() or "")
        await one.submit(30)
        await eventually(lambda: len(one.office.effects) == 30)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 10
    assert await count_records(kafka, [topics.events(one.name.partition(".")[0])]) == 30
    one.office.before = [Refused("x")]
    async with one.process() as (_, delivery):
        await eventually(lambda: delivery.refusals.check() is not None)
        await limit_of(kafka, dead, 1024 * 1024)
        await eventually(lambda: delivery.refusals.check() is None)
    assert await count_records(kafka, [dead]) == 1
    assert len(one.office.effects) == len(set(one.office.effects)) == 30


async def limit_of(kafka: KafkaSettings, topic: str, max_message_bytes: int) -> None:
    """Set a topic's largest record, as an operator does."""
    admin = AIOKafkaAdminClient(**connection_options(kafka))
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": str(max_message_bytes)})])
    finally:
        await admin.close()


async def test_a_partition_that_the_other_topics_have_not(make_office: Callable[[BackOffice], LiveOffice], kafka: KafkaSettings) -> None:
    """A record in a partition that the office's other topics have not is delivered; copies and event go where there is a place."""
    one = make_office(BackOffice(before=[CaseNotReady("x")]))
    await one.create()
    admin = AIOKafkaAdminClient(**connection_options(kafka))
    await admin.start()
    await admin.create_partitions({one.topics[0]: NewPartitions(6)})
    await admin.close()
    one.sent.append(builders.application())
    await fill(kafka, [one._record(one.sent[0])._replace(partition=4)])
    async with one.process() as (engine, _):
        await eventually(lambda: one.complete and engine.core.in_flight == 0 and engine.core.parked_cases == 0)
    one.check()
    assert await count_records(kafka, [one.topics[1]]) == 1
    assert await count_records(kafka, [topics.events(one.name.partition(".")[0])]) == 2
