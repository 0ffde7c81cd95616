"""Outcomes that back offices tell later: asked for until they are known, told at least once, on both databases."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from time import monotonic
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
import structlog

from adapters.interface import Accepted, Refusal
from consumers.delivery import outcomes
from consumers.delivery.awaited import AWAITED, Awaited, expect
from consumers.delivery.outcomes import OutcomePoller
from consumers.settings import DeliverySettings
from infra import metrics
from infra.kafka.outgoing import KafkaRefusal, Known, Outgoing, Position
from infra.kafka.refusals import Refusals
from infra.settings import StoreSettings
from infra.stores import Store
from schemas.errors import DestinationDown
from schemas.events import State, StatusEvent

OFFICE = "muenchen.gewerbe"
DELIVERED_MS = 1_772_355_600_000
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Clock:
    """A clock that tests move."""

    now_ms = DELIVERED_MS

    @staticmethod
    def monotonic() -> float:
        return monotonic()

    def time(self) -> float:
        return self.now_ms / 1000


class BackOffice:
    """Answers by reference; what it does not know is in progress."""

    def __init__(self) -> None:
        self.answers: dict[str, Accepted | Refusal | Exception] = {}
        self.asked: list[str] = []
        self.at_once = Counter[str]()

    async def outcome(self, reference: str) -> Accepted | Refusal | None:
        self.asked.append(reference)
        self.at_once["now"] += 1
        self.at_once["most"] = max(self.at_once["most"], self.at_once["now"])
        await asyncio.sleep(0)
        self.at_once["now"] -= 1
        answer = self.answers.get(reference)
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Wire:
    """The events topic as a list; it fails as it is told."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.failures: list[Exception] = []
        self.refuses: str | None = None

    async def send_until_known(self, records: Sequence[Outgoing]) -> list[Known]:
        if self.failures:
            raise self.failures.pop()
        if self.refuses is not None:
            return [KafkaRefusal("muenchen.events", self.refuses)] * len(records)
        self.sent.extend(records)
        return [Position(0, number) for number, _ in enumerate(records)]

    @property
    def events(self) -> list[StatusEvent]:
        return [StatusEvent.model_validate_json(record.value or b"") for record in self.sent]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the watch."""
    moved = Clock()
    monkeypatch.setattr(outcomes, "time", moved)
    return moved


@pytest.fixture
def store(store_settings: StoreSettings) -> Iterator[Store]:
    """The ledger's database, of which only the table of outcomes is needed here."""
    opened = Store(store_settings, f"ledger-{OFFICE}", AWAITED.metadata)
    yield opened
    opened.close()


@pytest.fixture
def wire() -> Wire:
    """The events topic."""
    return Wire()


@pytest.fixture
def back_office() -> BackOffice:
    """The back office."""
    return BackOffice()


def row(number: int = 1, *, partition: int = 3, submission: UUID | None = None) -> Awaited:
    """A submission that was delivered, the higher the number the later."""
    delivered_ms = DELIVERED_MS + number
    names = (str(submission or uuid4()), f"GM-{number}", "case", "99050012104000", "portal")
    return Awaited(*names, b"case", partition, 2, delivered_ms - 500, TRACE, delivered_ms)


async def put(store: Store, *rows: Awaited) -> None:
    """Note these as delivered."""
    await store.write(lambda connection: expect(connection, OFFICE, rows))


def rows(store: Store) -> list[tuple[str, int]]:
    """Submissions that wait, and how often each was asked for."""
    query = sa.select(AWAITED.c.submission, AWAITED.c.asked).order_by(AWAITED.c.delivered_ms)
    return [tuple(one) for one in store.read_now(lambda connection: connection.execute(query).all())]


def watch(store: Store, back_office: BackOffice, wire: Wire, partitions: Collection[int] = (3,), longest_s: float = 300) -> OutcomePoller:
    """A process that has these partitions."""
    settings = DeliverySettings(longest_outcome_poll_s=longest_s)
    return OutcomePoller(OFFICE, back_office, store, wire, settings, Refusals(), lambda: partitions)  # type: ignore[arg-type]


async def round_of(process: OutcomePoller) -> int:
    """Ask for what is due, and wait until each has come to its end; how many were asked for."""
    await process.ask()
    count = len(process._asking)
    await process.answered()
    await process.count()
    return count


