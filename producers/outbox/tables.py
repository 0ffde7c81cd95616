"""The outbox: what was accepted, whether it is on Kafka yet, and what became of it. Accepted means: a durable row here.

The content of a submission leaves the row when its back office has confirmed it, or an operator has ended it; the id and the hash of the content stay, so
that repeats are still recognised.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from aiokafka import TopicPartition

from infra import crashpoints
from infra.kafka import order
from infra.kafka.outgoing import Position
from infra.kafka.records import EventRecord
from infra.kafka.sink import Tables
from infra.settings import StoreSettings
from infra.stores import Store, UtcDateTime, add_missing_columns, insert_new
from schemas import problems
from schemas.errors import Rejected
from schemas.events import State
from schemas.headers import Header
from schemas.hotline import hotline_code, parse_hotline_code

_NAME: Final = "outbox"
_AT_ONCE: Final = 10_000
"""Rows in one statement; SQLite takes 32,766."""
_BATCH_BYTES: Final = 8 * 1024 * 1024

_metadata = sa.MetaData()
READER_TABLES = Tables.on(_metadata)
_submission = sa.Table(
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
)
_unpublished = _submission.c.published_at.is_(None)
_by_content = sa.Index("submission_content", _submission.c.content_sha512)
sa.Index("submission_unpublished", _submission.c.office, _submission.c.seq, sqlite_where=_unpublished, postgresql_where=_unpublished)
_unfinished = sa.and_(_submission.c.published_at.is_not(None), _submission.c.content.is_not(None))
"""On Kafka, and no back office has confirmed it, as far as the status feed has come."""
_unfinished_index = sa.Index(
    "submission_unfinished",
    *(_submission.c[name] for name in ("office", "partition", "record_offset")),
    sqlite_where=_unfinished,
    postgresql_where=_unfinished,
)
_status = sa.Table(
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
_said_of = sa.and_(_status.c.submission_id == _submission.c.id, _status.c.office == _submission.c.office)
_confirmed = sa.exists().where(_said_of, _status.c.state.in_([state.value for state in State if state.once]))
ENDED: Final = frozenset(state for state in State if state.once or state is State.DEAD_LETTER)
"""The bus itself will do nothing more with a submission whose last state is one of these."""
_MIGRATIONS: Final = (
    lambda connection: add_missing_columns(connection, _status),
    lambda connection: _by_content.create(connection, checkfirst=True),
    lambda connection: add_missing_columns(connection, _status),  # positions
    READER_TABLES.migrate,
    lambda connection: _unfinished_index.create(connection, checkfirst=True),
    lambda connection: add_missing_columns(connection, _submission),  # warnings
    lambda connection: add_missing_columns(connection, _status),  # final
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A submission that passed every check of intake and is not stored yet."""

    id: UUID
    portal: str
    content_sha512: str
    office: str
    case_id: UUID
    accepted_at: datetime
    headers: Mapping[Header, str]
    content: bytes
    warnings: Sequence[Mapping[str, Any]] = ()
    """What was found in it and lets it pass, as the portal is told; never a value of the message."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the portal is told; a repeat gets the same."""

    id: UUID
    hotline_code: str
    office: str
    accepted_at: datetime
    case_id: UUID
    content_sha512: str
    test: bool
    warnings: Sequence[Mapping[str, Any]] = ()
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """A submission that waits for Kafka."""

    seq: int
    office: str
    case_id: UUID
    headers: Mapping[str, str]
    """As they were stored, also by a newer version."""
    content: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a submission."""

    state: State
    at: datetime
    reference: str | None = None
    reason: str | None = None
    next_try_at: datetime | None = None
    final: bool | None = None
    """Whether nothing follows; None where the office's process did not say."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What of one office was accepted and is not on Kafka."""

    count: int
    oldest_accepted_at: datetime


