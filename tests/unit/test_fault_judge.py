"""The judge of the fault suite sees each violation, and only those."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import judge, report
from tests.faults.judge import Found
from tests.faults.sends import SendLog, SendOutcome, Sent, spread

OFFICE, OTHER = "muenchen.meldewesen", "nuernberg.meldewesen"


def log_of(*ids: str, outcome: SendOutcome = SendOutcome.OK) -> SendLog:
    """Submissions of one case, in this order, a second apart."""
    log = SendLog()
    for number, submission in enumerate(ids):
        log.add(Sent(submission, "case", OFFICE, float(number), outcome))
    return log


def found(*ids: str, dead: tuple[str, ...] = (), office: str = OFFICE) -> Found:
    """Effects in this order, ten seconds later each."""
    effects = [(submission, 10.0 + number) for number, submission in enumerate(ids)]
    return Found({OFFICE: [], OTHER: []} | {office: effects}, [(submission, OFFICE) for submission in dead])


def violations(log: SendLog, what: Found, behind: int = 0) -> dict[str, int]:
    """What the judge finds."""
    return judge.figures(log, what, behind, []).violations


def test_all_is_well() -> None:
    """Each once, in order, committed: no violation."""
    assert violations(log_of("a", "b", "c"), found("a", "b", "c")) == {}


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (found("a", "c"), {"lost": 1}),
        (found("a", "b", "b", "c", "b"), {"duplicated": 2}),
        (found("b", "a", "c"), {"inverted": 1}),
        (found("c", "b", "a"), {"inverted": 2}),
        (found("a", "b", "c", office=OTHER), {"foreign": 3}),
        (found("a", "b", "c", "unknown"), {"foreign": 1}),
        (found("a", "b", dead=("c",)), {"stray": 1}),
        (Found({OFFICE: [("a", 1), ("b", 2), ("c", 3)]}, [], foreign_events=2), {"foreign": 2}),
    ],
    ids=["lost", "twice", "overtaken", "backwards", "other office", "sent by nobody", "needless dead letter", "other city's events"],
)
def test_planted_violation(what: Found, expected: dict[str, int]) -> None:
    """A planted violation is found and counted, and nothing else is."""
    assert violations(log_of("a", "b", "c"), what) == expected


def test_repeat_after_the_first_effect_is_no_inversion() -> None:
    """Only first effects have an order; what comes again is counted as twice."""
    assert violations(log_of("a", "b"), found("a", "b", "a")) == {"duplicated": 1}


def test_failed_sends_must_not_arrive() -> None:
    """What was refused and has an effect all the same is an aborted read."""
    assert violations(log_of("a", outcome=SendOutcome.FAIL), found("a")) == {"aborted": 1}
    assert violations(log_of("a", outcome=SendOutcome.FAIL), found()) == {}


def test_unknown_sends_may_arrive() -> None:
    """An unknown is no violation, whatever became of it."""
    assert violations(log_of("a", outcome=SendOutcome.UNKNOWN), found("a")) == {}
    assert violations(log_of("a", outcome=SendOutcome.UNKNOWN), found()) == {}


def test_poison_has_to_be_dead() -> None:
    """Poison belongs in the dead letters: there it is fine, delivered it is not, gone it is lost."""
    log = log_of("a")
    log.sent["a"].dead = True
    assert violations(log, found(dead=("a",))) == {}
    assert violations(log, found("a")) == {"stray": 1}
    assert violations(log, found()) == {"lost": 1}


def test_removed_records_are_not_lost_by_us() -> None:
    """What retention removed before it was read is not asked for."""
    log = log_of("a")
    log.sent["a"].removed = True
    assert violations(log, found()) == {}


def test_records_behind_the_commit() -> None:
    """Delivered is not enough: the commit has to follow."""
    assert violations(log_of("a"), found("a"), behind=3) == {"behind": 3}


def test_recovery_is_that_of_the_slowest_partition() -> None:
    """From each fault to the effect of the first submission made after it, the longest over partitions and faults."""
    log = log_of("a", "b", "c")  # made at 0, 1 and 2 s; effects at 10, 11 and 12 s
    log.sent["c"].partition = 1
    assert judge.recovery_s([], log.sent.values(), found("a", "b", "c").effects) is None
    assert judge.recovery_s([0.5], log.sent.values(), found("a", "b", "c").effects) == 11.5
    assert judge.recovery_s([2.5], log.sent.values(), found("a", "b", "c").effects) is None


def test_rates_are_kept() -> None:
    """Fractions add up over ticks."""
    ticks = spread({OFFICE: 30.0, OTHER: 1.0}, 0.05)
    due = [office for _ in range(200) for office in next(ticks)]
    assert due.count(OFFICE) == pytest.approx(300, abs=1)
    assert due.count(OTHER) == pytest.approx(10, abs=1)


def test_each_writer_replaces_its_own_section(tmp_path: Path) -> None:
    """Suite and soak share a page; writing one leaves the other alone."""
    page = tmp_path / "reliability.md"
    report.write(page, "suite", "first\n")
    report.write(page, "soak", "long\n")
    report.write(page, "suite", r"second \1" + "\n")
    text = page.read_text(encoding="utf-8")
    assert [text.count(word) for word in ("first", r"second \1", "long", "# Reliability")] == [0, 1, 1, 1]
