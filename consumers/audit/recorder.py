"""Audit, first version: every submission and every status event, each recorded once, whatever crashes or comes twice.

What is recorded is who, what, when and where: ids, codes, times and positions, never content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from infra.kafka import order
from infra.kafka.records import EventRecord, SubmissionRecord, read_any
from infra.kafka.stored_reader import StoredReader, Tables
from infra.settings import KafkaSettings, StoreSettings
from infra.stores import Store, UtcDateTime, add_missing_columns, insert_new
from schemas import topics
from schemas.events import State
from schemas.hotline import hotline_code

_NAME: Final = "audit"
_AT_ONCE: Final = 10_000

metadata = sa.MetaData()
_tables = Tables.on(metadata)
_submission = sa.Table(
    "audit_submission",
    metadata,
    sa.Column("submission", sa.Uuid, primary_key=True),
    sa.Column("hotline_code", sa.Text),
    sa.Column("case", sa.Text, nullable=False),
    sa.Column("city", sa.Text, nullable=False),
    sa.Column("office", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("portal", sa.Text, nullable=False),
    sa.Column("test", sa.Boolean, nullable=False),
    sa.Column("accepted_at", UtcDateTime, nullable=False),
    sa.Column("published_at", UtcDateTime, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("size_bytes", sa.Integer, nullable=False),
)
_by_code = sa.Index("audit_submission_hotline_code", _submission.c.hotline_code)
_by_case = sa.Index("audit_submission_case", _submission.c.case)
_event = sa.Table(
    "audit_event",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("submission", sa.Uuid, nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("office", sa.Text, nullable=False),
    sa.Column("reference", sa.Text),
    sa.Column("reason", sa.Text),
    *order.columns(),
)

Row = SubmissionRecord | EventRecord


def _apply(connection: sa.Connection, rows: Sequence[Row]) -> None:
    insert_new(connection, _submission, [_submission_row(row) for row in rows if isinstance(row, SubmissionRecord)])
    insert_new(connection, _event, [_event_row(row) for row in rows if isinstance(row, EventRecord)])


def _submission_row(record: SubmissionRecord) -> dict[str, Any]:
    return asdict(record) | {"hotline_code": hotline_code(record.submission)}


def _event_row(record: EventRecord) -> dict[str, Any]:
    event, data = record.event, record.event.data
    return {
        "id": event.id, "submission": data.submission, "state": data.state.value, "at": event.time, "office": data.office,
        "reference": data.reference, "reason": data.reason, **order.values(record),
    }  # fmt: skip


def open_store(settings: StoreSettings) -> Store:
    """The audit store."""
    return Store(settings, _NAME, metadata, migrations=(_add_columns, _add_columns, _tables.migrate, _add_codes))


def _add_columns(connection: sa.Connection) -> None:
    """Run twice: earlier versions lacked the reasons, later ones the positions."""
    add_missing_columns(connection, _event)


def _add_codes(connection: sa.Connection) -> None:
    """Submissions that an earlier version recorded can be found by code and by case, too."""
    add_missing_columns(connection, _submission)
    for index in (_by_code, _by_case):
        index.create(connection, checkfirst=True)
    set_code = _submission.update().where(_submission.c.submission == sa.bindparam("id")).values(hotline_code=sa.bindparam("code"))
    without = sa.select(_submission.c.submission).where(_submission.c.hotline_code.is_(None)).limit(_AT_ONCE)
    while found := connection.execute(without).scalars().all():
        connection.execute(set_code, [{"id": one, "code": hotline_code(one)} for one in found])


def is_here(settings: StoreSettings) -> bool:
    """Whether there is an audit to look into; opening one that is not would make an empty one."""
    return settings.may_have(_NAME)


def reader(kafka: KafkaSettings, store: Store, offices: Sequence[str]) -> StoredReader[Row]:
    """The consumer that fills the audit store."""
    return StoredReader[Row](
        kafka, store, _tables, group=topics.GROUP_AUDIT, topics=topics.recorded(offices), decode=read_any, apply=_apply,
        begin_again=lambda connection, partition: order.begin_again(connection, _event, partition),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One step of a submission's way."""

    what: str
    at: datetime
    where: str
    office: str


def submissions_of(store: Store, *, code: str | None = None, case: str | None = None) -> list[UUID]:
    """The submissions with this hotline code, or of this case, in the order in which they were accepted."""
    wanted = _submission.c.hotline_code == code if code is not None else _submission.c.case == case
    query = sa.select(_submission.c.submission).where(wanted).order_by(_submission.c.accepted_at, _submission.c.offset)
    return list(store.read_now(lambda connection: connection.execute(query).scalars()))


def trace(store: Store, submission_id: UUID) -> list[TraceStep]:
    """The way of a submission, first step first, its state last; empty when the audit does not know it."""

    def operation(connection: sa.Connection) -> list[TraceStep]:
        submission = connection.execute(sa.select(_submission).where(_submission.c.submission == submission_id)).mappings().one_or_none()
        if submission is None:
            return []
        events = order.in_order(connection.execute(sa.select(_event).where(_event.c.submission == submission_id)).mappings())
        return [
            TraceStep("submitted", submission["accepted_at"], f"by {submission['portal']}", submission["office"]),
            TraceStep(
                "published",
                submission["published_at"],
                f"{submission['topic']}, partition {submission['partition']}, offset {submission['offset']}",
                submission["office"],
            ),
            *(TraceStep(event["state"], event["at"], _where(event), event["office"]) for event in events),
        ]

    return store.read_now(operation)


def _where(event: sa.RowMapping) -> str:
    known = (event["office"], event["reference"] and f"reference {event['reference']}", event["reason"])
    return ", ".join(part for part in known if part)


def recorded(store: Store) -> set[UUID]:
    """Ids of all recorded submissions."""
    return store.read_now(lambda connection: set(connection.execute(sa.select(_submission.c.submission)).scalars()))


def told(store: Store, state: State) -> set[UUID]:
    """Ids of the submissions of which this state is on record."""
    query = sa.select(_event.c.submission).where(_event.c.state == state)
    return store.read_now(lambda connection: set(connection.execute(query).scalars()))
