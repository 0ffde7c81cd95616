"""The reader: fetches records of the assigned partitions and offers them to the core, as long as there is room for more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Generic

from aiokafka import AIOKafkaConsumer, TopicPartition

from consumers.engine.assignment import Assignment
from consumers.engine.handler import Handler, KafkaCore, WorkT
from consumers.settings import DeliverySettings
from infra import crashpoints
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.polling import Polling
from schemas import problems
from schemas.errors import CannotTell

_POLL_MS: Final = 200
_BATCH: Final = 500
_FULL_PAUSE_S: Final = 1.0
"""So long reading just waits when too much is in flight; then partitions pause, which throws away what was fetched ahead."""


class Reader(Generic[WorkT]):
    """Reads with one consumer.

    Partitions may be revoked and assigned whenever it awaits something; then what was asked for before is not used.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        polling: Polling,
        core: KafkaCore[WorkT],
        handler: Handler[WorkT],
        assignment: Assignment,
        limits: DeliverySettings,
        *,
        may_read: asyncio.Event,
    ) -> None:
        """`may_read` is set by others when there may be room for more."""
        self._consumer = consumer
        self._polling = polling
        self._core = core
        self._handler = handler
        self._assignment = assignment
        self._limits = limits
        self._may_read = may_read

    async def read(self) -> None:
        """One round: poll once, or wait for room for about a second. Called by the task of `Engine.run`, round after round.

        Raises:
            CannotTell: log-shortened.
            OffsetWentBack: a topic was made anew while it was read.
            KafkaError: the client failed, and not because of one partition.
        """
        readable = self._readable()
        if not readable:
            await self._wait_for_room()
            return
        if self._consumer.paused():
            self._consumer.resume(*self._consumer.paused())
        generation = self._core.generation
        positions = {partition: self._core.position(partition) for partition in readable}
        batches = await self._polling.poll(positions, timeout_ms=_POLL_MS, max_records=_BATCH)
        for partition, records in batches.items():
            await self._offer(partition, records, generation)
        for partition in positions.keys() - batches.keys():
            if generation == self._core.generation:
                await self._advance(partition)
        crashpoints.reached("engine.read")

    def _readable(self) -> list[TopicPartition]:
        """Only what is asked for is handed out by the client, so nothing comes of a partition before the pipeline has started with it."""
        if not self._handler.capacity(1):
            return []
        return self._core.readable(self._limits.in_flight, self._limits.in_flight_bytes)

    async def _offer(self, partition: TopicPartition, records: Sequence[ConsumerRecord], generation: int) -> None:
        if generation == self._core.generation:
            await self._count_lost(partition, records[0].offset)
        if generation == self._core.generation:
            self._handler.recognise(self._core.offer(partition, records))
        elif partition in self._core.partitions:  # partitions moved while we waited: it is not known from where these come
            self._consumer.seek(partition, self._core.position(partition))

    async def _count_lost(self, partition: TopicPartition, offset: int) -> None:
        """The log goes on at this offset. What lies between our position and it is gone where it is before the log's first record; within
        the log it was only markers of transactions, and what they took back.
        """
        position, generation = self._core.position(partition), self._core.generation
        if offset <= position:
            return
        first = (await self._consumer.beginning_offsets([partition]))[partition]
        gone = min(first, offset) - position
        if gone > 0 and generation == self._core.generation:
            self._assignment.lose(partition, gone)

    async def _advance(self, partition: TopicPartition) -> None:
        """Nothing came of this partition: go with the client over what holds no records, so that it can be committed.

        Raises:
            CannotTell: log-shortened; the client goes back to the first record where the log ends before its position.
        """
        generation = self._core.generation
        offset = await self._polling.position(partition)
        if offset is None or generation != self._core.generation:
            return
        if offset < (position := self._core.position(partition)):
            raise CannotTell(problems.LOG_SHORTENED, f"partition {partition.partition}: {position} was read", where=partition.topic)
        await self._count_lost(partition, offset)
        if generation == self._core.generation:
            self._core.advance(partition, offset)

    async def _wait_for_room(self) -> None:
        """Short of a second reading just waits, because pausing throws away what was fetched ahead. But the client leaves the group
        when nobody polls for minutes, so then it is polled, for nothing.
        """
        self._may_read.clear()
        try:
            async with asyncio.timeout(_FULL_PAUSE_S):
                await self._may_read.wait()
        except TimeoutError:
            self._consumer.pause(*self._consumer.assignment())
            await self._consumer.getmany(timeout_ms=0)
