"""The functions that a mapping can call in its XPaths, beside those of XPath 1.0.

    feld(id)              the values of a form field that are not blank
    meta(name)            what the bus knows: id, case, accepted_at (UTC, to the second), test (true or false)
    code(table, x)        each code translated by a table of the mapping
    date(x, pattern)      a date in another form; the parts are DD, MM, YYYY; an unknown month or day is written as 00;
                          of a moment with a zone, such as accepted_at, the day that it is in Germany
    integer(x)            a whole number
    join(x, separator)    several values as one text
    house_number(x)       of `12 a` the 12
    house_suffix(x)       of `12 a` the a

A function of nothing gives nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from lxml import etree

from adapters.interface import Submission
from adapters.mapping.page import ANY_OTHER
from schemas.examination import forms

Value = str | bool | float
Selected = list[etree._Element | str] | Value  # noqa: SLF001 - the only name that the type has
"""What an XPath gives, and what a function gets."""

_XPATH_1_0: Final = frozenset(
    (
        *("last", "position", "count", "id", "local-name", "namespace-uri", "name", "string", "concat", "starts-with", "contains"),
        *("substring-before", "substring-after", "substring", "string-length", "normalize-space", "translate", "boolean", "not"),
        *("true", "false", "lang", "number", "sum", "floor", "ceiling", "round"),
        *("text", "node", "comment", "processing-instruction"),  # tests of nodes, written like functions
    )
)
_LITERAL: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_TOKEN: Final = re.compile(r"'[^']*'|\"[^\"]*\"|[()]|[^'\"()\s]+")
_CALL: Final = re.compile(r"([\w.:-]+)\s*\(")
_PREFIX: Final = re.compile(r"([\w.-]+):(?!:)(?=[\w*])")
_PREDICATE: Final = re.compile(r"\[[^\[\]]*\]")
_OPERATORS: Final = frozenset(("and", "or", "div", "mod"))
_DATE: Final = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_GERMANY: Final = ZoneInfo("Europe/Berlin")
_HOUSE: Final = re.compile(r"(\d*)\s*(.*)", re.DOTALL)


class UnfitError(Exception):
    """A value that a function cannot take; the text says what is wanted, and never the value."""


class CurrentSubmission:
    """The submission that is being translated, with its form fields read once."""

    def __init__(self, submission: Submission) -> None:
        self.meta: Mapping[str, Value] = {
            "id": str(submission.id),
            "case": str(submission.case_id),
            "about": _about(submission),
            "accepted_at": submission.accepted_at.astimezone(UTC).isoformat(timespec="seconds"),
            "test": submission.test,
        }
        self.fields = forms.filled_in(submission.root)


META: Final = ("id", "case", "about", "accepted_at", "test")


def _about(submission: Submission) -> str:
    """The submission that this one is about; empty where there is none. Records of earlier versions say it in the message alone."""
    return str(submission.about) if submission.about else submission.root.findtext("bezug/bezugNachricht", "").strip()


_current: ContextVar[CurrentSubmission] = ContextVar("submission")


@contextmanager
def translating(submission: Submission) -> Iterator[None]:
    """While the block runs, the functions `feld` and `meta` speak of this submission."""
    token = _current.set(CurrentSubmission(submission))
    try:
        yield
    finally:
        _current.reset(token)


def texts(selected: Selected) -> list[Value]:
    """The values in what an XPath gave: blank ones are none, a number without a value is one that cannot be read.

    Raises:
        UnfitError: not a number.
    """
    if isinstance(selected, list):
        return [text for text in map(text_of, selected) if text.strip()]
    if isinstance(selected, str):
        return [selected] if selected.strip() else []
    if isinstance(selected, bool) or not isinstance(selected, float):
        return [selected]
    if selected != selected or selected in (float("inf"), float("-inf")):  # noqa: PLR0124 - not a number is not equal to itself
        raise UnfitError("not a number")
    return [int(selected) if selected.is_integer() else selected]


def text_of(node: etree._Element | str) -> str:
    """The text of an element with all that is below it, or of an attribute."""
    if isinstance(node, str):
        return node
    return "".join(map(str, node.itertext())) if len(node) else node.text or ""


def as_text(value: Value) -> str:
    """A value as XPath writes it: true and false in small letters."""
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def calls(xpath: str) -> Iterator[str]:
    """The functions that an XPath calls, those of XPath included."""
    for name in _CALL.findall(without_literals(xpath)):
        yield name.rpartition("::")[2]


def prefixes(xpath: str) -> set[str]:
    """The namespace prefixes in an XPath."""
    return set(_PREFIX.findall(without_literals(xpath)))


def unknown(xpath: str) -> list[str]:
    """Functions that neither XPath nor a mapping has."""
    return sorted({name for name in calls(xpath) if name not in _XPATH_1_0 | _OPERATORS | NAMES})


def out_of_place(xpath: str) -> list[str]:
    """Functions that speak of a place among others, where an XPath has none: outside of every predicate."""
    outside = without_literals(xpath)
    while (inner := _PREDICATE.sub("", outside)) != outside:
        outside = inner
    return sorted({name for name in calls(outside) if name in ("position", "last")})


def literals(xpath: str, function: str) -> list[str]:
    """The first arguments that a function gets in an XPath, where they are written out."""
    return [a or b for a, b in re.findall(rf"""(?<![\w.-]){function}\s*\(\s*(?:'([^']*)'|"([^"]*)")""", xpath)]


