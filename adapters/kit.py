"""For methods of adapters that read an answer: its values, fit for events and logs, and what to raise where it does not say enough."""

from __future__ import annotations

import re

from adapters.interface import LONGEST_REFERENCE, Delivered

_CODE = re.compile(r"[A-Z0-9_]{1,40}")
_LONGEST_STATE = 80
_MOST_EXACT = 2**53
"""Up to here a JSON number with a point is as exact as one without."""


class UnclearAnswer(Exception):
    """To be raised by `deliver` or `find`: the back office answered, but not whether it has the submission. The outcome is unclear, and
    `find` is asked before the next try.

    The text goes to logs, dead letters and operators: it says what was looked for, and never quotes what was there instead.
    """


class NotTheOffice(UnclearAnswer):
    """To be raised where something else answered in place of the back office: a maintenance page, a login page, a proxy.

    The office pauses as for DestinationDown, and no try of the submission counts. Because the hand-over may have had its effect all
    the same, `find` is asked before the next one.
    """


def text(answered: object) -> str:
    """A text or a whole number of an answer as text, without blanks around it; empty for anything else."""
    if isinstance(answered, float) and answered.is_integer() and abs(answered) <= _MOST_EXACT:
        answered = int(answered)
    if isinstance(answered, int) and not isinstance(answered, bool):
        return str(answered)
    return answered.strip() if isinstance(answered, str) else ""


def delivered(answered: object, name: str) -> Delivered:
    """What `deliver` or `find` returns for the back office's own number as it answered it: text or a whole number. `name` is what the
    answer calls it.

    Raises:
        UnclearAnswer: there is no number, or it is not fit for a reference.
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
    """A code of an answer, fit for logs: up to 40 of A-Z, 0-9 and `_`. Anything else, which could quote the applicant, becomes
    `UNREADABLE_CODE`.
    """
    code = text(answered)
    return code if _CODE.fullmatch(code) else "UNREADABLE_CODE"


def one_line(answered: object) -> str:
    """The first 80 characters of what a back office says about itself, without line ends and control characters; for `check`."""
    return "".join(character for character in str(answered)[:_LONGEST_STATE] if character.isprintable())
