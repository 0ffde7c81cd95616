"""The engine on a real Kafka: what a fake broker cannot prove."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka import codec as codecs
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from consumers.delivery.handler import Delivery
from consumers.delivery.ledger import Fenced, Ledger
from consumers.engine import FINISHED, Again, CaseState, End, Engine, KafkaWork, Parked
from consumers.engine.starts import Known, Start
from consumers.settings import DeliverySettings
from infra import metrics
from infra.kafka import polling
from infra.kafka.admin import count_records, create_topics
from infra.kafka.clients import outside
from infra.kafka.group_offsets import look
from infra.kafka.outgoing import Outgoing
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings, StoreSettings
from schemas import message, topics
from schemas.errors import Blip, CannotTell, CaseNotReady, DestinationDown, Refused, UsageError
from tests import builders, postgresql
from tests.delivery_model import Office as BackOffice
from tests.delivery_model import headers_of
from tests.kafka import victim
from tests.kafka.helpers import committed, eventually, fill, new_topic, settings_for

CASES = 40


def records(topic: str, count: int, cases: int = CASES) -> list[Outgoing]:
    """Numbered records of so many cases."""
    return [Outgoing(topic, f"case-{number % cases}".encode(), str(number).encode()) for number in range(count)]


class Attempt(KafkaWork):
    """A record, and whether its hand-over was given up after it began."""

    given_up: bool | None = None


class Office:
    """A handler that keeps no ledger: notes what it got, per case, and may fail, take its time, or be away."""

    max_concurrency = 500
    make = Attempt

    def __init__(self, *, fail_share: float = 0.0, delay_s: float = 0.0, seed: int = 0) -> None:
        self.cases: dict[bytes, list[int]] = defaultdict(list)
        self.headers: list[Any] = []
        self.calls = 0
        self.under_way = 0
        self.away = False
        self.stuck: set[bytes] = set()
        self.parked: list[int] = []
        self.known: dict[TopicPartition, Known] = {}
        self.starts_seen: list[Mapping[TopicPartition, Start]] = []
        self._failed: set[Attempt] = set()
        self._fail_share = fail_share
        self._delay_s = delay_s
        self._random = random.Random(seed)

    @property
    def got(self) -> int:
        return sum(len(case) for case in self.cases.values())

    @property
    def disordered(self) -> dict[bytes, list[int]]:
        return {key: values for key, values in self.cases.items() if values != sorted(values)}

    async def on_assigned(self, partitions: Sequence[TopicPartition]) -> tuple[Mapping[TopicPartition, Known], Mapping[bytes, CaseState]]:
        return {partition: self.known.get(partition, Known()) for partition in partitions}, {}

    async def starts(self, starts: Mapping[TopicPartition, Start]) -> None:
        self.starts_seen.append(starts)
        self.known.update({place: Known(start.offset, start.topic_id, start.ask_before, start.lost) for place, start in starts.items()})

    def recognise(self, works: Sequence[Attempt]) -> None:
        """Nothing is known of them."""

    def capacity(self, wanted: int) -> int:
        return 0 if self.away else wanted

    async def begin(self, works: Sequence[Attempt]) -> tuple[list[Attempt], list[Attempt]]:
        return list(works), []

    async def deliver(self, work: Attempt) -> None:
        self.calls += 1
        self.under_way += 1
        try:
            await asyncio.sleep(60 if work.record.key in self.stuck else self._delay_s * self._random.random())
        finally:
            self.under_way -= 1
        if self._random.random() < self._fail_share:
            self._failed.add(work)
        else:
            self.cases[work.record.key or b""].append(int(work.record.value or b""))
            self.headers.append(work.record.headers)

    def give_up(self, work: Attempt, reason: str | None) -> None:
        work.given_up = reason is not None  # False where it did not even begin

    async def settle(self, works: Sequence[Attempt]) -> list[End]:
        return [self._end(work) for work in works]

    def _end(self, work: Attempt) -> End:
        given_up, work.given_up = work.given_up, None
        if given_up:
            self.parked.append(int(work.record.value or b""))
            return Parked(0)
        if given_up is False:
            return Again()
        if work in self._failed:
            self._failed.discard(work)
            return Again(self._random.random() / 20)
        return FINISHED

    async def committing(self, offsets: Mapping[TopicPartition, int], lost: Mapping[TopicPartition, int]) -> None:
        for place, offset in offsets.items():
            self.known[place] = replace(self.known[place], offset=offset, lost=lost.get(place, 0))

    @property
    def behind_it(self) -> int:
        """Records that are known to be done with."""
        return sum(known.offset or 0 for known in self.known.values())


@pytest.fixture
def kafka(kafka_bootstrap: str) -> KafkaSettings:
    """Settings for the broker of the session."""
    return settings_for(kafka_bootstrap)


def engine_of(kafka: KafkaSettings, topic: str, handler: Any, **limits: Any) -> Engine[Any]:
    """A member of the topic's own group."""
    return Engine(kafka, group=topic, topics=[topic], handler=handler, limits=DeliverySettings(**limits))


