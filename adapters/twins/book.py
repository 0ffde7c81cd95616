"""What a twin got, and its mood: the part of a twin that knows no protocol, no socket and no clock."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

REFUSAL: Final = "FACHLICH_ABGELEHNT"
"""The code with which a twin refuses."""
VERSION: Final = "Zwilling 1.0"


class Mood(StrEnum):
    """How a twin behaves."""

    OK = "ok"
    SLOW = "slow"
    """Takes what it is handed at once and answers everything late (SFTP: takes up and acknowledges late)."""
    REFUSE = "refuse"
    """Takes nothing, for a reason of its trade."""
    FAIL = "fail"
    """Answers everything with a technical error; nothing has an effect."""
    FAIL_AFTER = "fail-after"
    """Takes what it is handed, but answers that with a technical error; questions are answered."""
    AWAY = "away"
    """Its port is closed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One effect: a document as it came in."""

    submission_id: str
    reference: str
    received_at: datetime
    content_type: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Hex digest of the content."""
        return hashlib.sha256(self.content).hexdigest()


class Book:
    """Effects in the order of their arrival. The same submission twice makes two entries: double effects stay visible."""

    def __init__(self, prefix: str) -> None:
        self.mood = Mood.OK
        self.delay_s = 0.0
        self.entries: list[Entry] = []
        self._prefix = prefix
        self._by_submission: defaultdict[str, list[Entry]] = defaultdict(list)

    def enter(self, submission_id: str, content: bytes, content_type: str, received_at: datetime) -> Entry:
        """A new effect with the next reference, for example `M-000001`."""
        reference = f"{self._prefix}-{len(self.entries) + 1:06d}"
        entry = Entry(submission_id, reference, received_at, content_type, content)
        self.entries.append(entry)
        self._by_submission[submission_id].append(entry)
        return entry

    def entries_of(self, submission_id: str) -> list[Entry]:
        """The effects of one submission; one where all is well."""
        return list(self._by_submission.get(submission_id, ()))