@dataclass(frozen=True, slots=True)
class Reach:
    """How far Kafka knows an office to have come, partition by partition of its submissions topic; of none where that is missing."""

    passed: Mapping[int, int]
    """What lies before is done with or gone: nobody reads it any more."""
    ends: Mapping[int, int]
    parked: int
    """Records of its retry topic that are not done with."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What was on Kafka and not finished at one time, before Kafka was asked how far offices have come."""

    ends: Mapping[tuple[str, int], int]
    """By office and partition, behind the last of them."""
    set_aside: Mapping[str, frozenset[int]]
    """By office, those that wait in its retry topic, as far as anybody has said."""


@dataclass(frozen=True, slots=True)
class Found:
    """A submission as the gateway knows it."""

    accepted: Accepted
    portal: str
    published_at: datetime | None
    """When Kafka took it; None while it waits here."""
    position: Position | None
    """Where it is on the office's topic."""
    steps: Sequence[Step]
    """What became of it, as its portal is told; the last one is its state."""


class Outbox:
    """The gateway's store."""

    def __init__(self, settings: StoreSettings, *, limit: int) -> None:
        self.store = open_store(settings)
        self._limit = limit
        self._places = 0
        """How many may still be accepted before the rows have to be counted again; the writing thread's own."""
        self.filled: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        """By office: set when something may be waiting for the relay."""

    async def count_pending(self, office: str) -> int:
        """Submissions of an office that are not on Kafka yet."""
        return await self.store.read(lambda connection: _count(connection, _submission.c.office == office))

    async def known(self, portal: str, content_sha512: str) -> Accepted | None:
        """What a portal was told when it sent this content; None where the outbox does not know that it did."""
        sent = sa.select(_submission).where(_submission.c.content_sha512 == content_sha512, _submission.c.portal == portal)
        row = await self.store.read(lambda connection: connection.execute(sent).mappings().first())
        return None if row is None else _accepted(row, repeated=True)

    async def accept(self, candidate: Candidate) -> Accepted:
        """Store a submission once; it is durable when this returns.

        Raises:
            Rejected: id-conflict or intake-full; nothing was stored.
        """
        try:
            accepted = await self.store.write(lambda connection: self._accept(connection, candidate))
            crashpoints.reached("outbox.stored")
            return accepted
        finally:
            self.filled[candidate.office].set()  # also for a caller that went away meanwhile: its row may be stored

    def _accept(self, connection: sa.Connection, candidate: Candidate) -> Accepted:
        known = connection.execute(sa.select(_submission).where(_submission.c.id == candidate.id)).mappings().one_or_none()
        if known is not None:
            if (known["content_sha512"], known["portal"]) != (candidate.content_sha512, candidate.portal):
                raise Rejected(problems.ID_CONFLICT)
            return _accepted(known, repeated=True)
        self._take_place(connection)
        row = {
            "id": candidate.id,
            "portal": candidate.portal,
            "content_sha512": candidate.content_sha512,
            "hotline_code": hotline_code(candidate.id),
            "office": candidate.office,
            "case_id": candidate.case_id,
            "accepted_at": candidate.accepted_at,
            "headers": json.dumps(candidate.headers),
            "content": candidate.content,
            "warnings": json.dumps(candidate.warnings) if candidate.warnings else None,
        }
        connection.execute(_submission.insert().values(row))
        return _accepted(row)

    def _take_place(self, connection: sa.Connection) -> None:
        """One more is going to wait. Rows are counted only when the places counted before are used up.

        Raises:
            Rejected: intake-full.
        """
        if self._places <= 0:
            self._places = self._limit - _count(connection)
        if self._places <= 0:
            raise Rejected(problems.INTAKE_FULL, f"{self._limit} submissions wait for Kafka")
        self._places -= 1

    async def next_pending(self, office: str, limit: int, *, after: int = 0, without: Container[UUID] = ()) -> list[Pending]:
        """The oldest submissions of an office that are not on Kafka, behind a row and without those of some cases: in the order of
        acceptance, some megabytes at most.
        """
        columns = (_submission.c.seq, sa.func.length(_submission.c.content), _submission.c.case_id)
        rows = sa.select(*columns).where(_unpublished, _submission.c.office == office).order_by(_submission.c.seq).limit(limit)

        def operation(connection: sa.Connection) -> list[Pending]:
            last = after
            while page := connection.execute(rows.where(_submission.c.seq > last)).all():
                if chosen := _first_bytes([(seq, size_bytes) for seq, size_bytes, case in page if case not in without]):
                    return _pending(connection, chosen)
                last = page[-1].seq
            return []

        return await self.store.read(operation)

    async def pending_at(self, rows: Sequence[int]) -> list[Pending]:
        """Those of these rows that are not on Kafka, in the order of acceptance."""
        return await self.store.read(lambda connection: _pending(connection, rows))

    async def published(self, done: Sequence[tuple[Pending, Position]]) -> None:
        """Note that these are on Kafka, replicated."""
        statement = (
            _submission.update()
            .where(_submission.c.seq == sa.bindparam("b_seq"))
            .values(published_at=datetime.now(UTC), partition=sa.bindparam("b_partition"), record_offset=sa.bindparam("b_offset"))
        )
        rows = [{"b_seq": pending.seq, "b_partition": at.partition, "b_offset": at.offset} for pending, at in done]

        def operation(connection: sa.Connection) -> None:
            connection.execute(statement, rows)
            _forget_content(connection, _submission.c.seq.in_([pending.seq for pending, _ in done]))

        await self.store.write(operation)

    async def steps(self, submission_id: UUID, portal: str) -> tuple[Accepted, list[Step]] | None:
        """What became of a portal's submission; None for one that is not there or not this portal's."""
        mine = (_submission.c.id == submission_id, _submission.c.portal == portal)
        found = await self.store.read(lambda connection: _find(connection, *mine))
        return (found[0].accepted, list(found[0].steps)) if found else None


