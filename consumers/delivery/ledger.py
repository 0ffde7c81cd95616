"""The ledger of one office: what was begun and what became of it, so that nothing has its effect twice.

| state       | means                                                                                   |
|-------------|-----------------------------------------------------------------------------------------|
| `started`   | a hand-over was begun; found so again, its outcome is unclear: `find` before another one |
| `not taken` | the back office surely did not take it                                                   |
| `parked`    | its copy waits in the retry topic                                                        |
| `dead`      | its copy is a dead letter                                                                |
| `delivered` | the back office has it                                                                   |
| `refused`   | an operator discarded its dead letter                                                    |

Whoever is assigned a partition raises its epoch here; writes with an older one are refused. That is the fence against a
paused process that comes back, which aiokafka cannot give (docs/decisions/0006).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from consumers.delivery.outcomes import AWAITED, Awaited, expect
from consumers.engine.core import CaseState
from consumers.engine.starts import Known, Start
from infra import crashpoints
from infra.settings import StoreSettings
from infra.stores import Store, add_missing_columns, change_rows, put_new, put_rows
from schemas.topics import is_retry

NEW: Final = ""
"""There is no row."""
BUSY: Final = "busy"
"""Another record of the same submission is in the batch."""
STARTED: Final = "started"
NOT_TAKEN: Final = "not taken"
PARKED: Final = "parked"
DEAD: Final = "dead"
DELIVERED: Final = "delivered"
REFUSED: Final = "refused"
OLDER_THAN_ALL: Final = -1
"""The place of a record that is not in the submissions topic."""

TopicPartition = tuple[str, int]
"""aiokafka's is one."""

