"""What lies in the dead letters of an office, from headers alone, and which of it is done with.

A dead letter is open until a record in `.retry` names its place: then it was replayed or discarded. So Kafka alone knows, whoever
looks, and a replay that broke off goes on where it stopped. Of several letters of one submission the last counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from aiokafka import TopicPartition

from consumers.delivery.failures import Cause
from consumers.delivery.job import HeaderReader, Job, UnreadableHeaders
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.reading import read_all
from infra.settings import KafkaSettings
from schemas import topics
from schemas.copies import Copy, Place, take_apart
from schemas.headers import CopyHeader

_NO_ORIGIN: Final = -1


class DeadLetterState(StrEnum):
    """What became of a dead letter."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
    SETTLED = "settled"
    """A person has found the submission in the back office."""
    SUPERSEDED = "superseded"
    """A later one of the same submission lies there."""


CAUSE_GONE: Final = "cause-gone"
"""The error class of a letter that was made anew after Kafka had lost it."""
_ENDS: Final = {CopyHeader.DISCARDED: DeadLetterState.DISCARDED, CopyHeader.SETTLED: DeadLetterState.SETTLED}


@dataclass(frozen=True, slots=True)
class DeadLetterCause:
    """Dead letters with the same cause; the reason is that of one of them."""

    fingerprint: str
    office: str
    stage: str
    error_class: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class DeadLetter:
    """One dead letter without its value; times in ms since the epoch."""

    cause: DeadLetterCause
    partition: int
    offset: int
    origin: int
    """Its place in the submissions topic, by which the letters of a case are ordered; -1 where it never stood there."""
    submission: str
    """Empty where its headers do not say what it is: it cannot be delivered, and no ledger knows it."""
    key: bytes | None
    timestamp_ms: int
    """Of the original record."""
    failed_ms: int
    """When it failed first."""
    size_bytes: int

    @property
    def place(self) -> Place:
        """Where it lies."""
        return Place(topics.deadletters(self.cause.office), self.partition, self.offset)

    @property
    def case(self) -> Hashable:
        """What the engine takes for its case: records without a key belong to nothing."""
        return (self.partition, self.offset) if self.key is None else self.key

    @property
    def may_have_had_effect(self) -> bool:
        """It may have had its effect, and the back office cannot say, or why it died is gone: only a person can decide."""
        return self.cause.error_class in (Cause.CANNOT_FIND, CAUSE_GONE)

    @property
    def id(self) -> bytes:
        """The submission's id as the ledger has it."""
        return bytes.fromhex(self.submission.replace("-", ""))


class DeadLetters:
    """The dead letters of one office, in the order of their partitions. First the topic itself is read, then `.retry`."""

    def __init__(self, office: str) -> None:
        self.office = office
        self.all: list[DeadLetter] = []
        self._last: dict[Hashable, int] = {}
        """By submission the place in `all` of its last letter."""
        self._causes: dict[str, DeadLetterCause] = {}
        self._named: dict[tuple[int, int], tuple[DeadLetterState, int]] = {}
        """By partition and offset, what a record in `.retry` says of it, and where that record stands."""
        self._ended: set[tuple[int, int]] = set()
        """Origins of what was discarded or settled: that is the end, even if a copy was under way."""

    def take(self, record: ConsumerRecord) -> None:
        """A record of one of the two topics."""
        if topics.is_retry(record.topic):
            self._take_named(record)
        else:
            self._take_letter(record)

    def state_of(self, letter: DeadLetter) -> DeadLetterState:
        """What became of a letter."""
        place = (letter.partition, letter.offset)
        if place in self._named:
            return self._named[place][0]
        if (letter.partition, letter.origin) in self._ended:
            return DeadLetterState.DISCARDED
        return DeadLetterState.OPEN if self.all[self._last[_identity(letter)]] is letter else DeadLetterState.SUPERSEDED

    def retry_offset(self, letter: DeadLetter) -> int | None:
        """The offset in `.retry` of the record that names this letter."""
        named = self._named.get((letter.partition, letter.offset))
        return None if named is None else named[1]

    @property
    def open(self) -> list[DeadLetter]:
        """Those that somebody has to look after."""
        return [letter for letter in self.all if self.state_of(letter) is DeadLetterState.OPEN]

    def _take_letter(self, record: ConsumerRecord) -> None:
        letter = self._letter(record, take_apart(record.headers))
        self._last[_identity(letter)] = len(self.all)
        self.all.append(letter)

    def _letter(self, record: ConsumerRecord, copy: Copy) -> DeadLetter:
        return DeadLetter(
            cause=self._cause(copy),
            partition=record.partition,
            offset=record.offset,
            origin=self._origin(copy),
            submission=_submission(record, self.office),
            key=record.key,
            timestamp_ms=record.timestamp,
            failed_ms=_moment_ms(copy.block.get(CopyHeader.FIRST_FAILURE, ""), record.timestamp),
            size_bytes=len(record.value or b""),
        )

    def _origin(self, copy: Copy) -> int:
        origin = copy.origin
        return _NO_ORIGIN if origin is None or origin.topic != topics.submissions(self.office) else origin.offset

    def _cause(self, copy: Copy) -> DeadLetterCause:
        fingerprint = copy.fingerprint(self.office)
        if fingerprint not in self._causes:
            stage, error_class, reason = (
                copy.block.get(name, "") for name in (CopyHeader.STAGE, CopyHeader.ERROR_CLASS, CopyHeader.MESSAGE)
            )
            self._causes[fingerprint] = DeadLetterCause(fingerprint, self.office, stage, error_class, reason)
        return self._causes[fingerprint]

    def _take_named(self, record: ConsumerRecord) -> None:
        copy = take_apart(record.headers)
        try:
            place = Place.parse(copy.block[CopyHeader.REPLAYED_FROM])
        except (KeyError, ValueError):  # parked by the engine
            return
        what = next((what for header, what in _ENDS.items() if header in copy.block), DeadLetterState.REPLAYED)
        if place.topic == topics.deadletters(self.office):
            self._named[place.partition, place.offset] = (what, record.offset)
        if what is not DeadLetterState.REPLAYED and (origin := self._origin(copy)) != _NO_ORIGIN:
            self._ended.add((record.partition, origin))


