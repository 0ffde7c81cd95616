"""The outbox: what was accepted, whether it is on Kafka yet, and what became of it. Accepted means: a durable row here.

The content of a submission leaves the row when its back office has confirmed it; the id and the hash of the content stay, so
that repeats are still recognised.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from infra.kafka.clients import Position
from infra.kafka.stored_reader import Tables
from infra.settings import StoreSettings
from infra.stores import Store, insert_new
from schemas import errors
from schemas.errors import Rejected
from schemas.events import State, StatusEvent
from schemas.headers import Header

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
    sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("headers", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary),
    sa.Column("published_at", sa.DateTime(timezone=True)),
    sa.Column("partition", sa.Integer),
    sa.Column("record_offset", sa.BigInteger),
)
_unpublished = _submission.c.published_at.is_(None)
sa.Index("submission_unpublished", _submission.c.seq, sqlite_where=_unpublished, postgresql_where=_unpublished)
_status = sa.Table(
    "status",
    _metadata,
    sa.Column("event_id", sa.Uuid, primary_key=True),
    sa.Column("submission_id", sa.Uuid, nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("reference", sa.Text),
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


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the portal is told; a repeat gets the same."""

    id: UUID
    hotline_code: str
    office: str
    accepted_at: datetime
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """A submission that waits for Kafka."""

    seq: int
    office: str
    case_id: UUID
    headers: Mapping[Header, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a submission."""

    state: State
    at: datetime
    reference: str | None = None


def hotline_code(submission_id: UUID) -> str:
    """Eight characters to say on the telephone (Crockford's letters, no I, L, O, U); it tells nothing about anybody."""
    letters = base64.b32encode(hashlib.sha256(submission_id.bytes).digest()[:5]).decode()
    spoken = letters.translate(str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
    return f"{spoken[:4]}-{spoken[4:]}"


class Outbox:
    """The gateway's store."""

    def __init__(self, settings: StoreSettings, *, limit: int) -> None:
        self.store = Store(settings, "outbox", _metadata)
        self._limit = limit
        self.filled = asyncio.Event()
        """Set when something may be waiting for the relay."""
        self.filled.set()

    async def count_pending(self) -> int:
        """Submissions that are not on Kafka yet."""
        query = sa.select(sa.func.count()).select_from(_submission).where(_unpublished)
        return await self.store.read(lambda connection: connection.execute(query).scalar_one())

    async def accept(self, candidate: Candidate) -> Accepted:
        """Store a submission once; it is durable when this returns.

        Raises:
            Rejected: id-conflict or intake-full; nothing was stored.
        """
        try:
            return await self.store.write(lambda connection: self._accept(connection, candidate))
        finally:
            self.filled.set()  # also for a caller that went away meanwhile: its row may be stored

    def _accept(self, connection: sa.Connection, candidate: Candidate) -> Accepted:
        known = connection.execute(sa.select(_submission).where(_submission.c.id == candidate.id)).mappings().one_or_none()
        if known is not None:
            if (known["content_sha512"], known["portal"]) != (candidate.content_sha512, candidate.portal):
                raise Rejected(errors.ID_CONFLICT)
            return Accepted(known["id"], known["hotline_code"], known["office"], known["accepted_at"].replace(tzinfo=UTC), repeated=True)
        if self._is_full(connection):
            raise Rejected(errors.INTAKE_FULL, f"{self._limit} submissions wait for Kafka")
        code = hotline_code(candidate.id)
        connection.execute(
            _submission.insert().values(
                id=candidate.id,
                portal=candidate.portal,
                content_sha512=candidate.content_sha512,
                hotline_code=code,
                office=candidate.office,
                case_id=candidate.case_id,
                accepted_at=candidate.accepted_at,
                headers=json.dumps(candidate.headers),
                content=candidate.content,
            )
        )
        return Accepted(candidate.id, code, candidate.office, candidate.accepted_at)

    def _is_full(self, connection: sa.Connection) -> bool:
        last_place = sa.select(_submission.c.seq).where(_unpublished).order_by(_submission.c.seq).limit(1).offset(self._limit - 1)
        return connection.execute(last_place).first() is not None

    async def next_pending(self, limit: int) -> list[Pending]:
        """The oldest submissions that are not on Kafka, in the order in which they were accepted."""
        query = sa.select(_submission).where(_unpublished).order_by(_submission.c.seq).limit(limit)
        rows = await self.store.read(lambda connection: connection.execute(query).mappings().all())
        return [
            Pending(
                row["seq"], row["office"], row["case_id"], {Header(k): v for k, v in json.loads(row["headers"]).items()}, row["content"]
            )
            for row in rows
        ]

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

        def operation(connection: sa.Connection) -> tuple[Any, Sequence[Any]]:
            mine = sa.select(_submission).where(_submission.c.id == submission_id, _submission.c.portal == portal)
            history = sa.select(_status).where(_status.c.submission_id == submission_id).order_by(_status.c.at)
            return connection.execute(mine).mappings().one_or_none(), connection.execute(history).mappings().all()

        row, history = await self.store.read(operation)
        if row is None:
            return None
        accepted = Accepted(row["id"], row["hotline_code"], row["office"], row["accepted_at"].replace(tzinfo=UTC))
        later = [Step(State(one["state"]), one["at"].replace(tzinfo=UTC), one["reference"]) for one in history]
        return accepted, [Step(State.SUBMITTED, accepted.accepted_at), *later]


def store_events(connection: sa.Connection, events: Sequence[StatusEvent]) -> None:
    """Note status events, each once, and let go of content that its back office has confirmed."""
    insert_new(
        connection,
        _status,
        [
            {
                "event_id": event.id,
                "submission_id": event.data.submission,
                "state": event.data.state.value,
                "at": event.time,
                "reference": event.data.reference,
            }
            for event in events
        ],
    )
    finished = [event.data.submission for event in events if event.data.state is State.DELIVERED]
    if finished:
        _forget_content(connection, _submission.c.id.in_(finished))


def _forget_content(connection: sa.Connection, rows: sa.ColumnElement[bool]) -> None:
    """Let go of the content of those of these rows that are on Kafka and confirmed, whichever of the two was noted last."""
    confirmed = sa.exists().where(_status.c.submission_id == _submission.c.id, _status.c.state == State.DELIVERED.value)
    connection.execute(_submission.update().where(rows, _submission.c.published_at.is_not(None), confirmed).values(content=None))
