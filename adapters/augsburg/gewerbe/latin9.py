"""How text gets into ISO-8859-15, the character set of Augsburg's trade office.

The rule, per character of the text in Unicode form NFC:
1. What ISO-8859-15 has, stays: `Schön`, `Žižka`, `€`.
2. What stands in `REPLACED` is replaced: `Łukasz` becomes `Lukasz`, `–` becomes `-`.
3. Of everything else the compatibility decomposition stays, without combining marks: `Đặng` becomes `Dang`, `İpek` becomes `Ipek`.
If then something is left that ISO-8859-15 has not, nothing fits: Greek, Cyrillic and the like are not guessed.
"""

from __future__ import annotations

import unicodedata
from typing import Final

CHARSET: Final = "iso-8859-15"
LETTERS: Final = dict(zip("ĐđĦħıĸŁłŊŋŦŧƏəǤǥƗɨƵƶẞ", "DdHhikLlNnTtEeGgIiZzß", strict=True))
"""Letters of DIN 91379 that have no decomposition."""
MARKS: Final = {"-": "‐‑‒–—−", "'": "‘’‚‛ʹʻʼʾʿˈ´", '"': "“”„ʺ", "/": "⁄"}
"""What word processors and transliterations write, by what stands for it."""
REPLACED: Final = LETTERS | {mark: plain for plain, marks in MARKS.items() for mark in marks}


def fit(text: str) -> str | None:
    """The text by the rule above, or None where nothing fits."""
    if _has(text):
        return text
    fitted = "".join(map(_fit_one, unicodedata.normalize("NFC", text)))
    return fitted if _has(fitted) else None


def _has(text: str) -> bool:
    try:
        text.encode(CHARSET)
    except UnicodeEncodeError:
        return False
    return True


def _fit_one(character: str) -> str:
    if _has(character):
        return character
    parts = REPLACED.get(character) or unicodedata.normalize("NFKD", character)
    return "".join(REPLACED.get(part, part) for part in parts if not unicodedata.combining(part))
