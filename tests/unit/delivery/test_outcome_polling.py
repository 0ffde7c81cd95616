"""Which outcomes are asked for when, how many at a time, and what people see of those that wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection
from contextlib import suppress

import pytest

from adapters.interface import Accepted, Refusal
from consumers.delivery import outcomes
from consumers.delivery.outcomes import OutcomePoller
from consumers.settings import DeliverySettings
from infra import metrics
from infra.kafka.refusals import Refusals
from infra.stores import Store
from schemas.errors import DestinationDown
from tests.outcome_model import DELIVERED_MS, OFFICE, BackOffice, EventsTopic, PollClock, poller, put, round_of, row, rows


async def test_not_asked_at_once(store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic) -> None:
    """Right after delivery nobody asks: the news of the delivery goes first."""
    await put(store, row())
    poll_clock.now_ms += 500
    await round_of(poller(store, back_office, topic))
    assert back_office.asked == []


async def test_pauses_grow_up_to_the_longest(store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic) -> None:
    """What is not decided is asked for again after 1, 2, 4 seconds and so on, and after the longest pause from then on."""
    await put(store, row())
    process = poller(store, back_office, topic, longest_s=10)
    asked_at_s = []
    for second in range(60):
        poll_clock.now_ms = DELIVERED_MS + 1 + second * 1000
        before = len(back_office.asked)
        await round_of(process)
        asked_at_s += [second] * (len(back_office.asked) - before)
    assert asked_at_s == [1, 3, 7, 15, 25, 35, 45, 55]


async def test_a_clock_that_was_ahead_puts_nothing_off(
    store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic
) -> None:
    """What a process whose clock was a year ahead has delivered or put off is asked for as soon as the clock is right again."""
    await put(store, row())
    process = poller(store, back_office, topic, longest_s=10)
    poll_clock.now_ms = DELIVERED_MS + 365 * 86_400_000
    await round_of(process)
    poll_clock.now_ms = DELIVERED_MS + 2_000
    await round_of(process)
    assert len(back_office.asked) == 2


async def test_questions_wait_as_long_as_the_back_office_says(
    store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic
) -> None:
    """Where one question hears how long to wait, no other is asked before."""
    await put(store, row(1))
    back_office.answers = {"GM-1": DestinationDown("HTTP 429", 25)}
    process = poller(store, back_office, topic)
    poll_clock.now_ms += 2_000
    await round_of(process)
    await put(store, row(2))
    back_office.answers = {"GM-1": Accepted(), "GM-2": Accepted()}
    poll_clock.now_ms += 24_900
    assert await round_of(process) == 0
    poll_clock.now_ms += 200
    assert await round_of(process) == 2


async def test_only_own_partitions(store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic) -> None:
    """A process asks for the rows of its partitions; without any it asks for nothing."""
    await put(store, row(1, partition=3), row(2, partition=4))
    poll_clock.now_ms += 2_000
    await round_of(poller(store, back_office, topic, partitions=()))
    assert back_office.asked == []
    await round_of(poller(store, back_office, topic, partitions=(4,)))
    assert back_office.asked == ["GM-2"]


async def test_oldest_first_and_a_few_at_a_time(store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic) -> None:
    """Of many the oldest are asked for first, eight at a time."""
    await put(store, *(row(number) for number in reversed(range(20))))
    poll_clock.now_ms += 2_000
    process = poller(store, back_office, topic)
    assert [await round_of(process) for _ in range(3)] == [8, 8, 4]
    assert back_office.asked == [f"GM-{number}" for number in range(20)]
    assert back_office.concurrency["most"] == 8


async def test_what_waits_is_counted(store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic) -> None:
    """Two figures say how many outcomes are awaited and how long the oldest waits."""
    await put(store, row(0), row(1))
    poll_clock.now_ms += 90_000
    await round_of(poller(store, back_office, topic))
    assert metrics.OUTCOMES_AWAITED.labels(OFFICE)._value.get() == 2
    assert metrics.OUTCOME_OLDEST_SECONDS.labels(OFFICE)._value.get() == 90
    back_office.answers = {"GM-0": Accepted(), "GM-1": Accepted()}
    poll_clock.now_ms += 90_000
    await round_of(poller(store, back_office, topic))
    assert metrics.OUTCOMES_AWAITED.labels(OFFICE)._value.get() == 0
    assert metrics.OUTCOME_OLDEST_SECONDS.labels(OFFICE)._value.get() == 0


async def test_a_slow_answer_delays_no_other(store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic) -> None:
    """Of eight questions seven are told, and the next ones asked, while one has no answer yet."""
    await put(store, *(row(number) for number in range(12)))
    poll_clock.now_ms += 2_000
    back_office.answers = {f"GM-{number}": Accepted() for number in range(12)}
    answer = asyncio.Event()

    class Slow(BackOffice):
        async def outcome(self, reference: str) -> Accepted | Refusal | None:
            if reference == "GM-0":
                await answer.wait()
            return await back_office.outcome(reference)

    running = asyncio.create_task(poller(store, Slow(), topic).run())
    async with asyncio.timeout(30):
        while len(topic.sent) < 11 or len(rows(store)) > 1:
            await asyncio.sleep(0.01)
        answer.set()
        while rows(store):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert sorted(event.data.reference or "" for event in topic.events) == sorted(back_office.answers)


async def test_partitions_are_looked_at_in_the_loop_only(
    store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic
) -> None:
    """The engine changes them; the thread of the store never sees them."""
    threads: set[int] = set()

    def partitions() -> Collection[int]:
        threads.add(threading.get_ident())
        return {3}

    await put(store, row())
    poll_clock.now_ms += 2_000
    settings = DeliverySettings()
    process = OutcomePoller(OFFICE, back_office, store, topic, settings, Refusals(), partitions)  # type: ignore[arg-type]
    await round_of(process)
    assert threads == {threading.get_ident()}
    assert back_office.asked == ["GM-1"]


async def test_rows_are_counted_now_and_then(
    store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round costs no look at the whole table; many rounds within seconds count once."""
    monkeypatch.setattr(outcomes, "_ROUND_S", 0.001)
    counts = []
    process = poller(store, back_office, topic)
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


async def test_a_question_that_does_not_end_holds_up_no_stop(
    store: Store, poll_clock: PollClock, back_office: BackOffice, topic: EventsTopic, monkeypatch: pytest.MonkeyPatch
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
    poll_clock.now_ms += 2_000
    process = poller(store, back_office, topic)
    running = asyncio.create_task(process.run())
    await asked.wait()
    questions = list(process._asking.values())
    running.cancel()
    _, left = await asyncio.wait([running], timeout=5)
    answers.set()
    await asyncio.gather(running, *questions, return_exceptions=True)
    assert not left
