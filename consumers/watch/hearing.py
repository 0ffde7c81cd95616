"""What processes and operators have said, as the watch has it in memory. Who reads Kafka or the store tells it; all in one thread."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from consumers.pauses import Pauses
from consumers.watch.observed import Heard, Noted
from schemas.catalogue.expected import Expected
from schemas.heartbeats import Heartbeat, Pause
from schemas.operations import Operation

_KEPT: Final = timedelta(days=1)
_FORGOTTEN_AFTER: Final = timedelta(days=7)


class Hearing:
    """The last heartbeat of each instance, and of each office its last operations and whether it is paused."""

    def __init__(self, expected: Mapping[str, Expected]) -> None:
        self.heard: dict[str, Heard] = {}
        """By instance."""
        self._pauses = {office: Pauses(office, what) for office, what in expected.items()}
        self._noted: defaultdict[str, list[Noted]] = defaultdict(list)

    def hear(self, heartbeat: Heartbeat, at: datetime) -> None:
        """A heartbeat, and when it was heard; in the order in which Kafka has those of one instance. Who is new takes the place of those who have
        been silent for a week: where hosts change their names, instances come and go for ever.
        """
        if heartbeat.instance not in self.heard:
            self.heard = {name: one for name, one in self.heard.items() if at - one.heard_at < _FORGOTTEN_AFTER}
        self.heard[heartbeat.instance] = Heard(heartbeat, at)

    def note(self, operation: Operation, at: datetime) -> None:
        """An operation, and when Kafka wrote it; in the order in which Kafka has those of one office."""
        if operation.office in self._pauses:
            self._pauses[operation.office].take(operation, at)
        recent = self._noted[operation.office]
        recent.append(Noted(operation, at))
        self._noted[operation.office] = [one for one in recent if one.at > at - _KEPT]

    def operations(self, office: str, now: datetime) -> tuple[Noted, ...]:
        """What operators did to an office in the last day."""
        return tuple(one for one in self._noted.get(office, ()) if one.at > now - _KEPT)

    def pause(self, office: str, now: datetime) -> Pause | None:
        """Why an office is paused on purpose; None where it is not."""
        return self._pauses[office].at(now) if office in self._pauses else None
