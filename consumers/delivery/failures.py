"""Failure by cause, not by count: what is done after a hand-over that did not succeed. Pure; times come from outside.

| cause                | in the submissions topic             | in the retry topic                       |
|----------------------|--------------------------------------|------------------------------------------|
| blip, unclear        | some quick tries, then park the case | wait, longer each time; in the end dead  |
| destination down     | the office is paused, no try counts  | the same                                 |
| case not ready       | park the case                        | wait, longer each time; in the end dead  |
| permanent            | dead letter                          | dead letter                              |
| cannot be asked      | dead letter, for a person            | the same                                 |

*Unclear* is whatever an adapter raises beyond the four causes: each try after it asks `find` first. So does each after `NotTheOffice`,
which is unclear too, but counts as destination down. A back office that says how long it wants to be left alone is paused that long.
"""

from __future__ import annotations

import random
import traceback
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Literal

from adapters.interface import CannotFind
from adapters.kit import NotTheOffice, UnclearAnswer
from consumers.settings import DeliverySettings
from schemas.errors import Blip, CaseNotReady, DeliveryFailure, DestinationDown, Refused, StadtbusError

_LONGEST_TRACE: Final = 8 * 1024
_LONGEST_REASON: Final = 300
LONGEST_PAUSE_S: Final = 3600.0
"""However long a back office wants to be left alone, it is tried out once an hour."""
_MOST_DOUBLINGS: Final = 30
"""Far beyond any longest wait; a power of many thousands would be no number."""
_LEAST_WINDOW: Final = 20
"""A share of fewer records than these says nothing."""


class Stage(StrEnum):
    """Where a submission failed, in the words of Kafka Connect's reporters."""

    PARSE = "PARSE"
    TRANSLATE = "TRANSLATE"
    DELIVER = "DELIVER"


class Cause(StrEnum):
    """Why; it decides what happens next. Written as `bus_error_class`."""

    BLIP = "blip"
    DESTINATION_DOWN = "destination-down"
    CASE_NOT_READY = "case-not-ready"
    PERMANENT = "permanent"
    UNCLEAR = "unclear"
    CANNOT_FIND = "cannot-find"
    """The outcome is unclear and the back office cannot say: a person has to find out."""
    TRIES_SPENT = "tries-spent"
    CASE_PARKED = "case-parked"
    """Untried: an earlier submission of the case waits."""
    CASE_HELD = "case-held"
    """Untried: an earlier submission of the case is dead."""


