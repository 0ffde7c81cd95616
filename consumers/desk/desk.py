"""What an operator does at the desk: look at dead letters, show one, replay, discard or settle some, and reset offsets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from consumers.delivery.entry import LedgerEntry
from consumers.delivery.ledger import Ledger
from consumers.desk import offsets
from consumers.desk.deadletters import DeadLetter, DeadLetters, DeadLetterState, read
from consumers.desk.offsets import PartitionReset
from consumers.desk.operations import write_down
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

_QUERY_IDS: Final = 10_000
"""Ids in one question to the ledger; SQLite takes 32,766."""
_OUR_HEADERS: Final = frozenset(name.value for names in (Header, CopyHeader) for name in names)
_ENDING_HEADERS: Final = {"reason": CopyHeader.DISCARDED, "reference": CopyHeader.SETTLED}
"""What the engine is told of a submission that ends untried, by the member of the operation that says the same."""


@dataclass(frozen=True, slots=True)
class Detail:
    """One dead letter, without its value."""

    letter: DeadLetter
    state: DeadLetterState
    headers: Sequence[tuple[str, str]]
    """With their values only where we know what these are."""
    entry: LedgerEntry | None
    """The ledger's row, where there is a ledger here and it has one."""
    earlier: Sequence[Place]
    """Where the submission lay before."""


