"""Which dead letters are open, and what they have in common."""

from __future__ import annotations

from types import SimpleNamespace

from consumers.desk.causes import by_cause
from consumers.desk.deadletters import DeadLetterState
from schemas import topics
from schemas.copies import Place, headers_of_copy
from tests.dead_letters import AT_MS, LYING, OFFICE, letter, letters, named


def test_open_is_what_nobody_has_replayed_or_discarded() -> None:
    """A letter is open until a record of the retry topic names its place; one that was parked there names nothing."""
    parked = SimpleNamespace(topic=topics.retry(OFFICE), partition=0, offset=0, headers=headers_of_copy([], Place("x", 0, 3), {}))
    found = letters(letter(0, 1), letter(1, 2), letter(2, 3), letter(3, 4), parked, named(1, 0), named(2, 1, origin=1, DISCARDED="no"))
    assert [found.state_of(one) for one in found.all] == [
        DeadLetterState.REPLAYED,
        DeadLetterState.DISCARDED,
        DeadLetterState.OPEN,
        DeadLetterState.OPEN,
    ]
    assert [found.retry_offset(one) for one in found.all] == [1, 2, None, None]


def test_the_last_letter_of_a_submission_counts() -> None:
    """A submission that failed again, or whose copy was written twice, is open once; one that was replayed since is not."""
    found = letters(letter(0, 1, origin=0), letter(1, 1, origin=0), letter(2, 2), letter(3, 2, origin=2), named(0, 3))
    assert [found.state_of(one) for one in found.all] == [
        DeadLetterState.SUPERSEDED,
        DeadLetterState.OPEN,
        DeadLetterState.SUPERSEDED,
        DeadLetterState.REPLAYED,
    ]


def test_discarded_is_the_end() -> None:
    """A copy of a discarded record that was under way is not open again, even where no ledger knows it."""
    found = letters(letter(0, None, origin=7), letter(1, None, origin=7), letter(2, None, origin=8), named(0, 0, origin=7, DISCARDED="no"))
    assert [one.offset for one in found.open] == [2]


def test_other_offices_records_name_nothing() -> None:
    """A place in another topic at the same offset closes no letter of ours."""
    foreign = named(0, 0)
    foreign.headers = [(name, value.replace(b"meldewesen.d", b"other.d")) for name, value in foreign.headers if value]
    assert len(letters(letter(0, 1), foreign).open) == 1


def test_what_this_bus_did_not_write_is_shown_too() -> None:
    """A record without our block has no origin and no cause, and is open."""
    foreign = SimpleNamespace(topic=LYING, partition=0, offset=0, key=None, value=None, timestamp=AT_MS, headers=[])
    (one,) = letters(foreign).open
    assert (one.origin, one.submission, one.cause.error_class, one.size_bytes) == (-1, "", "", 0)


def test_groups_are_by_cause() -> None:
    """Texts that differ in ids and numbers only are one cause; the group knows its span and its cases."""
    found = letters(
        letter(0, 1, MESSAGE="row 12 is missing", FIRST_FAILURE="2026-11-01T00:00:00+00:00"),
        letter(1, 2, MESSAGE="row 7 is missing", case="case-1", FIRST_FAILURE="2026-11-02T00:00:00+00:00"),
        letter(2, 3, MESSAGE="something else"),
        named(0, 2),
    )
    (group,) = by_cause([found])
    assert (group.open, len(group.letters), len(group.cases), group.last_ms - group.first_ms) == (2, 2, 1, 86_400_000)
    assert [(one.open, len(one.letters)) for one in by_cause([found], everything=True)] == [(2, 2), (0, 1)]
