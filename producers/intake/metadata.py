"""The metadata of a message: what the bus has to know to route and to label it. The message itself stays as the portal sent it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha512
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid5

from lxml import etree
from pydantic import ValidationError

from producers.intake import form_faults, message_faults
from producers.intake.declaration import Declaration
from schemas import message, moments, problems
from schemas.errors import Rejected
from schemas.examination.examine import Examined
from schemas.findings import Finding
from schemas.message import Filing, Trust, Withdrawal

_ROOT: Final = "/*"


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is known of a message that passed the examination."""

    own: bool
    """A message of our own, not a genuine XÖV one."""
    message_id: UUID
    case_id: UUID
    type: str
    namespace: str
    author: str | None
    """Its author's key; None for genuine messages without a header that we read."""
    created_at: datetime | None
    """None for genuine messages that give no time with a zone."""
    service: str
    office: str
    """Where service and area lead, by its full name."""
    trust: tuple[Trust, ...]
    test: bool
    reference: UUID | None = None
    """The message of the same case that it is about; None where it says none, and for genuine messages."""
    warnings: tuple[Finding, ...] = ()
    """What the examination found and lets pass."""


def of_filing(filing: Filing, office: str, warnings: tuple[Finding, ...] = ()) -> Metadata:
    """The metadata of a message of our own that goes to this office."""
    return Metadata(
        own=True,
        message_id=filing.message_id,
        case_id=filing.case_id,
        type=message.NAMES[type(filing)],
        namespace=message.NAMESPACE,
        author=filing.author.key,
        created_at=filing.created_at,
        service=filing.service.code,
        office=office,
        trust=tuple(applicant.trust for applicant in filing.applicants),
        test=filing.test,
        reference=None if filing.reference is None else filing.reference.message_id,
        warnings=warnings,
    )


def read_filing(root: etree._Element) -> Filing:
    """The model of a message of our own that the examination passed. Should the XSD ever pass what the model refuses, that is invalid too.

    Raises:
        Rejected: not-schema-valid; unknown-message for an answer of the bus; content-not-served for attachments and for genuine messages
            inside of ours, which wait for the object store.
    """
    try:
        found = message.read(root)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        names = [step for step in first["loc"] if isinstance(step, str)]
        where = message_faults.element(names[-1]) if names else _ROOT
        raise Rejected(problems.NOT_VALID, form_faults.sentence(first), where=where) from None
    if not isinstance(found, Filing):
        raise Rejected(problems.UNKNOWN_MESSAGE, "this is an answer of the bus; portals send antrag, nachtrag and ruecknahme", where=_ROOT)
    if isinstance(found, Withdrawal):
        return found
    if isinstance(found.content, str):
        raise Rejected(problems.CONTENT_NOT_SERVED, "send a genuine XÖV message as it is, not inside of another", where="inhalt")
    if found.attachments:
        raise Rejected(problems.CONTENT_NOT_SERVED, "attachments are not taken yet", where="anlagen")
    return found


def of_genuine(examined: Examined, root: etree._Element, body: bytes, office: str, declared: Declaration) -> Metadata:
    """The metadata of a genuine XÖV message: from its header, where it has one that we read, and from what the portal declared.

    Raises:
        Rejected: call-incomplete or id-identifies-nothing, for what the portal declared.
    """
    head, row = examined.head, examined.row
    named = None if row is None else row.type_of(root)
    if row is None or named is None:
        raise LookupError("an examination without errors has found a row, and what the message is")
    message_id = examined.message_id or uuid5(NAMESPACE_OID, sha512(body).hexdigest())  # without a header: the same bytes, the same id
    return Metadata(
        own=False,
        message_id=message_id,
        case_id=declared.case_id() or message_id,
        type=named,
        namespace=row.namespace,
        author=head.author if head else None,
        created_at=_moment(head.created) if head else None,
        service=declared.require_claim().service,
        office=office,
        trust=(declared.login(),),
        test=root.get("test") is not None,
        warnings=examined.warnings,
    )


def _moment(text: str) -> datetime | None:
    """A time with zone; many genuine messages leave the zone out, which is not for us to guess."""
    try:
        return moments.parse(text)
    except moments.NoMoment:
        return None
