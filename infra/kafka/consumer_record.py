"""A record as the Kafka client hands it out, as far as our code reads it: aiokafka's class has no types of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from schemas.headers import RawHeaders


class ConsumerRecord(Protocol):
    """What every consumer here reads of a record (aiokafka's `ConsumerRecord` has it, and more)."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: RawHeaders
    timestamp: int
    """In ms since 1970: when the producer made the record, or the broker took it, as the topic is set."""


def written_at(record: ConsumerRecord) -> datetime:
    """The time on a record.

    Raises:
        ValueError, OverflowError, OSError: it lies beyond all calendars.
    """
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)
