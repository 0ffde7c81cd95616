"""What an operator does at the desk. Whatever has an effect or shows a value is written down first (`stadtbus.operations`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from consumers.delivery.entry import LedgerEntry
from consumers.delivery.ledger import Ledger
from consumers.desk import offsets
from consumers.desk.deadletters import DeadLetter, DeadLetters, DeadLetterState, read
from consumers.desk.offsets import PartitionReset
from consumers.desk.operations import note
from consumers.desk.plan import Plan, Selection
from consumers.desk.republisher import Republisher
from consumers.desk.rollout import Lookup, Rollout, RolloutLimits, Tally
from infra.kafka.admin import require_topics
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.group_offsets import set_offsets
from infra.kafka.reading import RecordFetcher, looking
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings, StoreSettings
from schemas import problems, topics
from schemas.copies import Place
from schemas.errors import CannotTell, UsageError
from schemas.headers import CopyHeader, Header
from schemas.operations import Operation, OperatorAction

Advance = Callable[[int, int], None]

_AT_ONCE: Final = 10_000
"""Ids in one question to the ledger; SQLite takes 32,766."""
_OURS: Final = frozenset(name.value for names in (Header, CopyHeader) for name in names)


@dataclass(frozen=True, slots=True)
class Detail:
    """One dead letter, without its value."""

    letter: DeadLetter
    what: DeadLetterState
    headers: Sequence[tuple[str, str]]
    """With their values only where we know what these are."""
    entry: LedgerEntry | None
    """The ledger's row, where there is a ledger here and it has one."""
    earlier: Sequence[Place]
    """Where the submission lay before."""


