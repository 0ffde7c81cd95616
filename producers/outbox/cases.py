"""Which cases there are under an id at an office, and to which portals a city has granted them. Asked and told by `stadtbus cases`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa

from infra.rows import insert_new
from infra.stores import Store
from producers.outbox.tables import case_key, submission
from schemas import problems
from schemas.errors import UsageError


@dataclass(frozen=True, slots=True)
class Case:
    """A case of one portal."""

    key: UUID
    """As records and the audit name it."""
    office: str
    case_id: UUID
    owner: str
    opened_at: datetime
    submissions: int
    granted: Sequence[tuple[str, datetime]] = ()
    """To which portals, and when."""


def find(store: Store, office: str, case_id: UUID) -> list[Case]:
    """The cases that portals have under this id, the oldest first: nearly always one. Blocks."""
    return store.read_now(lambda connection: _find(connection, office, case_id))


def of_owner(cases: Sequence[Case], owner: str) -> Case:
    """The one of this portal.

    Raises:
        UsageError: case-unknown.
    """
    found = next((one for one in cases if one.owner == owner), None)
    if found is None:
        known = ", ".join(one.owner for one in cases) or "none"
        raise UsageError(problems.CASE_UNKNOWN, f"{owner} has none; portals that have: {known}")
    return found


async def grant(store: Store, case: Case, portal: str) -> None:
    """Let another portal write into a case from now on, under the id that its owner gave it. What is granted already stays so.

    Raises:
        UsageError: case-not-granted; nothing is changed.
    """
    await store.write(lambda connection: _grant(connection, case, portal))


async def revoke(store: Store, case: Case, portal: str) -> bool:
    """Let a portal write into a case no more; whether it could before. What it has sent stays in the case."""
    row = (case_key.c.portal == portal, case_key.c.office == case.office, case_key.c.case_id == case.case_id)
    granted = case_key.delete().where(*row, case_key.c.key == case.key, case_key.c.owner == case.owner)
    return await store.write(lambda connection: connection.execute(granted).rowcount == 1)


def require_grantable(connection: sa.Connection, case: Case, portal: str) -> None:
    """Pass if this portal has no case of its own that would be hidden by the granted one.

    Raises:
        UsageError: case-not-granted.
    """
    if portal == case.owner:
        raise UsageError(problems.CASE_NOT_GRANTED, f"{portal} is the owner", where="--to")
    same = (submission.c.portal == portal, submission.c.office == case.office, submission.c.case_id == case.case_id)
    own = sa.select(sa.exists().where(*same, submission.c.case_key != case.key))
    if connection.execute(own).scalar_one():
        raise UsageError(problems.CASE_NOT_GRANTED, f"{portal} has a case of its own under this id", where="--to")


def _grant(connection: sa.Connection, case: Case, portal: str) -> None:
    require_grantable(connection, case, portal)
    names = {"portal": portal, "office": case.office, "case_id": case.case_id}
    insert_new(connection, case_key, [names | {"key": case.key, "owner": case.owner, "granted_at": datetime.now(UTC)}])


def _find(connection: sa.Connection, office: str, case_id: UUID) -> list[Case]:
    first, count = sa.func.min(submission.c.seq), sa.func.count()
    mine = (submission.c.office == office, submission.c.case_id == case_id)
    opened = sa.select(first.label("seq"), count.label("count")).where(*mine).group_by(submission.c.case_key).subquery()
    columns = (submission.c.case_key, submission.c.portal, submission.c.accepted_at, opened.c.count)
    rows = connection.execute(sa.select(*columns).join(opened, submission.c.seq == opened.c.seq).order_by(submission.c.seq))
    return [
        Case(key, office, case_id, portal, opened_at, submissions, _granted(connection, key, office))
        for key, portal, opened_at, submissions in rows
    ]


def _granted(connection: sa.Connection, key: UUID, office: str) -> list[tuple[str, datetime]]:
    columns = (case_key.c.portal, case_key.c.granted_at)
    granted = sa.select(*columns).where(case_key.c.key == key, case_key.c.office == office, case_key.c.owner.is_not(None))
    return [(portal, at) for portal, at in connection.execute(granted.order_by(case_key.c.granted_at))]