async def test_accepted_is_told_and_let_go(store: Store, clock: Clock, back_office: BackOffice, wire: Wire) -> None:
    """An accepted submission makes one event with its reference, key, partition and trace, and is not asked for again."""
    one = row()
    back_office.answers[one.reference] = Accepted()
    await put(store, one)
    clock.now_ms += 2_000
    for _ in range(2):
        await round_of(watch(store, back_office, wire))
    (sent,), (event,) = wire.sent, wire.events
    assert (sent.topic, sent.key, sent.partition) == ("muenchen.events", b"case", 3)
    assert ("traceparent", TRACE) in sent.headers
    assert (event.data.state, event.data.reference, event.data.attempt) == (State.ACCEPTED, "GM-1", 2)
    assert (str(event.data.submission), event.data.office) == (one.submission, OFFICE)
    assert back_office.asked == ["GM-1"]
    assert rows(store) == []


async def test_refused_is_told_with_its_code(store: Store, clock: Clock, back_office: BackOffice, wire: Wire) -> None:
    """What the back office turns down after delivery is rejected, with its code as the reason."""
    back_office.answers["GM-1"] = Refusal("UNZUSTAENDIG")
    await put(store, row())
    clock.now_ms += 2_000
    await round_of(watch(store, back_office, wire))
    (event,) = wire.events
    assert (event.data.state, event.data.reason) == (State.REJECTED, "UNZUSTAENDIG")
    assert rows(store) == []


async def test_not_asked_at_once(store: Store, clock: Clock, back_office: BackOffice, wire: Wire) -> None:
    """Right after delivery nobody asks: the news of the delivery goes first."""
    await put(store, row())
    clock.now_ms += 500
    await round_of(watch(store, back_office, wire))
    assert back_office.asked == []


async def test_pauses_grow_up_to_the_longest(store: Store, clock: Clock, back_office: BackOffice, wire: Wire) -> None:
    """What is not decided is asked for again after 1, 2, 4 seconds and so on, and after the longest pause from then on."""
    await put(store, row())
    process = watch(store, back_office, wire, longest_s=10)
    asked_at_s = []
    for second in range(60):
        clock.now_ms = DELIVERED_MS + 1 + second * 1000
        before = len(back_office.asked)
        await round_of(process)
        asked_at_s += [second] * (len(back_office.asked) - before)
    assert asked_at_s == [1, 3, 7, 15, 25, 35, 45, 55]


async def test_a_clock_that_was_ahead_puts_nothing_off(store: Store, clock: Clock, back_office: BackOffice, wire: Wire) -> None:
    """What a process whose clock was a year ahead has delivered or put off is asked for as soon as the clock is right again."""
    await put(store, row())
    process = watch(store, back_office, wire, longest_s=10)
    clock.now_ms = DELIVERED_MS + 365 * 86_400_000
    await round_of(process)
    clock.now_ms = DELIVERED_MS + 2_000
    await round_of(process)
    assert len(back_office.asked) == 2


async def test_a_question_that_fails_is_asked_again(store: Store, clock: Clock, back_office: BackOffice, wire: Wire) -> None:
    """A back office that is down loses no outcome; one line says how many questions failed, whatever their number."""
    await put(store, row(1), row(2))
    back_office.answers = {"GM-1": DestinationDown("no answer"), "GM-2": ValueError("Kanarienvogel")}
    clock.now_ms += 2_000
    with structlog.testing.capture_logs() as logs:
        await round_of(watch(store, back_office, wire))
    assert [(line["event"], line["count"], line["reason"]) for line in logs] == [("outcomes_not_known", 2, "no answer")]
    assert "Kanarienvogel" not in str(logs)
    back_office.answers = {"GM-1": Accepted(), "GM-2": Accepted()}
    clock.now_ms += 2_000
    await round_of(watch(store, back_office, wire))
    assert [event.data.reference for event in wire.events] == ["GM-1", "GM-2"]


async def test_questions_wait_as_long_as_the_back_office_says(store: Store, clock: Clock, back_office: BackOffice, wire: Wire) -> None:
    """Where one question hears how long to wait, no other is asked before."""
    await put(store, row(1))
    back_office.answers = {"GM-1": DestinationDown("HTTP 429", 25)}
    process = watch(store, back_office, wire)
    clock.now_ms += 2_000
    await round_of(process)
    await put(store, row(2))
    back_office.answers = {"GM-1": Accepted(), "GM-2": Accepted()}
    clock.now_ms += 24_900
    assert await round_of(process) == 0
    clock.now_ms += 200
    assert await round_of(process) == 2


