"""DIN 91379: the checker says what the table and the official patterns say, for every code point and every entry."""

from __future__ import annotations

import random
import re
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from schemas import xml
from schemas.din91379 import Datatype, DisallowedCharacter, disallowed, first_disallowed, looks_like_mojibake, search_form
from schemas.din91379_tables import SEARCH_FORM, SEQUENCES

MATERIAL = Path(__file__).parents[3] / "shared" / "xoev"
TABLE, SEARCH_TABLE = (MATERIAL / "din91379" / name for name in ("latin_list_1.3.txt", "latin_list_search_form_1.3.txt"))
PATTERNS = MATERIAL / "basisnachricht" / "din-norm-91379-datatypes.xsd"
with_material = pytest.mark.skipif(not TABLE.exists(), reason="the folder ../shared/xoev is not here")

DATATYPES: tuple[Datatype, ...] = get_args(Datatype)
SINGLES = {"A": 518, "B": 578, "C": 588, "D": 695, "E": 761}
"""Single characters of each datatype."""
GROUPS = {
    "A": {"bll", "bnlreq"},
    "B": {"bll", "bnlreq", "bnl"},
    "C": {"bll", "bnlreq", "bnl", "bnlopt", "bnlnot"},
    "D": {"bll", "bnlreq", "bnl", "bnlopt", "gl", "enl"},
    "E": {"bll", "bnlreq", "bnl", "bnlopt", "bnlnot", "gl", "cl", "enl"},
}
EVERY_CODE_POINT = [chr(code) for code in range(0x20000) if not 0xD800 <= code < 0xE000]
RUNNING_TEXT = "Jürgen Groß, Königstraße 12a "
MISFITS = {
    "en dash": ("A–B", "E", DisallowedCharacter(1, "U+2013", "in no type")),
    "em dash": ("—", "E", DisallowedCharacter(0, "U+2014", "in no type")),
    "bullet": ("a •", "E", DisallowedCharacter(2, "U+2022", "in no type")),
    "soft hyphen": ("Bade\u00adort", "E", DisallowedCharacter(4, "U+00AD", "in no type")),
    "zero width space": ("a\u200b", "E", DisallowedCharacter(1, "U+200B", "in no type")),
    "emoji": ("Anna 😀", "E", DisallowedCharacter(5, "U+1F600", "in no type")),
    "lone surrogate": ("a\ud800", "E", DisallowedCharacter(1, "U+D800", "in no type")),
    "typographic quote": ("„Post“", "C", DisallowedCharacter(0, "U+201E", "enl")),
    "no-break space in a name": ("Anna\u00a0Maria", "A", DisallowedCharacter(4, "U+00A0", "bnlnot")),
    "tab in a company": ("A\tB", "D", DisallowedCharacter(1, "U+0009", "bnlnot")),
    "digit in a name": ("Anna 2", "A", DisallowedCharacter(5, "U+0032", "bnl")),
    "Greek in a general text": ("Ωmega", "C", DisallowedCharacter(0, "U+03A9", "gl")),
    "Cyrillic in a company": ("ООО", "D", DisallowedCharacter(0, "U+041E", "cl")),
    "mark alone": ("\u0301", "E", DisallowedCharacter(0, "U+0301", "dc")),
    "mark after a letter that does not take it": ("Bx\u0304", "E", DisallowedCharacter(2, "U+0304", "dc")),
    "mark after a sequence": ("C\u0300\u0300", "E", DisallowedCharacter(2, "U+0300", "dc")),
    "mark after the end of a sequence": ("K\u035fH\u0304", "E", DisallowedCharacter(3, "U+0304", "dc")),
    "position in the NFC form": ("u\u0308u\u0308–", "A", DisallowedCharacter(2, "U+2013", "in no type")),
}
FITS: dict[str, tuple[str, Datatype]] = {
    "empty": ("", "A"),
    "name": ("Renée-Ḥasan O’Brien", "A"),
    "NFD": ("u\u0308", "A"),
    "two marks": ("C\u0328\u0306", "A"),
    "marks in the other order": ("R\u0304\u0325", "A"),
    "three letters in one": ("K\u035fhan", "A"),
    "sequence, then a letter with a sequence": ("K\u035fhC\u0300", "A"),
    "street": ("Straße des 17. Juni 135", "B"),
    "lines": ("eins\r\nzwei\tdrei", "C"),
    "quotes": ("„Bäcker“ GmbH …", "D"),
    "Greek and Cyrillic": ("Αθήνα София", "E"),
    "mojibake": ("MÃ¼nchen", "C"),
}


