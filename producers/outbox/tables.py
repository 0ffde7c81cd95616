"""The tables of the outbox, their migrations, and the conditions on a row that several modules ask for.

A row of `submission` is made when a submission is accepted, and stays: its ids and the hash of its content make repeats known.
`message_id` and `case_id` are the portal's own, `id` and `case_key` those of the bus (`producers.outbox.identity`). It is

1. pending: not on Kafka, as far as the relay has noted (`is_pending`);
2. published: on Kafka, at `partition` and `record_offset`; where its topic has refused it, among the dead letters, with `NOT_THERE` as the offset;
3. ended: the status feed has read that it was delivered or rejected (`has_ended`).

The content leaves a row that is both published and ended, so a published one that has content is unfinished (`is_unfinished`).
A row of `status` is an event that the status feed has read.
"""

from __future__ import annotations

from secrets import token_bytes
from typing import Final

import sqlalchemy as sa

from infra.kafka import order
from infra.kafka.sink import Tables
from infra.migrations import add_missing_columns
from infra.rows import UtcDateTime, insert_new
from infra.settings import StoreSettings
from infra.stores import Store
from schemas.events import State

_NAME: Final = "outbox"
NOT_THERE: Final = -1
"""Offset of a submission that its topic has refused: it stands nowhere there, and was read by nobody."""

