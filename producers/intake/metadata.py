"""What the bus has to know of a message: enough to route and to label it. The message itself stays as the portal sent it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha512
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid5

from lxml import etree
from pydantic import ValidationError

from producers.intake import form, form_faults
from schemas import ids, message, moments, problems
from schemas.errors import Rejected
from schemas.examination.examine import Examined, catalogue_prepared, examine_prepared
from schemas.examination.rules.subject import Claim
from schemas.findings import Finding
from schemas.message import Authority, Filing, Trust, Withdrawal

SERVICE: Final = "Stadtbus-Service"
AREA: Final = "Stadtbus-Area"
CASE: Final = "Stadtbus-Case"
TRUST: Final = "Stadtbus-Trust"

_TRUST = re.compile(r"\s*([1-4])\s*;\s*([a-z][a-z0-9-]{1,39})\s*")


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that passed the examination.

    `author` is None for genuine messages without a header that we read; `created_at` where they give no time with a zone.
    """

    own: bool
    message_id: UUID
    case_id: UUID
    type: str
    namespace: str
    author: str | None
    created_at: datetime | None
    service: str
    area: str
    trust: tuple[Trust, ...]
    test: bool
    warnings: tuple[Finding, ...] = ()
    """What the examination found and lets pass."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a portal says beside a genuine XÖV message, word for word."""

    service: str | None = None
    area: str | None = None
    case: str | None = None
    trust: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Call:
        """The four headers of a call.

        Raises:
            Rejected: call-incomplete, where one stands there twice: which of them is meant nobody knows.
        """
        names = [name.lower() for name in headers]
        for name in (SERVICE, AREA, CASE, TRUST):
            if names.count(name.lower()) > 1:
                raise Rejected(problems.CALL_INCOMPLETE, "the header stands there more than once", where=name)
        return cls(*(headers.get(name) for name in (SERVICE, AREA, CASE, TRUST)))

    @property
    def claim(self) -> Claim | None:
        """Service and area, where it names both."""
        return None if self.service is None or self.area is None else Claim(self.service.strip(), self.area.strip())


def read(examined: Examined, body: bytes, call: Call) -> Letter:
    """The letter in a message that was examined.

    Raises:
        Rejected: what the examination refuses; or not-schema-valid, unknown-message, content-not-served, call-incomplete. It names the message.
    """
    examined.require()
    if examined.root is None or examined.row is None:
        raise LookupError("an examination without errors has come to its end")
    try:
        letter = _own(examined.root) if examined.row.own else _genuine(examined, examined.root, body, call)
        return replace(letter, warnings=examined.warnings)
    except Rejected as error:
        error.message_id = examined.message_id
        raise


# --- messages of our own


def of(filing: Filing) -> Letter:
    """The letter in a message of our own."""
    return Letter(
        own=True,
        message_id=filing.message_id,
        case_id=filing.case_id,
        type=message.NAMES[type(filing)],
        namespace=message.NAMESPACE,
        author=filing.author.key,
        created_at=filing.created_at,
        service=filing.service.code,
        area=filing.area.code,
        trust=tuple(applicant.trust for applicant in filing.applicants),
        test=filing.test,
    )


def _own(root: etree._Element) -> Letter:
    filing = _filing(root)
    _require_served(filing)
    return of(filing)


def _filing(root: etree._Element) -> Filing:
    """The message as a model. Should the XSD ever let through what the model does not, that is invalid too."""
    try:
        found = message.read(root)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        names = [step for step in first["loc"] if isinstance(step, str)]
        raise Rejected(problems.NOT_VALID, form_faults.sentence(first), where=form_faults.element(names[-1]) if names else "/*") from None
    if not isinstance(found, Filing):
        raise Rejected(problems.UNKNOWN_MESSAGE, "this is an answer of the bus; portals send antrag, nachtrag and ruecknahme", where="/*")
    return found


def _require_served(filing: Filing) -> None:
    """Attachments and genuine messages inside of ours wait for the object store."""
    if isinstance(filing, Withdrawal):
        return
    if isinstance(filing.content, str):
        raise Rejected(problems.CONTENT_NOT_SERVED, "send a genuine XÖV message as it is, not inside of another", where="inhalt")
    if filing.attachments:
        raise Rejected(problems.CONTENT_NOT_SERVED, "attachments are not taken yet", where="anlagen")


# --- genuine XÖV messages: what the bus has to know stands in the header and in the portal's call


def _genuine(examined: Examined, root: etree._Element, body: bytes, call: Call) -> Letter:
    claim, head, name = call.claim, examined.head, etree.QName(root)
    if claim is None:
        missing = SERVICE if call.service is None else AREA
        raise Rejected(problems.CALL_INCOMPLETE, f"missing: {missing}", where=missing)
    message_id = examined.message_id or uuid5(NAMESPACE_OID, sha512(body).hexdigest())  # without a header: the same bytes, the same id
    return Letter(
        own=False,
        message_id=message_id,
        case_id=_case(call.case) or message_id,
        type=name.localname,
        namespace=name.namespace or "",
        author=head.author if head else None,
        created_at=_moment(head.created) if head else None,
        service=claim.service,
        area=claim.area,
        trust=(_trust(call.trust or ""),),
        test=root.get("test") is not None,
    )


def _case(text: str | None) -> UUID | None:
    if text is None:
        return None
    try:
        case_id = ids.parse(text.strip())
    except ValueError as error:
        raise Rejected(problems.CALL_INCOMPLETE, f"the case is not a UUID: {error}", where=CASE) from None
    if not ids.identifies(case_id):
        raise Rejected(problems.ID_EMPTY, ids.EMPTY, where=CASE)
    return case_id


def _trust(text: str) -> Trust:
    said = _TRUST.fullmatch(text)
    if said is None:
        raise Rejected(problems.CALL_INCOMPLETE, "expected level (1 to 4) and account, for example '3; bayernid'", where=TRUST)
    return Trust(level=int(said[1]), account=said[2])


def _moment(text: str) -> datetime | None:
    """A time with zone; many genuine messages leave the zone out, which is not for us to guess."""
    try:
        return moments.parse(text)
    except moments.NoMoment:
        return None


# --- in a worker that is prepared (`schemas.examination.examine.prepare`)


def open_letter(body: bytes, call: Call, *, accept_test: bool) -> Letter:
    """Examine and read a message; raises as `read`."""
    return read(examine_prepared(body, accept_test=accept_test, claim=call.claim), body, call)


def open_form(body: bytes, author: Authority, *, accept_test: bool) -> tuple[Letter, bytes]:
    """Read a form, and the message that stands for it, which passes the same examination.

    Raises:
        Rejected: what is wrong with the form, told of the form. It names the message where the form has an id that can be read.
    """
    sent = form.read(body)
    try:
        with form_faults.told():
            content = message.write(sent.message(catalogue_prepared().route(sent.service, sent.area), author))
            letter = open_letter(content, Call(), accept_test=accept_test)
        return replace(letter, warnings=tuple(map(form_faults.of_form, letter.warnings))), content
    except Rejected as error:
        error.message_id = sent.id if ids.identifies(sent.id) else None
        raise
