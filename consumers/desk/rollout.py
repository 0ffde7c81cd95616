"""Sends the letters of a plan and watches what becomes of them: a few first, then the rest, and no further when too many fail.

What happened to a letter is read from the ledger, where the adapter writes it. A letter that has failed keeps the later ones of its
case here: they would only be held up again.
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
_MOST_OPEN: Final = 1_000
"""So many letters may be without an outcome; otherwise a stop would come after everything was sent."""
_LEAST_KNOWN: Final = 5
_WAVE_S: Final = 0.25
_WAVE_LETTERS: Final = 200
_WAVE_BYTES: Final = 16 * 1024 * 1024

Lookup = Callable[[Sequence[bytes]], Mapping[bytes, LedgerEntry]]
"""The ledger's rows of these submissions."""


class RetryTopic(Protocol):
    """Takes letters to the retry topic (`consumers.desk.republisher`)."""

    async def send(self, letters: Sequence[DeadLetter]) -> Mapping[DeadLetter, int]:
        """Where each stands there."""


@dataclass(frozen=True, slots=True)
class RolloutLimits:
    """How carefully it goes on."""

    canary: int = 5
    """Letters, each of another case, that have to have an outcome before the others go."""
    rate: float = 50.0
    """Letters per second."""
    stop_at_percent: float = 20.0
    """Of those with an outcome so many may have failed."""
    wait_s: float = 60.0
    """Without any news for so long it ends."""