def open_store(settings: StoreSettings) -> Store:
    """The database of the outbox.

    Raises:
        CannotTell: store-unreachable.
    """
    return Store(settings, _NAME, _metadata, migrations=_MIGRATIONS)


def is_here(settings: StoreSettings) -> bool:
    """Whether there is an outbox to look into; opening one that is not would make an empty one."""
    return settings.may_have(_NAME)


def waiting(store: Store) -> dict[str, Waiting]:
    """By office, what was accepted and is not on Kafka; offices of which nothing waits are left out."""
    columns = (_submission.c.office, sa.func.count(), sa.func.min(_submission.c.accepted_at))
    query = sa.select(*columns).where(_unpublished).group_by(_submission.c.office)
    rows = store.read_now(lambda connection: connection.execute(query).all())
    return {office: Waiting(count, oldest_at) for office, count, oldest_at in rows}


def unfinished(store: Store) -> Unfinished:
    """To be called before Kafka is asked for what `unaccounted` is given: what comes meanwhile must not look lost."""
    place = (_submission.c.office, _submission.c.partition)
    ends = sa.select(*place, sa.func.max(_submission.c.record_offset)).where(_unfinished).group_by(*place)
    rows = store.read_now(lambda connection: connection.execute(ends).all())
    return Unfinished({(office, partition): last + 1 for office, partition, last in rows}, _set_aside(store))


def unaccounted(store: Store, before: Unfinished, reaches: Mapping[str, Reach]) -> dict[str, int]:
    """By office, how many submissions nobody will deliver any more although nothing has become of them: their records were passed over,
    or are gone from their topic. Of those that were set aside as many as the retry topic has not; offices without any are left out.

    It holds for offices of whose city the status feed has read all events that there were when Kafka had told how far they had come.
    """
    aside = _set_aside(store)
    found = {}
    for office, reach in reaches.items():
        still = before.set_aside.get(office, frozenset()) & aside.get(office, frozenset())
        found[office] = sum(_passed_over(store, before, office, reach)) + max(0, len(still) - reach.parked)
    return {office: count for office, count in found.items() if count}


