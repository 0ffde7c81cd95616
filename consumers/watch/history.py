"""What the watch has found: each 10 s for 6 hours, each 5 minutes for 30 days, every change of a verdict for 400 days; and what the judge
remembers. A slot in which nobody looked is a hole, and stays one; of several looks in a slot the first counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
import structlog

from consumers.watch import memory as memories
from consumers.watch import store as tables
from consumers.watch.memory import ConsumerMemory, Memory
from consumers.watch.model import Judgement, SubReason, Verdict
from consumers.watch.snapshot import Snapshot
from infra.rows import put_rows
from infra.stores import Store

log = structlog.get_logger()

FINE_S: Final = 10
COARSE_S: Final = 300
_KEPT: Final = {FINE_S: timedelta(hours=6), COARSE_S: timedelta(days=30)}
_CHANGES_KEPT: Final = timedelta(days=400)
_REMEMBERED_EACH_S: Final = 60

_point = sa.Table(
    "watch_point",
    tables.metadata,
    sa.Column("resolution_s", sa.Integer, primary_key=True),
    sa.Column("slot_s", sa.BigInteger, primary_key=True),  # Unix time of its beginning
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("waiting", sa.BigInteger),
    sa.Column("oldest_s", sa.BigInteger),  # age of the oldest that waits
    sa.Column("parked", sa.BigInteger),
    sa.Column("dead_letters", sa.BigInteger),
    sqlite_with_rowid=False,
)
_change = sa.Table(
    "watch_change",
    tables.metadata,
    sa.Column("consumer", sa.Text, primary_key=True),
    sa.Column("changed_ms", sa.BigInteger, primary_key=True),
    sa.Column("since_ms", sa.BigInteger, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("sub_reason", sa.Text),
)
_memory = sa.Table(
    "watch_memory", tables.metadata, sa.Column("consumer", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False)
)
_POINT: Final = ("resolution_s", "slot_s", "consumer", "verdict", "waiting", "oldest_s", "parked", "dead_letters")
_CHANGE: Final = ("consumer", "changed_ms", "since_ms", "verdict", "sub_reason")


@dataclass(frozen=True, slots=True)
class Point:
    """How one consumer stood in one slot."""

    at: datetime
    """When the slot began."""
    consumer: str
    verdict: Verdict
    waiting: int | None
    oldest_s: int | None
    parked: int | None
    dead_letters: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """A verdict that came to be shown."""

    consumer: str
    at: datetime
    since: datetime
    """Since when it was so."""
    verdict: Verdict
    sub_reason: SubReason | None


class History:
    """Keeps what is found, in the store of the watch. `load` comes first; all is called from one task."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last_slot = {FINE_S: -1, COARSE_S: -1}
        self._shown: dict[str, tuple[Verdict, SubReason | None]] = {}
        self._remembered_s = 0.0

    async def load(self) -> Memory:
        """What the judge remembered last; of a consumer whose memory is of another version nothing.

        Raises:
            SQLAlchemyError: the database failed.
        """
        rows = await self._store.read(lambda connection: connection.execute(sa.select(_memory.c.consumer, _memory.c.value)).all())
        known: dict[str, ConsumerMemory] = {}
        for consumer, value in rows:
            if (remembered := memories.load(value)) is None:
                log.warning("watch_memory_unreadable", consumer=consumer)
            else:
                known[consumer] = remembered
        self._shown = {name: (one.shown.verdict, one.shown.sub_reason) for name, one in known.items() if one.shown is not None}
        return Memory(known)

    async def keep(self, snapshot: Snapshot, memory: Memory) -> None:
        """Keep what one look has found.

        Raises:
            SQLAlchemyError: the database failed; the next call keeps what is still new then.
        """
        at_s, judgements = snapshot.at.timestamp(), snapshot.judgements
        slots = {size: int(at_s) // size * size for size in self._last_slot}
        due = {size: slot for size, slot in slots.items() if slot != self._last_slot[size]}
        changed = [one for one in judgements if self._shown.get(one.name) != (one.verdict, one.sub_reason)]
        all_due = at_s - self._remembered_s >= _REMEMBERED_EACH_S
        remember = memory.consumers.keys() if all_due else {one.name for one in changed} & memory.consumers.keys()
        points = [(size, slot, *_figures(one, snapshot.at)) for size, slot in due.items() for one in judgements]
        changes = [(one.name, _ms(snapshot.at), _ms(one.since), one.verdict.value, one.sub_reason) for one in changed]
        remembered = [(name, memories.dump(memory.consumers[name])) for name in remember]

        def operation(connection: sa.Connection) -> None:
            put_rows(connection, _point, _POINT, points, key=3)
            put_rows(connection, _change, _CHANGE, changes, key=2)
            put_rows(connection, _memory, ("consumer", "value"), remembered, key=1, update=["value"])
            if COARSE_S in due:
                _forget_old(connection, snapshot.at)

        if points or changes or remembered:
            await self._store.write(operation)
        self._last_slot |= due
        self._shown |= {one.name: (one.verdict, one.sub_reason) for one in changed}
        self._remembered_s = at_s if all_due else self._remembered_s


def points(connection: sa.Connection, resolution_s: int, since: datetime, consumer: str | None = None) -> list[Point]:
    """What is kept in slots of this size since then, of one consumer or all, in order of time."""
    mine = [_point.c.resolution_s == resolution_s, _point.c.slot_s >= int(since.timestamp())]
    query = (
        sa.select(_point).where(*mine, *([_point.c.consumer == consumer] if consumer else [])).order_by(_point.c.slot_s, _point.c.consumer)
    )
    return [
        Point(
            datetime.fromtimestamp(row.slot_s, UTC),
            row.consumer,
            Verdict(row.verdict),
            row.waiting,
            row.oldest_s,
            row.parked,
            row.dead_letters,
        )
        for row in connection.execute(query)
    ]


def changes(connection: sa.Connection, since: datetime, consumer: str | None = None) -> list[Change]:
    """The changes of verdicts since then, of one consumer or all, in order of time."""
    mine = [_change.c.changed_ms >= _ms(since), *([_change.c.consumer == consumer] if consumer else [])]
    rows = connection.execute(sa.select(_change).where(*mine).order_by(_change.c.changed_ms, _change.c.consumer))
    return [
        Change(
            row.consumer,
            _time(row.changed_ms),
            _time(row.since_ms),
            Verdict(row.verdict),
            SubReason(row.sub_reason) if row.sub_reason else None,
        )
        for row in rows
    ]


def _figures(one: Judgement, now: datetime) -> Sequence[object]:
    oldest_s = None if one.oldest_at is None else max(0, int((now - one.oldest_at).total_seconds()))
    return (one.name, one.verdict.value, one.waiting, oldest_s, one.parked, one.dead_letters)


def _forget_old(connection: sa.Connection, now: datetime) -> None:
    for size, kept in _KEPT.items():
        connection.execute(_point.delete().where(_point.c.resolution_s == size, _point.c.slot_s < int((now - kept).timestamp())))
    connection.execute(_change.delete().where(_change.c.changed_ms < _ms(now - _CHANGES_KEPT)))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
