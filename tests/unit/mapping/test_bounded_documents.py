"""What a mapping makes of the longest texts costs no more than they explain: filling, character sets, cutting to columns, formulas, code lists."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from adapters import registry
from adapters.mapping import Mapping
from adapters.protocols.mapped import page_of
from schemas.errors import Refused
from tests.growth import GROWTH, TEXTS, grows_faster, peak_bytes, text_of
from tests.mappings import form, submission

LETTERS = 40_000
PAGES = [page for office in registry.names() if (page := page_of(office))]
TARGETS: tuple[dict[str, Any], ...] = tuple(
    {"format": kind, "encoding": encoding, "unrepresentable": rule}
    for kind, encoding, rule in (
        ("fixed", "cp1252", "transliterate"),
        ("fixed", "ASCII", "replace"),
        ("csv", "ISO-8859-15", "refuse"),
        ("csv", "ASCII", "transliterate"),
    )
)


def written(mapping: Mapping, text: str) -> None:
    """A document with the text in a field and in a name, if the mapping takes it."""
    with suppress(Refused):
        pieces = tuple(text[begin : begin + 4_000] for begin in range(0, len(text), 4_000))
        mapping.document(submission(content=form(F99000104=pieces[0], F99000201=pieces)))


@pytest.mark.parametrize("kind", TEXTS)
def test_each_document_grows_with_its_texts(kind: str, mapping: Any) -> None:
    """Every shipped mapping, and every format with columns, padded and not."""
    columns = {
        "a": {"value": "feld('F99000104')", "width": 7, "align": "right", "fill": "0"},
        "b": {"value": "join(feld('F99000201'), ' ')", "width": 9_999},
    }
    asked = {str(page.parent): Mapping.load(page) for page in PAGES} | {
        str(number): mapping(columns, target=target) for number, target in enumerate(TARGETS)
    }
    text = text_of(kind, LETTERS)
    told = {
        name: grows_faster(partial(written, one, text[: LETTERS // GROWTH]), partial(written, one, text)) for name, one in asked.items()
    }
    assert {name: one for name, one in told.items() if one} == {}
    least = {name: peak_bytes(partial(written, one, text[: LETTERS // 10])) for name, one in asked.items()}
    assert {name: most for name, most in least.items() if most > 2_000_000 + 500 * LETTERS // 10} == {}
