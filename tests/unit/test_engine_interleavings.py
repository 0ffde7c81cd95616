"""The core's promises, held through random interleavings of records, outcomes, revocations, crashes and operators."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from consumers.engine.core import Action
from tests.engine_model import NUMBERS, PARTITIONS, WITHOUT_KEY, Engine, Out, Partition, Process, World

CASES = st.sampled_from((0, 0, 0, 1, 2, WITHOUT_KEY))
"""Most records are of one case, because what there is to go wrong goes wrong within a case."""
ENOUGH = 150
PICK = st.integers(0, 99)
OUTCOMES = ("deliver", "again", "unclear", "park", "die", "die, the case goes on")
PICKS = st.lists(st.tuples(PICK, st.sampled_from(OUTCOMES)), min_size=1, max_size=10)
ENDS = ("deliver", "park", "die")


class EngineMachine(RuleBasedStateMachine):
    """A world, one process after the other in it, and a checker that tells from the world alone what has to happen."""

    @initialize(backlog=st.lists(CASES, min_size=5, max_size=30))
    def start(self, backlog: list[int]) -> None:
        self.world = World()
        for case in backlog:
            self.world.submit(case)
        self.process = Process(self.world)
        self.finished: set[tuple[Partition, int]] = set()

    # --- portals, Kafka and time

    @precondition(lambda self: sum(self.world.ends.values()) < ENOUGH)
    @rule(cases=st.lists(CASES, min_size=1, max_size=6), hole=st.booleans())
    def submit(self, cases: list[int], hole: bool) -> None:
        for case in cases:
            self.world.submit(case, hole=hole)

    @rule(without=st.sets(st.sampled_from(PARTITIONS)), count=st.integers(1, 8), limit=st.integers(1, 8), picks=PICKS)
    def work(self, without: set[Partition], count: int, limit: int, picks: list[tuple[int, str]]) -> None:
        for partition in sorted(set(self.process.core.partitions) - without):
            self.process.fetch(partition, count)
        self.take(limit)
        self.settle(picks, limit)

    @precondition(lambda self: self.process.delayed)
    @rule(picks=st.lists(PICK, min_size=1, max_size=4), limit=st.integers(1, 8))
    def put_back(self, picks: list[int], limit: int) -> None:
        for pick in picks[: len(self.process.delayed)]:
            self.process.put_back(one(self.process.delayed, pick))
        self.take(limit)

    # --- outcomes

    @precondition(lambda self: self.process.out)
    @rule(picks=PICKS, limit=st.integers(1, 8))
    def go_on(self, picks: list[tuple[int, str]], limit: int) -> None:
        self.settle(picks, limit)
        self.process.commit()

    def take(self, limit: int) -> None:
        for work in self.process.take(limit):
            self.check_handed_out(work)

    def settle(self, picks: list[tuple[int, str]], limit: int) -> None:
        for pick, outcome in picks:
            if self.process.out:
                self.end(one(self.process.out, pick), outcome)
            self.take(limit)

    def end(self, work: Out, outcome: str) -> None:
        """What the handler does with a record; the outcome matters only where it is tried."""
        process = self.process
        if not process.is_open(work):
            process.repeat(work)
        elif work.record.discarded:
            process.refuse(work)
        elif work.action is Action.PARK or (outcome == "park" and work.action is Action.TRY and not work.retry):
            process.park(work)
        elif work.action is Action.HOLD or outcome.startswith("die"):
            process.die(work, holds=work.action is Action.HOLD or outcome == "die")
        elif outcome in ("again", "unclear", "park"):
            self.fail(work, arrived=outcome == "unclear")
            return
        else:
            process.deliver(work)
        self.finished.add((work.partition, work.offset))

    def fail(self, work: Out, *, arrived: bool) -> None:
        """It comes again; it may have arrived all the same."""
        if arrived:
            self.world.arrive(work)
        self.process.again(work)

    # --- operators

    @precondition(lambda self: self.world.dead)
    @rule(pick=PICK, discarded=st.booleans())
    def replay(self, pick: int, discarded: bool) -> None:
        number, record = one(self.world.dead, pick)
        self.world.put_into_retry(number, record, discarded=discarded)

    # --- processes come and go

    @precondition(lambda self: self.process.out or self.process.delayed)
    @rule(how=st.sampled_from(("revoke", "drain", "crash", "crash after a copy")), pick=PICK, numbers=st.sets(st.sampled_from(NUMBERS)))
    def interrupt(self, how: str, pick: int, numbers: set[int]) -> None:
        if how == "drain":
            self.drain(pick)
        if how == "crash after a copy":
            self.copy_only(pick)
        if how.startswith("crash"):
            self.process = Process(self.world)
        else:
            self.process.revoke()
            self.process.assign(numbers or set(NUMBERS))

    def drain(self, pick: int) -> None:
        """Before partitions go, what was begun and what lies before it ends: then nothing delivered stays uncommitted."""
        process = self.process
        process.core.drain()
        furthest = dict(process.furthest)
        while process.out or process.take(3):
            work = process.out[0]
            assert work.offset <= furthest[work.partition], "begun behind everything that was begun"
            self.end(work, one(ENDS, pick + len(process.out)))
            self.keep_promises()
        assert process.core.uncommittable == 0 or process.delayed

    def copy_only(self, pick: int) -> None:
        """The copy is written, and the process dies before anybody knows."""
        works = [work for work in self.process.out if self.process.is_open(work) and not work.record.discarded]
        if not works:
            return
        work = one(works, pick)
        if pick % 2 or work.retry:
            self.world.dead.append((work.partition[1], work.record))
        else:
            self.world.put_into_retry(work.partition[1], work.record)

    @precondition(lambda self: self.process.stale)
    @rule(pick=PICK, outcome=st.integers(0, 4))
    def late_outcome(self, pick: int, outcome: int) -> None:
        """Work of an earlier assignment ends; it must not move anything."""
        core, work = self.process.core, one(self.process.stale, pick)
        before = snapshot(core)
        calls: list[Any] = [core.finish, core.requeue, core.defer]
        calls += [lambda late: core.finish_parked(late, 1_000), lambda late: core.finish_dead(late, "late")]
        calls[outcome](work)
        assert before == snapshot(core)

    # --- what is always true

    def check_handed_out(self, work: Out) -> None:
        """One record of a case at a time, the first of those not finished; and what the world says has to be done with it."""
        process, key = self.process, work.record.key
        assert work.case not in [other.case for other in process.out if other is not work]
        if key is not None:
            earlier = (
                offset for (partition, offset), it in process.offered.items() if it.record.key == key and partition == work.partition
            )
            assert work.offset == min(earlier)
        if process.is_open(work) and not work.record.discarded:
            assert work.action is process.expected_action(work)

    @invariant()
    def keep_promises(self) -> None:
        core, process = self.process.core, self.process
        for partition, offset in core.committable().items():
            assert all((partition, there) in self.finished for there in self.world.logs[partition] if there < offset)
        assert core.in_flight == len(process.offered)
        assert core.in_flight_bytes == sum(len(work.record.value or b"") for work in process.offered.values())
        assert core.ready == sum(len(state.ready) for state in core._partitions.values())
        waiting = sum(len(works) for works in core._waiting.values())
        chains = len(core._chains) + len(core._retry_chains)
        assert core._draining or chains == core.ready + waiting + len(process.out) + len(process.delayed)
        assert chains == len({(work.case, work.retry) for work in process.offered.values()})

    @invariant()
    def nothing_waits_without_a_reason(self) -> None:
        """What is not handed out waits for a record of its case that is; and no chain refers to itself, or it would stay in memory."""
        core, out = self.process.core, {work.case for work in self.process.out}
        assert core._waiting.keys() <= out
        assert all(head.last is not head for chains in (core._chains, core._retry_chains) for head in chains.values())

    @invariant()
    def first_effects_of_a_case_are_in_order(self) -> None:
        for (number, _), origins in self.world.effects.items():
            ordered = [origin for origin in origins if f"{number}/{origin}" not in self.world.broken]
            assert ordered == sorted(ordered)

    def teardown(self) -> None:
        """Whatever happened, going on finishes every record, and nothing is left behind in memory."""
        if not hasattr(self, "process"):
            return
        self.process.revoke()
        self.process.assign(set(NUMBERS))
        self.finish_all()
        for number, record in list(self.world.dead):
            self.world.put_into_retry(number, record)
        self.finish_all()
        core = self.process.core
        assert core.committable() == self.world.ends
        assert {entry.state for entry in self.world.ledger.values()} <= {"delivered", "refused"}
        assert (core.in_flight, core.in_flight_bytes, core.ready, core.uncommittable, core.parked_cases) == (0, 0, 0, 0, 0)
        assert not any((core._chains, core._retry_chains, core._special, core._waiting))

    def finish_all(self) -> None:
        """Everything that is there is read, and delivered."""
        process = self.process
        while process.out or process.take(50) or any(process.read[partition] < self.world.ends[partition] for partition in PARTITIONS):
            for work in list(process.out):
                self.end(work, "deliver")
            for partition in PARTITIONS:
                process.fetch(partition, 50)
            self.keep_promises()


def one(things: Sequence[Any], pick: int) -> Any:
    """One of these."""
    return things[pick % len(things)]


def snapshot(core: Engine) -> tuple[object, ...]:
    """All that a late outcome could change."""
    return (core.committable(), core.in_flight, core.in_flight_bytes, core.ready, core.uncommittable, copy.deepcopy(core._special))


EngineMachine.TestCase.settings = settings(
    max_examples=300, stateful_step_count=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
TestEngine = EngineMachine.TestCase
