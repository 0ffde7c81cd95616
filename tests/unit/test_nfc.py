"""Combining marks without end are found before anything normalises them, by a look that takes time as the text is long."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.nfc import MAX_MARKS, first_long_run, is_nfc, nfc

NEAR, FAR = "\u0301", "\U0001e944"
"""A mark among the first 65,536 characters, and one beyond them."""
LETTERS = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


def naive(text: str) -> int | None:
    """The same as `first_long_run`, said one by one."""
    run = 0
    for position, letter in enumerate(text):
        run = run + 1 if unicodedata.combining(unicodedata.normalize("NFD", letter)[0]) else 0
        if run > MAX_MARKS:
            return position - MAX_MARKS
    return None


def test_every_mark_is_known() -> None:
    """What is sorted among marks when text is normalised counts as one: runs of it are found, of nothing else."""
    sorted_ones = [letter for letter in LETTERS if unicodedata.combining(unicodedata.normalize("NFD", letter)[0])]
    assert [letter for letter in LETTERS if first_long_run(letter * (MAX_MARKS + 1)) == 0] == sorted_ones


@pytest.mark.parametrize("letter", ["a", "\u4e2d", FAR[:0]], ids=["latin", "chinese", "none"])
@pytest.mark.parametrize("marks", [NEAR, FAR, NEAR + FAR, FAR + NEAR], ids=["near", "far", "near, far", "far, near"])
def test_thirty_marks_are_taken_and_one_more_is_none(letter: str, marks: str) -> None:
    """The limit is that of the Stream-Safe Text Format, and the run is told by its beginning."""
    run = (marks * MAX_MARKS)[:MAX_MARKS]
    assert first_long_run(f"{letter}{run}b{letter}{run}") is None
    begin = len(f"{letter}{run}b{letter}")
    assert first_long_run(f"{letter}{run}b{letter}{run}{marks[0]}") == begin


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "\u4e2d", "", "\u0958"]), st.sampled_from([NEAR, FAR, "\u0f73", "\u0327"]), st.integers(0, 33))
    )
)
def test_the_first_long_run_is_found(parts: list[tuple[str, str, int]]) -> None:
    """Whatever stands around it."""
    text = "".join(letter + mark * times for letter, mark, times in parts)
    assert first_long_run(text) == naive(text)


def test_short_runs_are_normalised_and_long_ones_left() -> None:
    """A text with too many marks is in no form, and stays as it is."""
    assert (nfc("a\u0308"), is_nfc("\u00e4"), is_nfc("a\u0308")) == ("\u00e4", True, False)
    endless = "a" + "\u0301\u0327" * 100
    assert (nfc(endless), is_nfc(endless), is_nfc("a" + NEAR * 99)) == (endless, False, False)
