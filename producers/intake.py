"""Intake: every check between a portal's call and the outbox, in one place and in this order.

 1. authenticate the portal            5. rules beyond the schema
 2. size, while the body is read       6. route: service and area give city and office
 3. safe parse                         7. trust level of the service at that office
 4. schema                             8. store once: same id and content, same answer

A submission that fails is answered with a coded problem and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from lxml import etree
from pydantic import ValidationError

from infra import metrics
from producers import form, rules
from producers.outbox import Accepted, Candidate, Outbox
from producers.settings import PortalSettings
from schemas import errors, message, xml
from schemas.catalogue import Catalogue, Route
from schemas.errors import Rejected, StadtbusError
from schemas.headers import Header
from schemas.message import Application, Authority

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
    """A portal's call, with the body still to be read."""

    authorization: str | None
    content_type: str | None
    content_encoding: str | None
    traceparent: str | None
    body: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class _Read:
    """A body that was understood; the hash is of the content as the portal sent it."""

    root: etree._Element
    xml: bytes
    content_sha512: str


class Intake:
    """Takes submissions into the outbox or refuses them."""

    def __init__(self, catalogue: Catalogue, portals: Mapping[str, PortalSettings], outbox: Outbox, *, accept_test: bool) -> None:
        self._catalogue = catalogue
        self._portals = {settings.token_sha256: Portal(portal_id, settings) for portal_id, settings in portals.items()}
        self._outbox = outbox
        self._accept_test = accept_test

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
        portal = self.authenticate(request.authorization)  # 1
        body = await _read_body(request)  # 2
        read = self._read(portal, request.content_type or "", body)  # 3
        for rule in rules.BEFORE_SCHEMA:
            rule(read.root)
        xml.validate(read.root, message.SCHEMA)  # 4
        for rule in rules.AFTER_SCHEMA:  # 5
            rule(read.root)
        application = _application(read.root)
        self._check_content(application, portal)
        route = self._catalogue.route(application.service.code, application.area.code)  # 6
        if application.reader.key != route.office_entry.authority:
            raise Rejected(errors.READER_MISMATCH, f"expected {route.office_entry.authority}", where="nachrichtenkopf.g2g/leser/kennung")
        route.check_trust([applicant.trust for applicant in application.applicants])  # 7
        accepted = await self._outbox.accept(_candidate(application, route, portal, read, _trace(request.traceparent)))  # 8
        if not accepted.repeated:
            metrics.ACCEPTED.labels(accepted.office, portal.id).inc()
        return accepted

    def authenticate(self, authorization: str | None) -> Portal:
        """The portal whose token this is. Tokens are long and random, so a plain hash is enough to look them up.

        Raises:
            Rejected: unauthenticated.
        """
        scheme, _, token = (authorization or "").partition(" ")
        portal = self._portals.get(hashlib.sha256(token.strip().encode()).hexdigest())
        if scheme.lower() != "bearer" or portal is None:
            raise Rejected(errors.UNAUTHENTICATED, "no bearer token" if not token else "no portal has this token", where="Authorization")
        return portal

    def _read(self, portal: Portal, content_type: str, body: bytes) -> _Read:
        kind = content_type.partition(";")[0].strip().lower()
        if kind in XML_TYPES:
            return _Read(xml.parse(body), body, hashlib.sha512(body).hexdigest())
        if kind != JSON_TYPE:
            raise Rejected(errors.MEDIA_TYPE, "this is neither XML nor JSON", where="Content-Type")
        sent, content_sha512 = form.read(body)
        try:
            rendered = message.write(sent.application(self._catalogue.route(sent.service, sent.area), portal.author))
        except ValueError:  # lxml: characters that XML does not have
            raise Rejected(errors.FORM_INVALID, "a text holds a character that XML cannot carry") from None
        return _Read(xml.parse(rendered), rendered, content_sha512)

    def _check_content(self, application: Application, portal: Portal) -> None:
        if application.author.key != portal.settings.authority:
            raise Rejected(errors.AUTHOR_MISMATCH, where="nachrichtenkopf.g2g/autor/kennung")
        if application.test and not self._accept_test:
            raise Rejected(errors.TEST_NOT_ALLOWED, where="@test")
        if isinstance(application.content, str) or application.has_attachments:
            raise Rejected(errors.CONTENT_NOT_SERVED, where="inhalt")


async def _read_body(request: Request) -> bytes:
    """The body up to the limit. A little more is read and thrown away, so that the caller gets to see the answer."""
    if request.content_encoding not in (None, "", "identity"):
        raise Rejected(errors.MEDIA_TYPE, "the body is compressed", where="Content-Encoding")
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
        raise Rejected(errors.TOO_SLOW, f"the limit is {_BODY_LIMIT_S} s", where="body") from None
    if size_bytes > xml.MAX_SIZE_BYTES:
        raise Rejected(errors.TOO_LARGE, f"the limit is {xml.MAX_SIZE_BYTES} bytes", where="body")
    return b"".join(chunks)


def _application(root: etree._Element) -> Application:
    """The message as a model. What the XSD lets through and the model does not (a birth date with a zone) is invalid too."""
    try:
        return message.read(root)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise Rejected(errors.NOT_VALID, str(first["type"]), where=".".join(map(str, first["loc"]))) from None


def _trace(traceparent: str | None) -> dict[Header, str]:
    """The portal's trace goes through every hop (W3C Trace Context); anything else in that header is dropped."""
    return {Header.TRACEPARENT: traceparent} if traceparent and _TRACEPARENT.fullmatch(traceparent) else {}


def _candidate(application: Application, route: Route, portal: Portal, read: _Read, trace: Mapping[Header, str]) -> Candidate:
    accepted_at = datetime.now(UTC)
    submission_id = application.message_id  # a new message has a new UUID, so it is the id of the submission too
    headers = {
        Header.SPECVERSION: "1.0",
        Header.MESSAGE_ID: str(application.message_id),
        Header.SOURCE: f"//stadtbus.example/portals/{portal.id}",
        Header.TYPE: message.APPLICATION,
        Header.TIME: application.created_at.isoformat(timespec="milliseconds"),
        Header.SUBJECT: str(submission_id),
        Header.DATASCHEMA: message.NAMESPACE,
        Header.CONTENT_TYPE: "application/xml",
        Header.SUBMISSION: str(submission_id),
        Header.CASE: str(application.case_id),
        Header.CITY: route.city.city,
        Header.OFFICE: route.office,
        Header.SERVICE: application.service.code,
        Header.PORTAL: portal.id,
        Header.TRUST: str(min(applicant.trust.level for applicant in application.applicants)),
        Header.ACCEPTED_AT: accepted_at.isoformat(timespec="milliseconds"),
    }
    headers |= trace
    if application.test:
        headers[Header.TEST] = "true"
    return Candidate(submission_id, portal.id, read.content_sha512, route.office, application.case_id, accepted_at, headers, read.xml)
