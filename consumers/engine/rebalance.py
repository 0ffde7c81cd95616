"""What happens when partitions are assigned and revoked.

Assigned: forget what is left of before; the handler fences off whoever had them and says what it knows; where each starts is found out
and noted durably; then the pipeline starts, and where Kafka had no commit the start is committed.

Revoked, and the same when the process stops: begin nothing new; finish what was begun and what lies before it, for a limited time; cut
off the rest (its outcome is unclear, the ledger knows); commit once more what is finished.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from consumers.engine.assignment import Assignment
from consumers.engine.commits import Commits
from consumers.engine.core import CaseState
from consumers.engine.handler import Handler
from consumers.engine.pipeline import Pipeline, TaskEnded
from consumers.engine.starts import LedgerPosition, Start, start_of
from consumers.engine.topic_watch import TopicWatch
from infra.cancellation import is_own_cancellation
from infra.kafka.cluster import logs_of
from infra.kafka.polling import Polling
from schemas import problems, topics
from schemas.errors import UsageError

_SHARE_OF_DRAIN: Final = 2 / 3
_SHARE_OF_COMMIT: Final = 1 / 5
"""The rest is for deliveries that have to be cut off (`consumers.engine.workers`)."""


class Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    """Starts and stops the pipeline as one consumer is assigned partitions. aiokafka rebalances eagerly: all are revoked before any are
    assigned.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        polling: Polling,
        handler: Handler[Any],
        pipeline: Pipeline[Any],
        commits: Commits,
        assignment: Assignment,
        topic_watch: TopicWatch,
        *,
        limit_s: float,
    ) -> None:
        """Draining revoked partitions takes no longer than `limit_s`: the other members of the group wait for it."""
        self._consumer = consumer
        self._polling = polling
        self._handler = handler
        self._pipeline = pipeline
        self._commits = commits
        self._assignment = assignment
        self._topic_watch = topic_watch
        self._limit_s = limit_s
        self.failure: Exception | None = None
        """What has failed when partitions were assigned: the client would swallow it, so the engine has to raise it."""

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Called by the client's own task before it joins a new generation of its group; none are revoked at the first time."""
        if revoked:
            await self.drain(self._limit_s)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Called by the client's own task when it has joined; the next rebalance waits until this returns."""
        await self.forget()  # else something of before would begin work under the new epoch of the ledger, or under none
        partitions = sorted(assigned)
        try:
            known, cases = await self._handler.on_assigned(partitions)
            starts = await self._find_starts(partitions, known)
            await self._handler.note_starts(starts)
        except BaseException as error:
            if is_own_cancellation(error):
                raise
            self.failure = error if isinstance(error, Exception) else TaskEnded("on_assigned")
        else:
            self._start(starts, cases)
            await self._commits.commit(self._assignment.first_commits)

    def _start(self, starts: Mapping[TopicPartition, Start], cases: Mapping[bytes, CaseState]) -> None:
        self._assignment.on_assigned(starts)
        offsets = {partition: start.offset for partition, start in starts.items()}
        for partition, offset in offsets.items():
            self._consumer.seek(partition, offset)  # whatever was fetched for an earlier assignment comes again
        self._pipeline.start(offsets, [partition for partition in offsets if topics.is_retry(partition.topic)], cases)

    async def _find_starts(
        self, partitions: Sequence[TopicPartition], known: Mapping[TopicPartition, LedgerPosition]
    ) -> dict[TopicPartition, Start]:
        """Where each partition starts, by what the handler, the group's commits and the logs say (`consumers.engine.starts`).

        Raises:
            CannotTell: offsets-lost, log-shortened, topic-replaced.
            UsageError: topics-missing.
            KafkaError: not all that is asked answer.
        """
        found = await self._topic_watch.look(self._consumer)
        if gone := {partition.topic for partition in partitions} - found.keys():
            raise UsageError(problems.TOPICS_MISSING, ", ".join(sorted(gone)))
        logs = await logs_of(self._consumer, partitions, found)
        return {
            partition: start_of(partition, known[partition], await self._consumer.committed(partition), logs[partition])
            for partition in partitions
        }

    async def drain(self, limit_s: float) -> None:
        """Partitions go away, or the process stops: finish what was begun, forget the rest, commit once; all of it, whatever does not
        answer, within this limit.
        """
        try:
            await self._pipeline.drain(limit_s * _SHARE_OF_DRAIN)
        finally:
            offsets = await self.forget()
        await self._commits.commit_last(offsets, limit_s * _SHARE_OF_COMMIT)

    async def forget(self) -> dict[TopicPartition, int]:
        """No partition is ours any more, whatever runs; what of them may be committed."""
        self._polling.forget()
        return await self._pipeline.close()
