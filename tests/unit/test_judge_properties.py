"""What holds of the judge whatever it is given: made-up series of observations, one cycle after the other."""

from __future__ import annotations

from datetime import datetime, timedelta
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
offsets = st.integers(0, 20)
ages = st.sampled_from((0.0, 3.0, 25.0, 90.0, 1000.0, 20_000.0))


def ago(at: datetime, seconds: float) -> datetime:
    """So long before."""
    return at - timedelta(seconds=seconds)


@st.composite
def partitions(draw: st.DrawFn, at: datetime, topic: str) -> PartitionSeen:
    """One partition, with offsets in any order that Kafka could show, and some that it could not."""
    start, end = sorted((draw(offsets), draw(offsets)))
    oldest_at = draw(st.none() | ages.map(lambda age_s: ago(at, age_s)))
    as_of = draw(st.sampled_from((at, at, at, ago(at, 60), None)))
    committed = draw(st.none() | offsets)
    return PartitionSeen(f"{OFFICE}.{topic}", 0, as_of, committed, start, end, draw(st.none() | st.just(end)), oldest_at=oldest_at)


@st.composite
def processes(draw: st.DrawFn, at: datetime) -> Heard:
    """What a process says, in any mood."""
    said_at = ago(at, draw(ages))
    since = ago(said_at, draw(ages))
    progress = PartitionProgress(
        position=draw(offsets), committed=None, oldest_since=draw(st.none() | st.just(since)), attempts=draw(offsets)
    )
    more: dict[str, Any] = {
        "partitions": {PLACE: progress},
        "breaker": BreakerState(open=draw(st.booleans()), since=since),
        "brake": draw(st.none() | st.just("2 portals are held")),
        "held": [HeldSeries(portal="bayernportal", since=since, reason="20 in a row")] * draw(st.integers(0, 1)),
        "findings": draw(st.just({}) | st.just({"topics": "it refuses copies"})),
        "stopping": draw(st.booleans()),
        "last_poll_at": draw(st.none() | st.just(since)),
    }
    return Heard(heartbeat(said_at, **more), said_at)


@st.composite
def consumers(draw: st.DrawFn, at: datetime) -> ConsumerSeen:
    """One office, in any state."""
    group = draw(
        st.none() | st.builds(GroupSeen, st.sampled_from(("Stable", "Empty")), st.sampled_from(((), ("a",), ("a", "b"))), st.just(at))
    )
    seen = (draw(partitions(at, "submissions")), draw(partitions(at, "retry")))
    letters = draw(st.none() | st.builds(SetAside, st.integers(0, 3), st.just(ago(at, 60)), st.just(at)))
    pause = draw(st.none() | st.none() | st.just(Pause(since=ago(at, 60), reason="ticket 1")))
    heard = tuple(draw(st.lists(processes(at), max_size=2)))
    return ConsumerSeen(OFFICE, Kind.OFFICE, group, seen, heard, draw(st.none() | st.just(letters)), letters, pause)


@st.composite
def series(draw: st.DrawFn) -> list[Observation]:
    """Some cycles of it."""
    times = [START + timedelta(seconds=CYCLE_S * number) for number in range(draw(st.integers(1, 6)))]
    return [Observation(at, CYCLE_S, (draw(consumers(at)),), heartbeats_as_of=draw(st.sampled_from((at, at, None)))) for at in times]


@given(series())
@settings(max_examples=60)
def test_each_judgement_can_be_told_and_remembered(observations: list[Observation]) -> None:
    """Nothing makes the judge raise; each has a sentence in both languages, a since that has begun, and a memory that the store gives back."""
    remembered = Memory()
    for observed in observations:
        (said,), remembered = judge(observed, {}, remembered)
        assert said.since <= observed.at
        assert all(words.sentence(said, observed.at, language) for language in words.Language)
        one = remembered.consumers[OFFICE]
        assert memory.load(memory.dump(one)) == one


@given(series())
@settings(max_examples=30)
def test_the_judge_is_pure(observations: list[Observation]) -> None:
    """The same look with the same memory says the same, and changes neither."""
    remembered = Memory()
    for observed in observations:
        before = {name: memory.dump(one) for name, one in remembered.consumers.items()}
        first, after = judge(observed, {}, remembered)
        assert judge(observed, {}, remembered) == (first, after)
        assert {name: memory.dump(one) for name, one in remembered.consumers.items()} == before
        remembered = after


@given(consumers(START))
@settings(max_examples=80)
def test_dead_letters_are_never_told_as_well(seen: ConsumerSeen) -> None:
    """Whatever else is true: where one is open, the exit code is not 0, and where nobody knows, that is said."""
    (said,), _ = judge(Observation(START, CYCLE_S, (seen,), heartbeats_as_of=START), {}, Memory())
    if seen.dead_letters is not None and seen.dead_letters.count:
        assert exit_code([said]) != 0
        assert said.dead_letters == seen.dead_letters.count


@given(consumers(START))
@settings(max_examples=80)
def test_what_waits_and_has_nobody_is_never_told_as_well(seen: ConsumerSeen) -> None:
    """Lag without members is DOWN, unless something graver, or a plan, is true of it."""
    (said,), _ = judge(Observation(START, CYCLE_S, (seen,), heartbeats_as_of=START), {}, Memory())
    if said.waiting and seen.group is not None and not seen.group.members:
        assert said.verdict in (Verdict.LOST, Verdict.PAUSED, Verdict.DOWN)


found = st.builds(Found, st.sampled_from(Verdict), attention=st.sampled_from(Attention))


@given(st.lists(found, min_size=1, max_size=30))
def test_one_look_alone_neither_alarms_nor_calms(finds: list[Found]) -> None:
    """What is shown was found in the last look; a worse one after two looks in a row that were worse than what was shown, a better one after
    three; UNKNOWN and PAUSED, which are no measurements of a moment, at once.
    """
    remembered, order = ConsumerMemory(), tuple(Verdict).index
    for number, one in enumerate(finds):
        before = remembered.shown
        remembered = settle(remembered, one, START + timedelta(seconds=number))
        shown = remembered.shown
        if before is None or shown == before or (shown and before and shown.verdict is before.verdict):
            continue
        assert shown == one
        worse = order(one.verdict) < order(before.verdict)
        needed = WORSE_CYCLES if worse else BETTER_CYCLES
        if worse and one.verdict in (Verdict.UNKNOWN, Verdict.PAUSED):
            continue
        last = finds[number - needed + 1 : number + 1]
        assert len(last) == needed
        assert all(
            (order(each.verdict) <= order(before.verdict)) if worse else (order(each.verdict) >= order(before.verdict)) for each in last
        )


@given(st.lists(found, min_size=1, max_size=30))
def test_what_is_found_for_long_is_shown(finds: list[Found]) -> None:
    """After three looks that find the same, that is what is shown."""
    remembered = ConsumerMemory()
    for number, one in enumerate([*finds, *[finds[-1]] * BETTER_CYCLES]):
        remembered = settle(remembered, one, START + timedelta(seconds=number))
    assert remembered.shown == finds[-1]
