"""How text gets into a character set that has fewer characters.

The rule of `transliterate`, per character of the text in Unicode form NFC:
1. What the character set has, stays: in ISO-8859-15 `Schön`, `Žižka`, `€`.
2. What stands in `REPLACED` is replaced: `Łukasz` becomes `Lukasz`, `–` becomes `-`, and where there are no umlauts `ä` becomes `ae`.
3. Of everything else the compatibility decomposition stays, without combining marks: `Đặng` becomes `Dang`, `İpek` becomes `Ipek`.
If then something is left that the character set has not, nothing fits: Greek, Cyrillic and the like are not guessed.

`replace` writes `?` for each character that is not there, `refuse` takes no such text.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

_UMLAUTS: Final = {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"}
_LETTERS: Final = dict(zip("ĐđĦħıĸŁłŊŋŦŧƏəǤǥƗɨƵƶẞ", "DdHhikLlNnTtEeGgIiZzß", strict=True))
"""Letters of DIN 91379 that have no decomposition."""
_LIGATURES: Final = {"Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Ø": "OE", "ø": "oe", "Ð": "D", "ð": "d", "Þ": "TH", "þ": "th", "€": "EUR"}
"""Those that become two, and what only the smallest character sets have not."""
_MARKS: Final = {"-": "‐‑‒–—−", "'": "‘’‚‛ʹʻʼʾʿˈ´", '"': "“”„ʺ", "/": "⁄"}
"""What word processors and transliterations write, by what stands for it."""
REPLACED: Final[Mapping[str, str]] = MappingProxyType(
    _UMLAUTS | _LETTERS | _LIGATURES | {mark: plain for plain, marks in _MARKS.items() for mark in marks}
)


def known(charset: str) -> bool:
    """Whether there is such a character set."""
    try:
        return codecs.lookup(charset)._is_text_encoding  # noqa: SLF001 - rot13 and base64 are codecs too
    except (LookupError, ValueError):
        return False


def fit(text: str, charset: str, rule: Literal["refuse", "transliterate", "replace"]) -> str | None:
    """The text by the rule, or None where nothing fits."""
    if has(text, charset):
        return text
    if rule == "replace":
        return text.encode(charset, "replace").decode(charset)
    fitted = "".join(_fit_one(character, charset) for character in unicodedata.normalize("NFC", text)) if rule == "transliterate" else text
    return fitted if has(fitted, charset) else None


def has(text: str, charset: str) -> bool:
    """Whether the character set has every character of the text."""
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _fit_one(character: str, charset: str) -> str:
    if has(character, charset):
        return character
    if character in REPLACED:
        return "".join(_fit_one(part, charset) for part in REPLACED[character])
    parts = (part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part))
    return "".join(part if part == character else _fit_one(part, charset) for part in parts)
