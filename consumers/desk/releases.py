"""What the processes of an office hold, as their heartbeats say, and its release by an operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from consumers.desk.operations import write_down
from infra.kafka.admin import require_topics
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.reading import read_all
from infra.settings import KafkaSettings
from schemas import heartbeats, topics
from schemas.heartbeats import HeldSeries
from schemas.operations import Operation, OperatorAction


@dataclass(frozen=True, slots=True)
class Held:
    """A series that one process holds, as it said at a moment."""

    instance: str
    said_at: datetime
    series: HeldSeries


async def held(kafka: KafkaSettings, office: str, portal: str | None = None, cause: str | None = None) -> Sequence[Held]:
    """What the processes of an office hold: all of it, or what is of this portal, of this cause, or of both.

    Raises:
        UsageError: topics-missing.
        CannotTell: kafka-unreachable.
    """
    await require_topics(kafka, [topic for topic in topics.of_bus() if topic.name == topics.HEARTBEATS])
    last: dict[bytes | None, ConsumerRecord] = {}
    await read_all(kafka, [topics.HEARTBEATS], lambda record: last.update({record.key: record}))
    said = [one for record in last.values() for one in _held_by(record, office)]
    return [one for one in said if portal in (None, one.series.portal) and cause in (None, one.series.cause)]


def _held_by(record: ConsumerRecord, office: str) -> list[Held]:
    try:
        heartbeat = heartbeats.read(record.value or b"")
    except ValidationError:
        return []
    if heartbeat.office != office or heartbeat.stopping or record.key != heartbeat.instance.encode():
        return []
    return [Held(heartbeat.instance, heartbeat.at, series) for series in heartbeat.held]


async def release(kafka: KafkaSettings, actor: str, office: str, portal: str | None, cause: str | None, reason: str) -> None:
    """Write down that a person has looked; the processes of the office read it there and open what is held.

    Raises:
        UsageError: topics-missing.
        CannotTell: operation-not-recorded, kafka-unreachable, kafka-failed.
    """
    about = Operation(
        at=datetime.now(UTC), actor=actor, action=OperatorAction.RELEASE, office=office, reason=reason, portal=portal, fingerprint=cause
    )
    await write_down(kafka, about)