def _identity(letter: DeadLetter) -> Hashable:
    """What cannot be read is known by its origin, and what has none by its place."""
    if letter.submission:
        return letter.submission
    return ("place", letter.partition, letter.offset) if letter.origin == _NO_ORIGIN else ("origin", letter.partition, letter.origin)


def _submission(record: ConsumerRecord, office: str) -> str:
    """By the engine's own rules."""
    job = Job(TopicPartition(record.topic, record.partition), record, 0, True)  # noqa: FBT003 - from the retry topic, or as if
    try:
        HeaderReader(office).read(job)
    except UnreadableHeaders:
        return ""
    return job.submission


def _moment_ms(text: str, otherwise_ms: int) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        return otherwise_ms


async def read(kafka: KafkaSettings, offices: Collection[str], advance: Callable[[int, int], None] | None = None) -> dict[str, DeadLetters]:
    """The dead letters of these offices; topics have to exist.

    Raises:
        CannotTell: kafka-unreachable.
    """
    letters = {office: DeadLetters(office) for office in offices}

    def take(record: ConsumerRecord) -> None:
        letters[record.topic.rpartition(".")[0]].take(record)

    # In this order: what is replayed meanwhile is seen as replayed.
    await read_all(kafka, [topics.deadletters(office) for office in offices], take, advance)
    await read_all(kafka, [topics.retry(office) for office in offices], take, advance)
    return letters


@dataclass(slots=True)
class CauseGroup:
    """Dead letters with one cause."""

    cause: DeadLetterCause
    letters: list[tuple[DeadLetter, DeadLetterState]] = field(default_factory=list)
    """Each of them, and what became of it."""
    open: int = 0
    cases: set[Hashable] = field(default_factory=set)
    first_ms: int = 0
    """When the first of them failed."""
    last_ms: int = 0
    oldest_ms: int = 0
    """Timestamp of the oldest original."""

    def add(self, letter: DeadLetter, state: DeadLetterState) -> None:
        """One more."""
        first = not self.letters
        self.letters.append((letter, state))
        self.open += state is DeadLetterState.OPEN
        self.cases.add(letter.case)
        self.first_ms = letter.failed_ms if first else min(self.first_ms, letter.failed_ms)
        self.last_ms = max(self.last_ms, letter.failed_ms)
        self.oldest_ms = letter.timestamp_ms if first else min(self.oldest_ms, letter.timestamp_ms)


def by_cause(offices: Iterable[DeadLetters], *, everything: bool = False) -> list[CauseGroup]:
    """Groups by cause, the largest of an office first; without `everything` only of what is open."""
    found: dict[str, CauseGroup] = {}
    for letters in offices:
        for letter in letters.all:
            state = letters.state_of(letter)
            if everything or state is DeadLetterState.OPEN:
                found.setdefault(letter.cause.fingerprint, CauseGroup(letter.cause)).add(letter, state)
    return sorted(found.values(), key=lambda group: (group.cause.office, -group.open, -len(group.letters), group.cause.fingerprint))
