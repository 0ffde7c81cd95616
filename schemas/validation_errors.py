"""Pydantic's validation errors as sentences for people who write pages and settings: in our words, and never with a value.

>>> class Office(BaseModel, extra="forbid"):
...     name: str
>>> try:
...     Office.model_validate({"name": 7, "nmae": "Bauamt"})
... except ValidationError as error:
...     for one in sentences(error, Office):
...         print(one)
name: expected a text, found a number: write it in quotes
nmae: unknown key 'nmae'; did you mean 'name'?
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas.headers import FORMS, PORTAL, Header
from schemas.yamllines import PathStep

_NONE: Final = type(None)
_DATE: Final = "a date like 2026-04-01"
_KEYS: Final = "keys with values below it"
_WANTED: Final[Mapping[str, str]] = {
    "string": "a text",
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "dict": _KEYS,
    "mapping": _KEYS,
    "model": _KEYS,
    "dataclass": _KEYS,
    "date": _DATE,
    "datetime": "a time like 2026-04-01T09:30:00+02:00",
    "time": "a time like 09:30",
    "timedelta": "a span of time in seconds",
    "url": "an address such as https://host/path",
    "uuid": "a UUID such as 3c0e5b1a-7d24-4f0b-9a6c-8e4d2f6015b9",
    "bytes": "a text",
    "path": "the path of a file",
}
"""What was expected, by the first word of pydantic's type of error (`string_type`, `int_parsing`)."""
_SENTENCES: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "string_too_long": "is longer than {max_length} characters",
    "string_too_short": "is shorter than {min_length} characters",
    "too_long": "has more than {max_length} entries",
    "too_short": "has fewer than {min_length} entries",
    "greater_than": "has to be more than {gt}",
    "greater_than_equal": "has to be at least {ge}",
    "less_than": "has to be less than {lt}",
    "less_than_equal": "has to be at most {le}",
    "finite_number": "expected a number",
    "path_not_file": "there is no such file",
    "path_not_directory": "there is no such folder",
    "path_exists": "there is such a file already",
    "date_from_datetime_inexact": f"expected {_DATE}, without a time",
}
_PATTERNS: Final[Mapping[str, str]] = {
    r"^[a-z][a-z0-9-]{1,39}$": "expected a name of 2 to 40 small letters, digits and '-', a letter first: [a-z][a-z0-9-]*",
    r"\S": "is blank",
    f"^{PORTAL}$": "expected the id of a portal: up to 100 letters, digits, '.', '_', ':', '+' and '-', a letter or digit first",
    f"^{FORMS[Header.DATASCHEMA]}$": "expected up to 250 characters of ASCII, without blanks",
    f"^{FORMS[Header.TYPE]}$": "expected up to 200 letters, digits, '.', '_' and '-'",
    r"^99[0-9]{12}$": "expected a LeiKa key: 14 digits in quotes, 99 first",
    r"^[0-9]{8}$": "expected 8 digits in quotes",
    r"^[0-9]{12}$": "expected 12 digits in quotes",
    r"^[A-Z][0-9]{8,11}$": "expected the id of a field: a capital letter and 8 to 11 digits",
    r"^[0-9a-f]{64}$": "expected 64 digits and small letters a to f (SHA-256)",
    r"^[^/\\]+\.xsd$": "expected the name of a file that ends in .xsd, without folders",
    r"^[A-Za-z_][\w.-]*$": "expected a name as XML has them: a letter first, then letters, digits, '.', '-' and '_'",
    r'^[^"\r\n]$': "expected one character, and no quote or line end",
    r"^(mailto:|https://|tel:)[!-~]{1,200}$": "expected an address that begins with mailto:, https:// or tel:",
    r"^[^\r\n\t]$": "expected one character, and no tabulator or line end",
}
_OTHERWISE: Final = "is not of the form that is expected here"
_KINDS: Final = (
    (bool, "true or false"),
    (int | float, "a number"),
    (datetime, "a time"),
    (date, "a date"),
    (str | PurePath, "a text"),
    (list | tuple | set, "a list"),
    (dict | BaseModel, "keys with values"),
    (_NONE, "nothing"),
)
_UNQUOTED: Final = (bool, int, float, date)
"""What YAML takes a text without quotes for."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is wrong with one value of a page, without quoting it; `path` leads to it, by keys and indexes that the page has."""

    path: tuple[PathStep, ...]
    text: str

    def __str__(self) -> str:
        place = ".".join(map(str, self.path))
        return f"{place}: {self.text}" if place else self.text


def sentences(error: ValidationError, model: type[BaseModel]) -> list[Sentence]:
    """What is wrong, a sentence per place, in pydantic's order; there is at least one.

    What only follows is left out: of a list whose one item is wrong pydantic says too that it is empty.
    """
    found: dict[tuple[PathStep, ...], list[Sentence]] = {}
    for details in error.errors(include_url=False):
        one = _sentence(details, model)
        found.setdefault(one.path, []).append(one)
    innermost = {path for path in found if not any(other != path and other[: len(path)] == path for other in found)}
    return [_merged(same) for path, same in found.items() if path in innermost]


