"""The breaker pauses an office while its back office is down.

A back office is down when it says so or is not there, and does not answer a question of its own (`Adapter.check`) either; or when doubtful answers come to
several portals. One portal's messages that make a back office fail are that portal's matter: they are parked with their cases, and the others go on.

Pure: times come from outside (monotonic, in s), but for `since`, which is for people.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Final

from consumers.delivery.failures import Cause, Failure
from consumers.settings import MOST_DOUBLINGS, DeliverySettings

LONGEST_PAUSE_S: Final = 3600.0
"""However long a back office wants to be left alone, it is tried out once an hour."""
OTHERS_FIRST_S: Final = 2.0
"""So long, once the next probe is due, it is to be of another portal than the last one, if that came to a doubtful answer."""
_MOST_PORTALS: Final = 100
"""Whose doubtful answers are counted; more portals than these say no more."""
_DOUBTFUL: Final = (Cause.BLIP, Cause.UNCLEAR)


class Breaker:
    """Pauses an office whose back office is down, and lets one record through now and then, the probe (closed, open, half open).

    No method blocks or raises.
    """

    def __init__(self, settings: DeliverySettings) -> None:
        self._settings = settings
        self._doubts: Counter[str] = Counter()
        """Blips and unclear answers since the last clear one, by portal."""
        self._opened = 0
        """How often it has opened since the back office was up; the pause doubles with it."""
        self._probe_at_s = 0.0
        self._probing = False
        self._doubted_by: str | None = None
        """The portal whose probe came to a doubtful answer, which may be its own fault; None where the last probe did not."""
        self._by_doubts = False
        """It has opened because of doubtful answers to several portals: that the back office answers a question does not close it."""
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

    def wants_another(self, portal: str, now_s: float) -> bool:
        """Whether a record of this portal is not to be the probe now: its last one says little, and one of another portal may be waiting."""
        return self.reason is not None and portal == self._doubted_by and now_s < self._probe_at_s + OTHERS_FIRST_S

    def note_begun(self) -> None:
        """Attempts have begun, as many as `capacity` has allowed. While the breaker is open that is the probe."""
        self._probing = self.reason is not None

    def forget_probe(self) -> None:
        """The probe has ended without an answer of the back office, for example because it could not be translated, or belongs to another
        process now: the next record may be the probe, at once.
        """
        self._probing = False

    def doubts(self, failure: Failure, portal: str) -> bool:
        """Whether to ask the back office itself (`Adapter.check`) before this failure counts: it says that the office is down, or would be
        one doubtful answer too many of this portal. An office that says how long it wants to be left alone is taken at its word.
        """
        if failure.cause is Cause.DESTINATION_DOWN:
            return failure.retry_after_s is None
        return failure.cause in _DOUBTFUL and self._doubts[portal] + 1 >= self._settings.failure_threshold

    def note_answer(self, failure: Failure | None, now_s: float, portal: str = "") -> None:
        """An attempt for this portal that reached the back office, or tried to, has ended: with this failure, or None for a delivery. It may
        open or close the breaker.
        """
        if failure is None or failure.cause in (Cause.CASE_NOT_READY, Cause.PERMANENT):  # the back office is at work
            self._close()
        elif failure.cause is Cause.CANNOT_FIND:  # it was not even asked
            self._probing = False
        elif failure.cause is Cause.DESTINATION_DOWN:
            self._doubted_by = None
            self._open(failure, now_s)
        else:
            self._note_doubt(failure, now_s, portal)

    def _note_doubt(self, failure: Failure, now_s: float, portal: str) -> None:
        if portal in self._doubts or len(self._doubts) < _MOST_PORTALS:
            self._doubts[portal] += 1
        if self.reason is not None and failure.reachable and not self._by_doubts:
            self._close()
        elif self.reason is not None or self._several_doubt():
            self._doubted_by = portal if self._probing else self._doubted_by
            self._by_doubts = self._by_doubts or self.reason is None
            self._open(failure, now_s)

    def _several_doubt(self) -> bool:
        """Whether so many answers in a row were doubtful, not more than half of them to one portal."""
        limit = self._settings.failure_threshold
        half = (limit + 1) // 2
        return len(self._doubts) > 1 and sum(min(count, half) for count in self._doubts.values()) >= limit

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
        self._doubts.clear()
        self._opened = 0
        self._probing = self._by_doubts = False
        self.reason = self.since = self._doubted_by = None
