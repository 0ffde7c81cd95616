"""Sets an office's group to where the ledger knows it was, after Kafka has forgotten it (`offsets-lost`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import TopicPartition

from consumers.ledger import Ledger
from infra.kafka import group_offsets
from infra.settings import KafkaSettings
from schemas import errors, topics
from schemas.errors import CannotTell, UsageError


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

    @property
    def changes(self) -> bool:
        """Something is to be set."""
        return self.to is not None and self.to != self.committed


async def plan(kafka: KafkaSettings, ledger: Ledger, office: str) -> list[Move]:
    """What a reset would set.

    Raises:
        CannotTell: kafka-unreachable; log-shortened, where a partition ends before what the ledger knows.
        UsageError: group-has-members.
    """
    names = (topics.submissions(office), topics.retry(office))
    partitions = [TopicPartition(name, number) for name in names for number in range(topics.PARTITIONS)]
    group = await group_offsets.look(kafka, office, partitions)
    if group.members:
        raise UsageError(errors.GROUP_HAS_MEMBERS, f"the group has {group.members} members", where=office)
    known = ledger.positions()
    return [_move(partition, group, known.get((partition.topic, partition.partition))) for partition in partitions]


def _move(partition: TopicPartition, group: group_offsets.GroupOffsets, known: int | None) -> Move:
    end = group.end[partition]
    if known is not None and known > end:
        raise CannotTell(
            errors.LOG_SHORTENED, f"partition {partition.partition}: it ends at {end}, {known} is known", where=partition.topic
        )
    return Move(partition, group.committed[partition], known, None if known is None else max(known, group.first[partition]))


def to_set(moves: list[Move]) -> Mapping[TopicPartition, int]:
    """The offsets that a reset has to commit."""
    return {move.partition: move.to for move in moves if move.changes and move.to is not None}
