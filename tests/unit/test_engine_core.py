"""The engine's promises, held through random interleavings of records, outcomes, revocations, crashes and operators."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from consumers.engine.core import Action, CaseState, Core, OffsetWentBack, Work
from tests.engine_model import NUMBERS, PARTITIONS, RETRY, SUBMISSIONS, WITHOUT_KEY, Engine, Out, Partition, Process, Rec, World

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


# --- each promise once more, as an example

MAIN: Partition = (SUBMISSIONS, 0)
OTHER: Partition = (SUBMISSIONS, 1)
PARKED: Partition = (RETRY, 0)


def core_with(records: Sequence[tuple[Partition, int, str]], cases: dict[bytes, CaseState] | None = None) -> Engine:
    """A core with these records (partition, offset, case) on their way."""
    core: Engine = Core(Work)
    core.assign(dict.fromkeys((MAIN, OTHER, PARKED), 0), {PARKED}, cases)
    for partition, offset, case in records:
        core.offer(partition, [Rec(offset, case.encode(), b"x", f"s{offset}", offset)])
    return core


def take_one(core: Engine) -> Out:
    """The next record."""
    (work,) = core.take(1)
    return work


def places(works: Sequence[Out]) -> list[tuple[Partition, int]]:
    """Where they stand."""
    return [(work.partition, work.offset) for work in works]


def test_partitions_take_turns() -> None:
    """A partition with many cases does not starve one with few."""
    core = core_with([(MAIN, 0, "a"), (MAIN, 1, "b"), (MAIN, 2, "c"), (OTHER, 0, "d")])
    assert places(core.take(4)) == [(MAIN, 0), (OTHER, 0), (MAIN, 1), (MAIN, 2)]


def test_offsets_may_have_holes() -> None:
    """Offsets without a record are no unfinished records: the commit moves over them."""
    core = core_with([(MAIN, 5, "a"), (MAIN, 9, "b")])
    for work in core.take(2):
        core.finish(work)
    assert (core.committable()[MAIN], core.position(MAIN)) == (10, 10)


def test_hole_before_an_unfinished_record_is_not_passed() -> None:
    """The commit stays before the record that is not finished, wherever that stands."""
    core = core_with([(MAIN, 5, "a"), (MAIN, 9, "b")])
    first, second = core.take(2)
    core.finish(second)
    assert (core.committable()[MAIN], core.uncommittable) == (0, 1)
    core.finish(first)
    assert (core.committable()[MAIN], core.uncommittable) == (10, 0)


@pytest.mark.parametrize("offset", [0, 2])
def test_log_that_begins_again_is_noticed(offset: int) -> None:
    """A record that comes twice in one assignment means that the log is another one."""
    core = core_with([(MAIN, 2, "a")])
    with pytest.raises(OffsetWentBack):
        core.offer(MAIN, [Rec(offset, b"a", None, "", offset)])


def test_full_partition_leaves_room_for_others() -> None:
    """A partition with as much on its way as its share is not read on; finished records that wait do not count."""
    core = core_with([(MAIN, 0, "a"), (MAIN, 1, "b"), (MAIN, 2, "c"), (OTHER, 0, "d")])
    assert (core.readable(9, 1_000), core.readable(12, 1_000)) == ([OTHER, PARKED], [MAIN, OTHER, PARKED])
    core.finish(next(work for work in core.take(4) if work.offset == 1))
    assert core.readable(9, 1_000) == [MAIN, OTHER, PARKED]


def test_large_records_fill_the_share_of_their_partition() -> None:
    """What counts beside the number is the size: a partition whose few records are large is not read on either."""
    core = core_with([(MAIN, 0, "a"), (OTHER, 0, "d")])
    (large,) = core.take(1)
    size_bytes = core.in_flight_bytes // 2
    assert core.readable(1_000, 3 * size_bytes) == [PARKED]
    core.finish(large)
    assert len(core.readable(1_000, 3 * size_bytes)) == 2


def test_gap_is_the_record_that_holds_the_commit() -> None:
    """Named is the oldest unfinished record of a partition where more than so many finished ones wait for it."""
    core = core_with([(MAIN, 0, "a"), (MAIN, 1, "b"), (MAIN, 2, "c"), (OTHER, 0, "d")])
    for work in core.take(4)[2:]:
        core.finish(work)
    assert (core.gaps(1), core.gaps(2)) == ({(MAIN, 0)}, set())


def test_filling_gaps_leaves_nothing_finished_uncommitted() -> None:
    """Before a stop only records before the furthest begun one are handed out; then everything finished can be committed."""
    core = core_with([(MAIN, offset, case) for offset, case in enumerate("aaabbc")])
    first, second = core.take(2)
    core.finish(second)  # offset 3, of the quick case
    core.drain()
    core.finish(first)
    done = []
    while works := core.take(1):
        done.append(works[0].offset)
        core.finish(works[0])
    assert (done, core.uncommittable, core.committable()[MAIN]) == ([1, 2], 0, 4)


def test_assignment_begins_anew() -> None:
    """After a stop that filled gaps, a new assignment hands out everything again."""
    core = core_with([])
    core.drain()
    core.assign({MAIN: 7})
    core.offer(MAIN, [Rec(7, b"a", None, "", 7)])
    assert (places(core.take(9)), list(core.partitions)) == ([(MAIN, 7)], [MAIN])


def test_later_records_follow_a_parked_one() -> None:
    """While a record of a case is parked its later ones are parked behind it; then the case goes on as before."""
    core = core_with([(MAIN, 0, "a"), (MAIN, 1, "a"), (MAIN, 2, "a")])
    core.finish_parked(take_one(core), 0)
    second = take_one(core)
    assert (second.action, core.parked_cases) == (Action.PARK, 1)
    core.finish_parked(second, 1)
    core.offer(PARKED, [Rec(0, b"a", None, "s0", 0), Rec(1, b"a", None, "s1", 1)])
    core.defer(take_one(core))  # the first one's time has not come
    third = take_one(core)
    assert (third.partition, third.action) == (MAIN, Action.PARK)
    core.finish_parked(third, 2)


def test_dead_record_holds_those_after_it() -> None:
    """What was written after a dead letter that holds its case follows it; its own replay does not, and frees the case."""
    core = core_with([(MAIN, 0, "a"), (MAIN, 1, "a"), (MAIN, 2, "a")])
    core.finish_dead(take_one(core), "s0")
    second = take_one(core)
    assert second.action is Action.HOLD
    core.finish_dead(second, "s1")
    replayed = core.offer(PARKED, [Rec(0, b"a", None, "s0", 0)])[0]
    replayed.held_as, replayed.origin = "s0", 0
    assert [work.action for work in core.take(9) if work.retry] == [Action.TRY]


def test_replay_out_of_order_waits_for_its_turn() -> None:
    """A later dead letter that is replayed first goes back to the dead letters: the earlier one still holds the case."""
    core = core_with([], {b"a": CaseState(held={"s0": 0, "s1": 1})})
    replayed = core.offer(PARKED, [Rec(7, b"a", None, "s1", 1)])[0]
    replayed.held_as, replayed.origin = "s1", 1
    assert take_one(core).action is Action.HOLD


def test_record_that_waits_lets_the_other_topic_go_on() -> None:
    """While a parked record waits for its time, a later one of its case can be parked; while it is out, that has to wait."""
    core = core_with([(PARKED, 0, "a")])
    parked = take_one(core)
    core.offer(MAIN, [Rec(1, b"a", None, "s1", 1)])
    assert core.take(9) == []
    core.defer(parked)
    assert take_one(core).action is Action.PARK
    core.requeue(parked)
    assert core.take(9) == []


def test_record_without_key_belongs_to_nothing() -> None:
    """It is a case of its own, and setting it aside leaves nothing behind."""
    core = core_with([])
    works = core.offer(MAIN, [Rec(offset, None, b"x", f"s{offset}", offset) for offset in range(3)])
    assert core.take(9) == works
    core.finish_parked(works[0], 4)
    core.finish_dead(works[1], "s1")
    core.finish(works[2])
    assert (core._special, core.committable()[MAIN]) == ({}, 3)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        pytest.param({"mine": 12}, Action.TRY, id="as it died"),
        pytest.param({"mine": 12, "older": 3}, Action.HOLD, id="behind an older one"),
        pytest.param({"mine": -1}, Action.TRY, id="its topic was made anew since"),
        pytest.param({"mine": -1, "other": -1}, Action.TRY, id="with another of that time"),
    ],
)
def test_what_is_replayed_is_not_held_by_itself(held: dict[str, int], expected: Action) -> None:
    """A dead letter that is replayed is held by older ones of its case only, also where the ledger has its place as older than all."""
    work: Any = Work(0, SimpleNamespace(offset=5, key=b"case"), 0, retry=True)
    work.held_as, work.origin = "mine", 12
    assert Core._action(work, CaseState(held=held)) is expected
