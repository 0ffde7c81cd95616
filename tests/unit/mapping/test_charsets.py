"""Character sets of targets, and what is written for letters that they have not."""

from __future__ import annotations

import encodings
import pkgutil
import unicodedata
from collections.abc import Iterator

import pytest

from adapters.mapping import charsets
from schemas import din91379_tables


@pytest.mark.parametrize(
    ("text", "charset", "expected"),
    [
        ("Schön Žižka €", "iso-8859-15", "Schön Žižka €"),
        ("Đặng Łukasz İpek – ’", "iso-8859-15", "Dang Lukasz Ipek - '"),
        ("Schön Straße Ægir €", "ascii", "Schoen Strasse AEgir EUR"),
        ("Muʒter Ǯ Ƈ ƈ", "iso-8859-15", "Muzter Z C c"),
        ("Ǻ Ǿ Ž̧ Ç̆", "iso-8859-15", "Å Ø Ž Ç"),
        ("Lin\u00adden\u200bweg", "ascii", "Lindenweg"),
        ("GROẞ", "ascii", "GROss"),
        ("u\u0308", "iso-8859-15", "ü"),
        ("Παπα", "iso-8859-15", None),
        ("", "ascii", ""),
    ],
)
def test_transliteration(text: str, charset: str, expected: str | None) -> None:
    """The stated rule: what is there stays, known letters are replaced, marks go, other alphabets are not guessed."""
    assert charsets.fit(text, charset, "transliterate") == expected


CHARSETS = (
    "ascii",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-9",
    "iso-8859-15",
    "cp1250",
    "cp1252",
    "cp1257",
    "cp437",
    "cp850",
    "cp273",
    "mac-roman",
)


@pytest.mark.parametrize("charset", CHARSETS)
def test_everything_of_the_norm_can_be_transliterated(charset: str) -> None:
    """Whatever the gateway takes as a text of Latin letters (datatypes A, B and C) has a form in each character set."""
    entries = [*norm("bll", "bnlreq", "bnl", "bnlopt", "bnlnot", "enl")]
    assert len([*norm("bll")]) == 649
    assert [entry for entry in entries if charsets.fit(entry, charset, "transliterate") is None] == []
    assert all((charsets.fit(entry, charset, "transliterate") or "").strip() for entry in norm("bll"))


def test_every_character_set_that_is_offered() -> None:
    """What the norm has can be written in all character sets that a mapping may name, not only in those of today's offices."""
    names = sorted({module.name for module in pkgutil.iter_modules(encodings.__path__) if charsets.known(module.name)})
    assert len(names) > 90
    assert [
        (name, entry) for name in names for entry in norm("bll", "bnlreq", "bnl") if charsets.fit(entry, name, "transliterate") is None
    ] == []


@pytest.mark.parametrize("charset", ["iso-8859-1", "iso-8859-15", "cp1252", "cp1250", "cp850"])
def test_umlauts_stay_umlauts(charset: str) -> None:
    """An umlaut with a second mark stays an umlaut where the character set has it, and is written with an e where not."""
    found = [entry for entry in norm("bll") if (parts := unicodedata.normalize("NFD", entry))[0] in "AOUaou" and "\u0308" in parts]
    assert len(found) == 18 + len("ÄÖÜäöü")
    for entry in found:
        plain = unicodedata.normalize("NFD", entry)[0]
        assert charsets.fit(entry, charset, "transliterate") == unicodedata.normalize("NFC", f"{plain}\u0308")
        assert charsets.fit(entry, "ascii", "transliterate") == f"{plain}e"


@pytest.mark.parametrize("codec", ["idna", "punycode", "undefined", "unicode-escape", "rot13", "base64", "klingon"])
def test_codecs_that_are_no_character_sets(codec: str) -> None:
    """What Python can turn texts into is not always what a back office could read."""
    assert not charsets.known(codec)


def norm(*groups: str) -> Iterator[str]:
    """Characters and sequences of DIN 91379."""
    for group in groups:
        for part in din91379_tables.CHARACTERS[group].split():
            first, _, last = part.partition("-")
            yield from map(chr, range(int(first, 16), int(last or first, 16) + 1))
    if "bll" in groups:
        for marks, letters in din91379_tables.SEQUENCES.items():
            yield from (letter + "".join(chr(int(mark, 16)) for mark in marks.split()) for letter in letters)