@asynccontextmanager
async def running(*engines: Engine[Any]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Engines that consume as long as the block lasts, and then stop as the process would."""
    tasks = [asyncio.create_task(engine.run()) for engine in engines]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def end_of(engine: Engine[Any], limit_s: float = 30) -> Exception | None:
    """What an engine ends with by itself."""
    try:
        async with asyncio.timeout(limit_s):
            await engine.run()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    return None


async def test_every_record_arrives_in_the_order_of_its_case(kafka: KafkaSettings) -> None:
    """With failures and delays at random, each case is delivered whole, in order, each record once."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 2_000))
    office = Office(fail_share=0.1, delay_s=0.01)
    async with running(engine_of(kafka, topic, office)):
        await eventually(lambda: office.got == 2_000)
    assert office.disordered == {}
    assert sum((await committed(kafka, topic, topic)).values()) == 2_000
    assert office.behind_it == 2_000


async def test_stopping_drains_and_commits(kafka: KafkaSettings) -> None:
    """After a stop under load nothing comes again: what ran was finished and committed, the rest was not begun."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 3_000))
    office = Office(delay_s=0.05)
    async with running(engine_of(kafka, topic, office, max_concurrency=50)):
        await eventually(lambda: office.got > 300)
    assert 300 < office.got == office.calls < 3_000
    assert sum((await committed(kafka, topic, topic)).values()) == office.got
    async with running(engine_of(kafka, topic, office)):
        await eventually(lambda: office.got == 3_000)
    assert (office.calls, office.disordered) == (3_000, {})


async def test_partitions_move_without_repeats(kafka: KafkaSettings) -> None:
    """When a second member joins under load, the first hands over in order: no record twice, no case out of order."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 3_000))
    office = Office(delay_s=0.02)
    first, second = (engine_of(kafka, topic, office, max_concurrency=30) for _ in range(2))
    async with running(first):
        await eventually(lambda: office.got > 300)
        async with running(second):
            await eventually(lambda: bool(first.core.partitions) and bool(second.core.partitions))
            await eventually(lambda: office.got > 2_000, 60)
        await eventually(lambda: office.got == 3_000, 60)
    assert (office.calls, office.disordered) == (3_000, {})


async def test_stuck_case_is_given_up_when_it_holds_back_too_much(kafka: KafkaSettings) -> None:
    """A hand-over that does not end holds back so many finished records and no more; then its case is set aside, and all is committed."""
    kafka = kafka.model_copy(update={"rebalance_timeout_s": 6})
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 600))
    office = Office()
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
    office = Office()
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
    office = Office(delay_s=0.5)
    office.stuck = {str(number).encode() for number in range(5_000)}
    engine = engine_of(kafka, topic, office, max_concurrency=50, in_flight=1_000)
    async with running(engine):
        await eventually(lambda: engine.core.in_flight >= 900)
        await asyncio.sleep(2)  # longer than it waits before it pauses the partitions
        assert engine.core.in_flight < 1_000 + 3 * 500
        assert engine.progress.check() is None


