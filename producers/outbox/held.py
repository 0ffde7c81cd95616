"""What Kafka refuses of one office: of each case the first submission, since when and how often, and when it is given up as a dead letter."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from infra.kafka.client_errors import blames_topic
from infra.kafka.outgoing import KafkaRefusal, size_bytes
from producers.outbox.pending import Pending
from producers.outbox.record import record_of
from schemas import topics

_TRIES: Final = 3
"""At least. Each is a few seconds after the one before: an answer that was given in haste is given once."""
_PATIENCE_S: Final = 900.0
"""What fits into a topic as it is planned may be refused because the topic is not so. So long an operator has to mend that; a person who waits for
his submission does not wait longer for nothing."""


@dataclass(slots=True)
class _Refused:
    """A submission that Kafka refuses."""

    refusal: KafkaRefusal
    since_s: float
    tries: int = 0
    too_large: bool = False
    """No topic as it is planned would take it."""


class Held:
    """Whom Kafka refuses; the relay's lane tells what becomes of each try. Later submissions of a case are not sent before its first."""

    def __init__(self) -> None:
        self._first: dict[UUID, int] = {}
        """By case the row that is refused; the one that was tried last stands last."""
        self._refused: dict[int, _Refused] = {}
        """By row. A row is remembered until it has gone, also while nothing is held."""
        self._taken_s = float("-inf")
        """When the topic took a record last."""

    def __bool__(self) -> bool:
        """Whether anything is held."""
        return bool(self._first)

    @property
    def cases(self) -> frozenset[UUID]:
        """Those of which nothing is to be sent."""
        return frozenset(self._first)

    def refused(self, one: Pending, refusal: KafkaRefusal) -> None:
        """Kafka refuses this one. What is behind another of its case was not asked for, and does not count."""
        if self._first.get(one.case_key, one.seq) != one.seq:
            return
        self._first.pop(one.case_key, None)
        self._first[one.case_key] = one.seq
        known = self._refused.get(one.seq)
        if known is None:
            too_large = size_bytes(record_of(one)) > topics.submission_limit_bytes(one.office)
            known = self._refused[one.seq] = _Refused(refusal, time.monotonic(), too_large=too_large)
        known.refusal = refusal
        known.tries += 1

    def kind_of(self, one: Pending) -> KafkaRefusal:
        """What Kafka says to one that it refuses."""
        return self._refused[one.seq].refusal

    def also_refused(self, one: Pending, refusal: KafkaRefusal) -> None:
        """Neither its dead letter, or the event of it, is taken: that is what people have to know."""
        self._refused[one.seq].refusal = refusal

    def taken(self, gone: Sequence[Pending]) -> None:
        """The topic has taken these."""
        self._taken_s = time.monotonic()
        self.gone(gone)

    def gone(self, gone: Sequence[Pending]) -> None:
        """These are held no more."""
        for one in gone:
            self._refused.pop(one.seq, None)
            if self._first.get(one.case_key) == one.seq:
                del self._first[one.case_key]

    def let_go(self) -> None:
        """Everything may be sent: the cause seems to be gone."""
        self._first.clear()

    def next(self, count: int) -> list[int]:
        """The rows of the cases that were tried the longest ago."""
        return list(itertools.islice(self._first.values(), count))

    def kinds(self) -> Counter[KafkaRefusal]:
        """How many cases are held, by what Kafka says."""
        return Counter(self._refused[row].refusal for row in self._first.values())

    def is_given_up(self, one: Pending) -> bool:
        """Whether it is the record's own fault that it is refused, and long enough: it was tried some times, and is larger than any topic of the
        plan takes, or the topic has taken others since it first refused this one, for a while.
        """
        known = self._refused.get(one.seq)
        if known is None or known.tries < _TRIES or blames_topic(known.refusal):
            return False
        takes_others = self._taken_s > known.since_s and time.monotonic() - known.since_s >= _PATIENCE_S
        return known.too_large or takes_others
