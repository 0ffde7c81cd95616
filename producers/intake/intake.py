"""Intake: every check between a portal's call and the outbox, in one place and in this order.

 1. authenticate the portal            5. schema
 2. size, while the body is read       6. rules beyond the schema
 3. known: same portal and content,    7. route: service and area give city and office
    same answer, and nothing further   8. trust level of the service at that office
 4. safe parse                         9. store once: an id stands for one content

Step 3 comes before all that can change from one day to the next (catalogue, rules, settings): whoever repeats what was accepted is
told so (docs/decisions/0017). Steps 4 to 6 are those of `schemas.examination.examine`, as in `stadtbus validate`. They, and all reading of JSON,
run in a worker under limits of time and memory. Genuine XÖV messages pass the same steps unchanged; what the bus has to know beside
their header, the portal says in headers of the call (docs/genuine-messages.md).
A submission that fails is answered with a coded problem and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog

from infra import metrics
from infra.process_pool import ProcessPool
from infra.settings import SchemaSettings
from producers.intake import form, form_faults, letters
from producers.intake.letters import Call, Letter
from producers.outbox.outbox import Accepted, Candidate, Outbox
from producers.settings import PortalSettings
from schemas import problems, xml
from schemas.catalogue import Catalogue, Route
from schemas.errors import Rejected, StadtbusError
from schemas.examination import examine
from schemas.headers import Header
from schemas.message import Authority

log = structlog.get_logger()

XML_TYPES: Final = ("application/xml", "text/xml")
JSON_TYPE: Final = "application/json"
_TRACEPARENT: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_BODY_LIMIT_S: Final = 30
_DRAIN_LIMIT_BYTES: Final = 16 * xml.MAX_SIZE_BYTES


@dataclass(frozen=True, slots=True)
class Portal:
    """The portal that calls."""

    id: str
    settings: PortalSettings

    @property
    def author(self) -> Authority:
        """The portal as author of messages."""
        return Authority(key=self.settings.authority, name=self.settings.name)


@dataclass(frozen=True, slots=True)
class Request:
    """A portal's call, with the body still to be read. Names of `headers` are found in upper and lower case."""

    headers: Mapping[str, str]
    body: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Content:
    """A message, and the hash of what the portal sent, which was a form perhaps."""

    xml: bytes
    sha512: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What a portal sent: a message, or a form."""

    body: bytes
    is_form: bool

    @classmethod
    def of(cls, content_type: str, body: bytes) -> Sent:
        """A body by its content type.

        Raises:
            Rejected: unsupported-media-type.
        """
        kind = content_type.partition(";")[0].strip().lower()
        if kind not in (*XML_TYPES, JSON_TYPE):
            raise Rejected(problems.MEDIA_TYPE, "this is neither XML nor JSON", where="Content-Type")
        return cls(body, kind == JSON_TYPE)


class Intake:
    """Takes submissions into the outbox or refuses them."""

    def __init__(
        self, catalogue: Catalogue, schemas: SchemaSettings, portals: Mapping[str, PortalSettings], outbox: Outbox, *, accept_test: bool
    ) -> None:
        self._catalogue = catalogue
        self._portals = {settings.token_sha256: Portal(portal_id, settings) for portal_id, settings in portals.items()}
        self._outbox = outbox
        self._accept_test = accept_test
        self._workers = ProcessPool(partial(examine.prepare, catalogue, schemas.folder))

    def close(self) -> None:
        """End the workers."""
        self._workers.close()

    async def submit(self, request: Request) -> Accepted:
        """Take one submission; it is durable when this returns.

        Raises:
            Rejected: with the problem; nothing was stored.
        """
        try:
            return await self._submit(request)
        except StadtbusError as error:
            metrics.REJECTED.labels(error.problem.code).inc()
            raise

    async def _submit(self, request: Request) -> Accepted:
        portal = self.authenticate(request.headers.get("Authorization"))  # 1
        sent = Sent.of(request.headers.get("Content-Type", ""), await _read_body(request))  # 2
        content_sha512 = await self._workers.run(form.content_sha512, sent.body) if sent.is_form else hashlib.sha512(sent.body).hexdigest()
        known = await self._outbox.known(portal.id, content_sha512)  # 3
        if known is not None:
            return known
        letter, message = await self._open(sent, portal, request.headers)  # 4, 5, 6
        try:
            with form_faults.told() if sent.is_form else nullcontext():
                route = self._route(letter, portal)  # 7, 8
            content = Content(message, content_sha512)
            accepted = await self._outbox.accept(candidate(letter, route, portal, content, _trace(request.headers)))  # 9
        except Rejected as error:
            error.message_id = letter.message_id
            raise
        if not accepted.repeated:
            metrics.ACCEPTED.labels(accepted.office, portal.id).inc()
            if letter.warnings:
                codes = sorted({warning.problem.code for warning in letter.warnings})
                log.info("accepted_with_warnings", submission=str(accepted.id), office=accepted.office, codes=codes)
        return accepted

    async def _open(self, sent: Sent, portal: Portal, headers: Mapping[str, str]) -> tuple[Letter, bytes]:
        """What a worker finds in a message, and the message; that of a form is made of it."""
        if sent.is_form:
            return await self._workers.run(partial(letters.open_form, accept_test=self._accept_test), sent.body, portal.author)
        open_letter = partial(letters.open_letter, accept_test=self._accept_test)
        return await self._workers.run(open_letter, sent.body, Call.of(headers)), sent.body

    def _route(self, letter: Letter, portal: Portal) -> Route:
        """What has to be right about a message beside itself: its author, its way, its applicants' logins."""
        expected = portal.settings.authority
        if letter.author not in (expected, None):
            raise Rejected(problems.AUTHOR_MISMATCH, f"expected {expected}", where="nachrichtenkopf.g2g/autor/kennung")
        route = self._catalogue.route(letter.service, letter.area)
        _require_taken(letter, route)
        _require_trust(letter, route)
        return route

    def authenticate(self, authorization: str | None) -> Portal:
        """The portal whose token this is. Tokens are long and random, so a plain hash is enough to look them up.

        Raises:
            Rejected: unauthenticated.
        """
        scheme, _, token = (authorization or "").partition(" ")
        portal = self._portals.get(hashlib.sha256(token.strip().encode()).hexdigest())
        if scheme.lower() != "bearer" or portal is None:
            raise Rejected(problems.UNAUTHENTICATED, "no bearer token" if not token else "no portal has this token", where="Authorization")
        return portal


