"""The ledger of one office: what was begun and what became of it, so that nothing has its effect twice.

The states of a submission are in `states.py`, an entry and its changes in `entry.py`, the tables in `tables.py`.

Whoever is assigned a partition raises its epoch here; writes with an older one are refused. That is the fence against a
paused process that comes back, which aiokafka cannot give (docs/decisions/0006).

Every `async` method waits for the database without blocking the loop; a write is durable when it returns. Whatever the database
raises (`SQLAlchemyError`) means that nothing was written, or that it is not known whether it was: all of them may be called again.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from consumers.delivery.awaited import Awaited, note_awaited
from consumers.delivery.entry import OLDER_THAN_ALL, AttemptRequest, LedgerEntry
from consumers.delivery.states import BUSY, DEAD, DELIVERED, NOT_TAKEN, STARTED
from consumers.delivery.tables import ENTRIES, LEDGER, LIES_IN_RETRY, MIGRATIONS, POSITIONS, SET_ASIDE
from consumers.engine.core import CaseState
from consumers.engine.starts import LedgerPosition, Start, TopicPartition
from infra import crashpoints
from infra.rows import change_rows, put_new, put_rows
from infra.settings import StoreSettings
from infra.stores import Store
from schemas.topics import is_retry

_KEY: Final = ("office", "submission")
_PLACE: Final = ("office", "topic", "partition", "epoch")
_POSITION: Final = ("next_offset", "topic_id", "ask_before", "lost")
_BEGUN: Final = ("state", "attempt", "tries", "started_ms", "retry_offset")
_ENDED: Final = ("state", "attempt", "tries", "started_ms", "ended_ms", "reference", "next_try_ms", "cause", "unclear")
_ASIDE: Final = (*_ENDED, "partition", "origin_offset", "retry_offset", "case_key", "holds")
_FOUND: Final = ("submission", *_ASIDE)


class Fenced(Exception):
    """Somebody else has been assigned these partitions since: nothing was written, and this process has to begin anew."""


class _NotAllNew(Exception):
    """Some of these submissions have a row."""


class Ledger:
    """The entries and positions of one office. The methods before `reset` are the delivering process's, called in its event loop."""

    def __init__(self, settings: StoreSettings, office: str) -> None:
        self._office = office
        self._store = Store(settings, f"ledger-{office}", LEDGER, migrations=MIGRATIONS)
        self._epochs: Mapping[TopicPartition, int] = {}
        self._ask_before: Mapping[TopicPartition, int] = {}

    async def take_over(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, LedgerPosition]:
        """Fence off whoever had these partitions; what is known of each. To be called at each assignment, before anything else: from here
        on writes for other partitions are refused, and those of an earlier owner.
        """

        def operation(connection: sa.Connection) -> dict[TopicPartition, tuple[int, LedgerPosition]]:
            found = {}
            for topic, partition in sorted(partitions):
                row = (POSITIONS.c.office == self._office, POSITIONS.c.topic == topic, POSITIONS.c.partition == partition)
                put_rows(connection, POSITIONS, _PLACE, [(self._office, topic, partition, 0)], key=3)
                connection.execute(POSITIONS.update().where(*row).values(epoch=POSITIONS.c.epoch + 1))
                now = connection.execute(sa.select(POSITIONS).where(*row)).one()
                found[topic, partition] = (now.epoch, _known(now))
            return found

        taken = await self._store.write(operation)
        self._epochs = {partition: epoch for partition, (epoch, _) in taken.items()}
        self._ask_before = {partition: known.ask_before for partition, (_, known) in taken.items() if known.ask_before}
        return {partition: known for partition, (_, known) in taken.items()}

    async def note_starts(self, starts: Mapping[TopicPartition, Start]) -> None:
        """Note where partitions that were taken over go on, and what of them is unclear. To be called before anything of them is begun.

        Raises:
            Fenced: these partitions belong to somebody else now.
        """
        await self._note(_POSITION, _positions_of(starts))
        self._ask_before = {partition: start.ask_before for partition, start in starts.items() if start.ask_before}

    def has_to_ask(self, partition: TopicPartition, offset: int) -> bool:
        """Whether the back office has to be asked for this record first: it stands before `Start.ask_before`, so others may have delivered
        it. Does not block.
        """
        return bool(self._ask_before) and offset < self._ask_before.get(partition, 0)

    async def cases(self, partitions: Sequence[int]) -> dict[bytes, CaseState]:
        """The cases (by record key) of these partitions that have parked submissions, or dead ones that hold them."""
        columns = (
            ENTRIES.c.submission,
            ENTRIES.c.state,
            ENTRIES.c.case_key,
            ENTRIES.c.origin_offset,
            ENTRIES.c.retry_offset,
            ENTRIES.c.holds,
        )
        mine = (ENTRIES.c.office == self._office, ENTRIES.c.partition.in_(partitions), ENTRIES.c.case_key.is_not(None))
        query = sa.select(*columns).where(*mine, SET_ASIDE)
        cases: defaultdict[bytes, CaseState] = defaultdict(CaseState)
        for submission, state, key, origin, retry_offset, holds in await self._store.read(lambda c: c.execute(query).all()):
            if state == DEAD and holds:
                cases[key].held[str_id(submission)] = origin
            elif state != DEAD and retry_offset is not None:
                cases[key].parked_through = max(cases[key].parked_through, retry_offset)
        return dict(cases)

    async def begin_new(self, submissions: Sequence[bytes], partitions: set[TopicPartition]) -> list[LedgerEntry]:
        """As `begin`, in one statement, for records that are taken to be read for the first time: most batches are of this kind. An entry
        for each; none, and nothing is noted, where one of them has an entry already.

        Raises:
            Fenced: one of these partitions belongs to somebody else now.
        """
        epochs, now_ms = self._epochs, _now_ms()

        def operation(connection: sa.Connection) -> None:
            self._check(connection, epochs, partitions)
            same = {"office": self._office, "state": STARTED, "attempt": 1, "started_ms": now_ms}
            if put_new(connection, ENTRIES, "submission", submissions, unique=_KEY, same=same) < len(submissions):
                raise _NotAllNew  # the transaction is undone

        try:
            await self._store.write(operation)
        except _NotAllNew:
            return []
        crashpoints.reached("ledger.begun")
        return [LedgerEntry(submission, STARTED, 1, now_ms) for submission in submissions]

    async def begin(self, requests: Sequence[AttemptRequest]) -> list[tuple[LedgerEntry, bool]]:
        """Begin an attempt for each record that may (`LedgerEntry.begin`), before it is delivered. For each record its entry as it is now,
        `NEW` where there is none, and whether an attempt has begun.

        Raises:
            Fenced: one of these partitions belongs to somebody else now.
        """
        epochs, now_ms = self._epochs, _now_ms()

        def operation(connection: sa.Connection) -> list[tuple[LedgerEntry, bool]]:
            self._check(connection, epochs, {request.partition for request in requests})
            known = self._find(connection, [request.submission for request in requests])
            answers = []
            for request in requests:
                entry = known.get(request.submission) or LedgerEntry(request.submission, started_ms=now_ms)
                begun = entry.begin(request, now_ms, asks=self.has_to_ask(request.partition, request.offset))
                answers.append((entry, begun))
                known[request.submission] = LedgerEntry(request.submission, state=BUSY)  # should it be there twice, one has to wait
            rows = [self._values(entry, _BEGUN) for entry, begun in answers if begun]
            put_rows(connection, ENTRIES, (*_KEY, *_BEGUN), rows, key=2, update=_BEGUN)
            return answers

        answers = await self._store.write(operation)
        crashpoints.reached("ledger.begun")
        return answers

    async def note_outcomes(self, entries: Sequence[LedgerEntry], partitions: set[TopicPartition], awaited: Sequence[Awaited] = ()) -> None:
        """Write what became of these submissions, whose records are of these partitions; and those of which the back office will say more
        later (docs/decisions/0013). All or nothing.

        Raises:
            Fenced: one of these partitions belongs to somebody else now.
        """
        epochs = self._epochs
        aside = [self._values(entry, _ASIDE) for entry in entries if entry.partition is not None]
        in_place = [entry for entry in entries if entry.partition is None]
        # Most are delivered at their first attempt. It was begun, so there is a row, and only its outcome changes.
        delivered = [(entry.submission, entry.reference) for entry in in_place if _attempted(entry)]
        others = [self._values(entry, _ENDED) for entry in in_place if not _attempted(entry)]
        same = {"state": DELIVERED, "ended_ms": max((entry.ended_ms or 0 for entry in entries), default=0)}

        def operation(connection: sa.Connection) -> None:
            self._check(connection, epochs, partitions)
            change_rows(connection, ENTRIES, ("submission", "reference"), delivered, where={"office": self._office}, same=same)
            put_rows(connection, ENTRIES, (*_KEY, *_ENDED), others, key=2, update=_ENDED)
            put_rows(connection, ENTRIES, (*_KEY, *_ASIDE), aside, key=2, update=_ASIDE)
            note_awaited(connection, self._office, awaited)

        await self._store.write(operation)

    async def note_offsets(self, offsets: Mapping[TopicPartition, int], lost: Mapping[TopicPartition, int]) -> None:
        """Note what is about to be committed to Kafka, and how many records were gone before. To be called before the commit: so a commit
        that is ahead of what is noted here was somebody else's, or this is an older copy of the ledger.

        Raises:
            Fenced: these partitions belong to somebody else now.
        """
        await self._note(("next_offset", "lost"), {place: (offset, lost.get(place, 0)) for place, offset in offsets.items()})

    async def reset(self, starts: Mapping[TopicPartition, Start], *, anew: Mapping[TopicPartition, int]) -> None:
        """Begin partitions elsewhere, for an operator, while no process has them.

        `anew` are partitions whose log is another one or shorter than before, each with the offset up to which it is still the same.
        Submissions whose copies lay in such a retry topic are no longer parked, and what has died there behind that offset can be replayed;
        places in such a submissions topic are older than all.

        Raises:
            Fenced: a process has been assigned one of these partitions meanwhile.
        """
        await self.take_over(sorted(starts))
        copies = {number: kept for (topic, number), kept in anew.items() if is_retry(topic)}
        originals = [number for topic, number in anew if not is_retry(topic)]
        begun = (ENTRIES.c.state == STARTED, STARTED)  # stays unclear

        def also(connection: sa.Connection) -> None:
            mine = ENTRIES.update().where(ENTRIES.c.office == self._office)
            for number, kept in copies.items():
                of_it = mine.where(ENTRIES.c.partition == number)
                connection.execute(of_it.where(LIES_IN_RETRY).values(state=sa.case(begun, else_=NOT_TAKEN), retry_offset=None))
                connection.execute(of_it.where(ENTRIES.c.state == DEAD, ENTRIES.c.retry_offset >= kept).values(retry_offset=None))
            connection.execute(mine.where(ENTRIES.c.partition.in_(originals), SET_ASIDE).values(origin_offset=OLDER_THAN_ALL))

        await self._note(_POSITION, _positions_of(starts), also)

    async def parked(self) -> tuple[int, int | None]:
        """How many submissions of the office wait in the retry topic or are being tried, and when (ms) the oldest of them was begun last."""
        mine = (ENTRIES.c.office == self._office, SET_ASIDE, LIES_IN_RETRY)
        query = sa.select(sa.func.count(), sa.func.min(ENTRIES.c.started_ms)).where(*mine)
        count, oldest_ms = await self._store.read(lambda connection: connection.execute(query).one())
        return count, oldest_ms

    def parked_origins(self, number: int) -> list[int]:
        """For an operator's command: where the submissions of a partition stood whose copies lie in the retry topic; `OLDER_THAN_ALL`
        where that is not known. Blocks.
        """
        mine = (ENTRIES.c.office == self._office, ENTRIES.c.partition == number, LIES_IN_RETRY)
        query = sa.select(ENTRIES.c.origin_offset).where(*mine)
        return self._store.read_now(lambda connection: list(connection.execute(query).scalars()))

    async def _note(
        self, columns: Sequence[str], rows: Mapping[TopicPartition, Sequence[object]], also: Callable[[sa.Connection], None] | None = None
    ) -> None:
        epochs = self._epochs

        def operation(connection: sa.Connection) -> None:
            self._check(connection, epochs, set(rows))
            values = [(self._office, *place, epochs[place], *row) for place, row in rows.items()]
            put_rows(connection, POSITIONS, (*_PLACE, *columns), values, key=3, update=columns)
            if also is not None:
                also(connection)

        await self._store.write(operation)

    def entries(self, submissions: Sequence[bytes]) -> dict[bytes, LedgerEntry]:
        """For an operator's command: the entries of these submissions, without those that have none. Blocks."""
        return self._store.read_now(lambda connection: self._find(connection, submissions))

    def positions(self) -> dict[TopicPartition, LedgerPosition]:
        """For an operator's command: how far the office is known to have come. Blocks."""
        mine = sa.select(POSITIONS).where(POSITIONS.c.office == self._office, POSITIONS.c.next_offset.is_not(None))
        found = self._store.read_now(lambda connection: connection.execute(mine).all())
        return {(row.topic, row.partition): _known(row) for row in found}

    @property
    def store(self) -> Store:
        """Its database, which also holds the outcomes that are awaited (`consumers.delivery.awaited`)."""
        return self._store

    def close(self) -> None:
        """Write what is waiting and close the database; blocks, and nothing may be called afterwards."""
        self._store.close()

    def _check(self, connection: sa.Connection, epochs: Mapping[TopicPartition, int], partitions: set[TopicPartition]) -> None:
        """Within a transaction: nobody can take these partitions over before it ends."""
        current = {(topic, number): epoch for topic, number, epoch in connection.execute(_CHECK, {"office": self._office})}
        if any(partition not in epochs or current.get(partition) != epochs[partition] for partition in partitions):
            raise Fenced

    def _find(self, connection: sa.Connection, submissions: Sequence[bytes]) -> dict[bytes, LedgerEntry]:
        found = connection.execute(_FIND, {"office": self._office, "submissions": submissions})
        return {row.submission: LedgerEntry(**row._mapping) for row in found}  # noqa: SLF001 - SQLAlchemy's public name for it

    def _values(self, entry: LedgerEntry, columns: Sequence[str]) -> tuple[object, ...]:
        return (self._office, entry.submission, *(getattr(entry, column) for column in columns))


_CHECK: Final = (
    sa.select(POSITIONS.c.topic, POSITIONS.c.partition, POSITIONS.c.epoch)
    .where(POSITIONS.c.office == sa.bindparam("office"))
    .with_for_update(read=True)
)
_FIND: Final = sa.select(*(ENTRIES.c[name] for name in _FOUND)).where(
    ENTRIES.c.office == sa.bindparam("office"), ENTRIES.c.submission.in_(sa.bindparam("submissions", expanding=True))
)


def _attempted(entry: LedgerEntry) -> bool:
    """Whether it was delivered, and by us: a person may have found it at the back office, where nothing was begun."""
    return entry.state == DELIVERED and entry.attempt > 0


def _positions_of(starts: Mapping[TopicPartition, Start]) -> dict[TopicPartition, tuple[object, ...]]:
    return {place: (start.offset, start.topic_id, start.ask_before, start.lost) for place, start in starts.items()}


def _known(row: Any) -> LedgerPosition:
    return LedgerPosition(row.next_offset, row.topic_id, row.ask_before or 0, row.lost or 0)


def _now_ms() -> int:
    return int(time.time() * 1000)


def str_id(submission: bytes) -> str:
    """A submission id as people write it."""
    text = submission.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
