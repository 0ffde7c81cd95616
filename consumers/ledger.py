"""The ledger of one office: what was begun and what the back office confirmed, so that nothing has its effect twice.

A row is `started` before the hand-over and `delivered` after it, or `not taken` when the back office surely did not take it.
A row that is still `started` when its record comes again means that the outcome is unclear: the back office is asked before
anything is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from infra.settings import StoreSettings
from infra.stores import Store, UtcDateTime

STARTED: Final = "started"
NOT_TAKEN: Final = "not taken"
DELIVERED: Final = "delivered"

_tables = sa.MetaData()
_ledger = sa.Table(
    "ledger",
    _tables,
    sa.Column("office", sa.Text, primary_key=True),
    sa.Column("submission_id", sa.Uuid, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("reference", sa.Text),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("delivered_at", UtcDateTime),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """The state of a submission when its record was read: `attempt` is the one that begins now."""

    attempt: int
    unclear: bool = False
    """An earlier attempt was begun and its outcome is not known."""
    reference: str | None = None
    delivered_at: datetime | None = None


class Ledger:
    """The rows of one office."""

    def __init__(self, settings: StoreSettings, office: str) -> None:
        self._office = office
        self._store = Store(settings, f"ledger-{office}", _tables)

    async def begin(self, submission_id: UUID) -> Entry:
        """Note that an attempt begins, unless the submission is delivered already; durable on return."""

        def operation(connection: sa.Connection) -> Entry:
            row = connection.execute(sa.select(_ledger).where(*self._row(submission_id))).mappings().one_or_none()
            if row is None:
                connection.execute(
                    _ledger.insert().values(
                        office=self._office, submission_id=submission_id, state=STARTED, attempt=1, started_at=datetime.now(UTC)
                    )
                )
                return Entry(attempt=1)
            if row["state"] == DELIVERED:
                return Entry(row["attempt"], reference=row["reference"], delivered_at=row["delivered_at"])
            again = _ledger.update().where(*self._row(submission_id)).values(state=STARTED, attempt=row["attempt"] + 1)
            connection.execute(again)
            return Entry(attempt=row["attempt"] + 1, unclear=row["state"] == STARTED)

        return await self._store.write(operation)

    async def not_taken(self, submission_id: UUID) -> None:
        """Note that the attempt surely had no effect: the next one need not ask; durable on return."""
        statement = _ledger.update().where(*self._row(submission_id)).values(state=NOT_TAKEN)
        await self._store.write(lambda connection: connection.execute(statement))

    async def delivered(self, submission_id: UUID, reference: str) -> datetime:
        """Note what the back office confirmed, and when we heard of it; durable on return."""
        now = datetime.now(UTC)
        statement = _ledger.update().where(*self._row(submission_id)).values(state=DELIVERED, reference=reference, delivered_at=now)
        await self._store.write(lambda connection: connection.execute(statement))
        return now

    def _row(self, submission_id: UUID) -> tuple[sa.ColumnElement[bool], ...]:
        return _ledger.c.office == self._office, _ledger.c.submission_id == submission_id

    def close(self) -> None:
        """Write what is waiting and stop."""
        self._store.close()
