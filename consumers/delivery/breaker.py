"""What keeps an office from harm: the breaker pauses it while its back office is down, the brake stops it when too much of it dies.

Pure: times come from outside (monotonic, in s), but for `since`, which is for people. `Delivery.settle` tells both of each attempt,
`Delivery.capacity` asks whether to go on.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import Final

from consumers.delivery.failures import Cause, Failure
from consumers.settings import DeliverySettings

LONGEST_PAUSE_S: Final = 3600.0
"""However long a back office wants to be left alone, it is tried out once an hour."""
MOST_DOUBLINGS: Final = 30
"""Far beyond any longest wait; a power of many thousands would be no number."""
_LEAST_WINDOW: Final = 20
"""A share of fewer records than these says nothing."""


class Breaker:
    """Pauses an office whose back office is down, and lets one record through now and then, the probe (closed, open, half open).

    No method blocks or raises.
    """

    def __init__(self, settings: DeliverySettings) -> None:
        self._settings = settings
        self._failures = 0
        """Blips and unclear answers since the last clear one."""
        self._opened = 0
        """How often it has opened since the back office was up; the pause doubles with it."""
        self._probe_at_s = 0.0
        self._probing = False
        self.reason: str | None = None
        """Why it is open; None while it is closed."""
        self.since: str | None = None
        """When it opened (UTC)."""

    def capacity(self, now_s: float, wanted: int) -> int:
        """How many records may be delivered now: all that are wanted while it is closed; else 1 (the probe) when that is due, or 0."""
        if self.reason is None:
            return wanted
        if self._probing or now_s < self._probe_at_s:
            return 0
        return min(1, wanted)

    def note_begun(self) -> None:
        """Attempts have begun, as many as `capacity` has allowed. While the breaker is open that is the probe."""
        self._probing = self.reason is not None

    def forget_probe(self) -> None:
        """The probe has ended without an answer of the back office, for example because it could not be translated, or belongs to another
        process now: the next record may be the probe, at once.
        """
        self._probing = False

    def note_answer(self, failure: Failure | None, now_s: float) -> None:
        """An attempt that reached the back office, or tried to, has ended: with this failure, or None for a delivery. It may open or close the
        breaker.
        """
        if failure is None or failure.cause in (Cause.CASE_NOT_READY, Cause.PERMANENT):  # the back office is at work
            self._close()
        elif failure.cause is Cause.CANNOT_FIND:  # it was not even asked
            self._probing = False
        else:
            self._failures += 1
            down = failure.cause is Cause.DESTINATION_DOWN
            if down or self._failures >= self._settings.failure_threshold or self.reason is not None:
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
        pause_s = self._settings.first_probe_s * 2.0 ** min(self._opened - 1, MOST_DOUBLINGS)
        return min(self._settings.longest_probe_s, pause_s)

    def _close(self) -> None:
        if self.reason is not None and not self._probing:  # began before it opened: the probe decides
            return
        self._failures = self._opened = 0
        self._probing = False
        self.reason = self.since = None


class Brake:
    """Stops an office before it empties its topic into the dead letters: too many in a row, or too large a share.

    No method blocks or raises.
    """

    def __init__(self, settings: DeliverySettings) -> None:
        self._settings = settings
        self._in_a_row = 0
        self._recent: deque[bool] = deque(maxlen=settings.brake_window)
        self.reason: str | None = None
        """Why the office is stopped; it stays so until the process is started anew."""

    def note_delivered(self) -> None:
        """A submission was delivered, which ends a row of dead letters."""
        self._in_a_row = 0
        self._recent.append(False)

    def note_dead(self) -> None:
        """A submission becomes a dead letter; `too_many` was asked before."""
        self._in_a_row += 1
        self._recent.append(True)

    def stop(self, reason: str) -> None:
        """Stop the office until the process is started anew, for this reason of `too_many`."""
        self.reason = reason

    def too_many(self) -> str | None:
        """Why one more dead letter would be too many; None where it would not. Asking changes nothing."""
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
