"""What the gateway said of itself last, for whoever cannot ask it: out of its heartbeats, without keeping any."""

from __future__ import annotations

import asyncio
import time
from itertools import chain
from typing import Final

from aiokafka import AIOKafkaConsumer
from pydantic import ValidationError

from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.diagnosis import why_unreachable
from infra.kafka.reading import looking
from infra.settings import KafkaSettings
from schemas import heartbeats, topics
from schemas.heartbeats import Heartbeat, ProcessKind

FRESH_S: Final = 30.0
"""Six heartbeats; what is older says nothing of now. By the broker's clock against that of this machine."""
_LIMIT_S: Final = 8.0
_POLL_MS: Final = 300


async def last_said(settings: KafkaSettings) -> Heartbeat | None:
    """The last heartbeat of a gateway that runs; None where none came within `FRESH_S`, or the last one says that it stops.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed, kafka-not-allowed.
    """
    try:
        async with asyncio.timeout(_LIMIT_S), looking(settings, [topics.HEARTBEATS]) as consumer:
            return _last([record for record in await _since(consumer, int((time.time() - FRESH_S) * 1000)) if record.value])
    except TimeoutError:
        raise await why_unreachable(settings) from None


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


def _last(records: list[ConsumerRecord]) -> Heartbeat | None:
    """Of several gateways the one that was heard last."""
    last: Heartbeat | None = None
    for record in sorted(records, key=lambda record: record.timestamp):
        try:
            said = heartbeats.read(record.value or b"")
        except ValidationError:
            continue
        if said.process is ProcessKind.GATEWAY:
            last = None if said.stopping else said
    return last