async def test_office_that_is_away_gets_everything_later(kafka: KafkaSettings) -> None:
    """While the office is away nothing is handed over and nothing committed; when it is back, everything goes, once and in order."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 1_000))
    office = Office()
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
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, b"1", key=b"key", headers=strange)
        await producer.send_and_wait(topic, b"2", key=None, headers=strange)
    office = Office()
    async with running(engine_of(kafka, topic, office)):
        await eventually(lambda: office.got == 2)
    assert [list(headers) for headers in office.headers] == [strange] * 2


async def test_hot_partition_does_not_starve_others(kafka: KafkaSettings) -> None:
    """With ten thousand records in one partition, the few of another are among the first to be delivered."""
    topic = await new_topic(kafka)
    hot = [Outgoing(topic, f"hot-{number}".encode(), str(number).encode(), partition=0) for number in range(10_000)]
    await fill(kafka, [*hot, *(Outgoing(topic, b"cold", str(number).encode(), partition=2) for number in range(5))])
    office = Office(delay_s=0.02)
    async with running(engine_of(kafka, topic, office, max_concurrency=50)):
        await eventually(lambda: len(office.cases[b"cold"]) == 5)
        assert office.got < 5_000


async def test_commits_that_are_gone_are_noticed(kafka: KafkaSettings) -> None:
    """When Kafka has forgotten the group's offsets although something was committed, the engine ends with an error that says so."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 10))
    office = Office()
    office.known[TopicPartition(topic, 0)] = Known(3)
    error = await end_of(engine_of(kafka, topic, office))
    assert isinstance(error, CannotTell)
    assert (error.problem.code, error.where, office.calls) == ("offsets-lost", topic, 0)


async def test_topic_that_was_made_anew_is_noticed(kafka: KafkaSettings) -> None:
    """Another topic under the same name is an error that says so, also where it holds more than was read of the old one."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 30))
    office = Office()
    engine = engine_of(kafka, topic, office)
    async with running(engine):
        await eventually(lambda: office.got == 30)
        assert engine.finding() is None
    await delete_topic(kafka, topic)
    await created_again(kafka, topic)
    await fill(kafka, records(topic, 60))
    error = await end_of(engine)
    assert isinstance(error, CannotTell)
    assert (error.problem.code, error.where, office.got) == ("topic-replaced", topic, 30)
    assert (engine.finding() or "").startswith("topic-replaced: partition")  # held until there is work again


async def test_topic_that_is_made_anew_while_it_is_read_is_noticed(kafka: KafkaSettings) -> None:
    """While a topic is not there its name is told; when another one has its place, the engine ends with an error that says so."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 30))
    office = Office()
    engine = engine_of(kafka, topic, office)
    ended = asyncio.create_task(end_of(engine, 60))
    await eventually(lambda: office.got == 30)
    await delete_topic(kafka, topic)
    await eventually(lambda: engine.finding() == f"topics-missing: {topic}", 20)
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
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.delete_topics([topic])
    await admin.close()


async def test_group_that_was_set_forward_skips_nothing(world: Callable[[BackOffice], World]) -> None:
    """After a stopped group was set to the latest, in both topics, what waits is looked for and delivered once, with an alarm."""
    one = world(BackOffice(before=[CaseNotReady("x")]))
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
    world: Callable[[BackOffice], World], tmp_path: Path, gone: bool
) -> None:
    """After the ledger was restored from an older copy, or is gone, what it does not know is looked for, and has one effect."""
    one = world(BackOffice())
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


async def committed_through(one: World) -> None:
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
    office = Office()
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


