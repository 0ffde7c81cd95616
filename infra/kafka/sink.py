"""What a `StoredReader` makes of records, and the tables in which it keeps its offsets and what it could not read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from aiokafka import TopicPartition

from infra.kafka.consumer_record import ConsumerRecord
from infra.migrations import add_missing_columns

RowT = TypeVar("RowT")


class UnreadableRecord(Exception):
    """Raised by `Sink.decode`: the record says nothing that this version understands. The text says why, without anything of its content."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The two tables that a reader needs in its store."""

    offsets: sa.Table
    """By group, topic and partition: the next offset to read, the id of the topic it is said of, and a mark of the record before it."""
    unreadable: sa.Table
    """The offsets of records that could not be read; `gone` is set when Kafka no longer has them, and they are not looked for any more."""

    @classmethod
    def on(cls, metadata: sa.MetaData) -> Tables:
        """Add them to the tables of a store."""
        return cls(
            offsets=sa.Table(
                "kafka_offset",
                metadata,
                *_partition(),
                sa.Column("next_offset", sa.BigInteger, nullable=False),
                sa.Column("topic_id", sa.Text),
                sa.Column("last_mark", sa.Text),  # of the record before the offset
            ),
            unreadable=sa.Table(
                "unreadable_record",
                metadata,
                *_partition(),
                sa.Column("record_offset", sa.BigInteger, primary_key=True),
                sa.Column("reason", sa.Text, nullable=False),
                sa.Column("gone", sa.Boolean),
            ),
        )

    def migrate(self, connection: sa.Connection) -> None:
        """From tables of an earlier version."""
        add_missing_columns(connection, self.offsets)
        add_missing_columns(connection, self.unreadable)


def _partition() -> list[sa.Column[Any]]:
    return [
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
    ]


def _nothing(_: sa.Connection, __: TopicPartition) -> None:
    """Offsets do not matter to what is stored."""


@dataclass(frozen=True, slots=True)
class Sink(Generic[RowT]):
    """What a reader does with records: three functions and the tables of the store that they write to."""

    tables: Tables
    decode: Callable[[ConsumerRecord], RowT]
    """Makes a row of a record. Called for each record in the order of its partition, in the event loop, so it must not block; called
    again for the same record when storing was undone.

    Raises `UnreadableRecord`: the place is noted in `Tables.unreadable`, reading goes on, and the record is tried again at each start
    and every hour. Anything else it raises holds up this partition alone: nothing of the batch is stored, and it is read again later.
    """
    apply: Callable[[sa.Connection, Sequence[RowT]], None]
    """Stores rows, perhaps none. Called in the thread of the store, within the transaction that moves the offset past them, so it must
    do nothing that cannot be undone. The same rows may come again (a transaction that failed, a topic made anew, an unreadable record
    taken up twice): it has to drop those that it has.

    What it raises undoes the transaction. An error of these rows (of Python, or DataError and IntegrityError of the database) holds up
    this partition alone; another one of the database ends `StoredReader.run`.
    """
    begin_again: Callable[[sa.Connection, TopicPartition], None] = _nothing
    """Called as `apply` is, when a partition has another log than the one that was read, or a shorter one: its offsets begin anew, and
    from here on its first record follows what is stored.
    """
