"""The audit's tables: who, what, when and where; ids, codes, times and positions, never content."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from infra.kafka import order
from infra.kafka.sink import Tables
from infra.migrations import add_missing_columns
from infra.rows import UtcDateTime
from infra.settings import StoreSettings
from infra.stores import Store
from schemas.hotline import earlier_code

_NAME: Final = "audit"
_BATCH: Final = 10_000

metadata = sa.MetaData()
reader_tables = Tables.on(metadata)
submissions = sa.Table(
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
_by_code = sa.Index("audit_submission_hotline_code", submissions.c.hotline_code)
_by_case = sa.Index("audit_submission_case", submissions.c.case)
events = sa.Table(
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
_by_time = sa.Index("audit_submission_accepted_at", submissions.c.accepted_at)
_by_number = sa.Index("audit_event_reference", events.c.reference)


def open_store(settings: StoreSettings) -> Store:
    """The audit store, made or brought up to date where needed; to be closed by who opens it.

    Raises:
        CannotTell: store-unreachable.
    """
    return Store(settings, _NAME, metadata, migrations=(_add_columns, _add_columns, reader_tables.migrate, _add_codes, _add_ways_to_find))


def _add_columns(connection: sa.Connection) -> None:
    """Run twice: earlier versions lacked the reasons, later ones the positions."""
    add_missing_columns(connection, events)


def _add_codes(connection: sa.Connection) -> None:
    """Submissions that an earlier version recorded can be found by code and by case, too."""
    add_missing_columns(connection, submissions)
    for index in (_by_code, _by_case):
        index.create(connection, checkfirst=True)
    set_code = submissions.update().where(submissions.c.submission == sa.bindparam("id")).values(hotline_code=sa.bindparam("code"))
    without = sa.select(submissions.c.submission).where(submissions.c.hotline_code.is_(None)).limit(_BATCH)
    while found := connection.execute(without).scalars().all():
        connection.execute(set_code, [{"id": one, "code": earlier_code(one)} for one in found])


def _add_ways_to_find(connection: sa.Connection) -> None:
    """Submissions can be listed by time, and found by the office's number."""
    for index in (_by_time, _by_number):
        index.create(connection, checkfirst=True)


def is_here(settings: StoreSettings) -> bool:
    """Whether there is an audit to look into; opening one that is not would make an empty one."""
    return settings.may_have(_NAME)