async def test_killed_before_it_is_told(store: Store, clock: Clock, back_office: BackOffice, wire: Wire) -> None:
    """A process that dies between the answer and the event leaves the row; the next one asks and tells."""
    back_office.answers["GM-1"] = Accepted()
    await put(store, row())
    clock.now_ms += 2_000
    wire.failures = [RuntimeError("killed")]
    with pytest.raises(RuntimeError):
        await round_of(watch(store, back_office, wire))
    await round_of(watch(store, back_office, wire))
    assert [event.data.state for event in wire.events] == [State.ACCEPTED]


async def test_killed_before_the_row_goes(
    store: Store, clock: Clock, back_office: BackOffice, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies between event and row tells again after its restart, with the same id."""
    back_office.answers["GM-1"] = Accepted()
    await put(store, row())
    clock.now_ms += 2_000
    with monkeypatch.context() as patch:
        patch.setattr(store, "write", None)
        with pytest.raises(TypeError):
            await round_of(watch(store, back_office, wire))
    clock.now_ms += 60_000
    await round_of(watch(store, back_office, wire))
    first, again = wire.events
    assert first.id == again.id
    assert rows(store) == []


async def test_no_row_without_its_delivery(store: Store) -> None:
    """When the transaction that notes the delivery fails, nothing is awaited."""

    def operation(connection: sa.Connection) -> None:
        expect(connection, OFFICE, [row()])
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        await store.write(operation)
    assert rows(store) == []


async def test_noted_twice_is_awaited_once(store: Store, clock: Clock, back_office: BackOffice, wire: Wire) -> None:
    """A transaction that ran twice has one row, which keeps its place."""
    one = row()
    await put(store, one)
    clock.now_ms += 2_000
    await round_of(watch(store, back_office, wire))
    await put(store, one)
    assert rows(store) == [(one.submission, 1)]


async def test_only_own_partitions(store: Store, clock: Clock, back_office: BackOffice, wire: Wire) -> None:
    """A process asks for the rows of its partitions; without any it asks for nothing."""
    await put(store, row(1, partition=3), row(2, partition=4))
    clock.now_ms += 2_000
    await round_of(watch(store, back_office, wire, partitions=()))
    assert back_office.asked == []
    await round_of(watch(store, back_office, wire, partitions=(4,)))
    assert back_office.asked == ["GM-2"]


async def test_oldest_first_and_a_few_at_a_time(store: Store, clock: Clock, back_office: BackOffice, wire: Wire) -> None:
    """Of many the oldest are asked for first, eight at a time."""
    await put(store, *(row(number) for number in reversed(range(20))))
    clock.now_ms += 2_000
    process = watch(store, back_office, wire)
    assert [await round_of(process) for _ in range(3)] == [8, 8, 4]
    assert back_office.asked == [f"GM-{number}" for number in range(20)]
    assert back_office.at_once["most"] == 8


async def test_what_waits_is_counted(store: Store, clock: Clock, back_office: BackOffice, wire: Wire) -> None:
    """Two figures say how many outcomes are awaited and how long the oldest waits."""
    await put(store, row(0), row(1))
    clock.now_ms += 90_000
    await round_of(watch(store, back_office, wire))
    assert metrics.OUTCOMES_AWAITED.labels(OFFICE)._value.get() == 2
    assert metrics.OUTCOME_OLDEST_SECONDS.labels(OFFICE)._value.get() == 90
    back_office.answers = {"GM-0": Accepted(), "GM-1": Accepted()}
    clock.now_ms += 90_000
    await round_of(watch(store, back_office, wire))
    assert metrics.OUTCOMES_AWAITED.labels(OFFICE)._value.get() == 0
    assert metrics.OUTCOME_OLDEST_SECONDS.labels(OFFICE)._value.get() == 0


async def test_a_slow_answer_delays_no_other(store: Store, clock: Clock, back_office: BackOffice, wire: Wire) -> None:
    """Of eight questions seven are told, and the next ones asked, while one has no answer yet."""
    await put(store, *(row(number) for number in range(12)))
    clock.now_ms += 2_000
    back_office.answers = {f"GM-{number}": Accepted() for number in range(12)}
    answer = asyncio.Event()

    class Slow(BackOffice):
        async def outcome(self, reference: str) -> Accepted | Refusal | None:
            if reference == "GM-0":
                await answer.wait()
            return await back_office.outcome(reference)

    running = asyncio.create_task(watch(store, Slow(), wire).run())
    async with asyncio.timeout(30):
        while len(wire.sent) < 11 or len(rows(store)) > 1:
            await asyncio.sleep(0.01)
        answer.set()
        while rows(store):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert sorted(event.data.reference or "" for event in wire.events) == sorted(back_office.answers)


async def test_partitions_are_looked_at_in_the_loop_only(store: Store, clock: Clock, back_office: BackOffice, wire: Wire) -> None:
    """The engine changes them; the thread of the store never sees them."""
    threads: set[int] = set()

    def partitions() -> Collection[int]:
        threads.add(threading.get_ident())
        return {3}

    await put(store, row())
    clock.now_ms += 2_000
    settings = DeliverySettings()
    process = OutcomePoller(OFFICE, back_office, store, wire, settings, Refusals(), partitions)  # type: ignore[arg-type]
    await round_of(process)
    assert threads == {threading.get_ident()}
    assert back_office.asked == ["GM-1"]


async def test_rows_are_counted_now_and_then(
    store: Store, clock: Clock, back_office: BackOffice, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round costs no look at the whole table; many rounds within seconds count once."""
    monkeypatch.setattr(outcomes, "_ROUND_S", 0.001)
    counts = []
    process = watch(store, back_office, wire)
    count, ask, rounds = process.count, process.ask, [0]

    async def counted() -> None:
        counts.append(rounds[0])
        await count()

    async def asked() -> None:
        rounds[0] += 1
        await ask()

    monkeypatch.setattr(process, "count", counted)
    monkeypatch.setattr(process, "ask", asked)
    running = asyncio.create_task(process.run())
    async with asyncio.timeout(30):
        while rounds[0] < 20:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert counts == [1]


@pytest.mark.parametrize("end", [asyncio.CancelledError, SystemExit])
async def test_an_end_out_of_a_question_is_a_failure(
    store: Store, clock: Clock, back_office: BackOffice, wire: Wire, end: type[BaseException]
) -> None:
    """What somebody cancels below an adapter, or its `sys.exit`, ends nothing here: the question is asked again."""
    back_office.answers["GM-1"] = end()  # type: ignore[assignment]
    await put(store, row())
    clock.now_ms += 2_000
    process = watch(store, back_office, wire)
    await round_of(process)
    back_office.answers["GM-1"] = Accepted()
    clock.now_ms += 10_000
    await round_of(process)
    assert (len(wire.events), rows(store)) == (1, [])


async def test_an_event_that_kafka_refuses_waits_for_another_round(store: Store, clock: Clock, back_office: BackOffice, wire: Wire) -> None:
    """The row stays until the event is written."""
    back_office.answers["GM-1"] = Accepted()
    await put(store, row())
    clock.now_ms += 2_000
    wire.refuses = "TopicAuthorizationFailed"
    process = watch(store, back_office, wire)
    await round_of(process)
    assert (wire.events, len(rows(store))) == ([], 1)
    wire.refuses = None
    clock.now_ms += 10_000
    await round_of(process)
    assert (len(wire.events), rows(store)) == (1, [])


async def test_a_question_that_does_not_end_holds_up_no_stop(
    store: Store, clock: Clock, back_office: BackOffice, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process stops in time although its adapter takes no notice of it; the row stays, and is asked for again."""
    monkeypatch.setattr(outcomes, "_STOP_LIMIT_S", 0.05)
    asked, answers = asyncio.Event(), asyncio.Event()

    async def outcome(_: str) -> Accepted:
        asked.set()
        while not answers.is_set():
            with suppress(asyncio.CancelledError):
                await answers.wait()
        return Accepted()

    monkeypatch.setattr(back_office, "outcome", outcome)
    await put(store, row())
    clock.now_ms += 2_000
    process = watch(store, back_office, wire)
    running = asyncio.create_task(process.run())
    await asked.wait()
    questions = list(process._asking.values())
    running.cancel()
    _, left = await asyncio.wait([running], timeout=5)
    answers.set()
    await asyncio.gather(running, *questions, return_exceptions=True)
    assert not left
