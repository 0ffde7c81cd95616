"""Ids of messages, cases and attachments: UUIDs as XÖV and JSON Schema write them, which have to identify something."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

WRITTEN: Final = "8, 4, 4, 4 and 12 hexadecimal digits with hyphens between, and nothing around"
"""The one form of an id that is taken, for people to read; capitals are the same digits, so both spellings are the same id."""
EMPTY: Final = "all its digits are the same, as in an id that was never set"

_WRITTEN: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_VERSION_DIGIT, _VARIANT_DIGIT = 12, 16
_FEW: Final = 6
"""Most different characters that such an id has: the hyphen, its digit as small letter and capital, version, variant. Nearly all have more."""


def is_written(text: str) -> bool:
    """Whether a text is a UUID in the form that `WRITTEN` describes: with hyphens, without braces and `urn:uuid:`."""
    return _WRITTEN.fullmatch(text) is not None


def parse(text: str) -> UUID:
    """The UUID in a text.

    Raises:
        ValueError: it has another form.
    """
    if not is_written(text):
        raise ValueError(f"expected {WRITTEN}")
    return UUID(text)


def usable(text: object) -> UUID | None:
    """The UUID in a text; None where it has another form, or identifies nothing. Never raises."""
    found = UUID(text) if isinstance(text, str) and is_written(text) else None
    return found if found and identifies(found) else None


def is_empty(text: str) -> bool:
    """Whether a text is a UUID, and one that identifies nothing."""
    return len(set(text)) <= _FEW and is_written(text) and not identifies(UUID(text))


def identifies(value: UUID) -> bool:
    """Whether an id tells one thing from another: not the nil UUID, the max UUID, or one digit all along.

    The digits of version and variant do not count: a generator without random bits sets them too.
    """
    digits = value.hex
    return len({*digits[:_VERSION_DIGIT], *digits[_VERSION_DIGIT + 1 : _VARIANT_DIGIT], *digits[_VARIANT_DIGIT + 1 :]}) > 1
