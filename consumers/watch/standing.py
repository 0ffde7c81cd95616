"""How far offices are at this moment, without a verdict: for the demo's screen, and for those who wait until nothing is under way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from consumers.watch.collector import Collector
from consumers.watch.watched import all_watched
from infra.kafka.survey import surveying
from infra.settings import KafkaSettings
from schemas import problems, topics
from schemas.errors import CannotTell


@dataclass(frozen=True, slots=True)
class Standing:
    """One office."""

    behind: int
    """Accepted and neither finished nor set aside."""
    parked: int
    oldest_at: datetime | None
    """Of those behind; None where none is."""
    group_state: str
    members: int


async def of_offices(kafka: KafkaSettings, offices: Sequence[str]) -> dict[str, Standing]:
    """How each of these stands.

    Raises:
        CannotTell: kafka-unreachable, kafka-not-allowed; kafka-failed where not all of it is answered.
    """
    collector = Collector([one for one in all_watched(offices, {}) if one.name in offices])
    async with surveying(kafka, "stadtbus-standing") as survey:
        await collector.look(survey)
    return {office: _standing(kafka, collector, office) for office in offices}


def _standing(kafka: KafkaSettings, collector: Collector, office: str) -> Standing:
    group, seen = collector.groups[office], collector.partitions[office].values()
    if fault := next((fault for fault in (group.fault, *(one.fault for one in seen)) if fault is not None), None):
        raise CannotTell(problems.KAFKA_FAILED, f"{office}: {fault}", where=kafka.bootstrap)
    waiting = [one for one in seen if not topics.is_retry(one.topic)]
    return Standing(
        behind=sum(one.lag for one in waiting),
        parked=sum(one.lag for one in seen if topics.is_retry(one.topic)),
        oldest_at=min((one.oldest_at for one in waiting if one.oldest_at is not None), default=None),
        group_state=group.state,
        members=len(group.members),
    )
