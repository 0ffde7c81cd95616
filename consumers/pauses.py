"""Whether an office is paused on purpose, by an operator or by a maintenance window. Adapters obey it and the watch tells it, by this one rule.

Pure: the times of operations are those at which Kafka wrote them, and `now` is the clock of whoever asks.
"""

from __future__ import annotations

from datetime import datetime

from schemas.catalogue.expected import Expected
from schemas.catalogue.windows import window_at
from schemas.heartbeats import Pause
from schemas.operations import Operation, OperatorAction


class Pauses:
    """What operators have said of one office, in the order of the log, and what its page of the catalogue plans."""

    def __init__(self, office: str, expected: Expected) -> None:
        self._office = office
        self._expected = expected
        self._paused: Pause | None = None
        """The last word of operators; perhaps over by now."""
        self._resumed_at: datetime | None = None

    def take(self, operation: Operation, written_at: datetime) -> None:
        """The next operation of the log. The last one counts: a later pause takes the place of an earlier one, with its reason and its end.
        What is about other offices, or does something else, changes nothing.
        """
        if operation.office != self._office:
            return
        if operation.action is OperatorAction.PAUSE:
            self._paused = Pause(since=written_at, actor=operation.actor, reason=operation.reason or "", until=operation.until)
        elif operation.action is OperatorAction.RESUME:
            self._paused, self._resumed_at = None, written_at

    def at(self, now: datetime) -> Pause | None:
        """Why the office is paused; None where it is not. An operator's pause counts before a window. Whoever resumes an office in a
        window has ended that window, once; the next one holds again.
        """
        if self._paused is not None and (self._paused.until is None or now < self._paused.until):
            return self._paused
        window = window_at(self._expected, now)
        if window is None or (self._resumed_at is not None and window.begins <= self._resumed_at):
            return None
        return Pause(since=window.begins, reason=window.reason, until=window.ends)
