"""The table of situations: each is played on a virtual clock, and the watch says what is true of it."""

from __future__ import annotations

from functools import cache

import pytest
from pydantic import TypeAdapter

from consumers.watch import memory, words
from consumers.watch.memory import ConsumerMemory
from consumers.watch.model import Attention, Judgement, Verdict, exit_code
from tests.office_model import OFFICE, START
from tests.situations import SITUATIONS, Situation

by_name = pytest.mark.parametrize("situation", SITUATIONS, ids=[one.name for one in SITUATIONS])


@cache
def played(situation: Situation) -> tuple[Judgement, ConsumerMemory]:
    """What is said when it is looked, and what is remembered then."""
    watch = situation.play()
    return watch.look(), watch.memory.consumers[OFFICE]


@by_name
def test_a_situation_is_told_as_it_is(situation: Situation) -> None:
    """Verdict, reason, what it asks of a person, and who can mend it."""
    said, _ = played(situation)
    found = (said.verdict, said.sub_reason, said.attention, said.party)
    expected = (situation.verdict, situation.sub_reason, situation.attention, situation.party)
    assert found == expected, words.sentence(said, said.as_of or START)


@by_name
def test_exit_code_says_whether_somebody_has_to_act(situation: Situation) -> None:
    """1 where a person has to do something, 3 where nobody can tell, 0 else: dead letters without lag are 1."""
    expected = 3 if situation.verdict is Verdict.UNKNOWN else 0 if situation.attention is Attention.NONE else 1
    assert exit_code([played(situation)[0]]) == expected


@by_name
def test_memory_goes_through_the_store_unchanged(situation: Situation) -> None:
    """What is read back after a restart of the watch is what was remembered, "since when" included."""
    _, remembered = played(situation)
    assert memory.load(memory.dump(remembered)) == remembered


@by_name
def test_a_judgement_goes_through_the_page_unchanged(situation: Situation) -> None:
    """What a command reads on the page of the watch is what the judge has said."""
    said, _ = played(situation)
    page = TypeAdapter(Judgement)
    assert page.validate_json(page.dump_json(said)) == said
