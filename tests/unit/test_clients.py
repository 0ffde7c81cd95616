"""What the Kafka clients decide without a broker: where a record goes, in which order, and what is sent again."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from aiokafka.errors import (
    InvalidTimestampError,
    KafkaConnectionError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    OutOfOrderSequenceNumber,
    RecordListTooLargeError,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
)
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from infra.kafka import clients
from infra.kafka import sender as sender_module
from infra.kafka.outgoing import KafkaRefusal, Outgoing, SendUnknown, Sent, Written, partition_in, partition_of
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings
from schemas import problems
from schemas.errors import CannotTell
from schemas.headers import RawHeaders
from schemas.topics import PARTITIONS


class Lossy(Sender):
    """A sender whose every answer is prepared: True where a record arrives, None where nobody answers at all."""

    def __init__(self, *answers: Sequence[bool] | None) -> None:
        super().__init__(KafkaSettings(), "test")
        self.answers = list(answers)
        self.sent: list[list[bytes | None]] = []

    async def send_all(self, records: Sequence[Outgoing]) -> list[Sent]:
        self.sent.append([one.value for one in records])
        answer = self.answers.pop(0)
        if answer is None:
            raise CannotTell(problems.KAFKA_UNREACHABLE)
        return [Written(0, len(self.sent) * 10 + number) if arrived else None for number, arrived in enumerate(answer)]


def numbered(count: int) -> list[Outgoing]:
    """Records."""
    return [Outgoing("t", b"k", str(number).encode()) for number in range(count)]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for Kafka here."""
    monkeypatch.setattr(sender_module, "_RESEND_PAUSE_S", 0)


@given(key=st.binary(max_size=40))
def test_key_goes_where_kafkas_own_clients_put_it(key: bytes) -> None:
    """The partition is that of aiokafka, which is that of Java."""
    partitions = list(range(PARTITIONS))
    assert partition_of(key) == DefaultPartitioner()(key, partitions, partitions)


class Batch:
    """A batch that shows what is in it."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes | None, bytes]] = []

    def append(self, *, timestamp: int | None, key: bytes | None, value: bytes, headers: RawHeaders) -> object | None:
        if self.records and self.size_bytes + len(value) > BATCH_BYTES:
            return None
        self.records.append((key, value))
        return self

    @property
    def size_bytes(self) -> int:
        return sum(len(value) for _, value in self.records)

    def close(self) -> None:
        pass


BATCH_BYTES = 100


class Broker:
    """One broker behind every producer of a sender: takes a whole batch or refuses it, and answers a producer that failed no more."""

    def __init__(self, refuses: Callable[[Batch], type[Exception] | None], partitions: int = 3) -> None:
        self.refuses = refuses
        self.partitions: dict[str, int] = defaultdict(lambda: partitions)
        self.log: dict[tuple[str, int], list[tuple[bytes | None, bytes]]] = defaultdict(list)
        self.batches: list[int] = []
        self.producers = 0


class Producer:
    """What a sender needs of aiokafka's."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.gaps: set[tuple[str, int]] = set()
        self.client = self.cluster = self._sender = self.sender_task = self
        self.unauthorized_topics: set[str] = set()
        self.stopped = False

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(self.broker.partitions[topic]))

    async def partitions_for(self, topic: str) -> set[int]:
        return self.partitions_for_topic(topic)

    def add_topic(self, topic: str) -> None:
        pass

    async def force_metadata_update(self) -> bool:
        return True

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        assert not self.stopped
        assert (topic, partition) not in self.gaps, "a producer goes on after a gap in its sequence numbers"
        report = asyncio.get_running_loop().create_future()
        self.broker.batches.append(len(batch.records))
        error = self.broker.refuses(batch)
        if error is not None:
            self.gaps.add((topic, partition))
            report.set_exception(error())
        else:
            log = self.broker.log[topic, partition]
            report.set_result(SimpleNamespace(partition=partition, offset=len(log)))
            log.extend(batch.records)
        await asyncio.sleep(0)
        return report

    def cancel(self) -> None:
        pass

    async def stop(self) -> None:
        self.stopped = True


