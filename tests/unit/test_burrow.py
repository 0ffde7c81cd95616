"""Side by side with Burrow's rules on the same situations: the table in docs/lag.md is what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from consumers.watch.model import Attention, Judgement
from consumers.watch.words import duration
from schemas.heartbeats import Pause
from tests.burrow import BurrowPartition, Status
from tests.office_model import START, OfficeModel, Watch, in_order, letters, spread

PAGE = Path(__file__).parents[2] / "docs/lag.md"
DAY_S = 86_400.0
THREE_A_DAY = spread(START, 30, DAY_S / 3)
FEW_A_MINUTE = spread(START, 5000, 15)


@dataclass(frozen=True, eq=False)
class Case:
    """What happens to an office, from when on it is trouble (None: it is none), and for how long both look."""

    name: str
    truth: str
    arrivals: list[datetime]
    change: Callable[[OfficeModel], None]
    at_s: float
    for_s: float
    is_trouble: bool = True
    cycle_s: float = 10.0


def _sets(**values: object) -> Callable[[OfficeModel], None]:
    def change(office: OfficeModel) -> None:
        for name, value in values.items():
            setattr(office, name, value)

    return change


_WINDOW = Pause(since=START, reason="new version")
_NOTHING = _sets()
HOUR_S = 3600.0
_BURST = in_order(spread(START, 240, 15), spread(START + timedelta(hours=1), 1000, 0.001))
_BUSY = in_order(spread(START, 240, 15), spread(START + timedelta(hours=1), 20_000, 0.1))
CASES = (
    Case("three a day, all well, a week", "well", THREE_A_DAY, _NOTHING, DAY_S, 6 * DAY_S, is_trouble=False, cycle_s=120),
    Case("three a day, adapter killed", "nobody is there", THREE_A_DAY, _sets(runs=False), 3.1 * DAY_S, 5 * DAY_S, cycle_s=60),
    Case("four a minute, adapter killed", "nobody is there", FEW_A_MINUTE, _sets(runs=False), HOUR_S, HOUR_S),
    Case("four a minute, back office down", "the back office is down", FEW_A_MINUTE, _sets(up=False), HOUR_S, HOUR_S),
    Case("four a minute, one record fails again and again", "one record", FEW_A_MINUTE, _sets(sticks=True), HOUR_S, HOUR_S),
    Case("four a minute, each takes 20 s from now on", "too slow", FEW_A_MINUTE, _sets(per_s=0.05), HOUR_S, 2 * HOUR_S),
    Case("a burst of 1,000, worked off at 3 a second", "well", _BURST, _sets(per_s=3.0), HOUR_S, 900, is_trouble=False),
    Case("ten a second, and ten are finished a second", "well", _BUSY, _sets(per_s=10.0), HOUR_S, 1800, is_trouble=False),
    Case("four a minute, maintenance by plan", "a plan", FEW_A_MINUTE, _sets(pause=_WINDOW), HOUR_S, HOUR_S, is_trouble=False),
    Case("offsets reset back, nobody knows who", "somebody did it", FEW_A_MINUTE, _sets(committed=10, per_s=0.1), HOUR_S, HOUR_S),
    Case("retention overtakes a dead adapter", "records are lost", THREE_A_DAY, _sets(runs=False, start=20), 3.1 * DAY_S, 5 * DAY_S, cycle_s=60),
    Case("40 dead letters, no lag", "40 wait for a person", THREE_A_DAY, _sets(dead_letters=letters(40)), DAY_S, DAY_S, cycle_s=60),
)  # fmt: skip


@cache
def compare(case: Case) -> tuple[str, str]:
    """What Burrow and the watch say first, and after how long; where it is no trouble, whether one of them raises an alarm."""
    office = OfficeModel(arrivals=case.arrivals)
    watch, burrow = Watch(office, case.cycle_s), BurrowPartition()
    ours: tuple[float, Judgement] | None = None
    theirs: tuple[float, Status] | None = None
    last, changed, now_s = office.committed, False, 0.0
    while now_s < case.at_s + case.for_s and (ours is None or theirs is None):
        if now_s >= case.at_s and not changed:
            case.change(office)
            changed = True
        said = watch.look() if ours is None else None
        if said is None:
            office.move(case.cycle_s)
        now_s = (office.at - START).total_seconds()
        burrow.polled(office.end)
        if office.committed is not None and office.committed != last:
            burrow.committed(now_s, last := office.committed)
        status = burrow.status(now_s)
        if now_s < case.at_s and not case.is_trouble:
            continue
        ours = ours or ((now_s - case.at_s, said) if said is not None and said.attention is not Attention.NONE else None)
        theirs = theirs or ((now_s - case.at_s, status) if status is not Status.OK else None)
    return _told(case, theirs and (theirs[0], _named(theirs[1]))), _told(case, ours and (ours[0], _verdict(ours[1])))


def _named(status: Status) -> str:
    return "WARN" if status is Status.WARN else f"ERR ({status.name})"


def _verdict(said: Judgement) -> str:
    reason = f" ({said.sub_reason.value})" if said.sub_reason else ""
    return f"{said.verdict.name}{reason}" if said.verdict.name != "OK" else "OK, and asks for a person"


def _told(case: Case, found: tuple[float, str] | None) -> str:
    if found is None:
        return "**says nothing**" if case.is_trouble else "well"
    after_s, what = found
    if not case.is_trouble:
        return f"**false alarm**: {what}"
    late = "**" if after_s > DAY_S else ""
    return f"**before it**: {what}" if after_s < 0 else f"{what} after {late}{duration(after_s)}{late}"


def table() -> str:
    """The table of the page."""
    rows = [(case.name, case.truth, *compare(case)) for case in CASES]
    head = ["| situation | truth | Burrow | the watch |", "|---|---|---|---|"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])


def test_the_page_says_what_comes_of_it() -> None:
    """The table in docs/lag.md is this comparison, run now."""
    assert table() in PAGE.read_text()


def test_the_watch_raises_no_false_alarm_and_misses_nothing() -> None:
    """In these cases, with its defaults."""
    ours = [compare(case)[1] for case in CASES]
    assert not [told for told in ours if "**" in told and "after" not in told]


def burrow(commits: list[tuple[float, int, int]], ends: list[int]) -> BurrowPartition:
    """Commits with the end offset of their time, and the ends polled after."""
    made = BurrowPartition()
    for at_s, offset, end in commits:
        made.polled(end)
        made.committed(at_s, offset)
    made.ends.clear()
    made.ends.extend(ends)
    return made


@pytest.mark.parametrize(
    ("commits", "ends", "now_s", "status"),
    [
        ([], [5], 100, Status.OK),  # 1: nothing is held
        ([(0, 5, 9), (10, 9, 9)], [9], 1000, Status.OK),  # 2: no lag
        ([(0, 1, 9), (10, 2, 9)], [9], 21, Status.STOP),  # 3: longer ago than the ring is long
        ([(0, 1, 9), (10, 2, 9)], [9], 20, Status.OK),  # 3: not longer; 7: the lag has become less
        ([(0, 1, 9), (10, 2, 9)], [2, 9], 1000, Status.OK),  # 3: recently there was no lag
        ([(0, 5, 9), (10, 3, 9), (20, 4, 9)], [9], 30, Status.REWIND),  # 4
        ([(0, 5, 9), (10, 3, 9), (20, 6, 9)], [9], 30, Status.OK),  # 4: reached again
        ([(0, 9, 9), (10, 9, 12), (20, 9, 12)], [12], 30, Status.OK),  # 5: a commit without lag in the ring
        ([(0, 3, 9), (10, 3, 9)], [9], 15, Status.STALL),  # 6
        ([(0, 3, 9), (10, 4, 10), (20, 5, 12)], [12], 30, Status.WARN),  # 7: equal counts as not less
        ([(0, 3, 9), (10, 4, 9), (20, 5, 9)], [9], 30, Status.OK),  # 8
    ],
)
def test_burrows_rules(commits: list[tuple[float, int, int]], ends: list[int], now_s: float, status: Status) -> None:
    """Each rule, in its order."""
    assert burrow(commits, ends).status(now_s) is status
