"""What the outbox of this machine knows as published and nobody will deliver: held against how far each office has come on Kafka (docs/decisions/0019)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from aiokafka import TopicPartition

from consumers.watch.collector import Collector
from consumers.watch.observed import PartitionSeen
from consumers.watch.watched import all_watched
from infra.kafka.survey import surveying
from producers.outbox import accounting
from producers.outbox.accounting import Reach
from schemas import topics
from schemas.errors import CannotTell

if TYPE_CHECKING:
    from infra.settings import KafkaSettings
    from infra.stores import Store
    from schemas.catalogue.expected import Expected

_LIMIT_S: Final = 10.0

Seen = Mapping[TopicPartition, PartitionSeen]


async def unaccounted(kafka: KafkaSettings, expected: Mapping[str, Expected], store: Store) -> dict[str, int]:
    """By office, how many were published and will not be delivered, although nothing has become of them; empty where that cannot be told now:
    Kafka does not answer, or the status feed has not read yet all that it would be known by. `expected` has all offices.

    Raises:
        CannotTell: store-unreachable.
    """
    # The outbox first and last: what is published or ends meanwhile is then not taken for lost.
    before = await asyncio.to_thread(accounting.snapshot, store)
    if not (before.ends or before.set_aside):
        return {}
    collector = Collector(all_watched(sorted(expected), expected))
    try:
        async with asyncio.timeout(_LIMIT_S), surveying(kafka, "stadtbus-accounts") as survey:
            await collector.look(survey)
    except (CannotTell, TimeoutError):
        return {}
    feed = collector.partitions.get(topics.GROUP_STATUS, {})
    if not _told(feed) or any(one.lag for one in feed.values()):
        return {}
    reaches = {office: reach for office in expected if (reach := _reach(office, collector.partitions.get(office, {})))}
    return await asyncio.to_thread(accounting.unaccounted, store, before, reaches)


def _reach(office: str, seen: Seen) -> Reach | None:
    """How far an office has come in its topics; None unless every partition has told."""
    if not _told(seen):
        return None
    mine = [one for one in seen.values() if one.topic == topics.submissions(office)]
    parked = sum(one.lag for one in seen.values() if one.topic == topics.retry(office))
    return Reach(
        {one.partition: max(one.committed or 0, one.start) for one in mine}, {one.partition: one.end for one in mine}, parked
    )  # fmt: skip


def _told(seen: Seen) -> bool:
    return bool(seen) and all(one.as_of is not None and one.fault is None for one in seen.values())
