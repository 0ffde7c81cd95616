"""What is wrong with a JSON form, told to who wrote JSON: sentences of ours, every fault at once, places as JSON Pointers (RFC 6901).

Never a value of the form, and never a text or code of a library, which may quote one. Of names that we do not know only those are
shown that look like names of members.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import islice, takewhile
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas import ids, problems
from schemas.findings import Finding
from schemas.message import OWN_WORDS
from schemas.schema_set import MAX_FINDINGS

RULE: Final = "json-form"
_LONGEST_NAME: Final = 40
_NAME: Final = re.compile(rf"[a-z][A-Za-z0-9_-]{{0,{_LONGEST_NAME - 1}}}")
"""What looks like the name of a member: it begins with a small letter, as names of people do not."""
_NOT_IN_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_TEXT: Final = "a text in quotes"
_UUID: Final = f"a UUID: {ids.WRITTEN}"
_TIME: Final = "a time with zone, for example 2026-03-01T09:30:00.000+01:00"
_WANTED: Final = {
    "string_type": _TEXT,
    "bool_type": "true or false, without quotes",
    "bool_parsing": "true or false, without quotes",
    "int_type": "an integer without quotes",
    "int_parsing": "an integer without quotes",
    "int_parsing_size": "an integer without quotes",
    "int_from_float": "an integer without quotes",
    "tuple_type": "a list in brackets",
    "list_type": "a list in brackets",
    "model_type": "an object in braces",
    "model_attributes_type": "an object in braces",
    "uuid_type": _UUID,
    "datetime_type": _TIME,
}
"""By the validator's type of error what is expected there instead of something of another kind."""
_NOT_READ: Final = "json_invalid"
_SENTENCES: Final = {
    "missing": "this member is missing",
    "string_too_short": "the text is shorter than {min_length} characters",
    "string_too_long": "the text is longer than {max_length} characters",
    "too_short": "the list has fewer members than {min_length}",
    "too_long": "the list has more members than {max_length}",
    "greater_than_equal": "the number is smaller than {ge}",
    "less_than_equal": "the number is larger than {le}",
    "less_than": "the number is not smaller than {lt}",
    "literal_error": "expected one of {expected}",
    "enum": "expected one of {expected}",
    "uuid_parsing": f"expected {_UUID}",
    "uuid_version": f"expected {_UUID}",
    "datetime_parsing": f"expected {_TIME}",
    "datetime_object_invalid": f"expected {_TIME}",
    "datetime_from_date_parsing": f"expected {_TIME}",
    "timezone_aware": f"the time zone is missing; expected {_TIME}",
    _NOT_READ: "nested too deep",  # all else that is wrong with JSON was found before
}
"""By the validator's type of error the sentence; the names in braces are limits of the model, never values of the form."""
_PATTERNS: Final = {
    r"\S": "the text is blank",
    r"^[0-9]{14}$": "expected 14 digits",
    r"^([0-9]{12}|[0-9]{8})$": "expected 12 digits (ARS) or 8 digits (AGS)",
    r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$": "expected a date like 1990-05-17, or 1990-05 or 1990 where no more is known",
    r"^[A-Z][0-9]{8,11}$": "expected the id of a field: a capital letter and 8 to 11 digits",
    r"^[a-z][a-z0-9-]{1,39}$": "expected the id of an account: small letters, digits and hyphens",
}
_ZEROS: Final = ", which loses zeros at its beginning"
_NUMBER: Final = "a number"
_KINDS: Final = {
    type(None): "null",
    bool: "true or false",
    int: _NUMBER,
    float: _NUMBER,
    str: "a text",
    list: "a list",
    dict: "an object",
}
_OTHERWISE: Final = "this is not as the schema at /openapi.json describes it"


def shown(name: str) -> str:
    """The name of a member from outside, where it looks like one; a name may hold anything."""
    return f"'{name}'" if _NAME.fullmatch(name) else "(its name is not shown)"


def pointer(steps: Iterable[str | int]) -> str:
    """A JSON Pointer; the root is the empty one."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def in_texts(content: Any) -> list[Finding]:
    """Characters that XML cannot carry, and with it no message."""
    return [_finding("a text holds a character that XML cannot carry", place) for place in islice(_unwritable(content, ()), MAX_FINDINGS)]


def _unwritable(content: Any, steps: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(content, str):
        if _NOT_IN_XML.search(content):
            yield steps
    elif isinstance(content, dict):
        for name, member in content.items():
            yield from (steps,) if _NOT_IN_XML.search(name) else _unwritable(member, (*steps, name))
    elif isinstance(content, list):
        for number, member in enumerate(content):
            yield from _unwritable(member, (*steps, number))


def in_shape(error: ValidationError, model: type[BaseModel], texts: list[Finding]) -> list[Finding]:
    """What is wrong with texts, and behind it what the model of the form refuses.

    Because of a text the validator may not have read the JSON at all; then what it says would mislead.
    """
    found = error.errors(include_url=False)
    if texts and found[0]["type"] == _NOT_READ:
        return texts
    return texts + [_fault(model, one) for one in found[:MAX_FINDINGS] if not _follows(one, found)]


def _follows(one: ErrorDetails, found: Sequence[ErrorDetails]) -> bool:
    """Whether this fault only follows from another one: the validator calls a list too short whose members it refused."""
    place = one["loc"]
    return one["type"] == "too_short" and any(len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in found)


def _fault(model: type[BaseModel], found: ErrorDetails) -> Finding:
    steps = found["loc"]
    if found["type"] != "extra_forbidden":
        return _finding(sentence(found), steps)
    name, around = str(steps[-1]), steps[:-1]
    close = get_close_matches(name.lower(), _members(model, around), n=1) if len(name) <= _LONGEST_NAME else ()
    return _finding(f"unknown member {shown(name)}" + "".join(f"; did you mean '{known}'?" for known in close), steps)


def sentence(found: ErrorDetails) -> str:
    """What an error of the validator says, in our words."""
    kind, limits = found["type"], found.get("ctx", {})
    if kind == OWN_WORDS:
        return found["msg"]
    if kind in _WANTED:
        there = _KINDS.get(type(found["input"]), "something else")
        return f"expected {_WANTED[kind]}, found {there}" + (_ZEROS if (kind, there) == ("string_type", _NUMBER) else "")
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(limits["pattern"], _OTHERWISE)
    return _SENTENCES.get(kind, _OTHERWISE).format(**limits)


def depending(kind: str, name: str, *, needed: bool) -> Finding:
    """A member that this kind of form lacks although it needs it, or has although it takes none."""
    return _finding(f"a form of kind '{kind}' " + ("needs this member" if needed else "has no such member"), (name,))


def _members(model: type[BaseModel], steps: Iterable[str | int]) -> list[str]:
    """The names of the members at a place of the form."""
    for step in steps:
        if isinstance(step, str):
            model = next(_models(model.model_fields[step].annotation))
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _finding(detail: str, steps: Sequence[str | int]) -> Finding:
    known = takewhile(lambda step: isinstance(step, int) or _NAME.fullmatch(step), steps)
    return Finding(problems.FORM_INVALID, RULE, detail, path=pointer(known))