class Desk:
    """The dead letters of some offices, as an operator sees them."""

    def __init__(self, kafka: KafkaSettings, stores: StoreSettings, actor: str) -> None:
        self._kafka = kafka
        self._stores = stores
        self._actor = actor

    async def read(self, offices: Collection[str], advance: Advance | None = None) -> dict[str, DeadLetters]:
        """What lies there.

        Raises:
            UsageError: topics-missing.
            CannotTell: kafka-unreachable.
        """
        await require_topics(self._kafka, [topic for office in offices for topic in topics.of_office(office)])
        return await read(self._kafka, offices, advance)

    async def show(self, letters: Mapping[str, DeadLetters], wanted: str) -> Detail:
        """The letter at a place, or the last one of a submission.

        Raises:
            UsageError: dead-letter-unknown.
        """
        of_office, letter = _find(letters, wanted)
        record = await self._record(letter)
        earlier = [one.place for one in of_office.all if letter.submission and one.submission == letter.submission and one is not letter]
        headers = [(name, _shown(name, value)) for name, value in record.headers]
        return Detail(letter, of_office.state_of(letter), headers, self._entry(letter), earlier)

    async def reveal(self, letter: DeadLetter, reason: str) -> bytes | None:
        """The value of a letter.

        Raises:
            CannotTell: operation-not-recorded, kafka-unreachable.
        """
        record = await self._record(letter)
        operation = self._operation(OperatorAction.REVEAL, letter.cause.office, reason=reason)
        about = {"place": str(letter.place), "submission": letter.submission or None}
        async with self._sender(operation.model_copy(update=about)):
            value: bytes | None = record.value
            return value

    def look_up(self, plan: Plan) -> bool:
        """Note in a plan what the ledger says; False where it is not here."""
        try:
            with self._ledger(plan.office) as ledger:
                plan.look_up(_look(ledger)([letter.id for letter in plan.letters if letter.submission]))
        except CannotTell as error:
            if error.problem is problems.LEDGER_ELSEWHERE:
                return False
            raise
        return True

    async def replay(self, plan: Plan, selection: Selection, limits: RolloutLimits, tell: Callable[[Tally], None]) -> Tally:
        """Send the letters of a plan to be tried again, and watch.

        Raises:
            CannotTell: operation-not-recorded, kafka-unreachable, ledger-elsewhere.
        """
        return await self._run(plan, self._about(OperatorAction.REPLAY, plan, selection, None), limits, tell)

    async def discard(self, plan: Plan, selection: Selection, reason: str, limits: RolloutLimits, tell: Callable[[Tally], None]) -> Tally:
        """End the submissions of a plan with this code, and watch.

        Raises:
            CannotTell: operation-not-recorded, kafka-unreachable, ledger-elsewhere.
        """
        return await self._run(plan, self._about(OperatorAction.DISCARD, plan, selection, reason), limits, tell)

    async def settle(self, plan: Plan, selection: Selection, reference: str, limits: RolloutLimits, tell: Callable[[Tally], None]) -> Tally:
        """Note the submission of a plan as delivered, because a person has found it in the back office under this number; and watch.

        Raises:
            CannotTell: operation-not-recorded, kafka-unreachable, ledger-elsewhere.
        """
        operation = self._about(OperatorAction.SETTLE, plan, selection, None).model_copy(update={"reference": reference})
        return await self._run(plan, operation, limits, tell)

    async def reset_offsets(self, office: str, *, go: bool) -> list[PartitionReset]:
        """Where the office's group is and where it has to go on; with `go` it is set there.

        Raises:
            UsageError: group-has-members, topics-missing.
            CannotTell: kafka-unreachable, ledger-elsewhere.
        """
        await require_topics(self._kafka, topics.of_office(office))
        with self._ledger(office) as ledger:
            resets = await offsets.plan(self._kafka, ledger, office)
            setting = offsets.to_set(resets)
            if go and setting:
                about = {"offsets": {f"{topic}/{number}": offset for (topic, number), offset in setting.items()}}
                async with self._sender(self._operation(OperatorAction.OFFSET_RESET, office, reason=None).model_copy(update=about)):
                    await set_offsets(self._kafka, office, setting)
                    await offsets.note(ledger, resets)  # killed before it, the office stands as before, and this can be done again
        return resets

    async def _run(self, plan: Plan, operation: Operation, limits: RolloutLimits, tell: Callable[[Tally], None]) -> Tally:
        lying = topics.deadletters(plan.office)
        with self._ledger(plan.office) as ledger:
            async with self._sender(operation) as sender, looking(self._kafka, [lying]) as consumer:
                fetcher = RecordFetcher(self._kafka, consumer, lying)
                republisher = Republisher(self._kafka, sender, fetcher, plan.office, _ending(operation))
                return await Rollout(plan.letters, republisher, _look(ledger), limits, tell).run()

    def _about(self, action: OperatorAction, plan: Plan, selection: Selection, reason: str | None) -> Operation:
        about = {"fingerprint": selection.fingerprint, "submission": selection.submission, "count": len(plan.letters)}
        return self._operation(action, plan.office, reason=reason).model_copy(update=about)

    def _operation(self, action: OperatorAction, office: str, *, reason: str | None) -> Operation:
        return Operation(at=datetime.now(UTC), actor=self._actor, action=action, office=office, reason=reason)

    @asynccontextmanager
    async def _sender(self, operation: Operation) -> AsyncIterator[Sender]:
        """A sender, after the operation has been written down."""
        await require_topics(self._kafka, [topic for topic in topics.of_bus() if topic.name == topics.OPERATIONS])
        sender = Sender(self._kafka, "stadtbus-desk")
        try:
            await note(sender, operation)
            yield sender
        finally:
            await sender.stop()

    async def _record(self, letter: DeadLetter) -> ConsumerRecord:
        topic = letter.place.topic
        async with looking(self._kafka, [topic]) as consumer:
            found = await RecordFetcher(self._kafka, consumer, topic).fetch(letter.partition, [letter.offset])
        if not found:
            raise UsageError(problems.DEADLETTER_UNKNOWN, "its record is gone", where=str(letter.place))
        return found[0]

    def _entry(self, letter: DeadLetter) -> LedgerEntry | None:
        if not letter.submission:
            return None
        try:
            with self._ledger(letter.cause.office) as ledger:
                return ledger.known([letter.id]).get(letter.id)
        except CannotTell:
            return None

    @contextmanager
    def _ledger(self, office: str) -> Iterator[Ledger]:
        """The ledger, where it is here: opening one that is not would make an empty one.

        Raises:
            CannotTell: ledger-elsewhere, store-unreachable.
        """
        if self._stores.url is None and not (self._stores.folder / f"ledger-{office}.sqlite").exists():
            raise CannotTell(problems.LEDGER_ELSEWHERE, f"there is no ledger of {office}", where=self._stores.shown(f"ledger-{office}"))
        ledger = Ledger(self._stores, office)
        try:
            yield ledger
        finally:
            ledger.close()


def _ending(operation: Operation) -> dict[CopyHeader, str]:
    """What the engine is told of the letters; nothing where they are to be tried."""
    told = {
        OperatorAction.DISCARD: (CopyHeader.DISCARDED, operation.reason),
        OperatorAction.SETTLE: (CopyHeader.SETTLED, operation.reference),
    }
    header, text = told.get(operation.action, (CopyHeader.REPLAYED_FROM, None))
    return {} if text is None else {header: text}


def _find(letters: Mapping[str, DeadLetters], wanted: str) -> tuple[DeadLetters, DeadLetter]:
    found = [(of_office, one) for of_office in letters.values() for one in of_office.all if wanted in (one.submission, str(one.place))]
    if not found:
        raise UsageError(problems.DEADLETTER_UNKNOWN, "none has this place or is of this submission", where=", ".join(letters))
    return found[-1]


def _shown(name: str, value: bytes | None) -> str:
    """A header for people: foreign ones may hold anything, so only their size is told."""
    if value is None:
        return "null"
    if name not in _OURS:
        return f"({len(value)} bytes, not shown)"
    return value.decode(errors="replace")


def _look(ledger: Ledger) -> Lookup:
    def look(submissions: Sequence[bytes]) -> Mapping[bytes, LedgerEntry]:
        parts = (submissions[start : start + _AT_ONCE] for start in range(0, len(submissions), _AT_ONCE))
        return {submission: entry for part in parts for submission, entry in ledger.known(part).items()}

    return look