_metadata = sa.MetaData()
READER_TABLES: Final = Tables.on(_metadata)
"""Where the status feed keeps how far it has read."""
submission: Final = sa.Table(
    "submission",
    _metadata,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("id", sa.Uuid, nullable=False, unique=True),
    sa.Column("portal", sa.Text, nullable=False),
    sa.Column("content_sha512", sa.Text, nullable=False),
    sa.Column("hotline_code", sa.Text, nullable=False, index=True),
    sa.Column("office", sa.Text, nullable=False),
    sa.Column("case_id", sa.Uuid, nullable=False),
    sa.Column("accepted_at", UtcDateTime, nullable=False),
    sa.Column("headers", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary),
    sa.Column("published_at", UtcDateTime),
    sa.Column("partition", sa.Integer),
    sa.Column("record_offset", sa.BigInteger),
    sa.Column("warnings", sa.Text),
    sa.Column("message_id", sa.Uuid),
    sa.Column("case_key", sa.Uuid),
)
case_key: Final = sa.Table(
    "case_key",
    _metadata,
    sa.Column("portal", sa.Text, primary_key=True),
    sa.Column("office", sa.Text, primary_key=True),
    sa.Column("case_id", sa.Uuid, primary_key=True),
    sa.Column("key", sa.Uuid, nullable=False, index=True),
    sa.Column("owner", sa.Text),
    sa.Column("granted_at", UtcDateTime),
)
"""Under which key a portal writes into a case, where that is not the one that follows from both: the case was opened before keys did, or
is another portal's (`owner`), and its city has granted it.
"""
secret: Final = sa.Table(
    "outbox_secret", _metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("value", sa.LargeBinary, nullable=False)
)
"""One row, drawn when the database is made: what keys and codes follow from, so that no portal can find one for an id."""
status: Final = sa.Table(
    "status",
    _metadata,
    sa.Column("event_id", sa.Uuid, primary_key=True),
    sa.Column("office", sa.Text, primary_key=True),  # an office can only speak for what was sent to it
    sa.Column("submission_id", sa.Uuid, nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("reference", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("next_try_at", UtcDateTime),
    sa.Column("final", sa.Boolean),
    *order.columns(),
)
usage: Final = sa.Table(
    "outbox_usage",
    _metadata,
    sa.Column("portal", sa.Text, primary_key=True),
    sa.Column("office", sa.Text, primary_key=True),
    sa.Column("pending", sa.BigInteger, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
)
"""How many rows are pending, and how many bytes of content are kept (`producers.outbox.usage`)."""

# --- conditions

is_pending: Final = submission.c.published_at.is_(None)
is_unfinished: Final = sa.and_(submission.c.published_at.is_not(None), submission.c.content.is_not(None))
is_refused: Final = sa.and_(submission.c.record_offset < sa.literal_column("0"), submission.c.content.is_not(None))
"""Its topic has refused it, and its dead letter has not come to an end. A literal, so that an index of these rows can be used."""
earlier: Final = submission.alias("earlier")
is_behind_refused: Final = (
    sa.exists()
    .where(earlier.c.record_offset < sa.literal_column("0"), earlier.c.content.is_not(None), earlier.c.office == submission.c.office)
    .where(earlier.c.case_key == submission.c.case_key, earlier.c.seq < submission.c.seq)
)
"""One of its case is a dead letter that never stood in the topic. It is waited for: only when that has come to an end what follows is sent."""
is_of_submission: Final = sa.and_(status.c.submission_id == submission.c.id, status.c.office == submission.c.office)
"""A row of `status` tells of this row of `submission`: it was its own office that spoke."""
_is_of_before: Final = submission.c.message_id.is_(None)
has_ended: Final = sa.exists().where(is_of_submission, status.c.state.in_([state.value for state in State if state.once]))

# --- indexes, and what earlier versions lack

_by_content = sa.Index("submission_content", submission.c.content_sha512)
_by_turn = sa.Index(
    "submission_turn",
    *(submission.c[name] for name in ("office", "portal", "seq")),
    sqlite_where=is_pending,
    postgresql_where=is_pending,
)
_by_case = sa.Index(
    "submission_case",
    *(submission.c[name] for name in ("office", "case_key", "seq", "portal")),
    sqlite_where=is_pending,
    postgresql_where=is_pending,
)
_by_position = sa.Index(
    "submission_unfinished",
    *(submission.c[name] for name in ("office", "partition", "record_offset")),
    sqlite_where=is_unfinished,
    postgresql_where=is_unfinished,
)
_by_refusal = sa.Index(
    "submission_refused",
    *(submission.c[name] for name in ("office", "case_key", "seq")),
    sqlite_where=is_refused,
    postgresql_where=is_refused,
)
_by_number = sa.Index("status_reference", status.c.reference)
_by_message = sa.Index("submission_message", submission.c.message_id, submission.c.portal, unique=True)


def _count_usage(connection: sa.Connection) -> None:
    """Count anew what the rows use."""
    columns = (submission.c.portal, submission.c.office)
    sums = (sa.func.count().filter(is_pending), sa.func.coalesce(sa.func.sum(sa.func.length(submission.c.content)), 0))
    held = sa.select(*columns, *sums).where(sa.or_(is_pending, is_unfinished)).group_by(*columns)
    connection.execute(usage.delete())
    connection.execute(usage.insert().from_select(["portal", "office", "pending", "size_bytes"], held))


def _own_ids(connection: sa.Connection) -> None:
    """Outboxes of before get ids of portals, and a secret."""
    add_missing_columns(connection, submission)
    _take_over(connection)
    _by_message.create(connection, checkfirst=True)
    insert_new(connection, secret, [{"id": 1, "value": token_bytes(32)}])


def _take_over(connection: sa.Connection) -> None:
    """Submissions of before keep their id and the key of their case; such a case is that of the portal that opened it, as it was."""
    has_owner = sa.exists().where(case_key.c.office == submission.c.office, case_key.c.key == submission.c.case_id)
    opened = sa.select(sa.func.min(submission.c.seq)).where(_is_of_before, ~has_owner).group_by(submission.c.office, submission.c.case_id)
    columns = (submission.c.portal, submission.c.office, submission.c.case_id, submission.c.case_id)
    kept = sa.select(*columns).where(submission.c.seq.in_(opened))
    connection.execute(case_key.insert().from_select(["portal", "office", "case_id", "key"], kept))
    connection.execute(submission.update().where(_is_of_before).values(message_id=submission.c.id, case_key=submission.c.case_id))


def _catch_up(connection: sa.Connection) -> None:
    """What a gateway of before did after the migration: commands migrate, too, while it goes on. It gives no ids, and counts no usage."""
    of_before = connection.execute(sa.select(sa.exists().where(_is_of_before))).scalar_one()
    if of_before:
        _take_over(connection)
    pending = sa.select(sa.func.count()).where(is_pending).scalar_subquery()
    counted = sa.select(sa.func.coalesce(sa.func.sum(usage.c.pending), 0)).scalar_subquery()
    if of_before or not connection.execute(sa.select(pending == counted)).scalar_one():
        _count_usage(connection)


def _make_turns(connection: sa.Connection) -> None:
    """What is pending is looked up by portal and by case, no more by office alone."""
    for index in (_by_turn, _by_case):
        index.create(connection, checkfirst=True)
    connection.exec_driver_sql("DROP INDEX IF EXISTS submission_unpublished")


_MIGRATIONS: Final = (
    lambda connection: add_missing_columns(connection, status),
    lambda connection: _by_content.create(connection, checkfirst=True),
    lambda connection: add_missing_columns(connection, status),  # positions
    READER_TABLES.migrate,
    lambda connection: _by_position.create(connection, checkfirst=True),
    lambda connection: add_missing_columns(connection, submission),  # warnings
    lambda connection: add_missing_columns(connection, status),  # final
    _count_usage,
    _own_ids,
    _make_turns,
    lambda connection: _by_refusal.create(connection, checkfirst=True),
    lambda connection: _by_number.create(connection, checkfirst=True),
)


def open_store(settings: StoreSettings) -> Store:
    """Open the outbox's database, make it where there is none, and migrate it. Blocks; whoever opens it closes it.

    Raises:
        CannotTell: store-unreachable.
    """
    return Store(settings, _NAME, _metadata, migrations=_MIGRATIONS, catch_up=_catch_up)


def is_here(settings: StoreSettings) -> bool:
    """Whether there is an outbox to look into; opening one that is not would make an empty one."""
    return settings.may_have(_NAME)