_metadata = sa.MetaData()
_rows = sa.Table(
    "delivery",
    _metadata,
    # Numbered rows stay together in the file as they are written; only the index has to be found its place at random.
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("office", sa.Text, nullable=False),
    sa.Column("submission", sa.LargeBinary(16), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("started_ms", sa.BigInteger, nullable=False),
    sa.Column("ended_ms", sa.BigInteger),
    sa.Column("next_try_ms", sa.BigInteger),
    sa.Column("reference", sa.Text),
    sa.Column("cause", sa.Text),
    sa.Column("unclear", sa.Boolean),
    sa.Column("partition", sa.Integer),
    sa.Column("origin_offset", sa.BigInteger),
    sa.Column("retry_offset", sa.BigInteger),
    sa.Column("case_key", sa.LargeBinary),
    sa.Column("holds", sa.Boolean),
    sa.UniqueConstraint("office", "submission"),
)
_set_aside = _rows.c.partition.is_not(None) & _rows.c.state.not_in((DELIVERED, REFUSED))
_lies_in_retry = _rows.c.retry_offset.is_not(None) & _rows.c.state.not_in((DEAD, DELIVERED, REFUSED))
sa.Index("delivery_set_aside", _rows.c.office, _rows.c.partition, sqlite_where=_set_aside, postgresql_where=_set_aside)
_positions = sa.Table(
    "delivery_position",
    _metadata,
    sa.Column("office", sa.Text, primary_key=True),
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("next_offset", sa.BigInteger),
    sa.Column("topic_id", sa.Text),
    sa.Column("ask_before", sa.BigInteger),
    sa.Column("lost", sa.BigInteger),
)

_KEY: Final = ("office", "submission")
_PLACE: Final = ("office", "topic", "partition", "epoch")
_POSITION: Final = ("next_offset", "topic_id", "ask_before", "lost")
_BEGUN: Final = ("state", "attempt", "tries", "started_ms", "retry_offset")
_ENDED: Final = ("state", "attempt", "tries", "started_ms", "ended_ms", "reference", "next_try_ms", "cause", "unclear")
_ASIDE: Final = (*_ENDED, "partition", "origin_offset", "retry_offset", "case_key", "holds")
_FOUND: Final = ("submission", *_ASIDE)


AWAITED.to_metadata(_metadata)


class Fenced(Exception):
    """Somebody else has been assigned these partitions since."""


class _NotAllNew(Exception):
    """Some of these submissions have a row."""


class Entry:
    """The row of a submission. `attempt` counts hand-overs, `tries` failures since it was parked; times in ms since the epoch.

    A plain class, because one is made for each record: what is not set is that of the class.
    """

    tries: int = 0
    ended_ms: int | None = None
    next_try_ms: int | None = None
    reference: str | None = None
    cause: str | None = None
    """Why it is parked or dead (`consumers.delivery.failures.Cause`)."""
    unclear: bool | None = None
    """An earlier hand-over may have had its effect."""
    partition: int | None = None
    """From here on only of those that were ever parked or dead."""
    origin_offset: int | None = None
    retry_offset: int | None = None
    case_key: bytes | None = None
    holds: bool | None = None
    """Dead, and its case waits for it."""

    def __init__(self, submission: bytes, state: str = NEW, attempt: int = 0, started_ms: int = 0, **more: Any) -> None:
        self.submission = submission
        self.state = state
        self.attempt = attempt
        self.started_ms = started_ms
        if more:
            self.__dict__.update(more)

    @property
    def final(self) -> bool:
        """Nothing more will happen to it."""
        return self.state in (DELIVERED, REFUSED)

    def is_open(self, offset: int, *, retry: bool) -> bool:
        """Whether a record at this offset still has something to do for its submission.

        What has a copy in the retry topic goes on only there. What is dead goes on only by a record that was put into the retry
        topic after it died.
        """
        if self.final:
            return False
        if not retry:
            return self.retry_offset is None and self.state != DEAD
        return self.state != DEAD or self.retry_offset is None or self.retry_offset < offset

    def begins(self, now_ms: int) -> None:
        """An attempt begins."""
        if self.state == DEAD:
            self.tries = 0
        self.state, self.started_ms = STARTED, now_ms
        self.attempt += 1


class Begin(NamedTuple):
    """A record that is about to be tried, or was handed out to be set aside (`untried`)."""

    submission: bytes
    partition: TopicPartition
    offset: int
    retry: bool
    untried: bool
    waited: bool
    """It has waited as long as it should, by this process's own clock."""


class Ledger:
    """The rows of one office."""

    def __init__(self, settings: StoreSettings, office: str) -> None:
        self._office = office
        self._store = Store(settings, f"ledger-{office}", _metadata, migrations=(_rows_by_number, _columns_of_positions))
        self._epochs: Mapping[TopicPartition, int] = {}
        self._ask_before: Mapping[TopicPartition, int] = {}

    async def take_over(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Known]:
        """Fence off whoever had these partitions; what is known of each."""

        def operation(connection: sa.Connection) -> dict[TopicPartition, tuple[int, Known]]:
            found = {}
            for topic, partition in sorted(partitions):
                row = (_positions.c.office == self._office, _positions.c.topic == topic, _positions.c.partition == partition)
                put_rows(connection, _positions, _PLACE, [(self._office, topic, partition, 0)], key=3)
                connection.execute(_positions.update().where(*row).values(epoch=_positions.c.epoch + 1))
                now = connection.execute(sa.select(_positions).where(*row)).one()
                found[topic, partition] = (now.epoch, _known(now))
            return found

        taken = await self._store.write(operation)
        self._epochs = {partition: epoch for partition, (epoch, _) in taken.items()}
        self._ask_before = {partition: known.ask_before for partition, (_, known) in taken.items() if known.ask_before}
        return {partition: known for partition, (_, known) in taken.items()}

    async def starts(self, starts: Mapping[TopicPartition, Start]) -> None:
        """Note where partitions that were taken over go on, and what of them is unclear; before anything of them is begun.

        Raises:
            Fenced: these partitions belong to somebody else now.
        """
        await self._note(_POSITION, _positions_of(starts))
        self._ask_before = {partition: start.ask_before for partition, start in starts.items() if start.ask_before}

    def asks(self, partition: TopicPartition, offset: int) -> bool:
        """Whether this record is unclear, because the ledger is not the only one that says how far its office had come."""
        return bool(self._ask_before) and offset < self._ask_before.get(partition, 0)

    async def cases(self, partitions: Sequence[int]) -> dict[bytes, CaseState]:
        """The cases of these partitions that have parked or dead submissions."""
        columns = (_rows.c.submission, _rows.c.state, _rows.c.case_key, _rows.c.origin_offset, _rows.c.retry_offset, _rows.c.holds)
        mine = (_rows.c.office == self._office, _rows.c.partition.in_(partitions), _rows.c.case_key.is_not(None))
        query = sa.select(*columns).where(*mine, _set_aside)
        cases: defaultdict[bytes, CaseState] = defaultdict(CaseState)
        for submission, state, key, origin, retry_offset, holds in await self._store.read(lambda c: c.execute(query).all()):
            if state == DEAD and holds:
                cases[key].held[str_id(submission)] = origin
            elif state != DEAD and retry_offset is not None:
                cases[key].parked_through = max(cases[key].parked_through, retry_offset)
        return dict(cases)

    async def begin_new(self, submissions: Sequence[bytes], partitions: set[TopicPartition]) -> list[Entry]:
        """As `begin`, for records that are all read for the first time; no entries, and nothing is noted, where one of them was not.

        Most batches are of this kind, and this is one statement.

        Raises:
            Fenced: these partitions belong to somebody else now.
        """
        epochs, now_ms = self._epochs, _now_ms()

        def operation(connection: sa.Connection) -> None:
            self._check(connection, epochs, partitions)
            same = {"office": self._office, "state": STARTED, "attempt": 1, "started_ms": now_ms}
            if put_new(connection, _rows, "submission", submissions, unique=_KEY, same=same) < len(submissions):
                raise _NotAllNew  # undoes it

        try:
            await self._store.write(operation)
        except _NotAllNew:
            return []
        crashpoints.reached("ledger.begun")
        return [Entry(submission, STARTED, 1, now_ms) for submission in submissions]

    async def begin(self, begins: Sequence[Begin]) -> list[tuple[Entry, bool]]:
        """Note that attempts begin, durable on return. For each record the row as it was found (attempt 0 where there was none),
        and whether it was begun.

        Raises:
            Fenced: these partitions belong to somebody else now.
        """
        epochs, now_ms = self._epochs, _now_ms()

        def operation(connection: sa.Connection) -> list[tuple[Entry, bool]]:
            self._check(connection, epochs, {begin.partition for begin in begins})
            known = self._find(connection, [begin.submission for begin in begins])
            answers = []
            for begin in begins:
                asks = self.asks(begin.partition, begin.offset)
                answers.append(_begin(begin, known.get(begin.submission), now_ms, asks=asks))
                known[begin.submission] = Entry(begin.submission, state=BUSY)  # should it be there twice, one has to wait
            rows = [self._values(entry, _BEGUN) for entry, begun in answers if begun]
            put_rows(connection, _rows, (*_KEY, *_BEGUN), rows, key=2, update=_BEGUN)
            return answers

        answers = await self._store.write(operation)
        crashpoints.reached("ledger.begun")
        return answers

    async def end(self, entries: Sequence[Entry], partitions: set[TopicPartition], awaited: Sequence[Awaited] = ()) -> None:
        """Note outcomes, and of which delivered ones the back office will say more (docs/decisions/0013); durable on return.

        Raises:
            Fenced: these partitions belong to somebody else now.
        """
        epochs = self._epochs
        bulk = [
            entry for entry in entries if entry.state == DELIVERED and entry.partition is None and entry.attempt
        ]  # begun, so there is a row
        delivered = [(entry.submission, entry.reference) for entry in bulk]
        aside = [self._values(entry, _ASIDE) for entry in entries if entry.partition is not None]
        others = [
            self._values(entry, _ENDED) for entry in entries if entry.partition is None and not (entry.state == DELIVERED and entry.attempt)
        ]
        same = {"state": DELIVERED, "ended_ms": max((entry.ended_ms or 0 for entry in entries), default=0)}

        def operation(connection: sa.Connection) -> None:
            self._check(connection, epochs, partitions)
            change_rows(connection, _rows, ("submission", "reference"), delivered, where={"office": self._office}, same=same)
            put_rows(connection, _rows, (*_KEY, *_ENDED), others, key=2, update=_ENDED)
            put_rows(connection, _rows, (*_KEY, *_ASIDE), aside, key=2, update=_ASIDE)
            expect(connection, self._office, awaited)

        await self._store.write(operation)

    async def committing(self, offsets: Mapping[TopicPartition, int], lost: Mapping[TopicPartition, int]) -> None:
        """Note what is about to be committed to Kafka, and how many records were gone before. So a commit that is ahead of what is noted
        here was somebody else's, or this is an older copy of the ledger.

        Raises:
            Fenced: these partitions belong to somebody else now.
        """
        await self._note(("next_offset", "lost"), {place: (offset, lost.get(place, 0)) for place, offset in offsets.items()})

    async def reset(self, starts: Mapping[TopicPartition, Start], *, anew: Mapping[TopicPartition, int]) -> None:
        """Begin partitions elsewhere, for an operator, while no process has them. The logs of `anew` are others or shorter, each with the offset
        before which it is still the log of before: submissions whose copies lay in such a retry topic are no longer parked, and what has
        died there behind that offset can be replayed; places in such a submissions topic are older than all.
        """
        await self.take_over(sorted(starts))
        copies = {number: kept for (topic, number), kept in anew.items() if is_retry(topic)}
        originals = [number for topic, number in anew if not is_retry(topic)]
        begun = (_rows.c.state == STARTED, STARTED)  # stays unclear

        def also(connection: sa.Connection) -> None:
            mine = _rows.update().where(_rows.c.office == self._office)
            for number, kept in copies.items():
                of_it = mine.where(_rows.c.partition == number)
                connection.execute(of_it.where(_lies_in_retry).values(state=sa.case(begun, else_=NOT_TAKEN), retry_offset=None))
                connection.execute(of_it.where(_rows.c.state == DEAD, _rows.c.retry_offset >= kept).values(retry_offset=None))
            connection.execute(mine.where(_rows.c.partition.in_(originals), _set_aside).values(origin_offset=OLDER_THAN_ALL))

        await self._note(_POSITION, _positions_of(starts), also)

    def parked(self, number: int) -> list[int]:
        """Where the submissions of a partition stood whose copies lie in the retry topic; `OLDER_THAN_ALL` where that is not known."""
        mine = (_rows.c.office == self._office, _rows.c.partition == number, _lies_in_retry)
        query = sa.select(_rows.c.origin_offset).where(*mine)
        return self._store.read_now(lambda connection: list(connection.execute(query).scalars()))

    async def _note(
        self, columns: Sequence[str], rows: Mapping[TopicPartition, Sequence[object]], also: Callable[[sa.Connection], None] | None = None
    ) -> None:
        epochs = self._epochs

        def operation(connection: sa.Connection) -> None:
            self._check(connection, epochs, set(rows))
            values = [(self._office, *place, epochs[place], *row) for place, row in rows.items()]
            put_rows(connection, _positions, (*_PLACE, *columns), values, key=3, update=columns)
            if also is not None:
                also(connection)

        await self._store.write(operation)

    def known(self, submissions: Sequence[bytes]) -> dict[bytes, Entry]:
        """The rows of these submissions, for whoever looks from beside."""
        return self._store.read_now(lambda connection: self._find(connection, submissions))

    def positions(self) -> dict[TopicPartition, Known]:
        """How far the office is known to have come, for whoever looks from beside."""
        mine = sa.select(_positions).where(_positions.c.office == self._office, _positions.c.next_offset.is_not(None))
        found = self._store.read_now(lambda connection: connection.execute(mine).all())
        return {(row.topic, row.partition): _known(row) for row in found}

    @property
    def store(self) -> Store:
        """Its database, which also holds the outcomes that are awaited."""
        return self._store

    def close(self) -> None:
        """Write what is waiting and stop."""
        self._store.close()

    def _check(self, connection: sa.Connection, epochs: Mapping[TopicPartition, int], partitions: set[TopicPartition]) -> None:
        """Within a transaction: nobody can take these partitions over before it ends."""
        current = {(topic, number): epoch for topic, number, epoch in connection.execute(_CHECK, {"office": self._office})}
        if any(partition not in epochs or current.get(partition) != epochs[partition] for partition in partitions):
            raise Fenced

    def _find(self, connection: sa.Connection, submissions: Sequence[bytes]) -> dict[bytes, Entry]:
        found = connection.execute(_FIND, {"office": self._office, "submissions": submissions})
        return {row.submission: Entry(**row._mapping) for row in found}  # noqa: SLF001 - SQLAlchemy's public name for it

    def _values(self, entry: Entry, columns: Sequence[str]) -> tuple[object, ...]:
        return (self._office, entry.submission, *(getattr(entry, column) for column in columns))


_CHECK: Final = (
    sa.select(_positions.c.topic, _positions.c.partition, _positions.c.epoch)
    .where(_positions.c.office == sa.bindparam("office"))
    .with_for_update(read=True)
)
_FIND: Final = sa.select(*(_rows.c[name] for name in _FOUND)).where(
    _rows.c.office == sa.bindparam("office"), _rows.c.submission.in_(sa.bindparam("submissions", expanding=True))
)


def _positions_of(starts: Mapping[TopicPartition, Start]) -> dict[TopicPartition, tuple[object, ...]]:
    return {place: (start.offset, start.topic_id, start.ask_before, start.lost) for place, start in starts.items()}


def _known(row: Any) -> Known:
    return Known(row.next_offset, row.topic_id, row.ask_before or 0, row.lost or 0)


def _begin(begin: Begin, found: Entry | None, now_ms: int, *, asks: bool) -> tuple[Entry, bool]:
    """The row as it will be, and whether an attempt begins. `asks`: whatever the row says, it may have been handed over."""
    entry = found or Entry(begin.submission, started_ms=now_ms)
    if entry.state == STARTED or (asks and not entry.final):
        entry.unclear = True
    due = not begin.retry or begin.waited or entry.state == DEAD or (entry.next_try_ms or 0) <= now_ms
    if entry.state == BUSY or begin.untried or not due or not entry.is_open(begin.offset, retry=begin.retry):
        return entry, False
    entry.begins(now_ms)
    if begin.retry:
        entry.retry_offset = begin.offset
    return entry, True


def _now_ms() -> int:
    return int(time.time() * 1000)


def _to_ms(moment: datetime) -> int:
    """SQLite gives times back without their zone, which is UTC."""
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def str_id(submission: bytes) -> str:
    """A submission id as people write it."""
    text = submission.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _columns_of_positions(connection: sa.Connection) -> None:
    add_missing_columns(connection, _positions)


def _rows_by_number(connection: sa.Connection) -> None:
    """From the table `ledger` of the first version, whose rows had the id as their place."""
    if not sa.inspect(connection).has_table("ledger"):
        return
    old = sa.Table("ledger", sa.MetaData(), autoload_with=connection)
    for row in connection.execute(sa.select(old)).mappings().all():
        started, ended = (None if row[name] is None else _to_ms(row[name]) for name in ("started_at", "delivered_at"))
        values = {"submission": UUID(str(row["submission_id"])).bytes, "tries": 0, "started_ms": started, "ended_ms": ended}
        connection.execute(_rows.insert().values(values | {name: row[name] for name in ("office", "state", "attempt", "reference")}))
    old.drop(connection)