_CAUSES: Final[dict[type[Exception], Cause]] = {
    Blip: Cause.BLIP,
    DestinationDown: Cause.DESTINATION_DOWN,
    NotTheOffice: Cause.DESTINATION_DOWN,
    CaseNotReady: Cause.CASE_NOT_READY,
    Refused: Cause.PERMANENT,
    CannotFind: Cause.CANNOT_FIND,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A hand-over that did not succeed, without any value of the message."""

    stage: Stage
    cause: Cause
    reason: str
    """Our own words; of a foreign exception its class, because texts of libraries quote values."""
    exception: str
    trace: str = ""
    """Places in the code, without texts."""
    retry_after_s: float | None = None
    """How long the back office wants to be left alone, where it says so."""

    @classmethod
    def of(cls, error: BaseException, stage: Stage) -> Failure:
        """What an adapter raised. While reading or translating nothing has left, so whatever goes wrong there is permanent."""
        otherwise = Cause.UNCLEAR if stage is Stage.DELIVER else Cause.PERMANENT
        cause = next((cause for kind, cause in _CAUSES.items() if isinstance(error, kind)), otherwise)
        retry_after_s = error.retry_after_s if isinstance(error, DestinationDown) else None
        return cls(stage, cause, reason_of(error), type(error).__name__, _trace(error), retry_after_s)


def reason_of(error: BaseException) -> str:
    """Why, in a line: the sentence of an exception that is made for it; of others the class, because texts of libraries quote values."""
    if not isinstance(error, DeliveryFailure | UnclearAnswer | StadtbusError):
        return type(error).__name__
    said = error.reason if isinstance(error, DeliveryFailure) else str(error)
    return "".join(letter if letter.isprintable() else " " for letter in said[:_LONGEST_REASON]) or type(error).__name__


def _trace(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return "\n".join(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in reversed(frames))[:_LONGEST_TRACE]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with the record."""

    what: Literal["again", "park", "dead"]
    delay_s: float = 0.0
    cause: Cause | None = None
    """In place of the failure's own."""


def decide(failure: Failure, failures: int, tries: int, *, parked: bool, settings: DeliverySettings) -> Verdict:
    """The table above. `failures` counts those of the record in this process, `tries` those since it was parked."""
    match failure.cause:
        case Cause.DESTINATION_DOWN:
            return Verdict("again")
        case Cause.PERMANENT | Cause.CANNOT_FIND:
            return Verdict("dead")
        case Cause.BLIP | Cause.UNCLEAR if not parked and failures < settings.immediate_retries:
            return Verdict("again", quick_pause_s(failures))
    if not parked:
        return Verdict("park", settings.first_backoff_s)
    if tries >= settings.tries:
        return Verdict("dead", cause=Cause.TRIES_SPENT)
    return Verdict("again", backoff_s(tries, settings))


def quick_pause_s(attempts: int) -> float:
    """0.2 to 2 s with full jitter: cases that failed together do not come again together."""
    return random.uniform(0.2, min(2.0, 0.2 * 4.0 ** min(attempts, _MOST_DOUBLINGS)))  # noqa: S311 - jitter


def backoff_s(tries: int, settings: DeliverySettings) -> float:
    """The published schedule: doubling from the first to the longest."""
    return min(settings.longest_backoff_s, settings.first_backoff_s * 2.0 ** min(max(0, tries - 1), _MOST_DOUBLINGS))


class Breaker:
    """Pauses an office whose back office is down, and lets one record through now and then to see (closed, open, half open)."""

    def __init__(self, settings: DeliverySettings) -> None:
        self._settings = settings
        self._doubtful = 0
        self._opened = 0
        self._probe_at_s = 0.0
        self._probing = False
        self.reason: str | None = None
        """Why it is open; None while it is closed."""
        self.since: str | None = None
        """When it opened (UTC)."""

    def capacity(self, now_s: float, wanted: int) -> int:
        """How many records may be handed over now: all, none, or the one that tries it out."""
        if self.reason is None:
            return wanted
        if self._probing or now_s < self._probe_at_s:
            return 0
        return min(1, wanted)

    def probing(self) -> None:
        """The one that tries it out is on its way."""
        self._probing = self.reason is not None

    def forget_probe(self) -> None:
        """It never got there; another one may try."""
        self._probing = False

    def note(self, failure: Failure | None, now_s: float) -> None:
        """What a hand-over came to; None for one that succeeded."""
        if failure is None or failure.cause in (Cause.CASE_NOT_READY, Cause.PERMANENT):  # the back office is at work
            self._close()
        elif failure.cause is Cause.CANNOT_FIND:  # it was not even asked
            self._probing = False
        else:
            self._doubtful += 1
            down = failure.cause is Cause.DESTINATION_DOWN
            if down or self._doubtful >= self._settings.failure_threshold or self.reason is not None:
                self._open(failure, now_s)

    def _open(self, failure: Failure, now_s: float) -> None:
        if self.reason is None or self._probing:  # others of the same moment change nothing, unless they are told to wait longer
            self._opened += 1
            self._probe_at_s = now_s + self._pause_s(failure)
        elif failure.retry_after_s is not None:
            self._probe_at_s = max(self._probe_at_s, now_s + self._pause_s(failure))
        self._probing = False
        self.reason = failure.reason
        self.since = self.since or datetime.now(UTC).isoformat(timespec="seconds")

    def _pause_s(self, failure: Failure) -> float:
        """As the back office has told us; else twice as long each time."""
        if failure.retry_after_s is not None:
            return min(max(failure.retry_after_s, self._settings.first_probe_s), LONGEST_PAUSE_S)
        pause_s = self._settings.first_probe_s * 2.0 ** min(self._opened - 1, _MOST_DOUBLINGS)
        return min(self._settings.longest_probe_s, pause_s)

    def _close(self) -> None:
        if self.reason is not None and not self._probing:  # began before it opened: the probe decides
            return
        self._doubtful = self._opened = 0
        self._probing = False
        self.reason = self.since = None


class Brake:
    """Stops an office before it empties its topic into the dead letters: too many in a row, or too large a share."""

    def __init__(self, settings: DeliverySettings) -> None:
        self._settings = settings
        self._in_a_row = 0
        self._recent: deque[bool] = deque(maxlen=settings.brake_window)
        self.reason: str | None = None
        """Why the office is stopped; it stays so until the process is started anew."""

    def good(self) -> None:
        """A submission was delivered."""
        self._in_a_row = 0
        self._recent.append(False)

    def dead(self) -> None:
        """A submission becomes a dead letter."""
        self._in_a_row += 1
        self._recent.append(True)

    def stop(self, reason: str) -> None:
        """One more would be too many: nothing is handed over from now on."""
        self.reason = reason

    def too_many(self) -> str | None:
        """Why one more dead letter would be too many; None where it would not."""
        if self.reason is not None:
            return self.reason
        if self._in_a_row >= self._settings.brake_in_a_row:
            return f"{self._in_a_row} dead letters in a row"
        if self._share() > self._settings.brake_share:
            return f"{self._share():.0%} of the last {len(self._recent)} are dead letters"
        return None

    def _share(self) -> float:
        enough = len(self._recent) >= min(_LEAST_WINDOW, self._settings.brake_window)
        return sum(self._recent) / len(self._recent) if enough else 0.0
