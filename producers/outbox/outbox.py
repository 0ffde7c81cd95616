"""Accepting: a submission is accepted as soon as its row is durable here, and an id of a portal stands for one content."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from infra import crashpoints
from infra.rows import insert_new
from infra.settings import StoreSettings
from producers.outbox import usage
from producers.outbox.identity import Identities, Identity, Named
from producers.outbox.room import Limits, Room
from producers.outbox.tables import open_store, submission
from producers.outbox.usage import Used
from producers.settings import OUTBOX_BYTES
from schemas import problems
from schemas.errors import Rejected
from schemas.headers import Header


@dataclass(frozen=True, slots=True)
class Candidate:
    """A submission that passed every check of intake and is not stored yet."""

    message_id: UUID
    portal: str
    content_sha512: str
    office: str
    case_id: UUID
    accepted_at: datetime
    headers: Mapping[Header, str]
    """Those of its record, less what it is called by the bus (`Identity.headers`)."""
    content: bytes
    warnings: Sequence[Mapping[str, Any]] = ()
    """What was found in it and lets it pass, as the portal is told; never a value of the message."""
    reference: UUID | None = None
    """The message of the same case that it is about."""

    @property
    def named(self) -> Named:
        """What its portal calls it, its case and what it is about."""
        return Named(self.portal, self.office, self.message_id, self.case_id, self.reference)


@dataclass(frozen=True, slots=True)
class AcceptedSubmission:
    """What the portal is told of a submission that is stored; a repeat gets the same."""

    id: UUID
    message_id: UUID
    """What its portal calls it, and is told; in nearly all cases the same as its id."""
    hotline_code: str
    office: str
    accepted_at: datetime
    case_id: UUID
    """As its portal names it."""
    content_sha512: str
    test: bool
    warnings: Sequence[Mapping[str, Any]] = ()
    repeated: bool = False
    """Whether it was stored before this call."""


class Outbox:
    """The gateway's store, and its only way to accept. One process has it open. `limit` is how many may be pending and `limit_bytes` how
    much content may be kept, of all offices; everybody has a share of both. Nothing is accepted while the disk has less than `free_bytes`.
    """

    def __init__(self, settings: StoreSettings, *, limit: int, limit_bytes: int = OUTBOX_BYTES, free_bytes: int = 0) -> None:
        """Blocks while the store is opened, and raises as `open_store`. Whoever made it closes `store`."""
        self.store = open_store(settings)
        self._identities = Identities(self.store)
        self.filled: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        """By office: set when something may be pending; the office's lane of the relay clears it."""
        self.room = Room(Limits(limit, limit_bytes, free_bytes), None if settings.url else settings.folder)

    async def known(self, portal: str, content_sha512: str) -> AcceptedSubmission | None:
        """What a portal was told when it sent this content; None where the outbox does not know that it did.

        Raises:
            SQLAlchemyError: the store does not answer.
        """
        sent = {"content_sha512": content_sha512, "portal": portal}
        row = await self.store.read(lambda connection: connection.execute(_SENT, sent).mappings().first())
        return None if row is None else accepted_of(row, repeated=True)

    async def accept(self, candidate: Candidate) -> AcceptedSubmission:
        """Store a submission once; it is durable when this returns.

        Raises:
            Rejected: id-conflict, reference-unknown or intake-full; nothing was stored.
            SQLAlchemyError: the store failed or does not answer; whether it was stored is not known.
        """
        try:
            accepted = await self.store.write(lambda connection: self._accepted_or_refused(connection, candidate))
        finally:
            self.filled[candidate.office].set()  # also for a caller that went away meanwhile: its row may be stored
        if isinstance(accepted, Rejected):
            raise accepted
        crashpoints.reached("outbox.stored")
        return accepted

    def _accepted_or_refused(self, connection: sa.Connection, candidate: Candidate) -> AcceptedSubmission | Rejected:
        """A refusal is returned: nothing was written before it, so nothing has to be undone, least of all what others wrote beside it."""
        try:
            return self._accept(connection, candidate)
        except Rejected as refusal:
            return refusal

    def _accept(self, connection: sa.Connection, candidate: Candidate) -> AcceptedSubmission:
        own = {"message_id": candidate.message_id, "portal": candidate.portal}
        known = connection.execute(_OWN, own).mappings().one_or_none()
        if known is not None:
            if known["content_sha512"] != candidate.content_sha512:
                raise Rejected(problems.ID_CONFLICT)
            return accepted_of(known, repeated=True)
        row = _row_of(candidate, self._identities.give(connection, candidate.named))
        more = Used(candidate.portal, candidate.office, 1, len(candidate.content))
        self.room.take(connection, more)
        if not insert_new(connection, submission, [row]):  # another gateway has stored it, or used its id, since we looked
            return self._accept(connection, candidate)
        usage.add(connection, more)
        return accepted_of(row)


# Put together once: SQLAlchemy takes longer for that than the database for its answer.
_SENT: Final = sa.select(submission).where(
    submission.c.content_sha512 == sa.bindparam("content_sha512"), submission.c.portal == sa.bindparam("portal")
)
_OWN: Final = sa.select(submission).where(
    submission.c.message_id == sa.bindparam("message_id"), submission.c.portal == sa.bindparam("portal")
)


def _row_of(candidate: Candidate, identity: Identity) -> dict[str, Any]:
    return {
        "id": identity.submission,
        "message_id": candidate.message_id,
        "portal": candidate.portal,
        "content_sha512": candidate.content_sha512,
        "hotline_code": identity.hotline_code,
        "office": candidate.office,
        "case_id": candidate.case_id,
        "case_key": identity.case_key,
        "accepted_at": candidate.accepted_at,
        "headers": json.dumps({**candidate.headers, **identity.headers()}),
        "content": candidate.content,
        "warnings": json.dumps(candidate.warnings) if candidate.warnings else None,
    }


def accepted_of(row: Mapping[str, Any] | sa.RowMapping, *, repeated: bool = False) -> AcceptedSubmission:
    """What a row of `submission` tells its portal."""
    return AcceptedSubmission(
        row["id"],
        row["message_id"],
        row["hotline_code"],
        row["office"],
        row["accepted_at"],
        row["case_id"],
        row["content_sha512"],
        test=Header.TEST in json.loads(row["headers"]),
        warnings=json.loads(row["warnings"] or "[]"),
        repeated=repeated,
    )
