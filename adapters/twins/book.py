"""What a twin got, and its mood: the part of a twin that knows no protocol, no socket and no clock."""

from __future__ import annotations

import hashlib
import random
import zlib
from collections import defaultdict
from collections.abc import Callable
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
    BUSY = "busy"
    """Takes nothing: somebody has the case open (SFTP, which cannot say that: the inbox does not open)."""
    GARBAGE = "garbage"
    """Takes what it is handed, and answers with something that is not of its protocol; questions too (SFTP: acknowledgements)."""
    ENDLESS = "endless"
    """As `garbage`, but the answer never ends."""
    ODD = "odd"
    """As `ok`, in ways that are rare and right. HTTP: answers in ISO-8859-1, XML as a part of several. Files: acknowledgements in two
    writes, with more in the line than is wanted.
    """
    PAGE = "page"
    """Something on the way answers in its place, with a page for people; nothing gets through (HTTP only, else as `ok`)."""
    POISON = "poison"
    """Breaks down at a hand-over, which has no effect, and works otherwise (HTTP only, else as `ok`)."""
    LIMITED = "limited"
    """Answers everything with "too many requests", and says how long to wait; nothing has an effect (HTTP only, else as `ok`)."""
    FLAKY = "flaky"
    """Of each hand-over anew: takes it and answers at once, late or with an error, or takes nothing and answers with an error."""


_OF_ONE_SUBMISSION: Final = (Mood.REFUSE, Mood.BUSY, Mood.POISON, Mood.FAIL_AFTER, Mood.GARBAGE, Mood.ENDLESS)
"""Moods that can be shown to some submissions only."""


@dataclass(frozen=True, slots=True)
class BookEntry:
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


@dataclass(frozen=True, slots=True)
class Temper:
    """A mood, and what it needs to know."""

    mood: Mood = Mood.OK
    delay_s: float = 0
    """How late is late, in the moods `slow` and `flaky`; how long to wait, in the mood `limited`."""
    share: float = 1
    """The part of hand-overs that the mood hits, where it can be shown to some only; else it is all of them."""
    seed: int = 0
    """Which ones: the same seed, the same ones."""


class Book:
    """Effects in the order of their arrival. The same submission twice makes two entries: double effects stay visible."""

    def __init__(self, prefix: str) -> None:
        self.changed: Callable[[], None] = lambda: None
        """Called after each change of mood."""
        self.set(Temper())
        self.entries: list[BookEntry] = []
        self._prefix = prefix
        self._by_submission: defaultdict[str, list[BookEntry]] = defaultdict(list)

    @property
    def mood(self) -> Mood:
        """The mood of the whole."""
        return self.temper.mood

    def set(self, temper: Temper) -> None:
        """Behave like this from now on."""
        self.temper = temper
        self._chance = random.Random(temper.seed)  # noqa: S311 - repeatable, guards nothing
        self.changed()

    def mood_towards(self, submission_id: str) -> Mood:
        """How one hand-over of a submission is treated. `flaky` is drawn anew each time, the others stay the same for a submission."""
        temper = self.temper
        if temper.mood is Mood.FLAKY:
            hit = self._chance.random() < temper.share
            return self._chance.choice((Mood.SLOW, Mood.FAIL, Mood.FAIL_AFTER)) if hit else Mood.OK
        if temper.mood not in _OF_ONE_SUBMISSION:
            return temper.mood
        return temper.mood if zlib.crc32(f"{temper.seed} {submission_id}".encode()) < temper.share * 2**32 else Mood.OK

    def enter(self, submission_id: str, content: bytes, content_type: str, received_at: datetime) -> BookEntry:
        """A new effect with the next reference, for example `M-000001`."""
        reference = f"{self._prefix}-{len(self.entries) + 1:06d}"
        entry = BookEntry(submission_id, reference, received_at, content_type, content)
        self.entries.append(entry)
        self._by_submission[submission_id].append(entry)
        return entry

    def entries_of(self, submission_id: str) -> list[BookEntry]:
        """The effects of one submission; one where all is well."""
        return list(self._by_submission.get(submission_id, ()))
