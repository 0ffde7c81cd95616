"""What is certainly wrong with what a mapping says: found by reading it, without a message."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from adapters.mapping import compiled, functions
from adapters.mapping.compiled import XPATHS
from adapters.mapping.mapping import IGNORED, REFUSED, Mapping
from adapters.mapping.page import ANY_OTHER
from schemas import validation_errors
from schemas.catalogue import Service
from schemas.findings import Flaw
from schemas.yamllines import PathStep

Steps = tuple[PathStep, ...]

_HINT: Final = "docs/mappings.md explains what is found, and how to mend it."
_BY_ID: Final = re.compile(r"""@id\s*=\s*(?:'([^']*)'|"([^"]*)")""")
_TRANSLATED: Final = re.compile(r"""code\s*\(\s*'([^']*)'\s*,\s*(?:feld\s*\(\s*'([^']*)'\s*\)(?:\[\d+\])?\s*\))?""")
_PARTS: Final = re.compile(r"YYYY|MM|DD")
_NO_PART: Final = re.compile(r"([dmyjthisDMYJTHIS])\1+")
"""Letters that stand twice or more mean a part of a date; a single one can be a letter, as the T of a time."""


def flaw(mapping: Mapping, rule: str, detail: str, *path: PathStep) -> Flaw:
    """Something that is wrong with a mapping that loads, with the line."""
    return Flaw(rule, mapping.draft.spot(*path), detail, _HINT)


def written(mapping: Mapping) -> Iterator[tuple[Steps, str]]:
    """Every XPath of a mapping but those of `ignored`: where it stands, and what it says."""
    yield from (((REFUSED, reason), text) for reason, text in mapping.spec.refuse.items())
    for entry in compiled.every(mapping.entries):
        for key in XPATHS:
            if isinstance(text := getattr(entry.spec, key), str):
                yield (*entry.place, key), text


def flaws(mapping: Mapping, services: Sequence[Service]) -> Iterator[Flaw]:
    """All that is certainly wrong, for an office that takes these services."""
    yield from _unknown_fields(mapping, services)
    yield from _unknown_codes(mapping, services)
    for place, text in written(mapping):
        for pattern in functions.last_literals(text, "date"):
            if wrong := _NO_PART.search(_PARTS.sub("", pattern)):
                yield flaw(mapping, "date", f"'{wrong.group()}' is no part of a date; the parts are DD, MM and YYYY", *place)


def _unknown_fields(mapping: Mapping, services: Sequence[Service]) -> Iterator[Flaw]:
    known = {spec.id for service in services for spec in service.fields}
    ignored = (((IGNORED, text), text) for text in mapping.spec.ignored)
    for place, text in (*written(mapping), *ignored):
        asked_for = (*functions.literals(text, "feld"), *(one or other for one, other in _BY_ID.findall(text)))
        for name in dict.fromkeys(asked_for):
            if known and name not in known:
                yield flaw(
                    mapping,
                    "field",
                    f"no form of this office has the field '{name}'{validation_errors.suggestion(name, sorted(known))}",
                    *place,
                )


def _unknown_codes(mapping: Mapping, services: Sequence[Service]) -> Iterator[Flaw]:
    """Where a table translates nothing but fields whose codes are known."""
    codes = {spec.id: spec.codes for service in services for spec in service.fields}
    asked_for: dict[str, list[str]] = {}
    for _, text in written(mapping):
        for table, field in _TRANSLATED.findall(text):
            asked_for.setdefault(table, []).append(field)
    for table, fields in asked_for.items():
        known = {code for field in fields for code in codes.get(field, ())}
        if all(codes.get(field) for field in fields):
            for code in mapping.spec.codes.get(table, {}):
                if code not in known and code != ANY_OTHER:
                    called = " or ".join(f"feld('{field}')" for field in dict.fromkeys(fields))
                    yield flaw(
                        mapping,
                        "code",
                        f"{called} never has the code '{code}'{validation_errors.suggestion(code, sorted(known))}",
                        "codes",
                        table,
                        code,
                    )