def _passed_over(store: Store, before: Unfinished, office: str, reach: Reach) -> Iterator[int]:
    """By partition. Where another topic has taken the name, places say nothing; but what is unfinished is more than what is left there."""
    offset = _submission.c.record_offset
    used = {partition for other, partition in before.ends if other == office}
    for partition in used | reach.passed.keys():
        passed, end = reach.passed.get(partition, 0), reach.ends.get(partition, 0)
        told = sa.exists().where(_said_of)
        mine = (_unfinished, _submission.c.office == office, _submission.c.partition == partition, ~told)
        known = (*mine, offset < before.ends.get((office, partition), 0))
        gone, all_of_them = (
            store.read_now(partial(_how_many, conditions=conditions))
            for conditions in ((*mine, sa.or_(offset < passed, sa.and_(*known, offset >= end))), known)
        )
        yield max(gone, all_of_them - max(0, end - passed))  # an offset may be set behind the end


def _how_many(connection: sa.Connection, conditions: Sequence[sa.ColumnElement[bool]]) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(_submission).where(*conditions)).scalar_one()


def _set_aside(store: Store) -> dict[str, frozenset[int]]:
    query = sa.select(_submission.c.office, _submission.c.seq).where(
        _unfinished, sa.exists().where(_said_of), ~sa.exists().where(_said_of, _status.c.state.in_(ENDED))
    )
    found: defaultdict[str, set[int]] = defaultdict(set)
    for office, seq in store.read_now(lambda connection: connection.execute(query).all()):
        found[office].add(seq)
    return {office: frozenset(rows) for office, rows in found.items()}


def find(store: Store, submission_id: UUID) -> Found | None:
    """A submission by its id, whichever portal sent it."""
    found = store.read_now(lambda connection: _find(connection, _submission.c.id == submission_id))
    return found[0] if found else None


def find_spoken(store: Store, code: str) -> list[Found]:
    """The submissions with this hotline code, as somebody says or writes it: nearly always one."""
    known = parse_hotline_code(code)
    return store.read_now(lambda connection: _find(connection, _submission.c.hotline_code == known)) if known else []


def find_case(store: Store, case_id: UUID) -> list[Found]:
    """The submissions of a case, in the order of acceptance."""
    return store.read_now(lambda connection: _find(connection, _submission.c.case_id == case_id))


@dataclass(frozen=True, slots=True)
class Unended:
    """A submission that was on Kafka and that nobody has confirmed, as far as the status feed has read."""

    seq: int
    id: UUID
    accepted_at: datetime
    state: State


def unended(store: Store, office: str) -> list[Unended]:
    """What of an office was on Kafka and is neither delivered nor rejected, dead letters too, in the order of acceptance."""
    mine = (_unfinished, _submission.c.office == office)
    query = sa.select(_submission.c.seq, _submission.c.id, _submission.c.accepted_at).where(*mine).order_by(_submission.c.seq)
    said = sa.select(_status, _submission.c.seq).join(_submission, _said_of).where(*mine)

    def operation(connection: sa.Connection) -> list[Unended]:
        steps: defaultdict[int, list[sa.RowMapping]] = defaultdict(list)
        for row in connection.execute(said).mappings():
            steps[row["seq"]].append(row)
        states = {seq: State(order.in_order(rows)[-1]["state"]) for seq, rows in steps.items()}
        found = [Unended(*row, states.get(row.seq, State.SUBMITTED)) for row in connection.execute(query)]
        return [one for one in found if not one.state.once]

    return store.read_now(operation)


def sent(store: Store, rows: Sequence[int]) -> list[tuple[Pending, Position]]:
    """Those of these rows that were on Kafka and are not confirmed, and where they were."""
    query = sa.select(_submission).where(_unfinished, ~_confirmed, _submission.c.seq.in_(rows)).order_by(_submission.c.seq)
    found = store.read_now(lambda connection: connection.execute(query).mappings().all())
    return [(_waits(row), Position(row["partition"], row["record_offset"])) for row in found]


