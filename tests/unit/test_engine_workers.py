"""The workers, driven through any moment: each turn of the event loop is one step, and anything may happen between two."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from consumers.engine.workers import ENDED, Workers

Kind = Literal["at once", "waits", "fails at once", "fails later", "takes no notice", "cancels itself"]
KINDS: Final[tuple[Kind, ...]] = ("at once", "waits", "fails at once", "fails later", "takes no notice", "cancels itself")
LIMIT_S: Final = 100
"""After it what was begun is not begun any more."""
ENOUGH_TURNS: Final = 40


@dataclass(eq=False)
class Piece:
    """One record, and how its delivery goes."""

    kind: Kind
    number: int
    answer: asyncio.Future[None]
    worker: asyncio.Task[None] | None = None
    """Who delivers it now."""
    ended: list[str] = field(default_factory=list)
    """How: `answered`, or what it was given up for."""
    cut_off: bool = False
    """Somebody has cancelled it."""


class BackOffice:
    """What the workers call."""

    def __init__(self) -> None:
        self.running: list[Piece] = []
        self.order: list[Piece] = []

    async def deliver(self, piece: Piece) -> None:
        piece.worker = asyncio.current_task()
        assert piece.worker is not None
        self.running.append(piece)
        self.order.append(piece)
        try:
            await self._answer(piece, piece.worker)
        finally:
            self.running.remove(piece)
            piece.worker = None
        piece.ended.append("answered")

    async def _answer(self, piece: Piece, worker: asyncio.Task[None]) -> None:
        if piece.kind == "at once":
            return
        if piece.kind == "fails at once":
            raise ValueError
        if piece.kind == "cancels itself":
            worker.cancel()
            return
        while not piece.answer.done():
            try:
                await asyncio.shield(piece.answer) if piece.kind == "takes no notice" else await piece.answer
            except asyncio.CancelledError:
                if piece.kind != "takes no notice":
                    raise
        if piece.kind == "fails later":
            raise ValueError

    def give_up(self, piece: Piece, reason: str | None) -> None:
        piece.ended.append(reason or "not begun")


def _by_age(tasks: Iterable[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    return sorted(tasks, key=lambda task: int(task.get_name().removeprefix("Task-")))


class Machine(RuleBasedStateMachine):
    """Any work, any end, at any turn."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now_s = 0.0
        self.restarts = 0

    @initialize(most=st.sampled_from((1, 1, 1, 2, 3, 12)))
    def start(self, most: int) -> None:
        self.most = most
        self.begin()

    def begin(self) -> None:
        """A new assignment."""
        self.office = BackOffice()
        self.pieces: list[Piece] = []
        self.finished: list[Piece] = []
        self.workers: Workers[Piece] = Workers(
            self.office, self.finished.append, max_concurrency=self.most, wait_limit_s=LIMIT_S, clock=lambda: self.now_s
        )

    def soon(self, call: Callable[[], object]) -> None:
        """In the next turn of the loop, behind what is due already."""
        self.loop.call_soon(call)

    def run_turns(self, count: int) -> None:
        """So many turns of the loop."""
        for _ in range(count):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    # --- what happens

    @rule(kind=st.sampled_from(KINDS))
    def add_one(self, kind: Kind) -> None:
        self.add([kind])

    @rule(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=15))
    def add(self, kinds: list[Kind]) -> None:
        pieces = [Piece(kind, number, self.loop.create_future()) for number, kind in enumerate(kinds, len(self.pieces))]
        self.pieces += pieces
        self.soon(lambda: self.workers.add(pieces))

    @rule()
    def turn(self) -> None:
        self.run_turns(1)

    @rule(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3), pauses=st.lists(st.integers(0, 3), min_size=3, max_size=3))
    def trickle(self, kinds: list[Kind], pauses: list[int]) -> None:
        """One by one, and then nothing for a while."""
        for kind, pause in zip(kinds, pauses, strict=False):
            self.add([kind])
            self.run_turns(pause)
        self.everything_has_its_place()

    @rule(pick=st.integers(0, 20))
    def answered(self, pick: int) -> None:
        self._with_one(pick, lambda piece: None if piece.answer.done() else piece.answer.set_result(None))

    @rule(pick=st.integers(0, 20))
    def cancelled_below(self, pick: int) -> None:
        """Somebody cancels what the delivery waits for."""
        self._with_one(pick, lambda piece: self.cut_off(piece) and piece.answer.cancel())

    @rule(pick=st.integers(0, 20))
    def cancelled_from_outside(self, pick: int) -> None:
        """Somebody cancels the worker, whose it is not."""
        self._with_one(pick, lambda piece: self.cut_off(piece) and piece.worker and piece.worker.cancel())

    @rule(pick=st.integers(0, 20))
    def cancelled_by_a_list(self, pick: int) -> None:
        """Somebody goes through the tasks of the loop, also those that have not begun to run."""
        self.soon(lambda: self.cancel_all(_by_age(asyncio.all_tasks(self.loop))[pick::3]))

    def cancel_all(self, tasks: list[asyncio.Task[Any]]) -> None:
        for piece in self.office.running:
            piece.cut_off |= piece.worker in tasks
        for task in tasks:
            task.cancel()

    @staticmethod
    def cut_off(piece: Piece) -> bool:
        piece.cut_off = True
        return True

    @rule(pick=st.integers(0, 20))
    def overdue(self, pick: int) -> None:
        self._with_one(pick, lambda piece: self.workers.cancel([piece] if piece in self.workers.running else []))

    def _with_one(self, pick: int, call: Callable[[Piece], object]) -> None:
        if self.pieces:
            piece = self.pieces[pick % len(self.pieces)]
            self.soon(lambda: call(piece))

    @rule()
    def asleep(self) -> None:
        """The machine, or the process, for longer than a partition stays ours."""
        self.now_s += LIMIT_S + 1

    @precondition(lambda self: self.restarts < 3)
    @rule()
    def moved(self) -> None:
        """Partitions move: nothing is heard of the old work any more, and the new workers begin."""
        self.restarts += 1
        self.run_turns(1)
        closing = self.loop.create_task(self.workers.close())
        self.run_turns(2)
        for piece in self.pieces:
            if not piece.answer.done():
                piece.answer.set_result(None)
        count = len(self.finished)
        self.run_turns(10)
        assert closing.done()
        assert self.office.running == []
        assert len(self.finished) == count
        self.begin()

    # --- what is true

    @rule()
    def everything_has_its_place(self) -> None:
        """After some turns nothing waits that could be delivered: as many run as may."""
        self.run_turns(ENOUGH_TURNS)
        left = [piece for piece in self.pieces if piece not in self.finished]
        assert len(self.office.running) == min(self.most, len(left))
        assert len(self.workers) == len(left)
        assert set(self.workers.running) == set(self.office.running)

    @invariant()
    def no_more_than_places(self) -> None:
        assert len(getattr(self, "office", BackOffice()).running) <= getattr(self, "most", 0)

    @invariant()
    def each_ends_once(self) -> None:
        finished = getattr(self, "finished", [])
        assert len(set(finished)) == len(finished)
        assert all(len(piece.ended) == 1 for piece in finished)
        assert all(piece.cut_off for piece in finished if piece.ended == [ENDED]), "it has to do with another one"

    @invariant()
    def in_order(self) -> None:
        """They begin in the order in which they were added."""
        begun = [piece.number for piece in getattr(self, "office", BackOffice()).order]
        assert begun == sorted(begun)

    def teardown(self) -> None:
        if hasattr(self, "workers"):
            self.everything_has_its_place()
            for piece in self.pieces:
                if not piece.answer.done():
                    piece.answer.set_result(None)
            self.run_turns(ENOUGH_TURNS)
            assert len(self.finished) == len(self.pieces), "a record is in no list"
            self.run_turns(ENOUGH_TURNS)
        self.loop.close()


def test_what_is_begun_while_a_worker_leaves_is_handed_over() -> None:
    """With one place: the worker has found nothing and is not gone yet, and what comes in that moment does not wait for more to come."""
    machine = Machine()
    machine.start(1)
    for _ in range(2):
        machine.add(["at once"])
        machine.turn()
    machine.everything_has_its_place()
    machine.teardown()


TestWorkers = pytest.mark.filterwarnings("default")(Machine.TestCase)
TestWorkers.settings = settings(deadline=None, max_examples=100, stateful_step_count=25)