def last_literals(xpath: str, function: str) -> Iterator[str]:
    """The last arguments that a function gets in an XPath, where they are written out."""
    for call in re.finditer(rf"(?<![\w.-]){function}\s*\(", xpath):
        depth, last = 1, ""
        for token in _TOKEN.findall(xpath, call.end()):
            depth += {"(": 1, ")": -1}.get(token, 0)
            if depth == 0:
                break
            last = token
        if last[0:1] in ("'", '"'):
            yield last[1:-1]


def all_literals(xpath: str) -> list[str]:
    """Every text that is written out in an XPath."""
    return [literal[1:-1] for literal in _LITERAL.findall(xpath)]


def without_literals(xpath: str) -> str:
    """What is left of an XPath without the texts in it."""
    return _LITERAL.sub("''", xpath)


def holds(selected: Any) -> bool:
    """Whether what an XPath gave is true or finds something: blank texts and what is not a number do not."""
    if isinstance(selected, str):
        return bool(selected.strip())
    return bool(selected) and selected == selected  # noqa: PLR0124 - not a number is not equal to itself


def extensions(codes: Mapping[str, Mapping[str, str]]) -> dict[tuple[str | None, str], Callable[..., Any]]:
    """The functions for lxml, with the code tables of a mapping."""

    def code(_: Any, table: str, selected: Selected) -> list[str]:
        return [_translated(codes[table], table, as_text(value)) for value in texts(selected)]

    return {(None, name): function for name, function in {**_FUNCTIONS, "code": code}.items()}


def _translated(table: Mapping[str, str], name: str, value: str) -> str:
    found = table.get(value, table.get(ANY_OTHER))
    if found is None:
        raise UnfitError(f"a code that the table '{name}' has not")
    return found


def _one(selected: Selected) -> str:
    found = texts(selected)
    if len(found) > 1:
        raise UnfitError("several values where the function takes one")
    return as_text(found[0]) if found else ""


def feld(_: Any, field_id: str) -> list[etree._Element]:
    """The `wert` elements of a field that are not blank."""
    return _current.get().fields.get(field_id, [])


def meta(_: Any, name: str) -> Value:
    """What the bus knows of the submission."""
    return _current.get().meta[name]


def _date(_: Any, selected: Selected, pattern: str) -> str:
    text = _one(selected).strip()
    if not text:
        return ""
    parts = _DATE.fullmatch(_day_in_germany(text) if "T" in text else text)
    if parts is None:
        raise UnfitError("not a date like 2026-03-01, 2026-03 or 2026")
    year, month, day = parts.groups(default="00")
    return pattern.replace("YYYY", year).replace("MM", month).replace("DD", day)


def _day_in_germany(text: str) -> str:
    """The day of a moment; of what is none, or has no zone, nothing that is a date."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(_GERMANY).date().isoformat() if moment.tzinfo else ""
    except (ValueError, OverflowError):
        return ""


def _integer(_: Any, selected: Selected) -> Selected:
    text = _one(selected).strip()
    if text and not re.fullmatch(r"-?[0-9]{1,15}", text):
        raise UnfitError("not a whole number")
    return float(text) if text else []


def _join(_: Any, selected: Selected, separator: str) -> str:
    return separator.join(map(as_text, texts(selected)))


def _house(selected: Selected, part: int) -> str:
    found = _HOUSE.fullmatch(_one(selected).strip())
    return found.group(part) if found else ""


_FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "feld": feld,
    "meta": meta,
    "date": _date,
    "integer": _integer,
    "join": _join,
    "house_number": lambda _, selected: _house(selected, 1),
    "house_suffix": lambda _, selected: _house(selected, 2),
}
NAMES: Final = frozenset((*_FUNCTIONS, "code"))
