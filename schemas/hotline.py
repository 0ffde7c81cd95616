"""The hotline code of a submission: eight characters to say on the telephone. It follows from ids, so nothing personal is in it."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final
from uuid import UUID

_SPOKEN: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHJKMNPQRSTVWXYZ")
_CONFUSED: Final = str.maketrans("OIL", "011")
_CODE: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{8}")


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
    letters = re.sub(r"[\s\-\u2010-\u2015_.]", "", code).upper().translate(_CONFUSED)
    return f"{letters[:4]}-{letters[4:]}" if _CODE.fullmatch(letters) else None
