"""When an offset is committed, and what happens before.

Committed is `Core.committable`: everything before it is finished. That happens
- twice a second, where it has changed (`Engine`),
- right after partitions were assigned, for those that Kafka has no commit of: where they started (`consumers.engine.rebalance`),
- once more when they were drained and go, or the process stops (the same).

The handler notes each offset durably before Kafka gets it, so Kafka's commit is the ledger's or one commit behind (docs/decisions/0015).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from consumers.engine.assignment import Assignment
from consumers.engine.handler import Handler
from infra import crashpoints
from infra.kafka.group_offsets import commit_of

log = structlog.get_logger()

_TIMEOUT_S: Final = 5


class Commits:
    """The commits of one consumer."""

    def __init__(self, consumer: AIOKafkaConsumer, group: str, handler: Handler[Any], assignment: Assignment) -> None:
        self._consumer = consumer
        self._group = group
        self._handler = handler
        self._assignment = assignment
        self._one_at_a_time = asyncio.Lock()
        """So that an older commit never arrives after a newer one."""

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Note and commit these, where they differ from what is committed.

        A commit that Kafka does not take in some seconds is logged and no loss: its records come again, and the ledger knows them.

        Raises:
            Exception: what comes out of the handler; nothing was committed.
        """
        async with self._one_at_a_time:
            committed = self._assignment.committed
            news = {partition: offset for partition, offset in self._to_commit(offsets).items() if committed.get(partition) != offset}
            if not news:
                return
            crashpoints.reached("commit.before")
            await self._handler.note_offsets(news, self._assignment.lost)
            crashpoints.reached("commit.noted")
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    await self._consumer.commit(self._with_lost(news))
            except (KafkaError, TimeoutError) as error:
                log.warning("offset_commit_failed", group=self._group, error=type(error).__name__)
            else:
                self._assignment.committed.update(news)
                crashpoints.reached("commit.after")

    async def commit_last(self, offsets: Mapping[TopicPartition, int], limit_s: float) -> None:
        """As `commit`, before partitions go: for a limited time, whatever does not answer, handler or Kafka."""
        try:
            async with asyncio.timeout(limit_s):
                await self.commit(offsets)
        except TimeoutError:
            log.warning("offset_commit_failed", group=self._group, error=TimeoutError.__name__)

    def _to_commit(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """These offsets, but where Kafka has no commit of a partition yet, where it started: that has to be the first one. The ledger is
        written before; were it further on then, and Kafka did not take the commit, the group's offsets would seem lost.
        """
        first = self._assignment.first_commits
        return {
            partition: first[partition] if partition in first and partition not in self._assignment.committed else offset
            for partition, offset in offsets.items()
        }

    def _with_lost(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, Any]:
        """Each offset with how many records of its partition were lost, for whoever looks from outside."""
        return {partition: commit_of(offset, self._assignment.lost.get(partition, 0)) for partition, offset in offsets.items()}
