"""DIN 91379:2022-08: does a text hold only the characters and sequences that its datatype, A to E, allows?

The norm knows 930 entries: single characters and sequences of a letter and marks; a mark alone is in no datatype. Text is read in Unicode
form NFC, from the left, the longest entry first; one with more marks in a row than `schemas.nfc` takes fits none, and is read as it was sent. What was sent is
never changed here. The empty text fits every datatype.
"""

from __future__ import annotations

import encodings.cp1252  # noqa: F401 - where this is asked, in a locked worker, nothing can be loaded any more
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from schemas.din91379_tables import CHARACTERS, SEARCH_FORM, SEQUENCES
from schemas.nfc import nfc

Datatype = Literal["A", "B", "C", "D", "E"]
"""A names of persons, B places and other names, C the general string, D legal persons and products, E everything."""

_GROUPS: Final[Mapping[Datatype, tuple[str, ...]]] = {
    "A": ("bll", "bnlreq"),
    "B": ("bll", "bnlreq", "bnl"),
    "C": ("bll", "bnlreq", "bnl", "bnlopt", "bnlnot"),
    "D": ("bll", "bnlreq", "bnl", "bnlopt", "gl", "enl"),
    "E": ("bll", "bnlreq", "bnl", "bnlopt", "bnlnot", "gl", "cl", "enl"),
}


@dataclass(frozen=True, slots=True)
class DisallowedCharacter:
    """One code point that does not fit: its position in the NFC form, from 0; `U+2013`; its group in the norm, or `in no type`."""

    position: int
    code_points: str
    group: str

    def told(self, datatype: Datatype) -> str:
        """A sentence that says what does not fit this datatype; positions count from 1."""
        return f"{self.code_points} ({self.group}) at position {self.position + 1} is not of datatype {datatype}"


def first_disallowed(text: str, datatype: Datatype) -> DisallowedCharacter | None:
    """The first code point that does not fit; None when all do."""
    return next(disallowed(text, datatype), None)


def disallowed(text: str, datatype: Datatype) -> Iterator[DisallowedCharacter]:
    """All code points that do not fit, in their order."""
    pattern = _pattern(datatype)
    if pattern.fullmatch(text):  # every entry is NFC and begins with a character that joins no other: what fits as sent is NFC too
        return
    text = nfc(text)
    position = 0
    while (position := _end_of_fitting(pattern, text, position)) < len(text):
        yield DisallowedCharacter(position, f"U+{ord(text[position]):04X}", _group_of().get(text[position], "in no type"))
        position += 1


def looks_like_mojibake(text: str) -> bool:
    """Was UTF-8 read as Windows-1252 on the way here, as in `MÃ¼nchen`? A suspicion: such text fits datatype C.

    What comes of reading it back has to fit too: of `Ó’Brien` comes a letter that the norm does not have, so it is a name.
    """
    if text.isascii():
        return False
    try:
        meant = text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return False
    return first_disallowed(meant, "E") is None


def search_form(text: str) -> str:
    """The form in which names are compared, never stored: `Müller` and `MUELLER` become the same; what is no Latin letter stays."""
    return _search_pattern().sub(lambda letter: _search_table()[letter[0]], nfc(text))


def _end_of_fitting(pattern: re.Pattern[str], text: str, begin: int) -> int:
    """Where the entries of the norm end that follow each other from `begin` on."""
    fits = pattern.match(text, begin)
    end = fits.end() if fits else begin
    return end + 1 if end < len(text) and pattern.fullmatch(text[end]) else end  # a letter that fits, before a mark that does not


@cache
def _pattern(datatype: Datatype) -> re.Pattern[str]:
    """Any number of entries. A run of characters leaves its last one to the sequences when a mark follows, so the longest entry wins."""
    single = re.escape("".join(chr(code) for group in _GROUPS[datatype] for code in _codes(group)))
    marks = "".join(chr(code) for code in _codes("dc"))
    return re.compile(f"(?:[{single}]+(?![{marks}])|{_sequences()})*+")


def _sequences() -> str:
    """A pattern for all sequences; of those with the same beginning the longest first."""
    longest_first = sorted(SEQUENCES.items(), key=lambda sequence: -len(sequence[0]))
    return "|".join(f"[{letters}]" + "".join(chr(int(code, 16)) for code in marks.split()) for marks, letters in longest_first)


def _codes(group: str) -> Iterator[int]:
    """The code points of a group."""
    for part in CHARACTERS[group].split():
        first, _, last = part.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


@cache
def _group_of() -> Mapping[str, str]:
    return {chr(code): group for group in CHARACTERS for code in _codes(group)}


@cache
def _search_table() -> Mapping[str, str]:
    return {entry: form for form, entries in SEARCH_FORM.items() for entry in entries.split()}


@cache
def _search_pattern() -> re.Pattern[str]:
    """Any letter or sequence of the search table, the longest first."""
    return re.compile("|".join(sorted(_search_table(), key=len, reverse=True)))
