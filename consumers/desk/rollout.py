"""Republishes the dead letters of a plan and watches what becomes of them: a canary first, then the rest at a rate, and no further when too
many fail.

What happened to a dead letter is read from the ledger, where the adapter writes it. One that has failed again keeps the later ones of its case
here: they would only be held up again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from consumers.delivery import states
from consumers.delivery.entry import LedgerEntry
from consumers.delivery.failures import Cause
from consumers.desk.deadletters import DeadLetter

_LOOK_S: Final = 0.2
_MAX_OPEN: Final = 1_000
"""So many may be without an outcome; otherwise a stop would come after everything was sent."""
_MIN_KNOWN: Final = 5
"""Without a canary, so many outcomes are needed before a share of them says anything."""
_BATCH_S: Final = 0.25
_BATCH_LETTERS: Final = 200
_BATCH_BYTES: Final = 16 * 1024 * 1024

Lookup = Callable[[Sequence[bytes]], Mapping[bytes, LedgerEntry]]
"""The ledger's rows of these submissions, by id. Called in a thread, several times a second, and may block."""


class RetryTopic(Protocol):
    """The retry topic of an office, as a rollout needs it (`consumers.desk.republisher`)."""

    async def send(self, letters: Sequence[DeadLetter]) -> Mapping[DeadLetter, int]:
        """Write copies of these, and return the offset of each. Returns when they are replicated; who is missing has no record any more.

        Called for one batch after the other, never twice for the same dead letter. What it raises ends the rollout; since each copy names
        its dead letter, the same plan made anew goes on where this one stopped.
        """


@dataclass(frozen=True, slots=True)
class RolloutLimits:
    """How carefully a rollout goes on."""

    canary: int = 5
    """Dead letters, each of another case, that have to have an outcome before the others go."""
    rate: float = 50.0
    """Dead letters per second."""
    stop_at_percent: float = 20.0
    """When more than this share of those tried has failed, nothing more is sent."""
    wait_s: float = 60.0
    """Without any new outcome for so long it ends."""


