"""What every reading of an answer needs."""

from __future__ import annotations

import re

from adapters.interface import LONGEST_REFERENCE, Delivered

_CODE = re.compile(r"[A-Z0-9_]{1,40}")
_LONGEST_STATE = 80
_MOST_EXACT = 2**53
"""Up to here a JSON number with a point is as exact as one without."""


class UnclearAnswer(Exception):
    """The back office answered, but not whether it has the submission.

    The sentence goes to logs, dead letters and operators: it says what was looked for, and never what was there instead.
    """


class NotTheOffice(UnclearAnswer):
    """Something else answered in place of the back office: a maintenance page, a login page, a proxy.

    It says nothing about the submission, so no try of it counts. The office waits as for one that is down; and because the hand-over may
    have had its effect all the same, `find` is asked before anything is sent again.
    """


def text(answered: object) -> str:
    """What a back office answered as text, without blanks around it: a text or a whole number; empty for anything else."""
    if isinstance(answered, float) and answered.is_integer() and abs(answered) <= _MOST_EXACT:
        answered = int(answered)
    if isinstance(answered, int) and not isinstance(answered, bool):
        return str(answered)
    return answered.strip() if isinstance(answered, str) else ""


def delivered(answered: object, name: str) -> Delivered:
    """What the back office has, by its own number as it answered it: text or a whole number. `name` is what the answer calls it.

    Raises:
        UnclearAnswer: there is none, or it is none.
    """
    reference = text(answered)
    if not reference:
        raise UnclearAnswer(f"the answer has no {name}")
    try:
        return Delivered(reference)
    except ValueError:
        raise UnclearAnswer(
            f"{name} of the answer is no reference: 1 to {LONGEST_REFERENCE} printable characters, in UTF-8 or as declared"
        ) from None


def reason_code(answered: object) -> str:
    """A code that a back office answered, fit for logs; free text could quote the applicant and does not get through."""
    code = text(answered)
    return code if _CODE.fullmatch(code) else "UNREADABLE_CODE"


def one_line(answered: object) -> str:
    """What a back office says about itself, fit for a line that people read."""
    return "".join(character for character in str(answered)[:_LONGEST_STATE] if character.isprintable())
