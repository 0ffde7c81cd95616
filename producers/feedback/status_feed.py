"""The status feed: reads the events of all cities into the outbox's store, in one transaction with how far it has read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from aiokafka import TopicPartition

from infra.kafka import order
from infra.kafka.records import EventRecord, read_event
from infra.kafka.sink import Sink
from infra.kafka.stored_reader import StoredReader
from infra.rows import insert_new
from infra.settings import KafkaSettings
from infra.stores import Store
from producers.outbox.tables import READER_TABLES, status
from producers.outbox.usage import forget_content_of
from schemas import topics


def status_feed(kafka: KafkaSettings, store: Store, cities: Iterable[str]) -> StoredReader[EventRecord]:
    """The reader of these cities' events; whoever made it runs it."""
    return StoredReader[EventRecord](
        kafka,
        store,
        Sink(READER_TABLES, decode=read_event, apply=store_events, begin_again=begin_again),
        group=topics.GROUP_STATUS,
        topics=[topics.events(city) for city in cities],
    )


def store_events(connection: sa.Connection, records: Sequence[EventRecord]) -> None:
    """Store status events, each once, and let go of the content of what ends by them.

    Called by the reader within its transaction; the same events may come again.
    """
    insert_new(connection, status, [_row_of(record) for record in records])
    ended = [record.event.data.submission for record in records if record.event.data.state.once]
    if ended:
        forget_content_of(connection, ended)


def _row_of(record: EventRecord) -> dict[str, object]:
    event = record.event
    return {
        "event_id": event.id,
        "office": event.data.office,
        "submission_id": event.data.submission,
        "state": event.data.state.value,
        "at": event.time,
        "reference": event.data.reference,
        "reason": event.data.reason,
        "next_try_at": event.data.next_try_at,
        "final": event.data.final,
        **order.values(record),
    }


def begin_again(connection: sa.Connection, partition: TopicPartition) -> None:
    """Count what is stored of this partition as before all that comes. Called by the reader where the log behind it is another one."""
    order.begin_again(connection, status, partition)
