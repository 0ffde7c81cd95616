"""How text gets into a character set that has fewer characters.

The rule of `transliterate`, for the text in Unicode form NFC:
1. What the character set has, stays: in ISO-8859-15 `Schön`, `Žižka`, `€`.
2. An umlaut stays one, and Å stays Å, where only a second mark is not there: `ǖ` becomes `ü`, `Ọ̈` becomes `Ö`.
3. What stands in `REPLACED` is replaced: `Łukasz` becomes `Lukasz`, `–` becomes `-`, and where there are no umlauts `ä` becomes `ae`.
4. Of everything else the compatibility decomposition stays, without combining marks: `Đặng` becomes `Dang`, `İpek` becomes `Ipek`;
   what is not seen (soft hyphen, zero-width space) goes.
If then something is left that the character set has not, nothing fits: Greek, Cyrillic and the like are not guessed. All else that
DIN 91379 allows has a form in every character set; a test goes through all of it.

`replace` writes `?` for each character that is not there, `refuse` takes no such text. By each rule a blank of another kind (no-break,
thin, …) that is not there is written as a blank, and a line end of another kind as a line end: nothing of the text is lost by that.
"""

from __future__ import annotations

import codecs
import re
import string
import unicodedata
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final, Literal

from schemas.nfc import first_long_run, nfc

_UMLAUTS: Final = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"}
_LETTERS: Final = dict(zip("ĐđĦħıĸŁłŊŋŦŧƇƈƏəǤǥƗɨƵƶƷʒẞ", "DdHhikLlNnTtCcEeGgIiZzZzß", strict=True))
"""Letters of DIN 91379 that have no decomposition."""
_LIGATURES: Final = {"Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Ø": "OE", "ø": "oe", "Ð": "D", "ð": "d", "Þ": "TH", "þ": "th", "ƒ": "f"}
"""Those that become two, and other letters that only the smallest character sets have not."""
_MARKS: Final = {"-": "‐‑‒–—−", "'": "‘’‚‛ʹʻʼʾʿˈ´′‹›", '"': "“”„ʺ″«»", "/": "⁄", ",": "ˌ", ".": "·", "!": "¡", "?": "¿", "|": "¦", "^": "ˆ"}
"""What word processors and transliterations write, by what stands for it."""
_MONEY: Final = {"€": "EUR", "£": "GBP", "¥": "JPY", "¢": "ct", "¤": "o"}
_SIGNS: Final = {"§": "Par.", "¶": "Abs.", "©": "(C)", "®": "(R)", "°": "Grad", "µ": "u", "†": "+", "‡": "++"}
_RECKONING: Final = {"±": "+/-", "×": "x", "÷": ":", "¬": "nicht ", "≤": "<=", "≥": ">=", "∞": "unendlich", "‰": "o/oo"}
REPLACED: Final[Mapping[str, str]] = MappingProxyType(
    _UMLAUTS | _LETTERS | _LIGATURES | _MONEY | _SIGNS | _RECKONING | {mark: plain for plain, marks in _MARKS.items() for mark in marks}
)

_MARK: Final = "[\u0300-\u036f]"
_UMLAUT: Final = re.compile(f"([AOUaou]){_MARK}*(\u0308){_MARK}*|([Aa]){_MARK}*(\u030a){_MARK}*")
"""An umlaut, or an Å, with whatever other marks, decomposed."""
_LETTER: Final = re.compile(f".{_MARK}*", re.DOTALL)
"""A character with the marks that follow it."""
_NO_CHARSETS: Final = frozenset(("charmap", "idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"))
"""Codecs of Python from text to bytes that no back office means."""


@cache
def known(charset: str) -> bool:
    """Whether there is such a character set, with letters, digits and punctuation as in ASCII."""
    try:
        codec = codecs.lookup(charset)
        return codec.name not in _NO_CHARSETS and string.printable.encode(charset).decode(charset) == string.printable
    except (LookupError, ValueError):  # rot13 and base64 are codecs too, but none that `encode` takes
        return False


def fit(text: str, charset: str, rule: Literal["refuse", "transliterate", "replace"]) -> str | None:
    """The text by the rule, or None where nothing fits: also where it has more marks in a row than `schemas.nfc` takes."""
    if has(text, charset):
        return text
    text = "".join(one if has(one, charset) else _space(one) for one in text)
    if rule == "replace":
        return text.encode(charset, "replace").decode(charset)
    if rule == "transliterate":
        if first_long_run(text) is not None:
            return None
        text = "".join(_fit_letter(one, charset) for one in _LETTER.findall(nfc(text)))
    return text if has(text, charset) else None


def has(text: str, charset: str) -> bool:
    """Whether the character set, one of the `known`, has every character of the text."""
    if text.isascii() and text.isprintable():  # most are
        return True
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _space(character: str) -> str:
    """A blank for each kind of blank, a line end for each kind of line end; any other character as it is."""
    return " " if unicodedata.category(character) == "Zs" else "\n" if character in "\x85\u2028\u2029" else character


def _fit_letter(letter: str, charset: str) -> str:
    """A character with the marks that follow it."""
    if has(letter, charset):
        return letter
    if umlaut := _UMLAUT.fullmatch(unicodedata.normalize("NFD", letter)):  # noqa: TID251 - of one letter
        letter = nfc("".join(filter(None, umlaut.groups())))
    return "".join(_fit_one(character, charset) for character in letter)


def _fit_one(character: str, charset: str) -> str:
    if has(character, charset):
        return character
    if character in REPLACED:
        return "".join(_fit_one(part, charset) for part in REPLACED[character])
    parts = (part for part in unicodedata.normalize("NFKD", character) if not _goes(part))  # noqa: TID251 - of one character
    return "".join(part if part == character else _fit_one(part, charset) for part in parts)


def _goes(character: str) -> bool:
    """Whether a character is left out: a combining mark, or one of those that only control how text is shown."""
    return bool(unicodedata.combining(character)) or unicodedata.category(character) == "Cf"