async def test_partition_that_cannot_be_read_stops_no_other(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one partition that the client cannot decode the others of the office are delivered; the bad one is named, and goes on when mended."""
    topic = await new_topic(kafka)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, compression_type="zstd") as producer:
        await producer.send_and_wait(topic, b"0", key=b"bad", partition=1)
    monkeypatch.setattr(codecs, "has_zstd", lambda: False)
    monkeypatch.setattr(polling, "_FIRST_PAUSE_S", 1.0)
    office = Office()
    engine = engine_of(kafka, topic, office)
    async with running(engine):
        await eventually(lambda: f"{topic}/1 cannot be read at offset 0" in (engine.finding() or ""))
        await fill(kafka, [Outgoing(topic, b"good", str(number).encode(), partition=2 * (number % 2)) for number in range(20)])
        await eventually(lambda: len(office.cases[b"good"]) == 20)
        assert office.cases[b"bad"] == []
        monkeypatch.undo()
        await eventually(lambda: office.cases[b"bad"] == [0])
        await eventually(lambda: engine.finding() is None)


async def transaction(kafka: KafkaSettings, topic: str, values: Sequence[bytes], *, abort: bool = False) -> None:
    """Records of case a, and a marker behind them."""
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id=topic) as producer:
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
    office = Office()
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


async def created_again(kafka: KafkaSettings, topic: str) -> None:
    """A topic of this name, as soon as the old one is gone."""
    async with asyncio.timeout(30):
        while True:
            with suppress(Exception):
                await create_topics(kafka, [topics.Topic(topic, "case", "test", 3_600_000)])
                if await count_records(kafka, [topic]) == 0:
                    return
            await asyncio.sleep(0.2)


async def test_records_that_expired_unread_are_counted(kafka: KafkaSettings) -> None:
    """Records that retention removed before anybody read them are counted and said; those that are left are delivered."""
    topic = await new_topic(kafka)
    office = Office()
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
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(offset)})
    await admin.close()


async def test_blocked_event_loop_does_no_harm(kafka: KafkaSettings) -> None:
    """When the loop stands still for longer than the session time-out, the member comes back, and every case is whole and in order."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 1_000))
    office = Office(delay_s=0.05)
    async with running(engine_of(kafka, topic, office, max_concurrency=40)) as (task,):
        await eventually(lambda: office.got > 100)
        time.sleep(kafka.session_timeout_s + 2)  # noqa: ASYNC251 - that is the trouble
        await eventually(lambda: {value for case in office.cases.values() for value in case} == set(range(1_000)), 90)
        assert not task.done()
    firsts = {key: list(dict.fromkeys(values)) for key, values in office.cases.items()}
    assert firsts == {key: sorted(values) for key, values in firsts.items()}
    assert office.calls <= 1_000 + 40


async def test_nothing_runs_after_the_hand_over(kafka: KafkaSettings) -> None:
    """Work that does not end in time is cancelled before the partitions go, and what waits to come again does not come any more."""
    kafka = kafka.model_copy(update={"rebalance_timeout_s": 6})
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 100))
    office = Office(fail_share=1.0)
    office.stuck = {b"case-0"}
    async with running(engine_of(kafka, topic, office)):
        await eventually(lambda: office.under_way == 1 and office.calls > 100)
    calls = office.calls
    await asyncio.sleep(1)
    assert (office.under_way, office.calls) == (0, calls)


# --- with the whole delivery


class World:
    """An office of its own on the broker, with its ledger and its back office."""

    def __init__(self, kafka: KafkaSettings, stores: StoreSettings, office: BackOffice) -> None:
        self.kafka = kafka
        self.stores = stores
        self.name = f"t{random.SystemRandom().randrange(16**10):x}.office"
        self.office = office
        self.topics = [topics.submissions(self.name), topics.retry(self.name)]
        self.sent: list[Any] = []

    async def create(self) -> None:
        """Its topics."""
        await create_topics(self.kafka, [*topics.of_office(self.name), *topics.of_city(self.name.partition(".")[0])])

    async def submit(self, count: int, *, cases: int = 10) -> None:
        """Submissions of so many cases."""
        first = [builders.application() for _ in range(cases)]
        self.sent += [first[number % cases].model_copy(update={"message_id": builders.application().message_id}) for number in range(count)]
        await fill(self.kafka, [self._record(one) for one in self.sent[-count:]])

    def _record(self, application: Any) -> Outgoing:
        headers = headers_of(application) | {"bus_office": self.name, "bus_city": self.name.partition(".")[0]}
        raw = [(name, text.encode()) for name, text in headers.items()]
        return Outgoing(self.topics[0], str(application.case_id).encode(), message.write(application), raw)

    @asynccontextmanager
    async def process(self, **settings: Any) -> AsyncIterator[tuple[Engine[Any], Delivery]]:
        """A process of the office, as long as the block lasts."""
        ledger, sender = Ledger(self.stores, self.name), Sender(self.kafka, self.name)
        limits = DeliverySettings(**({"first_backoff_s": 0.2, "longest_backoff_s": 1, "first_probe_s": 0.2} | settings))
        delivery = Delivery(self.name, self.office, ledger, sender, limits)
        engine = Engine(self.kafka, group=self.name, topics=self.topics, handler=delivery, limits=limits)
        try:
            async with running(engine):
                yield engine, delivery
        finally:
            await sender.stop()
            ledger.close()

    @property
    def complete(self) -> bool:
        """The back office has everything."""
        return len(self.office.effects) >= len(self.sent)

    def check(self) -> None:
        """Every submission has one effect, those of a case in order."""
        by_case = defaultdict(list)
        for one in self.sent:
            by_case[one.case_id].append(one.message_id)
        place = {one: number for number, one in enumerate(self.office.effects)}
        assert sorted(self.office.effects) == sorted(one.message_id for one in self.sent)
        for ids in by_case.values():
            assert [place[one] for one in ids] == sorted(place[one] for one in ids)


