"""Where an office goes on in a partition: at no offset anything is skipped, or handed over a second time without asking."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.engine.starts import LedgerPosition, Start, start_of
from infra.kafka.cluster import Log
from schemas.errors import CannotTell

PLACE = ("muenchen.meldewesen.submissions", 1)
HERE, OTHER = "topic", "another"


def start(offset: int, **more: object) -> Start:
    """What is expected, in the topic that is there."""
    return Start(offset, HERE, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "committed", "log", "expected"),
    [
        pytest.param(LedgerPosition(), None, Log(HERE, 0, 0), start(0, first_commit=True), id="new topic"),
        pytest.param(LedgerPosition(), None, Log(HERE, 0, 9), start(0, first_commit=True), id="new office, records wait"),
        pytest.param(
            LedgerPosition(), None, Log(HERE, 6, 9), start(6, lost=6, newly_lost=6, first_commit=True), id="deleted before anybody came"
        ),
        pytest.param(LedgerPosition(), 0, Log(HERE, 0, 9), start(0), id="set to the first record"),
        pytest.param(LedgerPosition(), 6, Log(HERE, 6, 9), start(6), id="somebody set it behind what is gone"),
        pytest.param(LedgerPosition(), 9, Log(HERE, 0, 9), start(0, moved=9, ask_before=9), id="new office or no ledger, and committed"),
        pytest.param(
            LedgerPosition(), 9, Log(HERE, 2, 12), start(2, moved=7, ask_before=12), id="no ledger: all that is there is asked for"
        ),
        pytest.param(LedgerPosition(5, HERE), 5, Log(HERE, 0, 9), start(5), id="both agree"),
        pytest.param(LedgerPosition(5, HERE), 5, Log(HERE, 5, 5), start(5), id="all is delivered and deleted"),
        pytest.param(LedgerPosition(5, HERE), 3, Log(HERE, 0, 9), start(3), id="killed before the commit, or set back"),
        pytest.param(LedgerPosition(5, HERE), 0, Log(HERE, 0, 9), start(0), id="set to the earliest"),
        pytest.param(
            LedgerPosition(5, HERE), 9, Log(HERE, 0, 9), start(5, moved=4, ask_before=9), id="set to the latest, or an older ledger"
        ),
        pytest.param(LedgerPosition(5, HERE), 7, Log(HERE, 0, 9), start(5, moved=2, ask_before=9), id="set forward"),
        pytest.param(LedgerPosition(5, HERE), 99, Log(HERE, 0, 9), start(5, moved=94, ask_before=99), id="set beyond the end"),
        pytest.param(
            LedgerPosition(5, HERE), 9, Log(HERE, 7, 9), start(7, moved=4, ask_before=9, lost=2, newly_lost=2), id="forward and gone"
        ),
        pytest.param(LedgerPosition(5, HERE), 5, Log(HERE, 7, 9), start(7, lost=2, newly_lost=2), id="gone while stopped"),
        pytest.param(LedgerPosition(5, HERE), 3, Log(HERE, 4, 9), start(4), id="what is gone was delivered"),
        pytest.param(LedgerPosition(5, HERE, lost=2), 5, Log(HERE, 5, 9), start(5, lost=2), id="what was lost stays said"),
        pytest.param(LedgerPosition(5, HERE, ask_before=8), 5, Log(HERE, 0, 9), start(5, ask_before=8), id="what is unclear stays so"),
        pytest.param(LedgerPosition(5, HERE), None, Log(HERE, 5, 9), start(5, first_commit=True), id="offsets gone, and records with them"),
        pytest.param(LedgerPosition(0, HERE), None, Log(HERE, 0, 9), start(0, first_commit=True), id="killed before the first commit"),
        pytest.param(LedgerPosition(5), 5, Log(HERE, 0, 9), start(5), id="from before ids were kept"),
        pytest.param(LedgerPosition(5, HERE), 5, Log(None, 0, 9), start(5), id="a broker that tells no ids"),
    ],
)
def test_start(known: LedgerPosition, committed: int | None, log: Log, expected: Start) -> None:
    """The lesser of both positions; what lies between is unclear; what is gone is counted once."""
    assert start_of(PLACE, known, committed, log) == expected


@pytest.mark.parametrize(
    ("known", "committed", "log", "code"),
    [
        pytest.param(LedgerPosition(5, HERE), None, Log(HERE, 0, 9), "offsets-lost", id="Kafka has forgotten"),
        pytest.param(LedgerPosition(5, OTHER), 5, Log(HERE, 0, 9), "topic-replaced", id="another topic, longer"),
        pytest.param(LedgerPosition(5, OTHER), None, Log(HERE, 0, 2), "topic-replaced", id="another topic, shorter"),
        pytest.param(LedgerPosition(0, OTHER), 0, Log(HERE, 0, 9), "topic-replaced", id="another topic, all of the old one waited"),
        pytest.param(LedgerPosition(5, HERE), 5, Log(HERE, 0, 4), "log-shortened", id="the same topic, shorter"),
        pytest.param(LedgerPosition(5, HERE), 2, Log(HERE, 0, 4), "log-shortened", id="an older copy of Kafka"),
        pytest.param(LedgerPosition(5), None, Log(HERE, 0, 4), "log-shortened", id="from before ids were kept"),
    ],
)
def test_what_a_person_has_to_see(known: LedgerPosition, committed: int | None, log: Log, code: str) -> None:
    """Where what is known is not said of this log, or Kafka knows nothing, the office stands and says why and where."""
    with pytest.raises(CannotTell) as caught:
        start_of(PLACE, known, committed, log)
    assert (caught.value.problem.code, caught.value.where, "partition 1" in caught.value.detail) == (code, PLACE[0], True)


OFFSETS = st.integers(0, 6)
KNOWN = st.builds(LedgerPosition, st.none() | OFFSETS, st.sampled_from([HERE, OTHER, None]), OFFSETS, OFFSETS)
LOGS = st.builds(lambda topic_id, first, more: Log(topic_id, first, first + more), st.sampled_from([HERE, None]), OFFSETS, OFFSETS)


@given(known=KNOWN, committed=st.none() | st.integers(0, 14), log=LOGS)
def test_nothing_is_skipped_and_nothing_is_repeated_unasked(known: LedgerPosition, committed: int | None, log: Log) -> None:
    """Whatever the three say, only what the ledger has behind it is skipped, and what Kafka alone has behind it is asked for."""
    try:
        start = start_of(PLACE, known, committed, log)
    except CannotTell:
        return
    at = known.offset or 0
    assert log.first <= start.offset <= max(log.end, log.first)
    assert start.offset <= max(at, log.first)
    assert committed is None or start.offset <= max(committed, log.first)
    assert start.ask_before >= known.ask_before
    if committed is not None and committed > max(at, log.first):
        assert start.ask_before >= max(committed, log.end)
    assert start.lost == known.lost + start.newly_lost
    again = start_of(PLACE, LedgerPosition(start.offset, start.topic_id, start.ask_before, start.lost), start.offset, log)
    assert (again.offset, again.newly_lost, again.moved) == (start.offset, 0, 0)
