"""What a replay, a discard or a settlement would do, before it does it. Pure: which dead letters, in the order of sending."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from consumers.delivery import states
from consumers.delivery.entry import LedgerEntry
from consumers.desk.deadletters import DeadLetter, DeadLetters
from schemas import problems
from schemas.errors import UsageError


@dataclass(frozen=True, slots=True)
class Selection:
    """Which open dead letters an operator means; all of them where nothing is named."""

    fingerprint: str | None = None
    submission: str | None = None

    @property
    def named(self) -> bool:
        """Whether it names a cause or a submission; else all open ones are meant."""
        return bool(self.fingerprint or self.submission)

    def of(self, letters: DeadLetters) -> list[DeadLetter]:
        """The open dead letters that are meant.

        Raises:
            UsageError: dead-letter-unknown, where something is named and nothing open has it.
        """
        found = [letter for letter in letters.open if self._means(letter)]
        if not found and self.named:
            named = f"submission {self.submission}" if self.submission else f"fingerprint {self.fingerprint}"
            raise UsageError(problems.DEADLETTER_UNKNOWN, f"nothing open has {named}", where=letters.office)
        return found

    def _means(self, letter: DeadLetter) -> bool:
        return (self.fingerprint is None or letter.cause.fingerprint == self.fingerprint) and (
            self.submission is None or letter.submission == self.submission
        )


@dataclass(slots=True)
class Plan:
    """Dead letters in the order of sending: within a case that of the submissions topic, over cases by age."""

    office: str
    letters: list[DeadLetter]
    followers: int = 0
    """So many of them come along, because an earlier one of their case is meant."""
    unreadable: int = 0
    """So many that were meant stay: their headers do not say what they are."""
    behind_older: int = 0
    """So many cases have an older dead letter that is not meant."""
    left: int = 0
    """So many later letters of the same cases stay."""
    may_have_had_effect: int = 0
    """So many of them may have had their effect at the back office, and will be delivered again."""
    may_have_had_effect_left: int = 0
    """So many like that stay, because nobody named them, and the later ones of their cases with them."""
    ledger_states: dict[str, int] = field(default_factory=dict)
    """How many are in which state by the ledger, `unknown` ones included; empty before `note_ledger`."""

    @property
    def cases(self) -> int:
        """How many cases the dead letters belong to."""
        return len({letter.case for letter in self.letters})

    @property
    def delivered_already(self) -> int:
        """Would-be duplicates: the ledger keeps them from having an effect twice."""
        return self.ledger_states.get(states.DELIVERED, 0)

    def note_ledger(self, entries: Mapping[bytes, LedgerEntry]) -> None:
        """Note what the ledger says of the submissions; once."""
        for letter in self.letters:
            if letter.submission:
                state = entries[letter.id].state if letter.id in entries else "unknown"
                self.ledger_states[state] = self.ledger_states.get(state, 0) + 1


def plan_replay(letters: DeadLetters, selection: Selection) -> Plan:
    """What is meant, and whatever lies there of the same cases behind it: it would only be held up again.

    What the engine could not read it cannot read now, so it stays. What may have had its effect stays unless it is named: whether
    it is delivered a second time is for a person to say.

    Raises:
        UsageError: dead-letter-unknown.
    """
    meant = selection.of(letters)
    readable = [letter for letter in letters.open if letter.submission]
    first = _first_origins(letter for letter in meant if letter.submission)
    wanted = [letter for letter in readable if letter.origin >= first.get(letter.case, letter.origin + 1)]
    named = {letter for letter in meant if selection.named}
    for_a_person = [letter for letter in wanted if letter.may_have_had_effect and letter not in named]
    stays_from = _first_origins(for_a_person)
    chosen = [letter for letter in wanted if letter.origin < stays_from.get(letter.case, letter.origin + 1)]
    return Plan(
        letters.office,
        _in_order(chosen),
        followers=len(set(chosen).difference(meant)),
        unreadable=sum(1 for letter in meant if not letter.submission),
        behind_older=len({letter.case for letter in readable if letter.origin < first.get(letter.case, letter.origin)}),
        may_have_had_effect=sum(letter.may_have_had_effect for letter in chosen),
        may_have_had_effect_left=len(for_a_person),
    )


def plan_end(letters: DeadLetters, selection: Selection) -> Plan:
    """What a discard or a settlement means, alone: that one submission of a case is ended says nothing of the others.

    Raises:
        UsageError: dead-letter-unknown.
    """
    meant = selection.of(letters)
    first = _first_origins(meant)
    of_cases = [letter for letter in letters.open if letter.origin >= first.get(letter.case, letter.origin + 1)]
    return Plan(letters.office, _in_order(meant), left=len(of_cases) - len(meant))


def _first_origins(letters: Iterable[DeadLetter]) -> dict[Hashable, int]:
    """By case, the origin of the first of these."""
    first: dict[Hashable, int] = {}
    for letter in letters:
        first[letter.case] = min(letter.origin, first.get(letter.case, letter.origin))
    return first


def _in_order(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Merging keeps the order within each partition, and a case has one partition."""
    partitions: dict[int, list[DeadLetter]] = {}
    for letter in sorted(letters, key=lambda letter: (letter.origin, letter.offset)):
        partitions.setdefault(letter.partition, []).append(letter)
    return list(heapq.merge(*partitions.values(), key=lambda letter: letter.timestamp_ms))
