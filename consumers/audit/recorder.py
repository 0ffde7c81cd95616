"""Audit, first version: every submission and every status event, each recorded once, whatever crashes or comes twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from consumers.audit import tables
from infra.kafka import order
from infra.kafka.records import AnyRecord, EventRecord, SubmissionRecord, read_any
from infra.kafka.sink import Sink
from infra.kafka.stored_reader import StoredReader
from infra.rows import insert_new
from infra.settings import KafkaSettings
from infra.stores import Store
from schemas import topics
from schemas.hotline import earlier_code


def reader(kafka: KafkaSettings, store: Store, offices: Sequence[str]) -> StoredReader[AnyRecord]:
    """The consumer that fills the audit store."""
    sink = Sink(
        tables.reader_tables,
        decode=read_any,
        apply=store_rows,
        begin_again=lambda connection, partition: order.begin_again(connection, tables.events, partition),
    )
    return StoredReader(kafka, store, sink, group=topics.GROUP_AUDIT, topics=topics.recorded(offices))


def store_rows(connection: sa.Connection, rows: Sequence[AnyRecord]) -> None:
    """Store what the records say, within the reader's transaction; what is stored already stays as it is."""
    insert_new(connection, tables.submissions, [_submission_row(row) for row in rows if isinstance(row, SubmissionRecord)])
    insert_new(connection, tables.events, [_event_row(row) for row in rows if isinstance(row, EventRecord)])


def _submission_row(record: SubmissionRecord) -> dict[str, Any]:
    return asdict(record) | {"hotline_code": record.hotline_code or earlier_code(record.submission)}


def _event_row(record: EventRecord) -> dict[str, Any]:
    event, data = record.event, record.event.data
    return {
        "id": event.id, "submission": data.submission, "state": data.state.value, "at": event.time, "office": data.office,
        "reference": data.reference, "reason": data.reason, **order.values(record),
    }  # fmt: skip
