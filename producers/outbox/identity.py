"""Whose an id and a case are: both belong to the portal that names them, so the bus keeps names of its own for them.

A portal chooses ids of messages and cases, and may choose those of another one. What travels is therefore
- the key of a case: an HMAC of portal and case, so that equal ids of two portals are two cases, at the bus and at the back office;
- the id of a submission: that of the message, or, where another portal has used that one before, an HMAC of portal and message;
- the hotline code: from an HMAC too, so that nobody can search for an id that has a given one.
"""

from __future__ import annotations

import hmac
import itertools
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from infra.stores import Store
from producers.outbox.tables import case_key, secret, submission
from schemas import problems
from schemas.errors import Rejected
from schemas.headers import Header
from schemas.hotline import hotline_code


@dataclass(frozen=True, slots=True)
class Named:
    """What a portal calls a message, its case and the message that it is about."""

    portal: str
    office: str
    message_id: UUID
    case_id: UUID
    reference: UUID | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """What the bus calls them. All texts of one kind have one length."""

    submission: UUID
    case_key: UUID
    hotline_code: str
    about: UUID | None
    """The submission that the message it refers to became."""

    def headers(self) -> dict[Header, str]:
        """As the record on Kafka says it."""
        own = {
            Header.SUBJECT: str(self.submission),
            Header.SUBMISSION: str(self.submission),
            Header.CASE: str(self.case_key),
            Header.HOTLINE_CODE: self.hotline_code,
        }
        return own if self.about is None else own | {Header.ABOUT: str(self.about)}


def likeness(named: Named) -> Identity:
    """An identity as long as the one that it will get, to measure a record by before anything is stored."""
    return Identity(named.message_id, named.case_id, hotline_code(named.message_id.bytes), named.reference)


class Identities:
    """Gives identities, by the secret of one outbox and by what stands there."""

    def __init__(self, store: Store) -> None:
        """Blocks."""
        self._secret: bytes = store.read_now(lambda connection: connection.execute(sa.select(secret.c.value)).scalar_one())

    def give(self, connection: sa.Connection, named: Named) -> Identity:
        """The identity of a new submission, within the transaction that stores it. Whoever asks with a case or a message of another
        portal, or with none that there is, causes the same look-ups and gets the same answer.

        Raises:
            Rejected: reference-unknown.
        """
        derived = self.case_key(named.portal, named.case_id)
        code = hotline_code(self._digest("code", named.portal, named.message_id))
        found = connection.execute(_FACTS, {"portal": named.portal, "office": named.office, "case_id": named.case_id,
                                            "message_id": named.message_id, "code": code}).one()  # fmt: skip
        key = found.key or derived
        about = None if named.reference is None else _referred(connection, named, key)
        submission_id = self._uuid("submission", named.portal, named.message_id) if found.id_taken else named.message_id
        return Identity(submission_id, key, self._free_code(connection, named) if found.code_taken else code, about)

    def case_key(self, portal: str, case_id: UUID) -> UUID:
        """The key of a case that a portal opens."""
        return self._uuid("case", portal, case_id)

    def _free_code(self, connection: sa.Connection, named: Named) -> str:
        """The next code that no submission has; one in millions needs it."""
        codes = (hotline_code(self._digest(f"code {number}", named.portal, named.message_id)) for number in itertools.count(2))
        return next(code for code in codes if not connection.execute(sa.select(_with_code), {"code": code}).scalar_one())

    def _uuid(self, purpose: str, portal: str, named: UUID) -> UUID:
        """A UUID of version 8 (RFC 9562)."""
        bits = int.from_bytes(self._digest(purpose, portal, named)[:16])
        return UUID(int=(bits & ~(0xF000 << 64 | 0xC000 << 48)) | 0x8000 << 64 | 0x8000 << 48)

    def _digest(self, purpose: str, portal: str, named: UUID) -> bytes:
        return hmac.digest(self._secret, f"{purpose}\n{portal}\n{named}".encode(), "sha256")


_with_code = sa.exists().where(submission.c.hotline_code == sa.bindparam("code"))
_FACTS = sa.select(
    sa.select(case_key.c.key)
    .where(
        case_key.c.portal == sa.bindparam("portal"),
        case_key.c.office == sa.bindparam("office"),
        case_key.c.case_id == sa.bindparam("case_id"),
    )
    .scalar_subquery()
    .label("key"),
    sa.exists().where(submission.c.id == sa.bindparam("message_id")).label("id_taken"),
    _with_code.label("code_taken"),
)
_REFERRED = (
    sa.select(submission.c.id)
    .where(
        submission.c.message_id == sa.bindparam("reference"),
        submission.c.case_key == sa.bindparam("key"),
        submission.c.office == sa.bindparam("office"),
    )
    .order_by(submission.c.portal != sa.bindparam("portal"), submission.c.seq)
    .limit(1)
)
"""In a case that two portals share, an id of one's own goes before the same id of the other."""


def _referred(connection: sa.Connection, named: Named, key: UUID) -> UUID:
    """The submission that a reference means: one of the same case at the same office.

    Raises:
        Rejected: reference-unknown.
    """
    parameters = {"reference": named.reference, "key": key, "office": named.office, "portal": named.portal}
    found: UUID | None = connection.execute(_REFERRED, parameters).scalar_one_or_none()
    if found is None:
        raise Rejected(problems.REFERENCE_UNKNOWN, where="bezug/bezugNachricht")
    return found