def entries(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The entries of a table with their columns; the glyph of one is a semicolon."""
    for line in path.read_text(encoding="utf-8").splitlines():
        columns = line.split("; ", 4)
        yield "".join(chr(int(code, 16)) for code in columns[2].split()), columns


def official(datatype: str) -> re.Pattern[str]:
    """The official pattern; its syntax means the same to Python."""
    xs = "{http://www.w3.org/2001/XMLSchema}"
    pattern = xml.parse(PATTERNS.read_bytes()).find(f"{xs}simpleType[@name='datatype{datatype}']/{xs}restriction/{xs}pattern")
    assert pattern is not None
    return re.compile(pattern.get("value", ""))


@pytest.mark.parametrize(("text", "datatype", "expected"), MISFITS.values(), ids=MISFITS)
def test_misfit(text: str, datatype: Datatype, expected: DisallowedCharacter) -> None:
    """The first code point that does not fit is told with position, number and group."""
    assert first_disallowed(text, datatype) == expected


@pytest.mark.parametrize(("text", "datatype"), FITS.values(), ids=FITS)
def test_fits(text: str, datatype: Datatype) -> None:
    """What the norm allows passes, however its letters are composed."""
    assert first_disallowed(text, datatype) is None


def test_all_misfits_in_their_order() -> None:
    """After one misfit the search goes on."""
    assert [(found.position, found.code_points) for found in disallowed("1a–b2", "A")] == [(0, "U+0031"), (2, "U+2013"), (4, "U+0032")]


@pytest.mark.parametrize("datatype", DATATYPES)
def test_number_of_entries(datatype: Datatype) -> None:
    """Each datatype has as many single characters as the norm says, and all 149 sequences."""
    nfc = [character for character in EVERY_CODE_POINT if unicodedata.is_normalized("NFC", character)]
    assert sum(first_disallowed(character, datatype) is None for character in nfc) == SINGLES[datatype]
    sequences = [
        letter + "".join(chr(int(code, 16)) for code in marks.split()) for marks, letters in SEQUENCES.items() for letter in letters
    ]
    assert (len(sequences), [sequence for sequence in sequences if first_disallowed(sequence, datatype)]) == (149, [])


@with_material
@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_entry_of_the_table(datatype: Datatype) -> None:
    """Of the 930 entries of the table exactly those of its groups fit a datatype, and they are in form NFC; marks are told as marks."""
    table = list(entries(TABLE))
    assert len(table) == 930
    for entry, (group, *_) in table:
        found = first_disallowed(entry, datatype)
        assert found == (None if group in GROUPS[datatype] else DisallowedCharacter(0, f"U+{ord(entry):04X}", group))
        assert unicodedata.is_normalized("NFC", entry)


@with_material
@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_code_point_against_the_official_pattern(datatype: Datatype) -> None:
    """Alone, each code point of the first two planes fits where the official pattern takes its NFC form."""
    pattern = official(datatype)
    differing = [
        f"U+{ord(character):04X}"
        for character in EVERY_CODE_POINT
        if (first_disallowed(character, datatype) is None) != bool(pattern.fullmatch(unicodedata.normalize("NFC", character)))
    ]
    assert differing == []


@with_material
@pytest.mark.parametrize("datatype", DATATYPES)
def test_random_texts_against_the_official_pattern(datatype: Datatype) -> None:
    """20,000 texts of entries, letters, marks and strangers: both say the same, and the misfit is where the pattern stops."""
    pattern, chance = official(datatype), random.Random(91379)
    fitting = [entry for entry, (group, *_) in entries(TABLE) if group in GROUPS[datatype]]
    others = [entry for entry, (group, *_) in entries(TABLE) if group not in GROUPS[datatype]]
    letters = list({letter for sequence in SEQUENCES.values() for letter in sequence})
    seen = {True: 0, False: 0}
    for _ in range(20_000):
        strange = chance.choice([fitting, fitting, others, ["–", "\u00ad", "😀", "한", "\u0338", "\u0e4d"]])
        text = "".join(chance.choice(chance.choice([fitting, fitting, fitting, letters, strange])) for _ in range(chance.randrange(1, 12)))
        text = unicodedata.normalize("NFC", text)
        found = first_disallowed(text, datatype)
        seen[found is None] += 1
        assert (found is None) == bool(pattern.fullmatch(text)), ascii(text)
        assert found is None or pattern.fullmatch(text[: found.position]), ascii(text)
        assert found is None or not pattern.fullmatch(text[: found.position + 1]), ascii(text)
    assert min(seen.values()) > 2_000


@with_material
def test_every_mapping_of_the_search_form() -> None:
    """All 649 mappings are those of the table, and a search form is its own search form."""
    table = {entry: columns[4].split("; ")[2] for entry, columns in entries(SEARCH_TABLE)}
    assert len(table) == sum(len(letters.split()) for letters in SEARCH_FORM.values()) == 649
    assert {entry: search_form(entry) for entry in table} == table
    assert {form: search_form(form) for form in table.values()} == {form: form for form in table.values()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Müller-Weiß", "MUELLER-WEISS"),
        ("Mu\u0308ller", "MUELLER"),
        ("Åse Øst", "AASE OEST"),
        ("K\u035fhan", "KHAN"),
        ("C\u0328\u0306", "C"),
        ("Αθήνα 12", "Αθήνα 12"),
        ("", ""),
    ],
)
def test_search_form(text: str, expected: str) -> None:
    """Latin letters are written as passports write them, all else stays."""
    assert search_form(text) == expected


@pytest.mark.parametrize("text", ["MÃ¼nchen", "StraÃŸe", "GrÃ¶ÃŸe", "Ãœber", "â€žPostâ€œ"[:6], "CafÃ©"])
def test_mojibake_is_suspected(text: str) -> None:
    """UTF-8 read as Windows-1252 is seen."""
    assert looks_like_mojibake(text)


@pytest.mark.parametrize("text", ["", "Muenchen", "München", "Ã", "São Tomé", "Łódź", "10 €", "K\u035fhan", "Ãü", "Ó’Brien"])
def test_true_text_is_not_suspected(text: str) -> None:
    """Text that nobody encoded twice stays without a warning, plain ASCII too."""
    assert not looks_like_mojibake(text)


@pytest.mark.parametrize("last", ["", "–", "\u0301"], ids=["clean", "stranger at the end", "mark at the end"])
def test_time_grows_with_the_text_only(last: str) -> None:
    """A million characters take well under a second, whether they fit or not; a quarter of the promised 20 MB/s, for busy machines."""
    text = RUNNING_TEXT * (1_000_000 // len(RUNNING_TEXT)) + last
    began = time.process_time()
    assert (first_disallowed(text, "C") is None) == (not last)
    assert time.process_time() - began < len(text) / 20e6 * 4


def test_many_misfits_take_no_time() -> None:
    """A text of nothing but misfits is gone through once."""
    began = time.process_time()
    assert sum(1 for _ in disallowed("a–" * 100_000, "E")) == 100_000
    assert time.process_time() - began < 2
