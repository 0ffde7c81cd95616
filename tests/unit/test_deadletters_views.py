"""What people get to see of dead letters."""

from __future__ import annotations

import io

import pytest
from rich.console import Console, RenderableType

from consumers.desk.causes import by_cause
from consumers.desk.deadletters import DeadLetters, DeadLetterState
from consumers.desk.desk import Detail
from consumers.desk.plan import Plan
from stadtbus.commands import deadletters_views
from tests.dead_letters import LYING, NOW, OFFICE, dead, letter, letters, named, uid


def shown(view: RenderableType) -> str:
    """As it looks on a terminal of 100 columns."""
    console = Console(width=100, color_system=None, file=io.StringIO())
    with console.capture() as capture:
        console.print(view)
    return capture.get()


def long_letters() -> DeadLetters:
    """One whose texts are long and hold what a terminal would obey."""
    return letters(letter(0, 1, MESSAGE="\x1b[31mred " + "a-very-long-reason/" * 12), letter(1, 2), letter(2, None))


def test_list_fits_the_terminal() -> None:
    """Every line fits 100 columns, nothing is cut, control characters are no longer any, and no value is shown."""
    text = shown(deadletters_views.groups_view(by_cause([long_letters()]), NOW, everything=True))
    assert max(map(len, text.splitlines())) <= 100
    assert ("…" in text, "\N{REPLACEMENT CHARACTER}[31mred" in text) == (False, True)
    assert ("\x1b" in text, "Maier" in text, "muenchen.meldewesen: 3 open" in text) == (False, False, True)


def test_letter_is_shown_without_its_value() -> None:
    """Headers are shown, those of others only by size, and of the value only the size."""
    (one, *_) = long_letters().all
    detail = Detail(one, DeadLetterState.OPEN, [("x\x1b", "(4 bytes, not shown)"), ("bus_case", "x")], dead(), [one.place])
    text = shown(deadletters_views.letter_view(detail))
    assert ("\x1b" in text, "Maier" in text, "5 bytes" in text, "dead, permanent" in text) == (False, False, True, True)
    assert "Maier" not in str(deadletters_views.letter_as_dict(detail))


def test_plan_warns() -> None:
    """What one should know before is in the plan: duplicates, older ones, unreadable ones, and that nothing was written."""
    plan = Plan(OFFICE, long_letters().all[:2], followers=1, unreadable=1, behind_older=1, ledger_states={"delivered": 1, "dead": 1})
    text = shown(deadletters_views.plan_view(plan, "replay", NOW, go=False, ledger=True))
    for part in (
        "2 dead letters of 2 cases",
        "delivered 1",
        "nothing happens twice",
        "older dead letter",
        "cannot be read",
        "Nothing was written",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (b"", ""), ("für".encode(), "für"), (b"\xff\x00", "ff00"), (b"\x1b[2J", "1b5b324a"), (b"a\n\tb", "a\n\tb")],
)
def test_value_is_text_or_hex(value: bytes | None, text: str) -> None:
    """What a terminal would obey, or is no UTF-8, is printed in hex."""
    assert deadletters_views.value_text(value) == text


def test_each_letter_of_a_cause_is_named() -> None:
    """Of each letter of a cause the submission, its case and its place are shown, so that `show` and `replay` can be given them."""
    found = letters(letter(0, 1), letter(1, 2, partition=2), named(0, 0))
    (group,) = by_cause([found])
    text = shown(deadletters_views.letters_view(group, NOW))
    assert all(part in text for part in (uid(2), "case-2", f"{LYING}/2/1", "60 min"))
    assert uid(1) not in text
    (listed,) = deadletters_views.group_as_dict(group, NOW)["dead_letters"]
    assert (listed["place"], listed["submission"], listed["case"], listed["state"]) == (f"{LYING}/2/1", uid(2), "case-2", "open")
    (everything, *_) = [one for one in by_cause([found], everything=True) if len(one.letters) == 2]
    assert [what for _, what in everything.letters] == [DeadLetterState.REPLAYED, DeadLetterState.OPEN]
    assert "replayed" in shown(deadletters_views.letters_view(everything, NOW))


def test_letters_without_ids_are_listed_too() -> None:
    """What nobody can read has a place, and a case without a key is none."""
    record = letter(0, None)
    record.key = None
    (group,) = by_cause([letters(record)])
    (listed,) = deadletters_views.group_as_dict(group, NOW)["dead_letters"]
    assert (listed["place"], listed["submission"], listed["case"]) == (f"{LYING}/0/0", None, None)
    assert f"{LYING}/0/0" in shown(deadletters_views.letters_view(group, NOW))


@pytest.mark.parametrize(
    ("stage", "error_class", "step"),
    [
        ("PARSE", "permanent", "discard"),
        ("TRANSLATE", "permanent", "mend the mapping"),
        ("DELIVER", "permanent", "ask the office"),
        ("DELIVER", "unclear", "settle"),
        ("DELIVER", "cannot-find", "settle"),
        ("DELIVER", "tries-spent", "when the back office works"),
        ("DELIVER", "case-held", "the earlier one of the case"),
    ],
)
def test_list_of_an_office_says_what_to_do(stage: str, error_class: str, step: str) -> None:
    """Below the causes of an office stand the next step of each and its letters, ten at most, the last on top; a program gets all."""
    found = [letter(number, number + 1, STAGE=stage, ERROR_CLASS=error_class) for number in range(12)]
    (group,) = by_cause([letters(*found)])
    text = shown(deadletters_views.office_view([group], NOW, everything=False))
    assert (step in text, uid(12) in text, uid(2) in text, "and 2 more" in text) == (True, True, False, True)
    as_dict = deadletters_views.group_as_dict(group, NOW)
    assert (step in as_dict["next_step"], len(as_dict["dead_letters"])) == (True, 12)