async def put_back(store: Store, rows: Sequence[int]) -> int:
    """Let the relay send these again, under their own ids, and say how many they are: those that have been confirmed meanwhile stay.

    A gateway that runs sends them within half a minute, another one when it starts. Whoever has read them before drops them.
    """
    values = {"published_at": None, "partition": None, "record_offset": None}

    def operation(connection: sa.Connection) -> int:
        parts = (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))
        again = (_submission.update().where(_unfinished, ~_confirmed, _submission.c.seq.in_(part)).values(values) for part in parts)
        return sum(connection.execute(statement).rowcount for statement in again)

    return await store.write(operation)


def _find(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[Found]:
    rows = connection.execute(sa.select(_submission).where(*conditions).order_by(_submission.c.seq)).mappings().all()
    return [_found(row, _steps(connection, row)) for row in rows]


def _found(row: sa.RowMapping, steps: Sequence[Step]) -> Found:
    position = None if row["record_offset"] is None else Position(row["partition"], row["record_offset"])
    return Found(_accepted(row), row["portal"], row["published_at"], position, steps)


def _steps(connection: sa.Connection, submission: sa.RowMapping) -> list[Step]:
    of_it = sa.select(_status).join(_submission, _said_of).where(_submission.c.seq == submission["seq"])
    history = order.in_order(connection.execute(of_it).mappings().all())
    return [Step(State.SUBMITTED, submission["accepted_at"], final=False), *map(_step, history)]


def _step(row: Mapping[str, Any] | sa.RowMapping) -> Step:
    state, final = State(row["state"]), row["final"]
    if final is None and state is not State.DELIVERED:  # which alone is the end at some offices and not at others
        final = state.once
    return Step(state, row["at"], row["reference"], row["reason"], row["next_try_at"], final)


def _accepted(row: Mapping[str, Any] | sa.RowMapping, *, repeated: bool = False) -> Accepted:
    """What a row of `submission` tells its portal."""
    return Accepted(
        row["id"],
        row["hotline_code"],
        row["office"],
        row["accepted_at"],
        row["case_id"],
        row["content_sha512"],
        test=Header.TEST in json.loads(row["headers"]),
        warnings=json.loads(row["warnings"] or "[]"),
        repeated=repeated,
    )


def _pending(connection: sa.Connection, rows: Sequence[int]) -> list[Pending]:
    query = sa.select(_submission).where(_unpublished, _submission.c.seq.in_(rows)).order_by(_submission.c.seq)
    return [_waits(row) for row in connection.execute(query).mappings()]


def _waits(row: sa.RowMapping) -> Pending:
    return Pending(row["seq"], row["office"], row["case_id"], json.loads(row["headers"]), row["content"])


def _count(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> int:
    query = sa.select(sa.func.count()).select_from(_submission).where(_unpublished, *conditions)
    return connection.execute(query).scalar_one()


def _first_bytes(sizes: Sequence[tuple[int, int]]) -> list[int]:
    """The first rows (seq, bytes) that fit the limit together; at least one."""
    totals = itertools.accumulate(size_bytes for _, size_bytes in sizes)
    return [seq for number, ((seq, _), total) in enumerate(zip(sizes, totals, strict=True)) if number == 0 or total <= _BATCH_BYTES]


def store_events(connection: sa.Connection, records: Sequence[EventRecord]) -> None:
    """Note status events, each once, and let go of content that its back office has confirmed."""
    insert_new(
        connection,
        _status,
        [
            {
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
            for record in records
            for event in (record.event,)
        ],
    )
    finished = [record.event.data.submission for record in records if record.event.data.state.once]
    if finished:
        _forget_content(connection, _submission.c.id.in_(finished))


def begin_again(connection: sa.Connection, partition: TopicPartition) -> None:
    """The log of this partition is another one from here on."""
    order.begin_again(connection, _status, partition)


def _forget_content(connection: sa.Connection, rows: sa.ColumnElement[bool]) -> None:
    """Let go of the content of those of these rows that are on Kafka and confirmed, whichever of the two was noted last."""
    connection.execute(_submission.update().where(rows, _submission.c.published_at.is_not(None), _confirmed).values(content=None))
