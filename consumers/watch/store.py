"""What the watch knows: the last heartbeat of each instance, and the operators' actions. Both come from Kafka and are here once.

A record is known by partition, offset and the broker's time: a topic that was made anew has offsets from 0 again, but later times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from infra.kafka.consumer_record import ConsumerRecord, written_at
from infra.rows import UtcDateTime, insert_new
from infra.settings import StoreSettings
from infra.stores import Store
from schemas import heartbeats, operations
from schemas.heartbeats import Heartbeat
from schemas.operations import Operation

_NAME: Final = "watch"

metadata = sa.MetaData()
_heartbeat = sa.Table(
    "watch_heartbeat",
    metadata,
    sa.Column("instance", sa.Text, primary_key=True),
    sa.Column("written_at", UtcDateTime, nullable=False),  # by the broker's clock
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("value", sa.Text, nullable=False),  # JSON
)
_operation = sa.Table(
    "watch_operation",
    metadata,
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("offset", sa.BigInteger, primary_key=True),
    sa.Column("written_at", UtcDateTime, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class StoredHeartbeat:
    """A heartbeat, and when Kafka wrote it: the clocks of the processes decide nothing."""

    heartbeat: Heartbeat
    written_at: datetime


@dataclass(frozen=True, slots=True)
class StoredOperation:
    """An operator's action, and when Kafka wrote it."""

    operation: Operation
    written_at: datetime


def open_store(settings: StoreSettings) -> Store:
    """The watch's store, made or brought up to date where needed; to be closed by who opens it.

    Raises:
        CannotTell: store-unreachable.
    """
    return Store(settings, _NAME, metadata)


def is_here(settings: StoreSettings) -> bool:
    """Whether there is a store of the watch to look into; opening one that is not would make an empty one."""
    return settings.may_have(_NAME)


def put_heartbeats(connection: sa.Connection, heard: Sequence[tuple[ConsumerRecord, Heartbeat]]) -> None:
    """Keep the last of each instance; what is older than what is here, or the same, changes nothing."""
    rows = {one.instance: _place(record) | {"instance": one.instance, "value": _json(one)} for record, one in heard}
    if not rows:
        return
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(_heartbeat)
    new, here = insert.excluded, _heartbeat.c
    later = sa.or_(new.written_at > here.written_at, sa.and_(new.partition == here.partition, new.offset > here.offset))
    changes = {name: new[name] for name in ("written_at", "partition", "offset", "value")}
    connection.execute(insert.on_conflict_do_update(index_elements=["instance"], set_=changes, where=later), list(rows.values()))


def put_operations(connection: sa.Connection, noted: Sequence[tuple[ConsumerRecord, Operation]]) -> None:
    """Keep each of these once."""
    insert_new(connection, _operation, [_place(record) | {"value": _json(one)} for record, one in noted])


def last_heartbeats(connection: sa.Connection) -> list[StoredHeartbeat]:
    """The last heartbeat of each instance, in the order of their names."""
    rows = connection.execute(sa.select(_heartbeat.c.value, _heartbeat.c.written_at).order_by(_heartbeat.c.instance))
    return [StoredHeartbeat(heartbeats.read(value.encode()), written_at) for value, written_at in rows]


def all_operations(connection: sa.Connection) -> list[StoredOperation]:
    """What operators have done, in the order in which Kafka wrote it."""
    order = (_operation.c.written_at, _operation.c.partition, _operation.c.offset)
    rows = connection.execute(sa.select(_operation.c.value, _operation.c.written_at).order_by(*order))
    return [StoredOperation(operations.read(value.encode()), written_at) for value, written_at in rows]


def _place(record: ConsumerRecord) -> dict[str, Any]:
    return {
        "partition": record.partition,
        "offset": record.offset,
        "written_at": written_at(record),
    }


def _json(model: Heartbeat | Operation) -> str:
    """Without what this version does not know; a NUL in a text is escaped, so that any database takes it."""
    return model.model_dump_json(exclude_none=True)