@pytest.fixture
def world(kafka: KafkaSettings, tmp_path: Path) -> Callable[[BackOffice], World]:
    """Makes an office with a ledger on SQLite."""
    return lambda office: World(kafka, StoreSettings(folder=tmp_path), office)


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


async def test_moody_office_gets_everything_once_in_order(world: Callable[[BackOffice], World]) -> None:
    """With blips, cases that are not ready and answers that never come, each submission has one effect, in the order of its case."""
    one = world(Moody())
    await one.create()
    await one.submit(150, cases=25)
    async with one.process(delayed_retries=1_000, failure_threshold=1_000):
        await eventually(lambda: one.complete, 60)
    one.check()
    assert await count_records(one.kafka, [topics.deadletters(one.name)]) == 0


async def test_restarts_and_a_moody_office(world: Callable[[BackOffice], World]) -> None:
    """Processes that come and go while cases are parked change nothing of it."""
    one = world(Moody())
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


async def test_office_that_is_down_loses_nothing_and_no_tries(world: Callable[[BackOffice], World]) -> None:
    """While the back office is down few probes are made, nothing is moved, and health says so; then everything is delivered."""
    office = Away()
    one = world(office)
    await one.create()
    await one.submit(200, cases=200)
    async with one.process() as (_, delivery):
        await eventually(lambda: delivery.finding() is not None)
        await asyncio.sleep(2)
        probes = len(office.calls) - office.calls.count("deliver 1")
        assert probes <= 2 * min(one.office.max_concurrency, 200) + 5
        assert await committed(one.kafka, one.name, one.topics[0]) == {}
        office.away = False
        await eventually(lambda: one.complete)
        assert delivery.finding() is None
    one.check()
    assert await count_records(one.kafka, [topics.retry(one.name), topics.deadletters(one.name)]) == 0


@pytest.fixture
def postgresql_stores() -> Iterator[StoreSettings]:
    """A PostgreSQL that several processes share."""
    programs = postgresql.programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed below /usr/lib/postgresql")
    with postgresql.served(programs) as server:
        yield StoreSettings(url=server.render_as_string(hide_password=False))


class Slow(BackOffice):
    """A back office that takes a moment."""

    async def deliver(self, document: Any, attempt: int) -> Any:
        await asyncio.sleep(0.02)
        return await super().deliver(document, attempt)


@pytest.mark.postgresql
async def test_paused_process_is_fenced(kafka: KafkaSettings, postgresql_stores: StoreSettings) -> None:
    """A process whose partitions went to another one while it slept writes nothing more, and both have one effect per submission."""
    one = World(kafka, postgresql_stores, Slow())
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
    one = World(kafka, postgresql_stores, Slow())
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


