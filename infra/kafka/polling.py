"""Reading assigned partitions so that one that cannot be read stops no other.

The client raises what it finds in a partition (a corrupt batch, a codec that it does not know, a topic that it may not read) without
saying which one, and drops with it what it was about to hand out of the others. So all are sought back to where they stood, and read one
by one until the bad one is found. That is left out, and tried again from time to time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    KafkaError,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
)

from infra import metrics
from infra.kafka.consumer_record import ConsumerRecord

log = structlog.get_logger()

_OF_A_PARTITION: Final = (CorruptRecordException, RecordTooLargeError, TopicAuthorizationFailedError, UnsupportedCodecError)
"""Of the client's own errors; all others are of a codec or of Python, which found something else than it expected."""
_ONE_BY_ONE_S: Final = 5.0
"""Within it a fetch is answered, and the bad partition has shown itself."""
_FIRST_PAUSE_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 60.0
_POSITION_PATIENCE_S: Final = 1.0
_SHOWN: Final = 3
_NOWHERE: Final = TopicPartition("", 0)
"""Has no records; to ask for no partition at all means all of them."""


@dataclass(slots=True)
class Trouble:
    """A partition that cannot be read."""

    offset: int
    error: str
    since: str
    """In UTC."""
    pause_s: float
    again_s: float
    """When it is tried again, on the monotonic clock."""
    trying: bool = False


class Polling:
    """The reading side of one consumer. Its reader calls `poll` again and again, one call at a time; nobody else may fetch with the
    consumer. `troubles` may be read at any time.
    """

    def __init__(self, consumer: AIOKafkaConsumer, group: str) -> None:
        self._consumer = consumer
        self._group = group
        self._one_by_one_until_s = 0.0
        self.troubles: dict[TopicPartition, Trouble] = {}

    async def poll(
        self, positions: Mapping[TopicPartition, int], *, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, Sequence[ConsumerRecord]]:
        """Records of these assigned partitions, each wanted from this offset on; after `timeout_ms` none, where there are none. Where one
        of them cannot be read, the others' records come all the same, some seconds later, and it is left out for a while.

        The first record of a batch may be before the offset wanted: the log was cut, and the client went back to its first record.

        Raises:
            KafkaError: the trouble is not of one partition. Records may be lost to this consumer; the caller begins anew with another one.
        """
        now_s = time.monotonic()
        self._begin_tries(positions, now_s)
        partitions = [partition for partition in positions if self._is_wanted(partition)]
        if not partitions:  # the client leaves its group when nobody asks it for minutes
            return dict(await self._consumer.getmany(_NOWHERE, timeout_ms=timeout_ms))
        if now_s < self._one_by_one_until_s:
            return await self._one_by_one(partitions, positions, timeout_ms, max_records)
        self._forget_mended()
        return await self._all_at_once(partitions, positions, timeout_ms, max_records)

    def check(self) -> str | None:
        """Which partitions cannot be read, since when and why; None where all can."""
        named = [
            f"{topic}/{number} cannot be read at offset {trouble.offset} since {trouble.since} ({trouble.error})"
            for (topic, number), trouble in sorted(self.troubles.items())
        ]
        more = f"; {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        return "; ".join(named[:_SHOWN]) + more if named else None

    async def position(self, partition: TopicPartition) -> int | None:
        """Where the client goes on, also over what holds no records; None while it is asking Kafka, or partitions move."""
        try:
            async with asyncio.timeout(_POSITION_PATIENCE_S):
                return int(await self._consumer.position(partition))
        except (TimeoutError, KafkaError):
            return None

    def forget(self) -> None:
        """Forget which partitions cannot be read, because they move. Called when partitions are revoked."""
        self.troubles.clear()
        self._count()

    def _begin_tries(self, positions: Mapping[TopicPartition, int], now_s: float) -> None:
        """Those whose pause is over are read again."""
        for partition, trouble in self.troubles.items():
            if partition in positions and not trouble.trying and now_s >= trouble.again_s:
                trouble.trying = True
                self._seek(partition, positions[partition])
                self._one_by_one_until_s = now_s + _ONE_BY_ONE_S

    def _is_wanted(self, partition: TopicPartition) -> bool:
        return partition not in self.troubles or self.troubles[partition].trying

    async def _all_at_once(
        self, partitions: Sequence[TopicPartition], positions: Mapping[TopicPartition, int], timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, Sequence[ConsumerRecord]]:
        began_s = time.monotonic()
        try:
            return dict(await self._consumer.getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records))
        except Exception as error:
            if not _of_a_partition(error):
                raise
            for partition in partitions:
                self._seek(partition, positions[partition])
            self._one_by_one_until_s = began_s + _ONE_BY_ONE_S
            return {}

    async def _one_by_one(
        self, partitions: Sequence[TopicPartition], positions: Mapping[TopicPartition, int], timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, Sequence[ConsumerRecord]]:
        batches = {}
        for partition in partitions:
            if records := await self._up_to_trouble(partition, positions[partition], max_records):
                batches[partition] = records
        if not batches:
            await asyncio.sleep(timeout_ms / 1000)
        return batches

    async def _up_to_trouble(self, partition: TopicPartition, offset: int, max_records: int) -> Sequence[ConsumerRecord]:
        """What can be read of a partition, record by record: an error drops all that the same call has read."""
        records: list[ConsumerRecord] = []
        try:
            while len(records) < max_records and (more := await self._consumer.getmany(partition, timeout_ms=0, max_records=1)):
                records += more[partition]
        except Exception as error:
            if not _of_a_partition(error):
                raise
            if records:  # it shows itself again behind these
                self._seek(partition, records[-1].offset + 1)
            else:
                self.leave_out(partition, offset, type(error).__name__)
        return records

    def leave_out(self, partition: TopicPartition, offset: int, error: str) -> None:
        """Leave this partition out from this offset on, and try it again after 5 s, then after pauses that double up to a minute. Called by
        the reader, too, when it cannot store what the partition holds.
        """
        before = self.troubles.get(partition)
        pause_s = _FIRST_PAUSE_S if before is None else min(_LONGEST_PAUSE_S, 2 * before.pause_s)
        since = datetime.now(UTC).isoformat(timespec="seconds") if before is None else before.since
        self.troubles[partition] = Trouble(offset, error, since, pause_s, time.monotonic() + pause_s)
        self._seek(partition, offset)
        self._count()
        log.error(
            "partition_unreadable", group=self._group, topic=partition.topic, partition=partition.partition, offset=offset, error=error,
            since=since, next_try_s=pause_s,
        )  # fmt: skip

    def _forget_mended(self) -> None:
        """Those that were tried for long enough, and had nothing to complain of."""
        mended = [partition for partition, trouble in self.troubles.items() if trouble.trying]
        for partition in mended:
            del self.troubles[partition]
        if mended:
            self._count()

    def _seek(self, partition: TopicPartition, offset: int) -> None:
        """Back to what is wanted: after an error the client's own position is behind what it has dropped."""
        if partition in self._consumer.assignment():
            self._consumer.seek(partition, offset)

    def _count(self) -> None:
        metrics.PARTITIONS_UNREADABLE.labels(self._group).set(len(self.troubles))


def _of_a_partition(error: Exception) -> bool:
    return isinstance(error, _OF_A_PARTITION) or not isinstance(error, KafkaError | ConsumerStoppedError)