class Desk:
    """The desk for one operator (`actor`). Nothing stays open between two calls; each reads Kafka anew and may take seconds.

    What has an effect or shows a value is a record of `stadtbus.operations` before it is done: where an operation cannot be recorded,
    nothing was done. What has an effect needs the office's ledger on this machine or in its database (`ledger-elsewhere`).
    """

    def __init__(self, kafka: KafkaSettings, stores: StoreSettings, actor: str) -> None:
        self._kafka = kafka
        self._stores = stores
        self._actor = actor

    async def read(self, offices: Collection[str], advance: Callable[[int, int], None] | None = None) -> dict[str, DeadLetters]:
        """The dead letters of these offices; `advance` hears how many records have been read, and of how many.

        Raises:
            UsageError: topics-missing.
            CannotTell: kafka-unreachable.
        """
        await require_topics(self._kafka, [topic for office in offices for topic in topics.of_office(office)])
        return await read(self._kafka, offices, advance)

    async def show(self, letters: Mapping[str, DeadLetters], wanted: str) -> Detail:
        """The dead letter at a place, or the last one of a submission; without its value, so that nothing has to be written down.

        Raises:
            UsageError: dead-letter-unknown.
            CannotTell: kafka-unreachable.
        """
        of_office, letter = _find(letters, wanted)
        record = await self._record(letter)
        earlier = [one.place for one in of_office.all if letter.submission and one.submission == letter.submission and one is not letter]
        headers = [(name, _shown(name, value)) for name, value in record.headers]
        return Detail(letter, of_office.state_of(letter), headers, self._ledger_entry(letter), earlier)

    async def reveal(self, letter: DeadLetter, reason: str) -> bytes | None:
        """The value of a dead letter, after that has been written down.

        Raises:
            UsageError: dead-letter-unknown, where its record is gone by now.
            CannotTell: operation-not-recorded, kafka-unreachable.
        """
        record = await self._record(letter)
        about = {"reason": reason, "place": str(letter.place), "submission": letter.submission or None}
        await self._write_down(OperatorAction.REVEAL, letter.cause.office, about)
        return record.value

    def look_up(self, plan: Plan) -> bool:
        """Note in a plan what the ledger says; False where it is not here.

        Raises:
            CannotTell: store-unreachable.
        """
        try:
            with self._ledger(plan.office) as ledger:
                plan.note_ledger(_lookup(ledger)([letter.id for letter in plan.letters if letter.submission]))
        except CannotTell as error:
            if error.problem is problems.LEDGER_ELSEWHERE:
                return False
            raise
        return True

    async def replay(self, plan: Plan, selection: Selection, limits: RolloutLimits, report: Callable[[Tally], None]) -> Tally:
        """Have the adapter try the dead letters of a plan again, and watch. Given again, it goes on where it stopped.

        Raises:
            CannotTell: operation-not-recorded, kafka-unreachable, record-refused, ledger-elsewhere, store-unreachable.
        """
        return await self._roll_out(OperatorAction.REPLAY, plan, selection, {}, limits, report)

    async def discard(self, plan: Plan, selection: Selection, reason: str, limits: RolloutLimits, report: Callable[[Tally], None]) -> Tally:
        """End the submissions of a plan as rejected, with this code as the reason that portals are shown, and watch.

        Raises:
            CannotTell: as `replay`.
        """
        return await self._roll_out(OperatorAction.DISCARD, plan, selection, {"reason": reason}, limits, report)

    async def settle(
        self, plan: Plan, selection: Selection, reference: str, limits: RolloutLimits, report: Callable[[Tally], None]
    ) -> Tally:
        """Note the submission of a plan as delivered, because a person has found it in the back office under this number; and watch.

        Raises:
            CannotTell: as `replay`.
        """
        return await self._roll_out(OperatorAction.SETTLE, plan, selection, {"reference": reference}, limits, report)

    async def reset_offsets(self, office: str, *, go: bool) -> list[PartitionReset]:
        """Where the office's group is and where it has to go on; with `go` it is set there, in Kafka and in the ledger.

        Raises:
            UsageError: group-has-members, topics-missing.
            CannotTell: operation-not-recorded, kafka-unreachable, ledger-elsewhere, store-unreachable.
        """
        await require_topics(self._kafka, topics.of_office(office))
        with self._ledger(office) as ledger:
            resets = await offsets.plan_reset(self._kafka, ledger, office)
            setting = offsets.to_set(resets)
            if go and setting:
                about = {"offsets": {f"{topic}/{number}": offset for (topic, number), offset in setting.items()}}
                await self._write_down(OperatorAction.OFFSET_RESET, office, about)
                await set_offsets(self._kafka, office, setting)
                # Killed between the two, the office stands as before, and this can be done again.
                await offsets.note_in_ledger(ledger, resets)
        return resets

    async def _roll_out(
        self,
        action: OperatorAction,
        plan: Plan,
        selection: Selection,
        ending: Mapping[str, str],
        limits: RolloutLimits,
        report: Callable[[Tally], None],
    ) -> Tally:
        """`ending` is what is recorded of the end that the submissions come to, untried; nothing where they are tried again."""
        topic = topics.deadletters(plan.office)
        about = {"fingerprint": selection.fingerprint, "submission": selection.submission, "count": len(plan.letters), **ending}
        headers = {_ENDING_HEADERS[name]: text for name, text in ending.items()}
        with self._ledger(plan.office) as ledger:
            await self._write_down(action, plan.office, about)
            sender = Sender(self._kafka, "stadtbus-desk")
            try:
                async with looking(self._kafka, [topic]) as consumer:
                    republisher = Republisher(self._kafka, sender, RecordFetcher(self._kafka, consumer, topic), plan.office, headers)
                    return await Rollout(plan.letters, republisher, _lookup(ledger), limits, report).run()
            finally:
                await sender.stop()

    async def _write_down(self, action: OperatorAction, office: str, about: Mapping[str, Any]) -> None:
        operation = Operation(at=datetime.now(UTC), actor=self._actor, action=action, office=office, **about)
        await write_down(self._kafka, operation)

    async def _record(self, letter: DeadLetter) -> ConsumerRecord:
        topic = letter.place.topic
        async with looking(self._kafka, [topic]) as consumer:
            found = await RecordFetcher(self._kafka, consumer, topic).fetch(letter.partition, [letter.offset])
        if not found:
            raise UsageError(problems.DEADLETTER_UNKNOWN, "its record is gone", where=str(letter.place))
        return found[0]

    def _ledger_entry(self, letter: DeadLetter) -> LedgerEntry | None:
        if not letter.submission:
            return None
        try:
            with self._ledger(letter.cause.office) as ledger:
                return ledger.entries([letter.id]).get(letter.id)
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


def _find(letters: Mapping[str, DeadLetters], wanted: str) -> tuple[DeadLetters, DeadLetter]:
    found = [(of_office, one) for of_office in letters.values() for one in of_office.all if wanted in (one.submission, str(one.place))]
    if not found:
        raise UsageError(problems.DEADLETTER_UNKNOWN, "none has this place or is of this submission", where=", ".join(letters))
    return found[-1]


def _shown(name: str, value: bytes | None) -> str:
    """A header for people: foreign ones may hold anything, so only their size is told."""
    if value is None:
        return "null"
    if name not in _OUR_HEADERS:
        return f"({len(value)} bytes, not shown)"
    return value.decode(errors="replace")


def _lookup(ledger: Ledger) -> Lookup:
    def lookup(submissions: Sequence[bytes]) -> Mapping[bytes, LedgerEntry]:
        parts = (submissions[start : start + _QUERY_IDS] for start in range(0, len(submissions), _QUERY_IDS))
        return {submission: entry for part in parts for submission, entry in ledger.entries(part).items()}

    return lookup
