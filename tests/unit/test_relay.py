"""The relay when Kafka refuses records: what can go goes, a case keeps its order, and the cause is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from infra import metrics
from infra.kafka.outgoing import KafkaRefusal, Outgoing, Sent, Written
from infra.settings import KafkaSettings, StoreSettings
from producers.outbox import relay
from producers.outbox.outbox import Candidate, Outbox
from producers.outbox.relay import Lane
from schemas import problems
from schemas.errors import CannotTell
from schemas.headers import Header
from tests import outboxes

OFFICE = "muenchen.meldewesen"
TOPIC = f"{OFFICE}.submissions"


class Kafka:
    """A topic that refuses what it is told to refuse, as `Sender` does: later records of the same key have the same refusal."""

    def __init__(self) -> None:
        self.taken: list[tuple[bytes | None, bytes | None]] = []
        self.refuses: Callable[[Outgoing], str | None] = lambda _: None
        self.silent_for: list[bytes] = []
        """Of these values no answer comes, once each."""
        self.calls = 0
        self.away = False

    async def send_all(self, records: Sequence[Outgoing]) -> list[Sent]:
        self.calls += 1
        await asyncio.sleep(0)
        if self.away:
            raise CannotTell(problems.KAFKA_UNREACHABLE)
        sent: list[Sent] = []
        held: dict[bytes | None, KafkaRefusal] = {}
        for record in records:
            error = self.refuses(record)
            if record.key not in held and error is not None:
                held[record.key] = KafkaRefusal(record.topic, error)
            if record.value in self.silent_for:
                self.silent_for.remove(record.value or b"")
                return [*sent, *[None] * (len(records) - len(sent))]
            if record.key in held:
                sent.append(held[record.key])
                continue
            self.taken.append((record.key, record.value))
            sent.append(Written(0, len(self.taken) - 1))
        return sent

    async def stop(self) -> None:
        """Nothing to stop."""


@pytest.fixture
def kafka() -> Kafka:
    """A topic that takes everything."""
    return Kafka()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Outbox]:
    """An empty outbox."""
    opened = Outbox(StoreSettings(folder=tmp_path), limit=1_000)
    yield opened
    opened.store.close()


@pytest.fixture
def lane(box: Outbox, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> Lane:
    """A lane that does not wait long."""
    for name in ("_PAUSE_S", "_FIRST_RETRY_S", "_LONGEST_RETRY_S"):
        monkeypatch.setattr(relay, name, 0.01)
    monkeypatch.setattr(relay, "_BATCH", 4)
    opened = Lane(box, KafkaSettings(), OFFICE)
    opened._sender = kafka  # type: ignore[assignment]
    return opened


@asynccontextmanager
async def running(lane: Lane) -> AsyncIterator[None]:
    """The lane at work."""
    task = asyncio.create_task(lane.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def accept(box: Outbox, content: bytes, case: UUID | None = None) -> None:
    """Put a submission into the outbox."""
    headers = {Header.OFFICE: OFFICE}
    await box.accept(Candidate(uuid4(), "portal", "0", OFFICE, case or uuid4(), datetime.now(UTC), headers, content))


async def until(condition: Callable[[], bool]) -> None:
    """Return as soon as it holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def large(record: Outgoing) -> str | None:
    """Why a large record is refused."""
    return "MessageSizeTooLarge" if (record.value or b"").startswith(b"large") else None


async def test_what_can_go_goes(box: Outbox, lane: Lane, kafka: Kafka) -> None:
    """More refused records than a batch holds, the oldest ones, keep no other back: neither what waits already nor what comes."""
    for number in range(9):
        await accept(box, b"large %d" % number)
    await accept(box, b"small")
    kafka.refuses = large
    async with running(lane):
        await until(lambda: len(kafka.taken) == 1)
        await accept(box, b"new")
        await until(lambda: [value for _, value in kafka.taken] == [b"small", b"new"])
        await until(lambda: lane._waiting == 9)


async def test_more_than_a_batch_of_megabytes_stops_nobody(box: Outbox, lane: Lane, kafka: Kafka) -> None:
    """Nine records of a megabyte that Kafka never takes, the oldest ones, keep no other back, also after a restart, and are told."""
    for number in range(9):
        await accept(box, b"large %d" % number + bytes(1_000_000))
    await accept(box, b"small")
    kafka.refuses = large
    async with running(lane):
        await until(lambda: [value for _, value in kafka.taken] == [b"small"])
        await until(lambda: "MessageSizeTooLarge; 9 wait since" in (lane.refused() or ""))
    again = Lane(box, KafkaSettings(), OFFICE)
    again._sender = kafka  # type: ignore[assignment]
    await accept(box, b"new")
    async with running(again):
        await until(lambda: [value for _, value in kafka.taken] == [b"small", b"new"])
        await until(lambda: again.vitals().waiting == 9 and again.vitals().refused_since is not None)


