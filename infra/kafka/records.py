"""What consumers read out of Kafka records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from pydantic import ValidationError

from infra.kafka.consumer_record import ConsumerRecord, written_at
from infra.kafka.sink import UnreadableRecord
from schemas import events, headers, probes, topics
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
    hotline_code: str | None = None
    """None in records of versions whose codes followed from the id."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A status event, and its position in the log, by which the events of a submission are ordered (`infra.kafka.order`)."""

    event: StatusEvent
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """A probe on a submissions topic (`schemas.probes`): nothing of it is recorded or counted."""


AnyRecord = SubmissionRecord | EventRecord | ProbeRecord


def read_submission(record: ConsumerRecord) -> SubmissionRecord:
    """The headers of a record on a submissions topic.

    Raises:
        UnreadableRecord: a header is missing or malformed, named.
    """
    meta = headers.decode(record.headers)
    if any("\0" in value for value in meta.values()):  # no database takes it
        raise UnreadableRecord("a header holds a NUL")
    try:
        return _submission(record, meta)
    except KeyError as error:
        raise UnreadableRecord(f"header {error} is missing") from None
    except (ValueError, OverflowError):
        raise UnreadableRecord("a header is malformed") from None


def _submission(record: ConsumerRecord, meta: Mapping[str, str]) -> SubmissionRecord:
    return SubmissionRecord(
        submission=UUID(meta[Header.SUBMISSION]),
        case=meta[Header.CASE],
        city=meta[Header.CITY],
        office=meta[Header.OFFICE],
        service=meta[Header.SERVICE],
        portal=meta[Header.PORTAL],
        test=meta.get(Header.TEST) == "true",
        accepted_at=_moment(meta[Header.ACCEPTED_AT]),
        published_at=written_at(record),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        size_bytes=len(record.value or b""),
        hotline_code=_code(meta),
    )


def _code(meta: Mapping[str, str]) -> str | None:
    """Raises:
    ValueError: it is none.
    """
    code = meta.get(Header.HOTLINE_CODE)
    if code is not None and not headers.fits(Header.HOTLINE_CODE, code):
        raise ValueError("no hotline code")
    return code


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without zone")
    return moment.astimezone(UTC)


def read_event(record: ConsumerRecord) -> EventRecord:
    """The event in a record on an events topic. A city speaks of its own submissions only.

    Raises:
        UnreadableRecord: it is not a status event that this version knows, or one of another city.
    """
    try:
        event = events.read(record.value or b"")
    except ValidationError as error:
        raise UnreadableRecord(f"not a status event: {_first(error)}") from None
    data = event.data
    if topics.events(data.city) != record.topic or data.office.partition(".")[0] != data.city:
        raise UnreadableRecord("an event of another city")
    if any("\0" in (text or "") for text in (data.case, data.service, data.portal, data.reference, data.reason)):
        raise UnreadableRecord("a text holds a NUL")
    try:
        for moment in (event.time, data.next_try_at or event.time):
            moment.astimezone(UTC)
    except OverflowError:
        raise UnreadableRecord("a time that no calendar has") from None
    return EventRecord(event, record.partition, record.offset)


def _first(error: ValidationError) -> str:
    """What is wrong and where, in the words of the schema; names from the record itself are left out."""
    first = error.errors(include_input=False, include_context=False)[0]
    place = ".".join(part for part in first["loc"] if isinstance(part, str))
    return f"{first['type']} at {place}" if place else first["type"]


def read_any(record: ConsumerRecord) -> AnyRecord:
    """Whatever audit and statistics read: an event, by topic; else a submission, or a probe.

    Raises:
        UnreadableRecord: as `read_event` and `read_submission`.
    """
    if topics.is_events(record.topic):
        return read_event(record)
    return ProbeRecord() if probes.is_probe([name for name, _ in record.headers]) else read_submission(record)