def _merged(same: Sequence[Sentence]) -> Sentence:
    """One sentence for a place that may hold several kinds: pydantic says of each that it was not found."""
    kinds = [one.text.removeprefix("expected ").partition(", found ") for one in same]
    if len(same) == 1 or not all(found for _, found, _ in kinds):
        return same[0]
    wanted = " or ".join(dict.fromkeys(wanted for wanted, _, _ in kinds))
    return Sentence(same[0].path, f"expected {wanted}, found {kinds[0][2].partition(':')[0]}")


def _sentence(one: ErrorDetails, model: type[BaseModel]) -> Sentence:
    path, around, here = _locate(model, one["loc"])
    kind = one["type"]
    if kind == "extra_forbidden":
        return Sentence(path, f"unknown key '{path[-1]}'{suggestion(str(path[-1]), _keys(around))}")
    if kind == "union_tag_not_found":
        tags = ", ".join(f"'{tag}'" for part in _parts(here) for tag in sorted(_tags(part)))
        return Sentence(path, f"{one['ctx']['discriminator']} is missing; it is one of {tags}")
    return Sentence(path, _text(one))


def _text(one: ErrorDetails) -> str:
    kind, limits, value = one["type"], one.get("ctx", {}), one["input"]
    if kind == "value_error":  # one of ours
        return str(limits.get("error", _OTHERWISE))
    if kind in ("literal_error", "enum"):
        return f"expected one of {limits['expected'].replace(' or ', ', ')}{suggestion(str(value), _quoted(limits['expected']), '')}"
    if kind == "union_tag_invalid":
        tags = limits["expected_tags"]
        return f"{limits['discriminator']} is not known; it is one of {tags}{suggestion(str(limits['tag']), _quoted(tags), '')}"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(limits["pattern"], _OTHERWISE)
    if kind in _SENTENCES:
        return _SENTENCES[kind].format(**limits)
    wanted = _WANTED.get(kind.partition("_")[0])
    return _OTHERWISE if wanted is None else f"expected {wanted}, found {_kind(value)}{_quotes(wanted, value)}"


def _kind(value: object) -> str:
    return next((name for kinds, name in _KINDS if isinstance(value, kinds)), "something else")


def _quotes(wanted: str, value: object) -> str:
    return ": write it in quotes" if wanted == _WANTED["string"] and isinstance(value, _UNQUOTED) else ""


def _quoted(listed: str) -> list[str]:
    return listed.replace(" or ", ", ").replace("'", "").split(", ")


def suggestion(name: str, known: Sequence[str], otherwise: str = "; there are: {}") -> str:
    """The end of a sentence about a name that is not known: the one that may be meant; where none is like it, all that there are."""
    close = get_close_matches(name, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else otherwise.format(", ".join(known)) if known else ""


# --- where in the page


def _locate(model: type[BaseModel], loc: Sequence[PathStep]) -> tuple[tuple[PathStep, ...], Any, Any]:
    """A place of pydantic as the page has it: the steps, the annotation around the last of them, and that of the place itself.

    Between the steps of the page pydantic's `loc` has names of members of unions, which nobody has written.
    """
    path: list[PathStep] = []
    here: Any = model
    around: Any = model
    for step in loc:
        if step == "[key]":
            continue
        found = _annotation_at(here, step)
        if found is not None and not found[1]:  # the name of a union's member
            here = found[0]
            continue
        if found is None and step != loc[-1]:
            continue
        if found is None and not _takes_keys(here):
            break
        path.append(step)
        around, here = here, found[0] if found else None
    return tuple(path), around, here


def _annotation_at(annotation: Any, step: PathStep) -> tuple[Any, bool] | None:
    """The annotation at a step, and whether the step is one of the page; None where the model has no such place."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotation_at(args[0], step)
    if origin in (Union, types.UnionType):
        tagged = next((arg for arg in args if step in _tags(arg)), None)
        return (tagged, False) if tagged else next((found for arg in args if (found := _annotation_at(arg, step))), None)
    if origin in (list, tuple):
        return (args[0], True) if isinstance(step, int) else None
    if origin is dict or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return args[1], True
    for name, field in _fields(annotation).items():
        if name == step:
            return field.annotation, True
    return None


def _fields(annotation: Any) -> dict[str, Any]:
    """The fields of a model by the names that they have in a page."""
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return {}
    return {field.alias or name: field for name, field in annotation.model_fields.items()}


def _tags(annotation: Any) -> set[Any]:
    """The values of the literals that a model has to have: by them pydantic tells it from the others of a union."""
    fields = _fields(annotation).values()
    literals = (field.annotation for field in fields if field.is_required() and get_origin(field.annotation) is Literal)
    return {value for literal in literals for value in get_args(literal)}


def _takes_keys(annotation: Any) -> bool:
    return any(_fields(one) for one in _parts(annotation))


def _keys(annotation: Any) -> list[str]:
    return [name for one in _parts(annotation) for name in _fields(one)]


def _parts(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in (Annotated, Union, types.UnionType):
        for one in get_args(annotation):
            yield from _parts(one)
    else:
        yield annotation
