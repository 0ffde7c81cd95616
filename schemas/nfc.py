"""Unicode form NFC of text from outside, in time that grows with the text and no faster. Nothing else in the project may normalise.

Normalising sorts the combining marks that follow each other, in time that grows with the square of their number. So runs of them are
limited as in the Stream-Safe Text Format (Unicode Standard Annex 15), which no writing of any language comes near; what has a
longer run is in no form, and is not normalised.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Final

MAX_MARKS: Final = 30
"""Combining marks in a row; what has more is refused."""
_OF_MARKS_ALONE: Final = "\u0f73\u0f75\u0f81"
"""Vowel signs that count as letters by themselves, and are made of nothing but marks."""
_BEYOND_LATIN: Final = re.compile(f"[\u0300-\U0001efff]{{{MAX_MARKS + 1}}}")
"""All marks are between these two, and no letter of most texts is: found fast."""


def first_long_run(text: str) -> int | None:
    """Where the first run of more than MAX_MARKS combining marks begins, counted from 0; None where there is none."""
    likely = None if text.isascii() else _BEYOND_LATIN.search(text)
    found = _long_run().search(text, likely.start()) if likely else None
    return found.start() if found else None


def is_nfc(text: str) -> bool:
    """Whether a text is in the form NFC; one with too many marks in a row is not."""
    return first_long_run(text) is None and unicodedata.is_normalized("NFC", text)


def nfc(text: str) -> str:
    """The text in the form NFC; as it is where it has too many marks in a row."""
    return text if first_long_run(text) is not None else unicodedata.normalize("NFC", text)


@cache
def _long_run() -> re.Pattern[str]:
    """Two classes, kept apart by the look ahead, because those that go beyond the first 65,536 characters are slow. The look
    behind keeps a run from being looked at from each of its marks.
    """
    letters = map(chr, range(0x0300, 0x1F000))
    marks = [letter for letter in letters if unicodedata.combining(letter) or letter in _OF_MARKS_ALONE]
    near, far = ("".join(mark for mark in marks if (mark > "\uffff") == beyond) for beyond in (False, True))
    return re.compile(f"(?<![{near}])(?:[{near}]|(?=[\U00010000-\U0001efff])[{far}]){{{MAX_MARKS + 1}}}")
