"""What holds of the judge whatever it is given: made-up series of observations, one cycle after the other."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.watch import memory, words
from consumers.watch.hysteresis import BETTER_CYCLES, WORSE_CYCLES, settle
from consumers.watch.judge import judge
from consumers.watch.memory import ConsumerMemory, Found, Memory
from consumers.watch.model import Attention, Verdict, exit_code
from consumers.watch.observed import ConsumerSeen, GroupSeen, Heard, Kind, Observation, PartitionSeen, SetAside
from schemas.heartbeats import BreakerState, HeldSeries, PartitionProgress, Pause
from tests.office_model import OFFICE, PLACE, START, heartbeat

CYCLE_S = 10.0
AGES_S = (0.0, 3.0, 25.0, 90.0, 1000.0, 20_000.0)


class Chance:
    """Makes states of an office, the same for the same seed: drawing each value of so many would take Hypothesis longer than judging them."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def ago(self, at: datetime) -> datetime:
        """Some time before."""
        return at - timedelta(seconds=self._random.choice(AGES_S))

    def one_of(self, *choices: Any) -> Any:
        """One of these."""
        return self._random.choice(choices)

    def partition(self, at: datetime, topic: str) -> PartitionSeen:
        """Offsets in any order that Kafka could show, and some that it could not."""
        start, end = sorted((self.one_of(0, 0, 3), self.one_of(*range(21))))
        committed = self.one_of(None, 0, 20, *range(start, end + 1), *range(start, end + 1), *[start] * 5)
        as_of = self.one_of(at, at, at, at - timedelta(seconds=60), None)
        oldest_at = self.one_of(None, self.ago(at))
        return PartitionSeen(f"{OFFICE}.{topic}", 0, as_of, committed, start, end, self.one_of(None, None, end), oldest_at=oldest_at)

    def process(self, at: datetime) -> Heard:
        """What a process says, in any mood."""
        said_at = self.ago(at)
        since = self.ago(said_at)
        progress = PartitionProgress(position=self.one_of(*range(21)), oldest_since=self.one_of(None, since), attempts=self.one_of(0, 1, 9))
        vitals = {
            "partitions": {PLACE: progress},
            "breaker": BreakerState(open=bool(self.one_of(0, 1)), since=since),
            "brake": self.one_of(None, "2 portals are held"),
            "held": self.one_of([], [HeldSeries(portal="bayernportal", since=since, reason="20 in a row")]),
            "findings": self.one_of({}, {"topics": "it refuses copies"}),
            "stopping": bool(self.one_of(0, 1)),
            "last_poll_at": self.one_of(None, since),
        }
        return Heard(heartbeat(said_at, **vitals), said_at)

    def consumer(self, at: datetime) -> ConsumerSeen:
        """The office, in any state."""
        group = self.one_of(None, GroupSeen("Stable", self.one_of(("a",), ("a", "b")), at), GroupSeen("Empty", (), at))
        seen = (self.partition(at, "submissions"), self.partition(at, "retry"))
        letters = self.one_of(None, *(SetAside(count, self.ago(at), at) for count in range(3)))
        pause = self.one_of(*[None] * 8, Pause(since=self.ago(at), reason="ticket 1"))
        heard = tuple(self.process(at) for _ in range(self.one_of(0, 1, 2)))
        return ConsumerSeen(OFFICE, Kind.OFFICE, group, seen, heard, self.one_of(None, letters), letters, pause)

    def observation(self, at: datetime) -> Observation:
        """One look."""
        return Observation(at, CYCLE_S, (self.consumer(at),), heartbeats_as_of=self.one_of(at, at, None))

    def series(self) -> list[Observation]:
        """Some cycles."""
        return [self.observation(START + timedelta(seconds=CYCLE_S * number)) for number in range(self.one_of(1, 2, 6))]


seeds = st.integers(0, 2**32 - 1)


