"""Slots are given in turn: nobody's calls put another's behind them, and whoever goes leaves the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra import fair_queue
from infra.fair_queue import FairQueue
from schemas import problems
from schemas.errors import Rejected


class Work:
    """Work that ends when it is told to, by a clock that is set by hand."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        self.begun: list[str] = []
        self._ends: list[tuple[str, asyncio.Event]] = []
        patch.setattr(fair_queue, "_now", lambda: self.now_s)

    def of(self, name: str) -> Callable[[], Awaitable[str]]:
        """Some work."""

        async def work() -> str:
            end = asyncio.Event()
            self.begun.append(name)
            self._ends.append((name, end))
            await end.wait()
            return name

        return work

    async def end(self, after_s: float = 1.0, place: int = 0) -> str:
        """End one that is under way, the oldest, after so long; who that was."""
        self.now_s += after_s
        name, end = self._ends.pop(place)
        end.set()
        await settle()
        return name

    @property
    def under_way(self) -> list[str]:
        """Whose work is under way."""
        return [name for name, _ in self._ends]


async def settle() -> None:
    """Let everything happen that can."""
    for _ in range(8):
        await asyncio.sleep(0)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Work of tests."""
    return Work(monkeypatch)


async def test_a_flood_puts_nobody_behind_it(work: Work) -> None:
    """With fifty calls of one before it, another's finds a slot at once, and its later ones have every second turn."""
    queue = FairQueue(3, 256)
    flood = [asyncio.create_task(queue.run("flood", work.of("flood"))) for _ in range(50)]
    await settle()
    assert work.under_way == ["flood", "flood"]
    honest = [asyncio.create_task(queue.run("honest", work.of("honest"))) for _ in range(5)]
    await settle()
    assert work.under_way == ["flood", "flood", "honest"]
    while not all(task.done() for task in honest):
        await work.end()
    assert work.begun.index("honest") == 2
    assert len([name for name in work.begun if name == "flood"]) <= 9
    while work.under_way:
        await work.end()
    assert await asyncio.gather(*flood) == ["flood"] * 50


async def test_dear_work_is_paid_for(work: Work) -> None:
    """One slot: whoever takes ten times as long has one turn where another has ten."""
    queue = FairQueue(1, 256)
    tasks = [asyncio.create_task(queue.run(name, work.of(name))) for _ in range(40) for name in ("dear", "cheap")]
    await settle()
    while "cheap" in work.under_way or work.begun.count("cheap") < 40:
        await work.end(10.0 if work.under_way == ["dear"] else 1.0)
    assert 3 <= work.begun.count("dear") <= 6
    while work.under_way:
        await work.end()
    await asyncio.gather(*tasks)


async def test_who_was_away_has_saved_nothing_up(work: Work) -> None:
    """After an hour of another alone, a newcomer gets its turn, not an hour of turns."""
    queue = FairQueue(1, 256)
    tasks = [asyncio.create_task(queue.run("old", work.of("old"))) for _ in range(100)]
    await settle()
    for _ in range(60):
        await work.end(60)
    tasks += [asyncio.create_task(queue.run("new", work.of("new"))) for _ in range(20)]
    await settle()
    begun = len(work.begun)
    for _ in range(20):
        await work.end(60)
    assert 9 <= work.begun[begun:].count("new") <= 11
    while work.under_way:
        await work.end()
    await asyncio.gather(*tasks)


async def test_a_share_of_the_places_to_wait(work: Work) -> None:
    """One alone may wait in half of the places; further calls are refused at once, and another still finds a place."""
    queue = FairQueue(1, 8)
    tasks = [asyncio.create_task(queue.run("flood", work.of("flood"))) for _ in range(5)]
    await settle()
    for _ in range(3):
        with pytest.raises(Rejected) as refused:
            await queue.run("flood", work.of("flood"))
        assert refused.value.problem == problems.PORTAL_BUSY
    tasks.append(asyncio.create_task(queue.run("honest", work.of("honest"))))
    await settle()
    assert (queue.waiting("flood"), queue.waiting("honest")) == (4, 1)
    while work.under_way:
        await work.end()
    await asyncio.gather(*tasks)
    assert (queue.waiting("flood"), queue.waiting("honest")) == (0, 0)


async def test_whoever_hangs_up_leaves_the_queue(work: Work) -> None:
    """What waits is never begun and makes room; what is under way keeps its slot until it ends, so nothing is gained by calling again."""
    queue = FairQueue(1, 8)
    tasks = [asyncio.create_task(queue.run("flood", work.of("flood"))) for _ in range(5)]
    await settle()
    for task in tasks:
        task.cancel()
    await settle()
    assert all(task.cancelled() for task in tasks)
    assert (queue.waiting("flood"), work.under_way) == (0, ["flood"])
    honest = asyncio.create_task(queue.run("honest", work.of("honest")))
    await settle()
    assert work.begun == ["flood"]
    await work.end()
    assert work.begun == ["flood", "honest"]
    await work.end()
    assert await honest == "honest"


async def test_what_fails_gives_its_slot_back(work: Work) -> None:
    """An error comes to the caller, also one that nobody waits for, and the next one has its turn."""
    queue = FairQueue(1, 8)

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError

    gone = asyncio.create_task(queue.run("a", fail))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(ValueError):  # noqa: PT011 - any text
        await queue.run("a", fail)
    after = asyncio.create_task(queue.run("a", work.of("a")))
    await settle()
    assert await work.end() == "a"
    assert await after == "a"


STEP = st.one_of(
    st.tuples(st.just("call"), st.sampled_from("abc")),
    st.tuples(st.just("end"), st.integers(0, 3)),
    st.tuples(st.just("hang up"), st.integers(0, 30)),
    st.tuples(st.just("hang up in the same moment"), st.integers(0, 30)),
)


@given(st.integers(1, 4), st.lists(STEP, max_size=60))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_whatever_happens(slots: int, steps: list[tuple[str, str | int]]) -> None:
    """Calls, ends, callers that go: never more than the slots, none idle while somebody may have it, and nobody is forgotten."""
    asyncio.run(_whatever_happens(slots, steps))


async def _whatever_happens(slots: int, steps: list[tuple[str, str | int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        work, queue = Work(patch), FairQueue(slots, 64)
        tasks: list[asyncio.Task[str]] = []
        for step, what in steps:
            if isinstance(what, str):
                tasks.append(asyncio.create_task(queue.run(what, work.of(what))))
            elif step == "end" and work.under_way:
                await work.end(place=what % len(work.under_way))
            elif step.startswith("hang up") and tasks:
                if step != "hang up" and work.under_way:
                    work._ends.pop(0)[1].set()  # the slot is free in the moment in which the next one goes
                    await asyncio.sleep(0)
                tasks[what % len(tasks)].cancel()
            await settle()
            assert len(work.under_way) <= slots
            for who in "abc":
                may = len(work.under_way) < slots and work.under_way.count(who) < slots - len(work.under_way)
                assert not (queue.waiting(who) and may)
        while work.under_way:
            await work.end()
        assert all(task.done() for task in tasks)
        assert [queue.waiting(who) for who in "abc"] == [0, 0, 0]
        last = asyncio.create_task(queue.run("d", work.of("d")))
        await settle()
        assert work.under_way == ["d"]
        await work.end()
        assert await last == "d"
