"""What somebody looks for among submissions: what names one of them or its case, and what narrows down which.

Audit and outbox both answer it, each out of its own tables.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from schemas import problems
from schemas.errors import UsageError
from schemas.events import State
from schemas.hotline import near_codes, parse_hotline_code

_PREFIX: Final = re.compile(r"[0-9a-f]{4,32}")
_PREFIX_AS_WRITTEN: Final = re.compile(r"[0-9a-fA-F]{4}[0-9a-fA-F-]{0,32}")
_NUMBER: Final = re.compile(r"(?=.*[0-9])[!-~][ -~]{0,78}[!-~]")
_DIGITS: Final = 32

RULED_OUT: Final = {
    **dict.fromkeys((State.RETRY_WAIT, State.PARKED, State.DEAD_LETTER), (State.DELIVERED, State.ACCEPTED, State.REJECTED)),
    State.DELIVERED: (State.ACCEPTED, State.REJECTED),
}
"""Whoever is in a state has not been in one of these: nothing leads back from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a text may name, each of which is enough: a submission by id, or the beginning of it, or code; a case; the office's own number."""

    first: UUID | None = None
    last: UUID | None = None
    """The ids from `first` to `last` begin with what was given."""
    case: UUID | None = None
    codes: Collection[str] = ()
    numbers: Collection[str] = ()
    """As given, in capitals, in small letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for; all that is said has to hold."""

    named: Named | None = None
    office: str | None = None
    portal: str | None = None
    state: State | None = None
    """The state as far as one event tells; whether it is the last one, the order of the events says."""
    since: datetime | None = None
    """Accepted then or later."""
    until: datetime | None = None
    """Accepted before."""


def parse(text: str) -> Named:
    """What a text may name: an id, its first four digits or more, a hotline code as somebody says it, or the number that an office gave.

    Raises:
        UsageError: wanted-unclear. The text is not quoted: people type names.
    """
    text = text.strip()
    code = parse_hotline_code(text)
    digits = text.lower().replace("-", "") if _PREFIX_AS_WRITTEN.fullmatch(text) else ""
    is_prefix = _PREFIX.fullmatch(digits) is not None
    numbers = {text, text.upper(), text.lower()} if _NUMBER.fullmatch(text) else set()
    if code is None and not is_prefix and not numbers and not near_codes(text):
        raise UsageError(problems.WANTED_UNCLEAR)
    return Named(
        first=UUID(digits.ljust(_DIGITS, "0")) if is_prefix else None,
        last=UUID(digits.ljust(_DIGITS, "f")) if is_prefix else None,
        case=UUID(digits) if len(digits) == _DIGITS else None,
        codes=() if code is None else (code,),
        numbers=numbers,
    )


def misheard(text: str) -> Named | None:
    """The codes that may have been meant with one mistake; None where the text is like no code."""
    near = near_codes(text)
    return Named(codes=near) if near else None