async def _read_body(request: Request) -> bytes:
    """The body up to the limit. A little more is read and thrown away, so that the caller gets to see the answer."""
    if request.headers.get("Content-Encoding", "").lower() not in ("", "identity"):
        raise Rejected(problems.MEDIA_TYPE, "the body is compressed", where="Content-Encoding")
    chunks: list[bytes] = []
    size_bytes = 0
    try:
        async with asyncio.timeout(_BODY_LIMIT_S):
            async for chunk in request.body:
                size_bytes += len(chunk)
                if size_bytes <= xml.MAX_SIZE_BYTES:
                    chunks.append(chunk)
                elif size_bytes > _DRAIN_LIMIT_BYTES:
                    break
    except TimeoutError:
        raise Rejected(problems.TOO_SLOW, f"the limit is {_BODY_LIMIT_S} s", where="body") from None
    if size_bytes > xml.MAX_SIZE_BYTES:
        raise Rejected(problems.TOO_LARGE, f"the limit is {xml.MAX_SIZE_BYTES} bytes", where="body")
    return b"".join(chunks)


def _require_taken(letter: Letter, route: Route) -> None:
    """The office of the route has to take this kind of message."""
    office = route.office_entry
    if (letter.type if letter.own else letter.namespace) not in (office.messages if letter.own else office.namespaces):
        raise Rejected(
            problems.CONTENT_NOT_SERVED, f"{route.office} takes: {', '.join((*office.messages, *office.namespaces))}", where="/*"
        )


def _require_trust(letter: Letter, route: Route) -> None:
    """Every login has to do for the office; of a genuine message the call names it."""
    try:
        route.check_trust(letter.trust)
    except Rejected as error:
        error.where = error.where if letter.own else letters.TRUST
        raise


def _trace(headers: Mapping[str, str]) -> dict[Header, str]:
    """The portal's trace goes through every hop (W3C Trace Context); anything else in that header is dropped."""
    trace = headers.get("traceparent", "")
    return {Header.TRACEPARENT: trace} if _TRACEPARENT.fullmatch(trace) else {}


def candidate(letter: Letter, route: Route, portal: Portal, content: Content, trace: Mapping[Header, str]) -> Candidate:
    """What the outbox stores of a letter that passed. A new message has a new UUID, so that is the id of the submission too."""
    accepted_at = datetime.now(UTC)
    submission_id = str(letter.message_id)
    headers = {
        Header.SPECVERSION: "1.0",
        Header.MESSAGE_ID: submission_id,
        Header.SOURCE: f"//stadtbus.example/portals/{portal.id}",
        Header.TYPE: letter.type,
        Header.TIME: (letter.created_at or accepted_at).isoformat(timespec="milliseconds"),
        Header.SUBJECT: submission_id,
        Header.DATASCHEMA: letter.namespace,
        Header.CONTENT_TYPE: "application/xml",
        Header.SUBMISSION: submission_id,
        Header.CASE: str(letter.case_id),
        Header.CITY: route.city.city,
        Header.OFFICE: route.office,
        Header.SERVICE: letter.service,
        Header.PORTAL: portal.id,
        Header.TRUST: str(min(trust.level for trust in letter.trust)),
        Header.ACCEPTED_AT: accepted_at.isoformat(timespec="milliseconds"),
    }
    headers |= trace
    if letter.test:
        headers[Header.TEST] = "true"
    warnings = [warning.as_dict() for warning in letter.warnings]
    return Candidate(
        letter.message_id, portal.id, content.sha512, route.office, letter.case_id, accepted_at, headers, content.xml, warnings
    )
