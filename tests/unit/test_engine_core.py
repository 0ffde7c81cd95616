"""The engine's promises, held through random interleavings of records, outcomes, revocations and restarts."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from consumers.engine import Core, Work
from consumers.engine.core import OffsetWentBack

PARTITIONS = (0, 1, 2)
CASES = st.integers(min_value=0, max_value=3)


class EngineMachine(RuleBasedStateMachine):
    """A log, one consumer of it, and a checker that knows what was handed out, finished and committed."""

    @initialize()
    def start(self) -> None:
        self.log: dict[int, list[int]] = {partition: [] for partition in PARTITIONS}
        self.committed = dict.fromkeys(PARTITIONS, 0)
        self.first_finished: dict[tuple[int, int], list[int]] = defaultdict(list)
        self.finished: set[tuple[int, int]] = set()
        self.begin()

    def begin(self) -> None:
        self.core: Core[int, int] = Core()
        self.core.assign(PARTITIONS)
        self.read = dict(self.committed)
        self.running: list[Work[int, int]] = []
        self.stale: list[Work[int, int]] = []

    @rule(partition=st.sampled_from(PARTITIONS), case=CASES)
    def append(self, partition: int, case: int) -> None:
        self.log[partition].append(case)

    @rule(partition=st.sampled_from(PARTITIONS), count=st.integers(1, 5))
    def fetch(self, partition: int, count: int) -> None:
        start = self.read[partition]
        for offset in range(start, min(start + count, len(self.log[partition]))):
            assert self.core.offer(partition, offset, self.log[partition][offset], offset)
            self.read[partition] = offset + 1

    @precondition(lambda self: any(self.read.values()))
    @rule(partition=st.sampled_from(PARTITIONS))
    def fetch_again(self, partition: int) -> None:
        """A record that comes twice in one assignment is not taken twice: it means that the log is another one."""
        if self.read[partition] > self.committed[partition]:
            with pytest.raises(OffsetWentBack):
                self.core.offer(partition, self.read[partition] - 1, 0, 0)

    @rule()
    def take(self) -> None:
        work = self.core.take()
        if work is None:
            return
        assert self.log[work.partition][work.offset] == work.case
        assert (work.partition, work.case) not in {(other.partition, other.case) for other in self.running}, "two of a case at once"
        self.running.append(work)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        work = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        if (work.partition, work.offset) not in self.finished:
            self.first_finished[work.partition, int(str(work.case))].append(work.offset)
        self.finished.add((work.partition, work.offset))
        self.core.finish(work)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        self.core.put_back(self.running.pop(data.draw(st.integers(0, len(self.running) - 1))))

    @rule()
    def commit(self) -> None:
        self.committed.update(self.core.committable())

    @rule()
    def revoke_and_assign(self) -> None:
        self.stale += self.running
        self.commit()
        self.core.revoke_all()
        self.core.assign(PARTITIONS)
        self.read, self.running = dict(self.committed), []

    @rule()
    def crash(self) -> None:
        self.begin()

    @precondition(lambda self: self.stale)
    @rule(failed=st.booleans())
    def late_outcome(self, failed: bool) -> None:
        """Work of an earlier assignment ends; it must not move anything."""
        before = (self.core.committable(), self.core.in_flight, self.core.ready)
        work = self.stale.pop()
        if failed:
            self.core.put_back(work)
        else:
            self.core.finish(work)
        assert before == (self.core.committable(), self.core.in_flight, self.core.ready)

    @invariant()
    def commit_never_passes_an_unfinished_record(self) -> None:
        for partition, offset in self.core.committable().items():
            assert all((partition, done) in self.finished for done in range(offset))

    @invariant()
    def first_deliveries_of_a_case_are_in_order(self) -> None:
        for offsets in self.first_finished.values():
            assert offsets == sorted(offsets)

    @invariant()
    def counts_are_true(self) -> None:
        open_records = sum(
            1
            for partition in PARTITIONS
            for offset in range(self.core.committable().get(partition, self.read[partition]), self.read[partition])
        )
        assert self.core.in_flight + self.core.uncommittable == open_records

    def teardown(self) -> None:
        """Nothing is left behind: whatever happened, going on finishes every record."""
        if not hasattr(self, "core"):
            return
        while self.running:
            self.core.put_back(self.running.pop())
        for partition in PARTITIONS:
            self.fetch(partition, len(self.log[partition]))
        while (work := self.core.take()) is not None:
            self.finished.add((work.partition, work.offset))
            self.core.finish(work)
        assert self.finished == {(partition, offset) for partition, log in self.log.items() for offset in range(len(log))}
        assert all(offset == len(self.log[partition]) for partition, offset in self.core.committable().items())


TestEngine = EngineMachine.TestCase
TestEngine.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


def _core(*offers: tuple[int, int]) -> Core[int, str]:
    """A core with partitions 0 and 1, and records (partition, case)."""
    core: Core[int, str] = Core()
    core.assign((0, 1))
    for number, (partition, case) in enumerate(offers):
        core.offer(partition, number, case, f"record {number}")
    return core


def test_partitions_take_turns() -> None:
    """A partition with many cases does not starve one with few."""
    core = _core((0, 1), (0, 2), (0, 3), (1, 4))
    order = [work.partition for _ in range(4) if (work := core.take()) is not None]
    assert order == [0, 1, 0, 0]


def test_offsets_may_have_holes() -> None:
    """Compacted or expired offsets are no unfinished records: the commit moves over them."""
    core: Core[int, str] = Core()
    core.assign((0,))
    for offset in (5, 9):
        core.offer(0, offset, offset, "record")
    while (work := core.take()) is not None:
        core.finish(work)
    assert core.committable() == {0: 10}


def test_attempts_are_counted() -> None:
    """A record knows how often it was handed out, so that the wait can grow."""
    core = _core((0, 1))
    attempts = []
    for _ in range(3):
        work = core.take()
        assert work is not None
        attempts.append(work.attempts)
        core.put_back(work)
    assert attempts == [1, 2, 3]


@pytest.mark.parametrize("partition", [2, 7])
def test_foreign_partition_is_not_taken(partition: int) -> None:
    """A record of a partition that is not assigned is dropped: it will be read by whoever has it."""
    assert _core().offer(partition, 0, 1, "record") is False


def test_filling_gaps_leaves_nothing_finished_uncommitted() -> None:
    """Before a stop only records before the furthest begun one are handed out; then everything finished can be committed."""
    core: Core[int, str] = Core()
    core.assign((0,))
    for offset, case in enumerate((1, 1, 1, 2, 2, 3)):
        core.offer(0, offset, case, "record")
    first, second = core.take(), core.take()
    assert first is not None
    assert second is not None
    core.finish(second)  # offset 3, of the quick case
    core.fill_gaps()
    core.finish(first)
    done = []
    while (work := core.take()) is not None:
        done.append(work.offset)
        core.finish(work)
    assert (done, core.uncommittable, core.committable()) == ([1, 2], 0, {0: 4})