async def test_killed_process_repeats_no_more_than_was_in_flight(world: Callable[[BackOffice], World], tmp_path: Path) -> None:
    """After SIGKILL exactly what was begun and not noted is asked about, a few rounds of the office at most; nothing has a second effect."""
    one = world(BackOffice(max_concurrency=victim.MAX_CONCURRENCY))
    await one.create()
    await one.submit(1_500, cases=300)
    effects = tmp_path / "effects"
    command = [sys.executable, "-m", "tests.kafka.victim", one.kafka.bootstrap, one.name, str(tmp_path), str(effects)]
    process = await asyncio.create_subprocess_exec(*command)
    await eventually(lambda: effects.exists() and effects.read_bytes().count(b"\n") > 500, 30)
    process.kill()
    await process.wait()
    one.office.effects += [UUID(line) for line in effects.read_text().split()]
    begun = len(in_state(tmp_path, one.name, "started"))
    async with one.process():
        await eventually(lambda: one.complete, 60)
    one.check()
    assert one.office.calls.count("find") == begun
    assert 0 < begun <= 5 * victim.MAX_CONCURRENCY


def in_state(folder: Path, office: str, state: str) -> list[Any]:
    """Submissions that the ledger of an office has in this state, read past everything."""
    with closing(sqlite3.connect(folder / f"ledger-{office}.sqlite")) as connection:
        return connection.execute("SELECT submission FROM delivery WHERE state = ?", (state,)).fetchall()


async def test_engine_that_fails_during_a_take_over_leaves_nothing_behind(kafka: KafkaSettings) -> None:
    """Partitions that arrive while the engine is already leaving are let go again; begun anew, it works."""
    topic = await new_topic(kafka)
    await fill(kafka, records(topic, 20))
    office = Reluctant()
    engine = engine_of(kafka, topic, office)
    task = asyncio.create_task(engine.run())
    await office.asked.wait()
    office.overtaken = True
    office.may_go.set()
    with pytest.raises(Fenced):
        await task
    assert (list(engine.core.partitions), engine.pipeline.tasks) == ([], ())
    office.overtaken = False
    async with running(engine):
        await eventually(lambda: office.got == 20, 30)


class Reluctant(Office):
    """An office whose first take-over waits until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may_go = asyncio.Event(), asyncio.Event()
        self.overtaken = False

    def capacity(self, wanted: int) -> int:
        if self.overtaken:
            raise Fenced
        return wanted

    async def on_assigned(self, partitions: Sequence[TopicPartition]) -> tuple[Mapping[TopicPartition, Known], Mapping[bytes, CaseState]]:
        if not self.asked.is_set():
            self.asked.set()
            await self.may_go.wait()
            await asyncio.sleep(1.5)  # the reader looks once a second: by now the engine is on its way out
        return await super().on_assigned(partitions)


async def limit_of(kafka: KafkaSettings, topic: str, max_message_bytes: int) -> None:
    """Set a topic's largest record, as an operator does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": str(max_message_bytes)})])
    finally:
        await admin.close()


async def test_a_topic_that_refuses_copies_holds_up_one_case(world: Callable[[BackOffice], World], kafka: KafkaSettings) -> None:
    """A dead letter that Kafka refuses waits alone, also through a stop, and is written when the topic is mended; each has one effect."""
    one = world(BackOffice(before=[Refused("x")]))
    await one.create()
    dead = topics.deadletters(one.name)
    await limit_of(kafka, dead, 500)
    await one.submit(1)
    async with one.process() as (_, delivery):
        await eventually(lambda: delivery.refusals.finding() is not None)
        assert f"{dead} refuses records: MessageSizeTooLarge" in (delivery.refusals.finding() or "")
        await one.submit(30)
        await eventually(lambda: len(one.office.effects) == 30)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 10
    assert await count_records(kafka, [topics.events(one.name.partition(".")[0])]) == 30
    one.office.before = [Refused("x")]
    async with one.process() as (_, delivery):
        await eventually(lambda: delivery.refusals.finding() is not None)
        await limit_of(kafka, dead, 1024 * 1024)
        await eventually(lambda: delivery.refusals.finding() is None)
    assert await count_records(kafka, [dead]) == 1
    assert len(one.office.effects) == len(set(one.office.effects)) == 30


async def test_a_partition_that_the_other_topics_have_not(world: Callable[[BackOffice], World], kafka: KafkaSettings) -> None:
    """A record in a partition that the office's other topics have not is delivered; copies and event go where there is a place."""
    one = world(BackOffice(before=[CaseNotReady("x")]))
    await one.create()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
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