class To(Sender):
    """A sender to such a broker."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(KafkaSettings(), "test", self._to_broker)
        self.broker = broker

    async def _to_broker(self, *_: object) -> Producer:
        self.broker.producers += 1
        return Producer(self.broker)


def refuses_larger(record_bytes: int, batch_bytes: int) -> Callable[[Batch], type[Exception] | None]:
    """What a topic with small limits says; that of the batch counts for more than one record."""
    record_error: type[Exception] = MessageSizeTooLargeError
    batch_error: type[Exception] = RecordListTooLargeError

    def refuses(batch: Batch) -> type[Exception] | None:
        if any(len(value) > record_bytes for _, value in batch.records):
            return record_error
        return batch_error if batch.size_bytes > max(record_bytes, batch_bytes) else None

    return refuses


RECORDS = st.lists(
    st.builds(
        Outgoing,
        topic=st.sampled_from("tu"),
        key=st.sampled_from([None, b"a", b"b", b"c", b"d"]),
        value=st.integers(0, 150).map(bytes),
        partition=st.none() | st.integers(0, 5),
    ),
    max_size=60,
)


@given(records=RECORDS, record_bytes=st.integers(0, 150), batch_bytes=st.integers(0, 150), partitions=st.integers(1, 4))
async def test_what_is_refused_takes_only_its_case_with_it(
    records: list[Outgoing], record_bytes: int, batch_bytes: int, partitions: int
) -> None:
    """Every record that a topic can take is written once, in order; one that it refuses is named, with the later ones of its key alone."""
    broker = Broker(refuses_larger(record_bytes, batch_bytes), partitions)
    sent = await To(broker).send_all(records)
    behind: set[tuple[str, bytes, int]] = set()
    last: dict[tuple[str, int], int] = {}
    for record, one in zip(records, sent, strict=True):
        partition = partition_in(record, partitions)
        lane = (record.topic, record.key or b"", partition)
        if isinstance(one, Written):
            assert one.partition == partition
            assert broker.log[record.topic, partition][one.offset] == (record.key, record.value)
            assert one.offset > last.get((record.topic, partition), -1)
            assert lane not in behind
            last[record.topic, partition] = one.offset
        else:
            assert one == KafkaRefusal(record.topic, "MessageSizeTooLarge")
            assert len(record.value or b"") > record_bytes or lane in behind
            if record.key is not None:
                behind.add(lane)
    assert sum(len(log) for log in broker.log.values()) == sum(isinstance(one, Written) for one in sent)


async def test_one_refused_record_costs_few_tries() -> None:
    """It is found by halving, and the next send is not slowed down by it."""
    broker = Broker(refuses_larger(1, BATCH_BYTES))
    records = [Outgoing("t", str(number).encode(), b"xx" if number == 33 else b"x", partition=0) for number in range(64)]
    sent = await To(broker).send_all(records)
    assert [number for number, one in enumerate(sent) if not isinstance(one, Written)] == [33]
    assert len(broker.batches) < 20


async def test_a_topic_that_takes_nothing_is_asked_once() -> None:
    """Where the error is of the topic, or of our clock, each record would meet it: nothing is tried one by one."""
    for error in (TopicAuthorizationFailedError, InvalidTimestampError):
        broker = Broker(lambda _, error=error: error)  # type: ignore[misc]
        sent = await To(broker).send_all([Outgoing("t", str(number).encode(), b"x", partition=0) for number in range(50)])
        assert set(sent) == {KafkaRefusal("t", error.__name__.removesuffix("Error"))}
        assert broker.batches == [50]


@pytest.mark.parametrize("error", [NotEnoughReplicasError, OutOfOrderSequenceNumber, KafkaConnectionError, RequestTimedOutError])
async def test_a_cluster_that_is_in_trouble_refuses_no_record(error: type[Exception]) -> None:
    """What another moment or another producer may bring to an end is no answer about a record: it may be there."""
    broker = Broker(lambda _: error)
    assert await To(broker).send_all(numbered(3)) == [None] * 3


async def test_a_topic_that_is_not_there_is_named_and_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records for a topic without partitions are refused by name, those for others are written; once it is there they are taken."""
    monkeypatch.setattr(sender_module, "_LOOK_AGAIN_S", 0)
    broker = Broker(lambda _: None)
    broker.partitions["gone"] = 0
    sender = To(broker)
    records = [Outgoing("gone", b"k", b"x"), Outgoing("t", b"k", b"x")]
    gone, there = await sender.send_all(records)
    assert gone == KafkaRefusal("gone", "UnknownTopicOrPartition")
    assert isinstance(there, Written)
    broker.partitions["gone"] = 3
    assert all(isinstance(one, Written) for one in await sender.send_all(records))


async def test_records_of_a_partition_that_is_not_there_share_one_that_is() -> None:
    """A record of partition 4 in a topic of 3 goes where the others of its partition go, and to its own once there is one."""
    broker = Broker(lambda _: None)
    sender = To(broker)
    record = Outgoing("t", b"k", b"x", partition=4)
    assert [one.partition for one in await sender.send_all([record, record]) if isinstance(one, Written)] == [1, 1]
    broker.partitions["t"] = 6
    assert [one.partition for one in await sender.send_all([record]) if isinstance(one, Written)] == [4]