class Outcome(StrEnum):
    """What a republished dead letter came to."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    FAILED = "failed"
    """It is a dead letter again."""
    HELD = "held"
    """It is a dead letter again, untried, because an earlier one of its case is."""


@dataclass(slots=True)
class Tally:
    """How far a rollout has come, in numbers of dead letters."""

    total: int
    sent: int = 0
    gone: int = 0
    """Their records are no longer there."""
    unwatched: int = 0
    """No ledger knows them."""
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    any_taken_up: bool = False
    """The adapter has read at least one of those sent."""
    stopped: str | None = None
    """Why it ended early."""

    @property
    def known(self) -> int:
        """How many have an outcome."""
        return self.outcomes.total()

    @property
    def waiting(self) -> int:
        """How many were sent and have no outcome yet."""
        return self.sent - self.known - self.unwatched

    @property
    def failed_percent(self) -> float:
        """The share that has failed of those that were tried; what was held back untried does not count."""
        tried = self.known - self.outcomes[Outcome.HELD]
        return 100.0 * self.outcomes[Outcome.FAILED] / tried if tried else 0.0

    @property
    def all_well(self) -> bool:
        """Everything was sent, and has come to what was meant."""
        good = self.outcomes[Outcome.DELIVERED] + self.outcomes[Outcome.REJECTED]
        return self.stopped is None and good + self.unwatched == self.total

    @property
    def none_taken_up(self) -> bool:
        """Something was sent, and the adapter has read nothing of it: nobody can tell what becomes of it."""
        return self.waiting > 0 and not self.any_taken_up


class Rollout:
    """One rollout over the dead letters of a plan; it is run once.

    `report` hears the numbers after each look at the ledger and must not block.
    """

    def __init__(
        self,
        letters: Sequence[DeadLetter],
        retry_topic: RetryTopic,
        lookup: Lookup,
        limits: RolloutLimits,
        report: Callable[[Tally], None],
    ) -> None:
        self._letters = letters
        self._retry_topic = retry_topic
        self._lookup = lookup
        self._limits = limits
        self._report = report
        self._open: dict[DeadLetter, int] = {}
        """Those sent that have no outcome, with their offsets in the retry topic."""
        self._failed_cases: set[Hashable] = set()
        self._last_news_s = time.monotonic()
        self._canary = _first_of_cases(letters, limits.canary)
        self.tally = Tally(len(letters))

    async def run(self) -> Tally:
        """Send and watch until everything has an outcome, too much has failed, or there is no news.

        Raises:
            StadtbusError: as the retry topic or the ledger raises it. What was sent by then stays sent.
        """
        rest = [letter for letter in self._letters if letter not in self._canary]
        if await self._send(list(self._canary)) and await self._watch(0) and await self._send(rest):
            await self._watch(0)
        return self.tally

    async def _send(self, letters: Sequence[DeadLetter]) -> bool:
        """Send at the rate; False when it has to stop."""
        for batch in _batches(letters, self._limits.rate):
            if not await self._watch(_MAX_OPEN):
                return False
            began_s = time.monotonic()
            await self._send_batch([letter for letter in batch if letter.case not in self._failed_cases])
            await asyncio.sleep(max(0.0, began_s + len(batch) / self._limits.rate - time.monotonic()))
        return True

    async def _send_batch(self, batch: Sequence[DeadLetter]) -> None:
        if not batch:
            return
        offsets = await self._retry_topic.send(batch)
        self.tally.sent += len(offsets)
        self.tally.gone += len(batch) - len(offsets)
        self.tally.unwatched += sum(1 for letter in offsets if not letter.submission)
        self._open |= {letter: offset for letter, offset in offsets.items() if letter.submission}
        self._last_news_s = time.monotonic()

    async def _watch(self, max_open: int) -> bool:
        """Watch until no more than so many are without an outcome; False when it has to stop."""
        while True:
            await self._read_outcomes()
            self._report(self.tally)
            if self._knows_enough() and self.tally.failed_percent > self._limits.stop_at_percent:
                self.tally.stopped = f"{self.tally.failed_percent:.0f} % failed, more than {self._limits.stop_at_percent:.0f} %"
            elif len(self._open) <= max_open:
                return True
            elif time.monotonic() - self._last_news_s > self._limits.wait_s:
                self.tally.stopped = f"no news of {len(self._open)} for {self._limits.wait_s:.0f} s"
            if self.tally.stopped is not None:
                return False
            await asyncio.sleep(_LOOK_S)

    def _knows_enough(self) -> bool:
        """The first one that fails is no share yet."""
        return self.tally.known >= min(len(self._canary) or _MIN_KNOWN, self.tally.total)

    async def _read_outcomes(self) -> None:
        if not self._open:
            return
        entries = await asyncio.to_thread(self._lookup, [letter.id for letter in self._open])
        for letter, offset in list(self._open.items()):
            entry = entries.get(letter.id)
            self.tally.any_taken_up |= entry is not None and (entry.final or _taken_up(entry, offset))
            outcome = None if entry is None else _outcome(entry, offset)
            if outcome is None:
                continue
            del self._open[letter]
            self.tally.outcomes[outcome] += 1
            self._last_news_s = time.monotonic()
            if outcome in (Outcome.FAILED, Outcome.HELD):
                self._failed_cases.add(letter.case)


def _outcome(entry: LedgerEntry, offset: int) -> Outcome | None:
    """What the row says of the record at this offset of the retry topic; None while it says nothing."""
    if entry.state == states.DELIVERED:
        return Outcome.DELIVERED
    if entry.state == states.DISCARDED:
        return Outcome.REJECTED
    if entry.state != states.DEAD or not _taken_up(entry, offset):
        return None
    return Outcome.HELD if entry.cause == Cause.CASE_HELD else Outcome.FAILED


def _taken_up(entry: LedgerEntry, offset: int) -> bool:
    """The adapter has read the record at this offset of the retry topic, or a later copy of it."""
    return entry.retry_offset is not None and entry.retry_offset >= offset


def _first_of_cases(letters: Sequence[DeadLetter], count: int) -> dict[DeadLetter, None]:
    """The first dead letter of each of so many cases, in order."""
    first: dict[Hashable, DeadLetter] = {}
    for letter in letters:
        if len(first) == count:
            break
        first.setdefault(letter.case, letter)
    return dict.fromkeys(first.values())


def _batches(letters: Sequence[DeadLetter], rate: float) -> Iterator[list[DeadLetter]]:
    """Parts of a size that can be held in memory and fits the rate."""
    longest = min(_BATCH_LETTERS, max(1, int(rate * _BATCH_S)))
    batch: list[DeadLetter] = []
    size = 0
    for letter in letters:
        if batch and (len(batch) >= longest or size + letter.size_bytes > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(letter)
        size += letter.size_bytes
    if batch:
        yield batch
