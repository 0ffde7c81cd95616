"""A look of its own, for commands where no watch answers: the same collector and judge, with nothing remembered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Final

from aiokafka import AIOKafkaConsumer
from pydantic import ValidationError

from consumers.watch.hearing import Hearing
from consumers.watch.look import Looks
from consumers.watch.memory import Memory
from consumers.watch.observed import Observation
from consumers.watch.snapshot import Snapshot
from infra.kafka.consumer_record import ConsumerRecord, written_at
from infra.kafka.reading import looking, read_all
from infra.settings import KafkaSettings
from schemas import heartbeats, operations, topics
from schemas.catalogue.expected import Expected
from schemas.errors import CannotTell

_HEARD_S: Final = 120.0
"""Heartbeats so old are read: whoever works has said so many times since."""
_STALE_S: Final = 10.0
"""As between two looks of a watch: a third of the age at which things are not known any more."""
_LIMIT_S: Final = 8.0
_POLL_MS: Final = 300


async def look_once(kafka: KafkaSettings, expected: Mapping[str, Expected]) -> tuple[Observation, Snapshot]:
    """What can be told at this moment, within some seconds; the interval of the snapshot is 0. Raises nothing of Kafka's: the snapshot says why
    it cannot be asked.
    """
    hearing = Hearing(expected)
    looks = Looks(kafka, expected, hearing, _STALE_S, Memory())
    heard_at = await _hear(kafka, hearing)
    try:
        seen, snapshot = await looks.look(lambda: heard_at)
        return seen, replace(snapshot, interval_s=0)
    finally:
        await looks.close()


async def _hear(kafka: KafkaSettings, hearing: Hearing) -> datetime | None:
    """Read what was said; when all of it was read, or None where it could not be."""
    noted: list[ConsumerRecord] = []
    try:
        async with asyncio.timeout(_LIMIT_S):
            async with looking(kafka, [topics.HEARTBEATS]) as consumer:
                said = await _since(consumer, int((time.time() - _HEARD_S) * 1000))
            await read_all(kafka, [topics.OPERATIONS], noted.append)
    except (CannotTell, TimeoutError):
        return None
    for record in sorted(said, key=lambda record: record.timestamp):
        try:
            hearing.hear(heartbeats.read(record.value or b""), written_at(record))
        except ValidationError:  # of another version
            continue
    for record in sorted(noted, key=lambda record: (record.timestamp, record.partition, record.offset)):
        try:
            hearing.note(operations.read(record.value or b""), written_at(record))
        except ValidationError:
            continue
    return datetime.now(UTC)


async def _since(consumer: AIOKafkaConsumer, since_ms: int) -> list[ConsumerRecord]:
    """What was written since then, and is there now."""
    partitions = sorted(consumer.assignment())
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, since_ms)) if partitions else {}
    starts = {partition: there.offset for partition, there in found.items() if there is not None}
    consumer.pause(*(set(partitions) - starts.keys()))
    for partition, offset in starts.items():
        consumer.seek(partition, offset)
    ends = await consumer.end_offsets(list(starts)) if starts else {}
    records: list[ConsumerRecord] = []
    while any([await consumer.position(partition) < end for partition, end in ends.items()]):
        records += chain.from_iterable((await consumer.getmany(timeout_ms=_POLL_MS)).values())
    return records
