"""Where an office goes on when it stands for its offsets, for an operator: where the ledger knows it was, after Kafka has forgotten it
(`offsets-lost`); at the first record, where the log is another one or shorter than before (`topic-replaced`, `log-shortened`). The ledger drops
what comes twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aiokafka import TopicPartition

from consumers.delivery.ledger import Ledger
from consumers.engine.starts import LedgerPosition, Start
from infra.kafka import group_offsets
from infra.kafka.cluster import Log
from infra.settings import KafkaSettings
from schemas import problems, topics
from schemas.errors import UsageError


@dataclass(frozen=True, slots=True)
class PartitionReset:
    """Where one partition is, and where a reset sets it."""

    partition: TopicPartition
    committed: int | None
    """The group's offset in Kafka."""
    known: int | None
    """The offset in the ledger; None where nothing was ever committed: then the first record is next."""
    to: int | None
    """Where it is set to: never before the first record that is still there."""
    topic_id: str | None = None
    """Of the topic that is there."""
    ask_before: int = 0
    """What lies before it and is not final is looked for at the back office before it is delivered; as in the ledger."""
    reason: str = ""
    """Code of what stands in the way of going on; empty where nothing does."""
    lost: int = 0
    """Records that were gone before they were read. With a reset they have been seen, and are shown no more."""
    kept: int = 0
    """Of a log that is another one or shorter than before: what lies before this offset is still the same."""
    parked_gone: int = 0
    """Parked submissions whose copies are gone from the retry topic, and their originals too."""

    @property
    def log_differs(self) -> bool:
        """The log is another one, or shorter than before."""
        return self.reason in (problems.TOPIC_REPLACED.code, problems.LOG_SHORTENED.code)

    @property
    def changes(self) -> bool:
        """Something is to be set."""
        return self.to is not None and (self.to != self.committed or bool(self.reason or self.lost))


async def plan_reset(kafka: KafkaSettings, ledger: Ledger, office: str) -> list[PartitionReset]:
    """What a reset would set, for each partition that the office reads; reads Kafka and the ledger and changes nothing.

    Raises:
        CannotTell: kafka-unreachable.
        UsageError: group-has-members.
    """
    group, logs = await group_offsets.look_at_topics(kafka, office, [topics.submissions(office), topics.retry(office)])
    if group.members:
        raise UsageError(problems.GROUP_HAS_MEMBERS, f"the group has {group.members} members", where=office)
    known = ledger.positions()
    resets = [
        _reset_of(place, group.committed[place], known.get((place.topic, place.partition), LedgerPosition()), log)
        for place, log in logs.items()
    ]
    copies_gone = {reset.partition.partition for reset in resets if topics.is_retry(reset.partition.topic) and reset.log_differs}
    return [
        _with_parked(reset, logs[reset.partition].first, ledger.parked_origins(reset.partition.partition))
        if reset.partition.partition in copies_gone and not topics.is_retry(reset.partition.topic)
        else reset
        for reset in resets
    ]


def _reset_of(partition: TopicPartition, committed: int | None, known: LedgerPosition, log: Log) -> PartitionReset:
    reset = PartitionReset(
        partition, committed, known.offset, None, log.topic_id, known.ask_before, _reason(committed, known, log), known.lost
    )
    if known.offset is None:
        return reset
    if reset.reason == problems.TOPIC_REPLACED.code:
        return replace(reset, to=log.first, ask_before=0)
    if reset.reason == problems.LOG_SHORTENED.code:
        return replace(reset, to=log.first, kept=log.end)
    ahead = committed is not None and committed > known.offset  # what lies between stays unclear
    return replace(reset, to=max(known.offset, log.first), ask_before=max(known.ask_before, log.end) if ahead else known.ask_before)


def _reason(committed: int | None, known: LedgerPosition, log: Log) -> str:
    """What the engine stands for (`consumers.engine.starts`)."""
    if known.is_of_another(log.topic_id):
        return problems.TOPIC_REPLACED.code
    if not known.offset:
        return ""
    if known.offset > log.end:
        return problems.LOG_SHORTENED.code
    return problems.OFFSETS_LOST.code if committed is None and known.offset > log.first else ""


def _with_parked(reset: PartitionReset, first: int, parked: Sequence[int]) -> PartitionReset:
    """Copies in the retry topic are gone: their originals have to be read again, as far as they are there."""
    if reset.to is None:
        return reset
    there = [] if reset.log_differs else [place for place in parked if place >= first]
    return replace(reset, to=min([reset.to, *there]), parked_gone=len(parked) - len(there))


def to_set(resets: Sequence[PartitionReset]) -> Mapping[TopicPartition, int]:
    """The offsets that a reset has to commit."""
    return {reset.partition: reset.to for reset in resets if reset.changes and reset.to is not None}


async def note_in_ledger(ledger: Ledger, resets: Sequence[PartitionReset]) -> None:
    """Tell the ledger what has been set in Kafka, after it has been, so that both agree.

    Raises:
        CannotTell: store-unreachable; the reset can be done again.
    """
    starts = {
        reset.partition: Start(reset.to, reset.topic_id, reset.ask_before) for reset in resets if reset.changes and reset.to is not None
    }
    await ledger.reset(starts, anew={reset.partition: reset.kept for reset in resets if reset.log_differs})
