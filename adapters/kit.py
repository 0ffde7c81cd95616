"""What every reading of an answer needs."""

from __future__ import annotations

import re

_CODE = re.compile(r"[A-Z0-9_]{1,40}")
_LONGEST_STATE = 80


class UnclearAnswer(Exception):
    """The back office answered, but not whether it has the submission."""


def reason_code(answered: object) -> str:
    """A code that a back office answered, fit for logs; free text could quote the applicant and does not get through."""
    return answered if isinstance(answered, str) and _CODE.fullmatch(answered) else "UNREADABLE_CODE"


def one_line(answered: object) -> str:
    """What a back office says about itself, fit for a line that people read."""
    return "".join(character for character in str(answered)[:_LONGEST_STATE] if character.isprintable())