def slow_sender(gate: asyncio.Event) -> To:
    """A sender to a broker that refuses records of more than a byte, and answers for the topic `slow` only when the gate is open."""

    class Slow(Producer):
        async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[Any]:
            if topic == "slow":
                await gate.wait()
            return await super().send_batch(batch, topic, partition=partition)

    class ToSlow(To):
        async def _to_broker(self, *_: object) -> Producer:
            return Slow(self.broker)

    return ToSlow(Broker(refuses_larger(1, BATCH_BYTES)))


async def test_a_failed_send_leaves_others_their_answers() -> None:
    """A producer that met a refusal in one send ends only when other sends have heard from it."""
    gate = asyncio.Event()
    sender = slow_sender(gate)
    slow = asyncio.create_task(sender.send_all([Outgoing("slow", b"k", b"x")]))
    await asyncio.sleep(0.01)
    assert await sender.send_all([Outgoing("t", b"k", b"xx")]) == [KafkaRefusal("t", "MessageSizeTooLarge")]
    await asyncio.sleep(0.01)
    gate.set()
    assert isinstance((await slow)[0], Written)


async def test_a_send_does_not_wait_for_another_one_that_failed() -> None:
    """While a send with a refused record still waits for the rest of its answers, the next one goes on with another producer."""
    gate = asyncio.Event()
    sender = slow_sender(gate)
    slow = asyncio.create_task(sender.send_all([Outgoing("slow", b"k", b"x"), Outgoing("t", b"k", b"xx")]))
    await asyncio.sleep(0.01)
    async with asyncio.timeout(10):
        assert isinstance((await sender.send_all([Outgoing("t", b"j", b"x")]))[0], Written)
    gate.set()
    there, refused = await slow
    assert isinstance(there, Written)
    assert refused == KafkaRefusal("t", "MessageSizeTooLarge")


async def test_brokers_that_are_gone_are_looked_for_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """When nobody tells which partitions there are, the next send begins with a new producer, at the bootstrap addresses."""
    broker = Broker(lambda _: None)
    sender = To(broker)
    with monkeypatch.context() as patch:
        patch.setattr(sender_module, "_count_partitions", AsyncMock(side_effect=KafkaConnectionError))
        assert await sender.send_all(numbered(1)) == [None]
    assert isinstance((await sender.send_all(numbered(1)))[0], Written)
    assert broker.producers == 2


async def test_what_did_not_arrive_is_sent_again() -> None:
    """Only records whose outcome is unknown are sent again, however often; positions come back in the order asked for."""
    sender = Lossy(None, [False, True, False], None, [False, True], [True])
    positions = await sender.send_until_known(numbered(3))
    assert positions == [Written(0, 50), Written(0, 21), Written(0, 41)]
    assert sender.sent == [[b"0", b"1", b"2"], [b"0", b"1", b"2"], [b"0", b"2"], [b"0", b"2"], [b"0"]]


async def test_kafka_may_be_away_for_hours() -> None:
    """Thousands of fruitless tries do not end the next one."""
    sender = Lossy(*[None] * 3_000, [True])
    assert len(await sender.send_until_known(numbered(1))) == 1


async def test_nothing_to_send_is_nothing_to_wait_for() -> None:
    """No records, no positions."""
    assert await Lossy([]).send_until_known([]) == []


async def test_one_record_that_may_have_arrived() -> None:
    """Whoever sends one record hears that its outcome is unknown."""
    with pytest.raises(SendUnknown):
        await Lossy([False]).send(numbered(1)[0])
    assert await Lossy([True]).send(numbered(1)[0]) == Written(0, 10)


async def test_no_broker_is_told_as_such() -> None:
    """Without a broker nothing was written, and the error says where it was looked for."""
    sender = Sender(KafkaSettings(bootstrap="127.0.0.1:1"), "test")
    with pytest.raises(CannotTell) as caught:
        async with asyncio.timeout(30):
            await sender.send_all(numbered(1))
    assert caught.value.problem is problems.KAFKA_UNREACHABLE
    await sender.stop()


@pytest.mark.parametrize("end", [asyncio.CancelledError, RequestTimedOutError, None])
async def test_leaving_a_group_has_a_limit(monkeypatch: pytest.MonkeyPatch, end: type[BaseException] | None) -> None:
    """A client that does not stop, or stops with an error of its own, holds up nobody."""
    monkeypatch.setattr(clients, "_STOP_TIMEOUT_S", 0.05)

    class Consumer:
        async def stop(self) -> None:
            if end is not None:
                raise end
            await asyncio.Event().wait()

    async with asyncio.timeout(20):
        await clients.leave(Consumer(), "group")
