"""What the processes said of themselves last, read from `stadtbus.heartbeats` at one time. For commands that need no running watch."""

from __future__ import annotations

from pydantic import ValidationError

from infra.kafka.admin import require_topics
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.reading import read_all
from infra.settings import KafkaSettings
from schemas import heartbeats, topics
from schemas.heartbeats import Heartbeat


async def last_said(kafka: KafkaSettings) -> list[Heartbeat]:
    """The last heartbeat of each instance, also of those that have ended since; what is none, or speaks for another instance, is passed over.

    Raises:
        UsageError: topics-missing.
        CannotTell: kafka-unreachable.
    """
    await require_topics(kafka, [topic for topic in topics.of_bus() if topic.name == topics.HEARTBEATS])
    last: dict[bytes | None, ConsumerRecord] = {}
    await read_all(kafka, [topics.HEARTBEATS], lambda record: last.update({record.key: record}))
    return [said for record in last.values() if (said := _heartbeat(record)) is not None]


def _heartbeat(record: ConsumerRecord) -> Heartbeat | None:
    try:
        said = heartbeats.read(record.value or b"")
    except ValidationError:
        return None
    return said if record.key == said.instance.encode() else None
