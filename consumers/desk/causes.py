"""Dead letters by cause, for a list of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from consumers.desk.deadletters import DeadLetter, DeadLetterCause, DeadLetters, DeadLetterState


@dataclass(slots=True)
class CauseGroup:
    """Dead letters with one cause."""

    cause: DeadLetterCause
    letters: list[tuple[DeadLetter, DeadLetterState]] = field(default_factory=list)
    """Each of them, and what became of it."""
    open: int = 0
    cases: set[Hashable] = field(default_factory=set)
    first_ms: int = 0
    """When the first of them failed."""
    last_ms: int = 0
    oldest_ms: int = 0
    """Timestamp of the oldest original."""

    def add(self, letter: DeadLetter, state: DeadLetterState) -> None:
        """Count one more dead letter of this cause."""
        first = not self.letters
        self.letters.append((letter, state))
        self.open += state is DeadLetterState.OPEN
        self.cases.add(letter.case)
        self.first_ms = letter.failed_ms if first else min(self.first_ms, letter.failed_ms)
        self.last_ms = max(self.last_ms, letter.failed_ms)
        self.oldest_ms = letter.timestamp_ms if first else min(self.oldest_ms, letter.timestamp_ms)


def by_cause(offices: Iterable[DeadLetters], *, everything: bool = False) -> list[CauseGroup]:
    """Groups by cause, the largest of an office first; without `everything` only of what is open."""
    found: dict[str, CauseGroup] = {}
    for letters in offices:
        for letter in letters.all:
            state = letters.state_of(letter)
            if everything or state is DeadLetterState.OPEN:
                found.setdefault(letter.cause.fingerprint, CauseGroup(letter.cause)).add(letter, state)
    return sorted(found.values(), key=lambda group: (group.cause.office, -group.open, -len(group.letters), group.cause.fingerprint))
