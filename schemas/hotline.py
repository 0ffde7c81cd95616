"""The hotline code of a submission: eight characters to say on the telephone. It follows from ids, so nothing personal is in it."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final
from uuid import UUID

_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SPOKEN: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _LETTERS)
_CONFUSED: Final = str.maketrans("OIL", "011")
_LENGTH: Final = 8
_CODE: Final = re.compile(rf"[{_LETTERS}]{{{_LENGTH}}}")
_NEAR: Final = re.compile(rf"[0-9A-Z]{{{_LENGTH - 1},{_LENGTH + 1}}}")


FORM: Final = "[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}"


def hotline_code(digest: bytes) -> str:
    """The code that a digest gives, for example `GTJ2-EXBT`: 40 bits in Crockford's letters (no I, L, O, U)."""
    spoken = base64.b32encode(digest[:5]).decode().translate(_SPOKEN)
    return f"{spoken[:4]}-{spoken[4:]}"


def earlier_code(submission_id: UUID) -> str:
    """The code of a submission whose record has none: it was accepted when codes followed from the id alone."""
    return hotline_code(hashlib.sha256(submission_id.bytes).digest())


def parse_hotline_code(code: str) -> str | None:
    """A code that somebody said or wrote, in the form of `hotline_code`; None where it is no code.

    Capitals, blanks and hyphens do not matter; O counts as 0, I and L as 1.
    """
    letters = _letters(code)
    return _written(letters) if _CODE.fullmatch(letters) else None


def near_codes(code: str) -> frozenset[str]:
    """The codes that somebody may have meant who made one mistake: a wrong letter, two that changed places, one missing, one too many.

    Empty where it takes more than one mistake to come from a code to this. There are a few hundred codes near each, of a million millions.
    """
    said = _letters(code)
    if not _NEAR.fullmatch(said):
        return frozenset()
    cuts = [(said[:at], said[at:]) for at in range(len(said) + 1)]
    meant = {a + b[1:] for a, b in cuts} | {a + one + b[1:] for a, b in cuts for one in _LETTERS}
    meant |= {a + one + b for a, b in cuts for one in _LETTERS} | {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    return frozenset(_written(letters) for letters in meant - {said} if _CODE.fullmatch(letters))


def _letters(code: str) -> str:
    """What was said, in capitals without what separates."""
    return re.sub(r"[\s\-\u2010-\u2015_.]", "", code).upper().translate(_CONFUSED)


def _written(letters: str) -> str:
    return f"{letters[:4]}-{letters[4:]}"
