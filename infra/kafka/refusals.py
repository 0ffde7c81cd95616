"""What Kafka refuses of one writer: who waits for it, how long until the next try, and a word about it to people."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog

from infra import metrics
from infra.kafka.outgoing import KafkaRefusal

log = structlog.get_logger()

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 10.0
"""An operator who has mended the cause wants to see it; one try of a refused record is all it costs until then."""
_MOST_DOUBLINGS: Final = 10
_TELL_S: Final = 30.0


@dataclass(slots=True)
class _Wait:
    refusal: KafkaRefusal
    tries: int


class Refusals:
    """Who waits because Kafka refuses what they write. It is said by log (at the first of a kind, then every 30 s), by a metric, and by
    `check`, until all is taken. The writer says each time what became of its record: `refused` or `taken`.
    """

    def __init__(self) -> None:
        self._waiting: dict[Hashable, _Wait] = {}
        self._kinds: Counter[KafkaRefusal] = Counter()
        """How many wait for each; thousands may, so they are not counted anew."""
        self._since: datetime | None = None
        """When the first of them was refused."""
        self._told_s: dict[KafkaRefusal, float] = {}

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    def refused(self, who: Hashable, refusal: KafkaRefusal) -> float:
        """Kafka has refused what `who` writes. How many seconds to wait until it is tried again: 1 at first, doubled each time, up to 10."""
        wait = self._waiting.setdefault(who, _Wait(refusal, 0))
        if wait.tries:
            self._count(wait.refusal, -1)
        self._count(refusal, 1)
        wait.refusal, wait.tries = refusal, wait.tries + 1
        self._since = self._since or datetime.now(UTC)
        now_s = time.monotonic()
        if now_s - self._told_s.get(refusal, -_TELL_S) >= _TELL_S:
            self._told_s[refusal] = now_s
            log.error("record_refused", topic=refusal.topic, error=refusal.error, waiting=len(self._waiting))
        return float(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(wait.tries - 1, _MOST_DOUBLINGS)))

    def taken(self, who: Hashable) -> None:
        """What `who` writes was taken; nothing happens where it was not waiting."""
        wait = self._waiting.pop(who, None)
        if wait is not None:
            self._count(wait.refusal, -1)
            if not self._waiting:
                self._since = None
                log.info("records_taken_again", topics=sorted({refusal.topic for refusal in self._told_s}))
                self._told_s.clear()

    def forget(self) -> None:
        """Forget all who wait. Called when partitions are revoked: their records are another process's now, or come again."""
        for refusal in self._kinds:
            self._count(refusal, -self._kinds[refusal])
        self._waiting.clear()
        self._told_s.clear()
        self._since = None

    def check(self) -> str | None:
        """Which topics refuse what, since when and how many wait, for people; None while everything is taken."""
        if self._since is None:
            return None
        kinds = ", ".join(sorted(f"{topic} refuses records: {error}" for (topic, error), count in self._kinds.items() if count))
        since = self._since.isoformat(timespec="seconds")
        return f"{kinds}; waiting: {len(self._waiting)}, since {since}; compare with `stadtbus topics plan`"

    def _count(self, refusal: KafkaRefusal, more: int) -> None:
        self._kinds[refusal] += more
        metrics.REFUSED.labels(refusal.topic, refusal.error).set(self._kinds[refusal])