class Outcome(StrEnum):
    """What a letter came to."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    FAILED = "failed"
    """It is a dead letter again."""
    HELD = "held"
    """So it is, untried, because an earlier one of its case is."""


@dataclass(slots=True)
class Tally:
    """How far a run has come."""

    total: int
    sent: int = 0
    gone: int = 0
    """Their records are no longer there."""
    unwatched: int = 0
    """No ledger knows them."""
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    seen: bool = False
    """The adapter has taken up at least one."""
    stopped: str | None = None
    """Why it ended early."""

    @property
    def known(self) -> int:
        """Letters with an outcome."""
        return self.outcomes.total()

    @property
    def waiting(self) -> int:
        """Sent, and nobody knows yet."""
        return self.sent - self.known - self.unwatched

    @property
    def failed_percent(self) -> float:
        """Of those that were tried; what was held up says nothing."""
        tried = self.known - self.outcomes[Outcome.HELD]
        return 100.0 * self.outcomes[Outcome.FAILED] / tried if tried else 0.0

    @property
    def all_well(self) -> bool:
        """Everything was sent, and has come to what was meant."""
        good = self.outcomes[Outcome.DELIVERED] + self.outcomes[Outcome.REJECTED]
        return self.stopped is None and good + self.unwatched == self.total

    @property
    def unclear(self) -> bool:
        """Something was sent, and nobody took it up."""
        return self.waiting > 0 and not self.seen


class Rollout:
    """One run over the letters of a plan."""

    def __init__(
        self, letters: Sequence[DeadLetter], sending: RetryTopic, look: Lookup, limits: RolloutLimits, tell: Callable[[Tally], None]
    ) -> None:
        self._letters = letters
        self._sending = sending
        self._look_up = look
        self._limits = limits
        self._tell = tell
        self._open: dict[DeadLetter, int] = {}
        """Sent letters without an outcome, with their places in the retry topic."""
        self._stuck: set[Hashable] = set()
        """Cases of which one has failed."""
        self._heard_s = time.monotonic()
        self._canary = _heads(letters, limits.canary)
        self.tally = Tally(len(letters))

    async def run(self) -> Tally:
        """Send and watch until everything has an outcome, too much has failed, or there is no news."""
        rest = [letter for letter in self._letters if letter not in self._canary]
        if await self._send(list(self._canary)) and await self._until(0) and await self._send(rest):
            await self._until(0)
        return self.tally

    async def _send(self, letters: Sequence[DeadLetter]) -> bool:
        """Send at the rate; False when it has to stop."""
        for wave in _waves(letters, self._limits.rate):
            if not await self._until(_MOST_OPEN):
                return False
            began_s = time.monotonic()
            await self._send_wave([letter for letter in wave if letter.case not in self._stuck])
            await asyncio.sleep(max(0.0, began_s + len(wave) / self._limits.rate - time.monotonic()))
        return True

    async def _send_wave(self, wave: Sequence[DeadLetter]) -> None:
        if not wave:
            return
        places = await self._sending.send(wave)
        self.tally.sent += len(places)
        self.tally.gone += len(wave) - len(places)
        self.tally.unwatched += sum(1 for letter in places if not letter.submission)
        self._open |= {letter: offset for letter, offset in places.items() if letter.submission}
        self._heard_s = time.monotonic()

    async def _until(self, most_open: int) -> bool:
        """Watch until no more than so many letters are without an outcome; False when it has to stop."""
        while True:
            await self._look()
            self._tell(self.tally)
            if self._knows_enough() and self.tally.failed_percent > self._limits.stop_at_percent:
                self.tally.stopped = f"{self.tally.failed_percent:.0f} % failed, more than {self._limits.stop_at_percent:.0f} %"
            elif len(self._open) <= most_open:
                return True
            elif time.monotonic() - self._heard_s > self._limits.wait_s:
                self.tally.stopped = f"no news of {len(self._open)} for {self._limits.wait_s:.0f} s"
            if self.tally.stopped is not None:
                return False
            await asyncio.sleep(_LOOK_S)

    def _knows_enough(self) -> bool:
        """The first one that fails is no share yet."""
        return self.tally.known >= min(len(self._canary) or _LEAST_KNOWN, self.tally.total)

    async def _look(self) -> None:
        if not self._open:
            return
        entries = await asyncio.to_thread(self._look_up, [letter.id for letter in self._open])
        for letter, offset in list(self._open.items()):
            entry = entries.get(letter.id)
            self.tally.seen |= entry is not None and (entry.final or _taken_up(entry, offset))
            outcome = None if entry is None else _outcome(entry, offset)
            if outcome is not None:
                self._note(letter, outcome)

    def _note(self, letter: DeadLetter, outcome: Outcome) -> None:
        del self._open[letter]
        self.tally.outcomes[outcome] += 1
        self._heard_s = time.monotonic()
        if outcome in (Outcome.FAILED, Outcome.HELD):
            self._stuck.add(letter.case)


def _outcome(entry: LedgerEntry, offset: int) -> Outcome | None:
    """What the row says of the record at this offset of the retry topic; None while it says nothing."""
    if entry.state == states.DELIVERED:
        return Outcome.DELIVERED
    if entry.state == states.REFUSED:
        return Outcome.REJECTED
    if entry.state != states.DEAD or not _taken_up(entry, offset):
        return None
    return Outcome.HELD if entry.cause == Cause.CASE_HELD else Outcome.FAILED


def _taken_up(entry: LedgerEntry, offset: int) -> bool:
    return entry.retry_offset is not None and entry.retry_offset >= offset


def _heads(letters: Sequence[DeadLetter], count: int) -> dict[DeadLetter, None]:
    """The first letters of so many cases."""
    heads: dict[Hashable, DeadLetter] = {}
    for letter in letters:
        if len(heads) == count:
            break
        heads.setdefault(letter.case, letter)
    return dict.fromkeys(heads.values())


def _waves(letters: Sequence[DeadLetter], rate: float) -> Iterator[list[DeadLetter]]:
    """Parts of a size that can be held in memory and fits the rate."""
    most = min(_WAVE_LETTERS, max(1, int(rate * _WAVE_S)))
    wave: list[DeadLetter] = []
    size = 0
    for letter in letters:
        if wave and (len(wave) >= most or size + letter.size_bytes > _WAVE_BYTES):
            yield wave
            wave, size = [], 0
        wave.append(letter)
        size += letter.size_bytes
    if wave:
        yield wave
