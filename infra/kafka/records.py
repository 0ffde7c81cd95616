"""What consumers read out of Kafka records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from infra.kafka.stored_reader import Unreadable
from schemas import headers, topics
from schemas.events import StatusEvent
from schemas.headers import Header


@dataclass(frozen=True, slots=True)
class SubmissionRecord:
    """A submission as audit and statistics see it: headers and size, never the content."""

    submission: UUID
    case: str
    city: str
    office: str
    service: str
    portal: str
    test: bool
    accepted_at: datetime
    published_at: datetime
    topic: str
    partition: int
    offset: int
    size_bytes: int


def read_submission(record: Any) -> SubmissionRecord:
    """The headers of a record on a submissions topic.

    Raises:
        Unreadable: a header is missing or malformed, named.
    """
    meta = headers.decode(record.headers)
    if any("\0" in value for value in meta.values()):  # no database takes it
        raise Unreadable("a header holds a NUL")
    try:
        return SubmissionRecord(
            submission=UUID(meta[Header.SUBMISSION]),
            case=meta[Header.CASE],
            city=meta[Header.CITY],
            office=meta[Header.OFFICE],
            service=meta[Header.SERVICE],
            portal=meta[Header.PORTAL],
            test=meta.get(Header.TEST) == "true",
            accepted_at=_moment(meta[Header.ACCEPTED_AT]),
            published_at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            size_bytes=len(record.value or b""),
        )
    except KeyError as error:
        raise Unreadable(f"header {error} is missing") from None
    except ValueError:
        raise Unreadable("a header is malformed") from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without zone")
    return moment


def read_event(record: Any) -> StatusEvent:
    """The event in a record on an events topic. A city speaks of its own submissions only.

    Raises:
        Unreadable: it is not a status event, or one of another city.
    """
    try:
        event = StatusEvent.model_validate_json(record.value or b"")
    except ValidationError as error:
        raise Unreadable(f"not a status event: {error.errors(include_input=False)[0]['type']}") from None
    if topics.events(event.data.city) != record.topic or event.data.office.partition(".")[0] != event.data.city:
        raise Unreadable("an event of another city")
    return event


def read_any(record: Any) -> SubmissionRecord | StatusEvent:
    """Whatever audit and statistics read: a submission or an event, by topic.

    Raises:
        Unreadable: see above.
    """
    return read_event(record) if topics.is_events(record.topic) else read_submission(record)