@given(seeds)
@settings(max_examples=300, deadline=None)
def test_each_judgement_can_be_told_and_remembered(seed: int) -> None:
    """Nothing makes the judge raise; each has a sentence in both languages, a since that has begun, and a memory that the store gives back."""
    remembered = Memory()
    for observed in Chance(seed).series():
        (said,), remembered = judge(observed, {}, remembered)
        assert said.since <= observed.at
        assert all(words.sentence(said, observed.at, language) for language in words.Language)
        one = remembered.consumers[OFFICE]
        assert memory.load(memory.dump(one)) == one


@given(seeds)
@settings(max_examples=100, deadline=None)
def test_the_judge_is_pure(seed: int) -> None:
    """The same look with the same memory says the same, and changes neither."""
    remembered = Memory()
    for observed in Chance(seed).series():
        before = {name: memory.dump(one) for name, one in remembered.consumers.items()}
        first, after = judge(observed, {}, remembered)
        assert judge(observed, {}, remembered) == (first, after)
        assert {name: memory.dump(one) for name, one in remembered.consumers.items()} == before
        remembered = after


@given(seeds)
@settings(max_examples=500, deadline=None)
def test_dead_letters_are_never_told_as_well(seed: int) -> None:
    """Whatever else is true: where one is open, the exit code is not 0, and where nobody knows, that is said."""
    seen = Chance(seed).consumer(START)
    (said,), _ = judge(Observation(START, CYCLE_S, (seen,), heartbeats_as_of=START), {}, Memory())
    if seen.dead_letters is not None and seen.dead_letters.count:
        assert exit_code([said]) != 0
        assert said.dead_letters == seen.dead_letters.count


@given(seeds)
@settings(max_examples=500, deadline=None)
def test_what_waits_and_has_nobody_is_never_told_as_well(seed: int) -> None:
    """Lag without members is DOWN, unless something graver, or a plan, is true of it."""
    seen = Chance(seed).consumer(START)
    (said,), _ = judge(Observation(START, CYCLE_S, (seen,), heartbeats_as_of=START), {}, Memory())
    if said.waiting and seen.group is not None and not seen.group.members:
        assert said.verdict in (Verdict.LOST, Verdict.PAUSED, Verdict.DOWN)


found = st.builds(Found, st.sampled_from(Verdict), attention=st.sampled_from(Attention))


@given(st.lists(found, min_size=1, max_size=30))
@settings(deadline=None)
def test_one_look_alone_neither_alarms_nor_calms(finds: list[Found]) -> None:
    """What is shown was found in the last look: a worse one after two in a row, a better one after three; plans, and who tells again, at once."""
    remembered, order = ConsumerMemory(), tuple(Verdict).index
    for number, one in enumerate(finds):
        before = remembered.shown
        remembered = settle(remembered, one, START + timedelta(seconds=number))
        shown = remembered.shown
        if before is None or shown == before or (shown is not None and shown.verdict is before.verdict):
            continue
        assert shown == one
        worse = order(one.verdict) < order(before.verdict)
        needed = WORSE_CYCLES if worse else BETTER_CYCLES
        if before.verdict is Verdict.UNKNOWN or (worse and one.verdict is Verdict.PAUSED):
            continue
        last = finds[number - needed + 1 : number + 1]
        assert len(last) == needed
        assert all(
            (order(each.verdict) <= order(before.verdict)) if worse else (order(each.verdict) >= order(before.verdict)) for each in last
        )


@given(st.lists(found, min_size=1, max_size=30))
@settings(deadline=None)
def test_what_is_found_for_long_is_shown(finds: list[Found]) -> None:
    """After three looks that find the same, that is what is shown."""
    remembered = ConsumerMemory()
    for number, one in enumerate([*finds, *[finds[-1]] * BETTER_CYCLES]):
        remembered = settle(remembered, one, START + timedelta(seconds=number))
    assert remembered.shown == finds[-1]
