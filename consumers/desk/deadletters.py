"""What lies in the dead letters of an office, from headers alone, and which of it is done with.

A dead letter is open until a record in `.retry` names its place: then it was replayed, discarded or settled. So Kafka alone
knows, whoever looks, and a replay that broke off goes on where it stopped. Of several dead letters of one submission the last counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from aiokafka import TopicPartition

from consumers.delivery.failures import Cause
from consumers.delivery.job import HeaderReader, Job, Unreadable
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
    """A later dead letter of the same submission lies there."""


CAUSE_GONE: Final = "cause-gone"
"""The error class of a dead letter that was made anew after Kafka had lost it."""
_ENDINGS: Final = {CopyHeader.DISCARDED: DeadLetterState.DISCARDED, CopyHeader.SETTLED: DeadLetterState.SETTLED}


@dataclass(frozen=True, slots=True)
class DeadLetterCause:
    """What the dead letters with one fingerprint have in common; the reason is that of one of them."""

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
    """Its place in the submissions topic, by which the dead letters of a case are ordered; -1 where it never stood there."""
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
        """The back office may have it and cannot say, or nobody knows any more why it died: only a person can decide about it."""
        return self.cause.error_class in (Cause.CANNOT_FIND, CAUSE_GONE)

    @property
    def id(self) -> bytes:
        """The submission's id as the ledger has it. Only where `submission` is known."""
        return bytes.fromhex(self.submission.replace("-", ""))


class _Mark(NamedTuple):
    """What a record in `.retry` says of the dead letter that it names."""

    state: DeadLetterState
    retry_offset: int


class DeadLetters:
    """The dead letters of one office, in the order of their partitions, and what became of each.

    Made by giving `take` every record of the topic of dead letters, and then every record of `.retry`.
    """

    def __init__(self, office: str) -> None:
        self.office = office
        self.all: list[DeadLetter] = []
        self._last: dict[Hashable, int] = {}
        """By submission the place in `all` of its last dead letter."""
        self._causes: dict[str, DeadLetterCause] = {}
        """By fingerprint; shared, so that each text is held once."""
        self._marks: dict[tuple[int, int], _Mark] = {}
        """By partition and offset of the dead letter."""
        self._ended: set[tuple[int, int]] = set()
        """Partitions and origins of what was discarded or settled: that is the end, even if a copy was under way."""

    def take(self, record: ConsumerRecord) -> None:
        """Add a record of one of the two topics. Whatever its headers hold, it raises nothing."""
        if topics.is_retry(record.topic):
            self._take_mark(record)
        else:
            self._take_letter(record)

    def state_of(self, letter: DeadLetter) -> DeadLetterState:
        """What became of one of these."""
        if (mark := self._marks.get((letter.partition, letter.offset))) is not None:
            return mark.state
        if (letter.partition, letter.origin) in self._ended:
            return DeadLetterState.DISCARDED
        return DeadLetterState.OPEN if self.all[self._last[_identity(letter)]] is letter else DeadLetterState.SUPERSEDED

    def retry_offset(self, letter: DeadLetter) -> int | None:
        """The offset in `.retry` of the record that names this dead letter; None where none does."""
        mark = self._marks.get((letter.partition, letter.offset))
        return None if mark is None else mark.retry_offset

    @property
    def open(self) -> list[DeadLetter]:
        """Those that were neither replayed, discarded nor settled since they died, in the order of their partitions."""
        return [letter for letter in self.all if self.state_of(letter) is DeadLetterState.OPEN]

    def _take_letter(self, record: ConsumerRecord) -> None:
        copy = take_apart(record.headers)
        letter = DeadLetter(
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
        self._last[_identity(letter)] = len(self.all)
        self.all.append(letter)

    def _origin(self, copy: Copy) -> int:
        origin = copy.origin
        return _NO_ORIGIN if origin is None or origin.topic != topics.submissions(self.office) else origin.offset

    def _cause(self, copy: Copy) -> DeadLetterCause:
        fingerprint = copy.fingerprint(self.office)
        if fingerprint not in self._causes:
            names = (CopyHeader.STAGE, CopyHeader.ERROR_CLASS, CopyHeader.MESSAGE)
            self._causes[fingerprint] = DeadLetterCause(fingerprint, self.office, *(copy.block.get(name, "") for name in names))
        return self._causes[fingerprint]

    def _take_mark(self, record: ConsumerRecord) -> None:
        copy = take_apart(record.headers)
        try:
            place = Place.parse(copy.block[CopyHeader.REPLAYED_FROM])
        except (KeyError, ValueError):  # parked by the engine
            return
        state = next((state for header, state in _ENDINGS.items() if header in copy.block), DeadLetterState.REPLAYED)
        if place.topic == topics.deadletters(self.office):
            self._marks[place.partition, place.offset] = _Mark(state, record.offset)
        if state is not DeadLetterState.REPLAYED and (origin := self._origin(copy)) != _NO_ORIGIN:
            self._ended.add((record.partition, origin))


def _identity(letter: DeadLetter) -> Hashable:
    """What cannot be read is known by its origin, and what has none by its place."""
    if letter.submission:
        return letter.submission
    return ("place", letter.partition, letter.offset) if letter.origin == _NO_ORIGIN else ("origin", letter.partition, letter.origin)


def _submission(record: ConsumerRecord, office: str) -> str:
    """The submission's id by the engine's own rules; empty where the engine could not read the headers."""
    job = Job(TopicPartition(record.topic, record.partition), record, 0, True)  # noqa: FBT003 - from the retry topic, or as if
    try:
        HeaderReader(office).read(job)
    except Unreadable:
        return ""
    return job.submission


def _moment_ms(text: str, otherwise_ms: int) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        return otherwise_ms


async def read(kafka: KafkaSettings, offices: Collection[str], advance: Callable[[int, int], None] | None = None) -> dict[str, DeadLetters]:
    """The dead letters of these offices, whose topics have to exist. Reads two topics of each to their ends; `advance` as in `read_all`.

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