async def test_a_case_keeps_its_order(box: Outbox, lane: Lane, kafka: Kafka) -> None:
    """The later submissions of a case wait behind one that is refused, also those that come later; then they go in their order, once."""
    one, other = uuid4(), uuid4()
    kafka.refuses = large
    contents = [b"first", b"large", *(b"later %d" % number for number in range(6))]
    for content in contents[:5]:
        await accept(box, content, one)
        await accept(box, b"beside " + content, other)
    async with running(lane):
        await until(lambda: len(kafka.taken) == 6)
        for content in contents[5:]:
            await accept(box, content, one)
        await accept(box, b"last", other)
        await until(lambda: kafka.taken[-1][1] == b"last")
        of_one = [value for key, value in kafka.taken if key == outboxes.key(box, one)]
        assert of_one == [b"first"]
        kafka.refuses = lambda _: None
        await until(lambda: len(kafka.taken) == len(contents) + 6 and lane.refused() is None)
    assert [value for key, value in kafka.taken if key == outboxes.key(box, one)] == contents


async def test_the_cause_is_told(box: Outbox, lane: Lane, kafka: Kafka) -> None:
    """Operators read which topic refuses what and why, and how many wait: on the page, in the metric and once in the log."""
    kafka.refuses = large
    for content in (b"large 1", b"large 2", b"small"):
        await accept(box, content)
    with capture_logs() as logs:
        async with running(lane):
            await until(lambda: lane._waiting == 2 and kafka.calls > 5)
            told = lane.refused() or ""
            assert told.startswith(f"{TOPIC} refuses records: MessageSizeTooLarge; 2 wait since 20")
            assert told.endswith("; compare with `stadtbus topics plan`")
            assert metrics.RELAY_HELD.labels(OFFICE, "MessageSizeTooLarge")._value.get() == 2
            kafka.refuses = lambda _: None
            await until(lambda: len(kafka.taken) == 3 and lane.refused() is None)
    refused = [line for line in logs if line["event"] == "relay_refused"]
    assert [(line["topics"], line["errors"], line["waiting"]) for line in refused] == [([TOPIC], {"MessageSizeTooLarge": 2}, 2)]
    assert [line["event"] for line in logs if line["event"] == "relay_goes_on"] == ["relay_goes_on"]
    assert metrics.RELAY_HELD.labels(OFFICE, "MessageSizeTooLarge")._value.get() == 0


async def test_what_is_refused_for_good_costs_little(box: Outbox, lane: Lane, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many refused records only a few are tried at a time, each has its turn, and one that gets through lets all go."""
    monkeypatch.setattr(relay, "_CASES_RETRIED", 2)
    tried: list[bytes] = []

    def refuse(record: Outgoing) -> str | None:
        tried.append(record.value or b"")
        return large(record)

    kafka.refuses = refuse
    for number in range(6):
        await accept(box, b"large %d" % number)
    async with running(lane):
        await until(lambda: len(tried) >= 12)
        assert sorted(tried[6:12]) == sorted(tried[:6])
        kafka.refuses = lambda record: None if record.value == b"large 3" else large(record)
        await until(lambda: len(kafka.taken) == 1)
        kafka.refuses = lambda _: None
        await until(lambda: len(kafka.taken) == 6)


async def test_what_is_held_has_its_turn_beside_what_comes(box: Outbox, lane: Lane, kafka: Kafka) -> None:
    """An office that is never at rest gets a held submission through all the same, once its topic takes it."""
    kafka.refuses = large
    await accept(box, b"large")

    async def be_busy() -> None:
        while True:
            lane._filled.set()
            await asyncio.sleep(0)

    async with running(lane):
        await until(lambda: lane.refused() is not None)
        kafka.refuses = lambda _: None
        busy = asyncio.create_task(be_busy())
        await until(lambda: len(kafka.taken) == 1)
        busy.cancel()


async def test_what_has_no_answer_goes_before_what_follows(box: Outbox, lane: Lane, kafka: Kafka) -> None:
    """A record whose outcome is not known is sent again before the later ones of its case, also while others are held."""
    one = uuid4()
    kafka.refuses = large
    kafka.silent_for = [b"b"]
    await accept(box, b"large")
    for content in (b"a", b"b", b"c", b"d", b"e"):
        await accept(box, content, one)
    async with running(lane):
        await until(lambda: len(kafka.taken) == 5)
    assert [value for _, value in kafka.taken] == [b"a", b"b", b"c", b"d", b"e"]


async def test_kafka_away_holds_nothing(box: Outbox, lane: Lane, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """While no broker answers nothing counts as refused, and after some seconds it is told what waits; afterwards everything goes."""
    kafka.away = True
    await accept(box, b"a")
    async with running(lane):
        await until(lambda: kafka.calls > 2)
        assert (lane.refused(), lane.check()) == (None, None)
        monkeypatch.setattr(relay, "_SOON_S", 0.0)
        assert (lane.check() or "").startswith(f"Kafka does not answer for {TOPIC}; 1 wait since 20")
        kafka.away = False
        await until(lambda: len(kafka.taken) == 1 and lane.check() is None)
