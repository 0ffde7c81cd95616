"""Since when the first record in line waits, without reading it: Kafka is asked which is the first record that is not older than some time.

Where the answer lies before the record in line, that one is newer; where it lies behind, older; where it is the record itself, the answer has
its time. All partitions are asked at once, each for a time of its own, and the range is narrowed by equal parts of the age: some ten rounds
from nothing to 2 s or 2 %, fewer where few records lie in the topic. Right for a topic whose times rise (`LogAppendTime`); of another it is
the time of the newest record up to there, so the record is at least that old.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from aiokafka import TopicPartition

from infra.kafka.survey import Place, Survey

_OLDEST_MS: Final = 500 * 86_400_000
"""No topic keeps its records for longer."""
_LEAST_MS: Final = 1_000
_CLOSE_MS: Final = 3_000
_CLOSE: Final = 0.03
"""The range is close enough, when half of it is less than 2 s or 2 % of the age."""
_ROUNDS: Final = 16


@dataclass(frozen=True, slots=True)
class First:
    """The first record in line of a partition: its offset, and where the log ends. Nothing of it was ever at `offset` before."""

    offset: int
    end: int
    target_s: float
    """For so long it may wait."""


@dataclass(frozen=True, slots=True)
class Range:
    """When the record at `offset` was written: from `since_ms` on, and before `before_ms`; where both are known exactly, they differ by 1."""

    offset: int
    end: int
    since_ms: int
    before_ms: int

    @property
    def at(self) -> datetime:
        """The middle; exact where it is known exactly."""
        return datetime.fromtimestamp((self.since_ms + self.before_ms) // 2 / 1000, UTC)

    @property
    def is_exact(self) -> bool:
        """Whether the record's own time is known."""
        return self.before_ms - self.since_ms <= 1

    def is_close(self, now_ms: int) -> bool:
        """Whether asking on is worth nothing."""
        return self.before_ms - self.since_ms <= max(_CLOSE_MS, _CLOSE * (now_ms - self.before_ms))

    def middle_ms(self, now_ms: int) -> int:
        """The time to ask for next: as much younger than the oldest that is possible as older than the youngest, in proportion."""
        youngest, oldest = (max(_LEAST_MS, now_ms - ms) for ms in (self.before_ms, self.since_ms))
        return min(max(now_ms - int(math.sqrt(youngest * oldest)), self.since_ms + 1), self.before_ms - 1)

    def after(self, asked_ms: int, found: Place) -> Range:
        """What is known when this is the first record that is not older than `asked_ms`."""
        if found.offset == self.offset and found.timestamp_ms is not None:
            return replace(self, since_ms=found.timestamp_ms, before_ms=found.timestamp_ms + 1)
        if found.offset < 0 or found.offset > self.offset:
            return replace(self, before_ms=min(self.before_ms, asked_ms))
        return replace(self, since_ms=max(self.since_ms, min(found.timestamp_ms or asked_ms, self.before_ms - 1)))


class TimeLag:
    """Finds the ages of what waits, and remembers what was exact: a record in line that is still there costs no request."""

    def __init__(self) -> None:
        self._known: dict[TopicPartition, Range] = {}

    async def find(self, survey: Survey, waiting: Mapping[TopicPartition, First], now_ms: int) -> dict[TopicPartition, Range]:
        """The ranges of these; one whose leader does not answer is missing. `now_ms` is the time by the clock of this machine."""
        self._known = {one: known for one, known in self._known.items() if one in waiting and _is_same(known, waiting[one])}
        found = {
            one: Range(first.offset, first.end, now_ms - _OLDEST_MS, now_ms + _CLOSE_MS) for one, first in waiting.items()
        } | self._known
        ask = {one: now_ms - int(waiting[one].target_s * 1000) for one in found if one not in self._known}
        for _ in range(_ROUNDS):
            if not ask:
                break
            answers = await survey.offsets(ask, "offsets by time")
            for one, asked_ms in ask.items():
                if one in answers:
                    found[one] = found[one].after(asked_ms, answers[one])
                else:
                    del found[one]
            ask = {one: found[one].middle_ms(now_ms) for one in ask if one in found and not found[one].is_close(now_ms)}
        self._known = {one: known for one, known in found.items() if known.is_exact}
        return found


def _is_same(known: Range, first: First) -> bool:
    """Whether it is the same record: where the log has become shorter, it may be another."""
    return known.offset == first.offset and known.end <= first.end
