"""What a replay, a discard or a settlement would take, and in which order."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import pytest

from consumers.delivery import states
from consumers.delivery.entry import LedgerEntry
from consumers.desk.plan import Selection, plan_end, plan_replay
from schemas.errors import UsageError
from tests.dead_letters import AT_MS, ids, letter, letters, named, uid


def test_later_ones_of_a_case_come_along_in_order() -> None:
    """A replay takes the later ones of its cases too, in the order of the submissions topic, wherever they lie."""
    found = letters(letter(0, 2, origin=5, case="a", ERROR_CLASS="case-held"), letter(1, 9), letter(2, 1, origin=4, case="a"))
    plan = plan_replay(found, Selection(submission=uid(1)))
    assert (ids(plan.letters), plan.followers, plan.behind_older, plan.cases) == ([1, 2], 1, 0, 1)


def test_older_one_that_is_not_meant_is_told() -> None:
    """Whoever replays a later one alone hears that an older one lies there, which stays."""
    found = letters(letter(0, 1, origin=4, case="a"), letter(1, 2, origin=5, case="a"))
    plan = plan_replay(found, Selection(submission=uid(2)))
    assert (ids(plan.letters), plan.followers, plan.behind_older) == ([2], 0, 1)


def test_unreadable_ones_are_not_replayed() -> None:
    """What the engine cannot read would come back as it is, so a replay leaves it; a discard takes it."""
    found = letters(letter(0, None, MESSAGE="a header is missing"), letter(1, 1))
    assert (ids(plan_replay(found, Selection()).letters), plan_replay(found, Selection()).unreadable) == ([1], 1)
    fingerprint = found.all[0].cause.fingerprint
    assert [one.offset for one in plan_end(found, Selection(fingerprint=fingerprint)).letters] == [0]


def test_what_may_have_had_its_effect_is_not_guessed_at() -> None:
    """Where the back office cannot say, a letter is replayed only by name; with all, it stays and what follows it too."""
    head = letter(1, 2, origin=5, case="a", ERROR_CLASS="cannot-find")
    found = letters(letter(0, 1, origin=4, case="a"), head, letter(2, 3, origin=6, case="a"), letter(7, 4))
    plan = plan_replay(found, Selection())
    assert (ids(plan.letters), plan.may_have_had_effect, plan.may_have_had_effect_left) == ([1, 4], 0, 1)
    plan = plan_replay(found, Selection(submission=uid(1)))
    assert (ids(plan.letters), plan.may_have_had_effect_left) == ([1], 1)
    plan = plan_replay(found, Selection(submission=uid(2)))
    assert (ids(plan.letters), plan.may_have_had_effect, plan.followers, plan.behind_older) == ([2, 3], 1, 1, 1)


def test_discard_takes_one_of_a_case_alone() -> None:
    """Later ones of the case stay, and are counted."""
    found = letters(letter(0, 1, origin=4, case="a"), letter(1, 2, origin=5, case="a"), letter(2, 3))
    plan = plan_end(found, Selection(submission=uid(1)))
    assert (ids(plan.letters), plan.left) == ([1], 1)


def test_what_is_not_open_cannot_be_meant() -> None:
    """A submission that was replayed already, or never lay there, is an error with the place; no selection at all is fine."""
    found = letters(letter(0, 1), named(0, 0))
    for plan in (plan_replay, plan_end):
        with pytest.raises(UsageError, match="dead-letter-unknown"):
            plan(found, Selection(submission=uid(1)))
    assert plan_replay(found, Selection()).letters == []


@pytest.mark.parametrize("seed", range(20))
def test_order_of_sending_keeps_every_case(seed: int) -> None:
    """Over three partitions, however letters lie and whatever their times: each case is sent in the order it was written."""
    chance = random.Random(seed)
    records = []
    for offset in range(60):
        partition = chance.randrange(3)
        one = letter(offset, offset, partition=partition, origin=chance.randrange(1_000), case=f"{partition}-{chance.randrange(4)}")
        one.timestamp = AT_MS + chance.randrange(1_000)
        records.append(one)
    plan = plan_replay(letters(*records), Selection())
    by_case: dict[Any, list[int]] = {}
    for one in plan.letters:
        by_case.setdefault(one.case, []).append(one.origin)
    assert len(plan.letters) == 60
    assert all(origins == sorted(origins) for origins in by_case.values())


def test_plan_knows_what_the_ledger_says() -> None:
    """Would-be duplicates and submissions that the ledger does not know are counted."""
    plan = plan_replay(letters(*(letter(number, number) for number in range(4))), Selection())
    plan.note_ledger({UUID(int=0).bytes: LedgerEntry(b"", state=states.DELIVERED), UUID(int=1).bytes: LedgerEntry(b"", state=states.DEAD)})
    assert (plan.ledger_states, plan.delivered_already) == ({"delivered": 1, "dead": 1, "unknown": 2}, 1)
