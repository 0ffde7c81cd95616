"""What the Kafka clients decide without a broker: where a record goes, in which order, and what is sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from infra.kafka import clients
from infra.kafka.clients import Outgoing, Position, Sender, SendUnknown, _batches, _by_partition, partition_of
from infra.settings import KafkaSettings
from schemas import errors
from schemas.errors import CannotTell
from schemas.topics import PARTITIONS


class Lossy(Sender):
    """A sender whose every answer is prepared: True where a record arrives, None where nobody answers at all."""

    def __init__(self, *answers: Sequence[bool] | None) -> None:
        super().__init__(KafkaSettings(), "test")
        self.answers = list(answers)
        self.sent: list[list[bytes | None]] = []

    async def send_all(self, records: Sequence[Outgoing]) -> list[Position | None]:
        self.sent.append([one.value for one in records])
        answer = self.answers.pop(0)
        if answer is None:
            raise CannotTell(errors.KAFKA_UNREACHABLE)
        return [Position(0, len(self.sent) * 10 + number) if arrived else None for number, arrived in enumerate(answer)]


def numbered(count: int) -> list[Outgoing]:
    """Records."""
    return [Outgoing("t", b"k", str(number).encode()) for number in range(count)]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for Kafka here."""
    monkeypatch.setattr(clients, "_RESEND_PAUSE_S", 0)


@given(key=st.binary(max_size=40))
def test_key_goes_where_kafkas_own_clients_put_it(key: bytes) -> None:
    """The partition is that of aiokafka, which is that of Java."""
    partitions = list(range(PARTITIONS))
    assert partition_of(key) == DefaultPartitioner()(key, partitions, partitions)


@given(
    keys=st.lists(st.sampled_from([None, b"a", b"b", b"c", b"d"]), max_size=50), fixed=st.lists(st.none() | st.integers(0, 2), max_size=50)
)
def test_records_of_a_partition_keep_their_order(keys: list[bytes | None], fixed: list[int | None]) -> None:
    """Every record is sent once, to the partition it names or that of its key, in the order in which it was given."""
    records = [Outgoing("t", key, b"", (), partition) for key, partition in zip(keys, fixed, strict=False)]
    groups = _by_partition(records)
    assert sorted(number for numbers in groups.values() for number in numbers) == list(range(len(records)))
    for (topic, partition), numbers in groups.items():
        assert (topic, numbers) == ("t", sorted(numbers))
        for number in numbers:
            assert partition == (partition_of(records[number].key) if records[number].partition is None else records[number].partition)


@pytest.mark.parametrize("sizes", [[1] * 5, [100_000] * 7, [1, 300_000, 1, 300_000, 1], [2_000_000]])
async def test_batches_hold_every_record_once_in_order(sizes: list[int]) -> None:
    """Records that fill several batches are spread over them in their order; one too large for a batch has one of its own."""
    producer = AIOKafkaProducer(bootstrap_servers="localhost:1", max_batch_size=256 * 1024)
    records = [Outgoing("t", b"k", b"x" * size, (("h", None),) * (number % 2)) for number, size in enumerate(sizes)]
    batches = list(_batches(producer, records, list(range(len(sizes)))))
    await producer.stop()
    assert [number for _, part in batches for number in part] == list(range(len(sizes)))
    assert [batch.record_count() for batch, _ in batches] == [len(part) for _, part in batches]


async def test_what_did_not_arrive_is_sent_again() -> None:
    """Only records whose outcome is unknown are sent again, however often; positions come back in the order asked for."""
    sender = Lossy(None, [False, True, False], None, [False, True], [True])
    positions = await sender.send_surely(numbered(3))
    assert positions == [Position(0, 50), Position(0, 21), Position(0, 41)]
    assert sender.sent == [[b"0", b"1", b"2"], [b"0", b"1", b"2"], [b"0", b"2"], [b"0", b"2"], [b"0"]]


async def test_kafka_may_be_away_for_hours() -> None:
    """Thousands of fruitless tries do not end the next one."""
    sender = Lossy(*[None] * 3_000, [True])
    assert len(await sender.send_surely(numbered(1))) == 1


async def test_nothing_to_send_is_nothing_to_wait_for() -> None:
    """No records, no positions."""
    assert await Lossy([]).send_surely([]) == []


async def test_one_record_that_may_have_arrived() -> None:
    """Whoever sends one record hears that its outcome is unknown."""
    with pytest.raises(SendUnknown):
        await Lossy([False]).send(numbered(1)[0])
    assert await Lossy([True]).send(numbered(1)[0]) == Position(0, 10)


async def test_no_broker_is_told_as_such() -> None:
    """Without a broker nothing was written, and the error says where it was looked for."""
    sender = Sender(KafkaSettings(bootstrap="127.0.0.1:1"), "test")
    with pytest.raises(CannotTell) as caught:
        async with asyncio.timeout(30):
            await sender.send_all(numbered(1))
    assert caught.value.problem is errors.KAFKA_UNREACHABLE
    await sender.stop()
