r"""Texts that a spreadsheet would take for a formula. A citizen writes the text, a clerk opens the table: `=HYPERLINK(…)` must not run there.

>>> prefixed("=1+1"), prefixed("Bäckerei;=1+1"), prefixed("-5,50")
("'=1+1", "Bäckerei;'=1+1", '-5,50')
"""

from __future__ import annotations

import re
from typing import Final

_CUT: Final = "\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029,;|"
"""Where a cell may begin in a spreadsheet that takes another separator than the table's, and so does not see its quotes either."""
_PASSED_OVER: Final = rf"(?:(?![{_CUT}])[\s\"'`´‘’‚“”„«»\ufeff\u00ad\u200b-\u200f\u2060])*"
"""Blanks, quotes and marks of byte order, which programs take away before they look."""
_SIGN: Final = r"[=@+\-\uff1d\uff20\uff0b\uff0d\ufe62\ufe63\ufe66\ufe6b\u2212]"
_NUMBER: Final = r"[+-](?:[0-9]+(?:[.,][0-9]+)?)?\Z"
_FORMULA: Final = re.compile(rf"\A(?=[\t\r\n])|(?:\A(?!{_NUMBER})|(?<=[{_CUT}]))(?={_PASSED_OVER}{_SIGN})")
"""The place before each of them: at the start of the text, and where another separator would begin a cell. Wide signs count as the plain ones,
which some programs make of them. A text that is a number with its sign is none.
"""
_PERHAPS: Final = re.compile(rf"\A[\t\r\n]|{_SIGN}")
"""What every text with a formula has; nearly all texts have it not, and are told at once."""
_APOSTROPHE: Final = "'"


def has(text: str) -> bool:
    """Whether a spreadsheet could take the text, or a part of it, for a formula."""
    return _PERHAPS.search(text) is not None and _FORMULA.search(text) is not None


def prefixed(text: str) -> str:
    """The text with an apostrophe before each formula, which makes a text of it; any other text as it is."""
    return _FORMULA.sub(_APOSTROPHE, text) if _PERHAPS.search(text) else text
