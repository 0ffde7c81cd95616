"""Begins an office elsewhere than Kafka says, for an operator: where the ledger knows it was, after Kafka has forgotten it (`offsets-lost`);
at the first record, where the log is another one or shorter than before (`topic-replaced`, `log-shortened`). The ledger drops what comes twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aiokafka import TopicPartition

from consumers.delivery.ledger import Ledger
from consumers.engine.starts import Known, Start
from infra.kafka import group_offsets
from infra.kafka.cluster import Log
from infra.settings import KafkaSettings
from schemas import problems, topics
from schemas.errors import UsageError


@dataclass(frozen=True, slots=True)
class Move:
    """One partition."""

    partition: TopicPartition
    committed: int | None
    """What Kafka knows."""
    known: int | None
    """What the ledger knows; None where nothing was ever committed: then the first record is next."""
    to: int | None
    """Where it is set to: never before the first record that is still there."""
    topic_id: str | None = None
    """Of the topic that is there."""
    ask_before: int = 0
    """As in the ledger."""
    reason: str = ""
    """Code of what stands in the way of going on; empty where nothing does."""
    lost: int = 0
    """Records that were gone before they were read. With a reset they have been seen, and are shown no more."""
    kept: int = 0
    """Of a log that is another one or shorter than before: what lies before this offset is still the same."""
    parked_gone: int = 0
    """Parked submissions whose copies are gone from the retry topic, and their originals too."""

    @property
    def is_anew(self) -> bool:
        """The log is another one, or shorter than before."""
        return self.reason in (problems.TOPIC_REPLACED.code, problems.LOG_SHORTENED.code)

    @property
    def changes(self) -> bool:
        """Something is to be set."""
        return self.to is not None and (self.to != self.committed or bool(self.reason or self.lost))


async def plan(kafka: KafkaSettings, ledger: Ledger, office: str) -> list[Move]:
    """What a reset would set.

    Raises:
        CannotTell: kafka-unreachable.
        UsageError: group-has-members.
    """
    group, logs = await group_offsets.look_at_topics(kafka, office, [topics.submissions(office), topics.retry(office)])
    if group.members:
        raise UsageError(problems.GROUP_HAS_MEMBERS, f"the group has {group.members} members", where=office)
    known = ledger.positions()
    moves = [_move(place, group.committed[place], known.get((place.topic, place.partition), Known()), log) for place, log in logs.items()]
    copies_gone = {move.partition.partition for move in moves if topics.is_retry(move.partition.topic) and move.is_anew}
    return [
        _with_parked(move, logs[move.partition].first, ledger.parked(move.partition.partition))
        if move.partition.partition in copies_gone and not topics.is_retry(move.partition.topic)
        else move
        for move in moves
    ]


def _move(partition: TopicPartition, committed: int | None, known: Known, log: Log) -> Move:
    move = Move(partition, committed, known.offset, None, log.topic_id, known.ask_before, _reason(committed, known, log), known.lost)
    if known.offset is None:
        return move
    if move.reason == problems.TOPIC_REPLACED.code:
        return replace(move, to=log.first, ask_before=0)
    if move.reason == problems.LOG_SHORTENED.code:
        return replace(move, to=log.first, kept=log.end)
    ahead = committed is not None and committed > known.offset  # what lies between stays unclear
    return replace(move, to=max(known.offset, log.first), ask_before=max(known.ask_before, log.end) if ahead else known.ask_before)


def _reason(committed: int | None, known: Known, log: Log) -> str:
    """What the engine stands for (`consumers.engine.starts`)."""
    if known.is_of_another(log.topic_id):
        return problems.TOPIC_REPLACED.code
    if not known.offset:
        return ""
    if known.offset > log.end:
        return problems.LOG_SHORTENED.code
    return problems.OFFSETS_LOST.code if committed is None and known.offset > log.first else ""


def _with_parked(move: Move, first: int, parked: Sequence[int]) -> Move:
    """Copies in the retry topic are gone: their originals have to be read again, as far as they are there."""
    if move.to is None:
        return move
    there = [] if move.is_anew else [place for place in parked if place >= first]
    return replace(move, to=min([move.to, *there]), parked_gone=len(parked) - len(there))


def to_set(moves: Sequence[Move]) -> Mapping[TopicPartition, int]:
    """The offsets that a reset has to commit."""
    return {move.partition: move.to for move in moves if move.changes and move.to is not None}


async def note(ledger: Ledger, moves: Sequence[Move]) -> None:
    """Tell the ledger what has been set, so that it agrees with Kafka."""
    starts = {move.partition: Start(move.to, move.topic_id, move.ask_before) for move in moves if move.changes and move.to is not None}
    await ledger.reset(starts, anew={move.partition: move.kept for move in moves if move.is_anew})
