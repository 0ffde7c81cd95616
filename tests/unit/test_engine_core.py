"""Each promise of the engine's core as an example; `test_engine_interleavings` holds all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from consumers.engine.core import Action, CaseState, Core, OffsetWentBack, Work
from tests.engine_model import RETRY, SUBMISSIONS, Engine, Out, Partition, Rec

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
