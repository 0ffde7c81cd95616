"""Intake: every check between a portal's call and the outbox, in this order. Each may refuse; nothing else does.

 1. portal: who calls, within its rate      6. rules beyond the schema
 2. size, time and type of the body         7. route: the portal is the author, and the office that service
 3. known: same portal and content, same       and area lead to takes this kind of message
    answer, and nothing further             8. trust and rights: each login is good enough for that office,
 4. safe parse                                 whose translation takes it, and the portal may send this there
                                               and vouch for it or prove it
 5. schema                                  9. store once: Kafka will take its record, its portal has used its
                                               id for no other content, what it is about was accepted in the
                                               same case, and there is room

Step 3 comes before all that can change from one day to the next (catalogue, rules, settings): whoever repeats what was accepted is
told so (docs/decisions/0017). Steps 4 to 8 ask for nothing but the message; they run in a worker (`producers.intake.opening`), under limits
of time and memory, as all reading of JSON does, and portals are served in turn (docs/decisions/0023). Of them 4 to 6 are
`schemas.examination.examine`, as in `stadtbus validate`. What the portal has a right to is asked here, of what the worker has read
(docs/decisions/0025).
A genuine XÖV message passes the same steps unchanged; what the bus has to know beside its header, the portal declares in headers of the
call (docs/genuine-messages.md).
What is refused is answered with a coded problem and leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Final

import structlog

from adapters import dry_run
from infra import metrics
from infra.fair_queue import FairQueue
from infra.pace import Pace
from infra.process_pool import ProcessPool
from infra.settings import SchemaSettings
from infra.shares import Shares
from producers.intake import message_faults, operations
from producers.intake.assertions import Assertions
from producers.intake.call import Body, Call, held, receive, while_connected
from producers.intake.declaration import Declaration
from producers.intake.metadata import Metadata
from producers.intake.operations import Sender
from producers.intake.portals import Portal, Portals
from producers.intake.publishable import require_publishable
from producers.intake.rates import Rates
from producers.intake.refused import counted
from producers.intake.rights import require_granted
from producers.outbox.outbox import AcceptedSubmission, Candidate, Outbox
from schemas.catalogue import Catalogue
from schemas.errors import Rejected
from schemas.headers import Header

log = structlog.get_logger()

_AT_ONCE: Final = 4
"""So many calls are read at the same time, each with a worker; of one portal alone they are two. Whoever calls while another floods has a slot
at once, and the event loop has little to do before it comes to him.
"""
_WAITING: Final = 256
_REFUSED_PER_S: Final = 20
"""Calls of one portal that are answered with 429; further ones are answered later, by `_REFUSED_S` at most."""
_REFUSED_S: Final = 2.0
_BODIES_BYTES: Final = 256 * 1024 * 1024
_TRACEPARENT: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Passed:
    """What nothing has refused so far, and what is to be stored of it."""

    metadata: Metadata
    candidate: Candidate


class Intake:
    """Accepts submissions into the outbox or refuses them. For each call the gateway asks `admit`, then `submit`."""

    def __init__(
        self,
        catalogue: Catalogue,
        schemas: SchemaSettings,
        portals: Portals,
        assertions: Assertions,
        outbox: Outbox,
        *,
        accept_test: bool,
    ) -> None:
        """Workers start when they are first needed; whoever made it calls `close`."""
        self._catalogue = catalogue
        self._portals = portals
        self._assertions = assertions
        self._outbox = outbox
        self._accept_test = accept_test
        self.rates = Rates()
        """How much each portal may still send and ask, for the headers of answers."""
        self._bodies = Shares(_BODIES_BYTES)
        self._turns = FairQueue(_AT_ONCE, _WAITING)
        self._refusing = Pace(_REFUSED_PER_S, _REFUSED_S)
        self._offices = frozenset(catalogue.offices)
        self.workers = ProcessPool(partial(dry_run.prepare, catalogue, schemas.folder), operations.ALL, size=_AT_ONCE)

    def close(self) -> None:
        """End the workers, after the calls that are under way. Blocks."""
        self.workers.close()

    def admit(self, authorization: str | None) -> Portal:
        """Step 1: the portal that calls; asked for each call, also for one about a submission.

        Raises:
            Rejected: unauthenticated or token-expired; it is counted.
        """
        with counted():
            # 1. portal
            return self._portals.authenticate(authorization)

    async def submit(self, portal: Portal, call: Call) -> AcceptedSubmission:
        """Its rate, and steps 2 to 9 for what a portal sends; the submission is durable when this returns.

        Raises:
            Rejected: the submission is refused, with the id of the message where it could be read; it is counted.
            SQLAlchemyError: the outbox failed or does not answer; whether the submission was stored is not known.
            ClientDisconnect: the caller went away while the body was read.
        """
        async with self.throttled(portal):
            with held(self._bodies, portal.id) as memory:
                # 1. portal, within its rate
                rates = self.rates.of(portal)
                rates.begin_submission()
                # 2. size, time and type
                try:
                    body = await receive(call, memory)
                finally:
                    rates.charge_bytes(memory.read_bytes)
                # 3 to 8, when it is this portal's turn; a caller that goes leaves the queue
                with metrics.BEING_READ.labels(portal.id).track_inprogress():
                    looked = await while_connected(call, self._turns.run(portal.id, partial(self._look, portal, body, call.headers)))
                if isinstance(looked, AcceptedSubmission):
                    return looked
                # 9. store once
                return await self._store(looked, message_faults.told_of_form() if body.is_form else nullcontext())

    @asynccontextmanager
    async def throttled(self, portal: Portal) -> AsyncIterator[None]:
        """Around each call of a portal: what is refused is counted, and what is refused for now is answered at a measured pace, so that
        calling again at once does not keep the gateway busy.
        """
        try:
            with counted(portal.id):
                yield
        except Rejected as error:
            if error.problem.status == HTTPStatus.TOO_MANY_REQUESTS:
                await self._refusing.turn(portal.id)
            raise

    async def _look(self, portal: Portal, body: Body, headers: Mapping[str, str]) -> AcceptedSubmission | Passed:
        """What this portal was told of the same content before, or else what passed steps 4 to 8."""
        # 3. known
        content_sha512 = await self._hash(body)
        known = await self._outbox.known(portal.id, content_sha512)
        if known is not None:
            return known
        # 4 to 8, in a worker: safe parse, schema, rules, route, trust
        metadata, content = await self._open(body, portal, headers)
        proven = await self._require_rights(portal, metadata, headers, is_form=body.is_form)
        return Passed(metadata, candidate_of(metadata, portal, content, content_sha512, _trace(headers) | _proof(proven)))

    async def _hash(self, body: Body) -> str:
        """The SHA-512 of what a portal sent: of a form by what it says, of a message by its bytes."""
        if not body.is_form:
            return hashlib.sha512(body.content).hexdigest()
        return (await self.workers.run(operations.HASH_FORM, body.content, None))[0]

    async def _open(self, body: Body, portal: Portal, headers: Mapping[str, str]) -> tuple[Metadata, bytes]:
        """The metadata of a message, and the message; that of a form is made of it."""
        if body.is_form:
            metadata, content = await self._open_form(body, portal)
        else:
            sender = Sender(portal.author, self._accept_test, Declaration.of(headers))
            metadata, content = (await self.workers.run(operations.OPEN_MESSAGE, body.content, sender))[0], body.content
        if metadata.office not in self._offices:
            raise LookupError("a worker named an office that is none")
        return metadata, content

    async def _open_form(self, body: Body, portal: Portal) -> tuple[Metadata, bytes]:
        try:
            return await self.workers.run(operations.OPEN_FORM, body.content, Sender(portal.author, self._accept_test))
        except Rejected as error:
            message_faults.reword(error)
            raise

    async def _require_rights(self, portal: Portal, metadata: Metadata, headers: Mapping[str, str], *, is_form: bool) -> bool:
        """The rights of step 8; whether all logins are proven."""
        try:
            with message_faults.told_of_form() if is_form else nullcontext():
                require_granted(portal.id, portal.settings, metadata, self._catalogue.service(metadata.service).id)
            return await self._assertions.require_proven(portal, metadata, headers)
        except Rejected as error:
            error.message_id = metadata.message_id
            raise

    async def _store(self, passed: Passed, telling: AbstractContextManager[None]) -> AcceptedSubmission:
        """Store it, and count it if it is new; `telling` puts a refusal into the words of what the portal sent."""
        metadata, candidate = passed.metadata, passed.candidate
        try:
            require_publishable(candidate)
            with telling:
                accepted = await self._outbox.accept(candidate)
        except Rejected as error:
            error.message_id = metadata.message_id
            raise
        if not accepted.repeated:
            metrics.ACCEPTED.labels(accepted.office, candidate.portal).inc()
            if metadata.warnings:
                codes = sorted({warning.problem.code for warning in metadata.warnings})
                log.info("accepted_with_warnings", submission=str(accepted.id), office=accepted.office, codes=codes)
        return accepted


def _trace(headers: Mapping[str, str]) -> dict[Header, str]:
    """The portal's trace goes through every hop (W3C Trace Context); anything else in that header is dropped."""
    trace = headers.get("traceparent", "")
    return {Header.TRACEPARENT: trace} if _TRACEPARENT.fullmatch(trace) else {}


def _proof(proven: bool) -> dict[Header, str]:
    return {Header.TRUST_PROOF: "asserted"} if proven else {}


def candidate_of(metadata: Metadata, portal: Portal, content: bytes, content_sha512: str, more: Mapping[Header, str]) -> Candidate:
    """What the outbox stores of a message that passed, with more headers than follow from it.

    `content` is the message, `content_sha512` the hash of what the portal sent, which was a form perhaps.
    """
    accepted_at = datetime.now(UTC)
    return Candidate(
        message_id=metadata.message_id,
        portal=portal.id,
        content_sha512=content_sha512,
        office=metadata.office,
        case_id=metadata.case_id,
        accepted_at=accepted_at,
        headers={**_headers(metadata, portal.id, accepted_at), **more},
        content=content,
        warnings=[warning.as_dict() for warning in metadata.warnings],
        reference=metadata.reference,
    )


def _headers(metadata: Metadata, portal_id: str, accepted_at: datetime) -> dict[Header, str]:
    """The headers of the record on Kafka, but for what the bus calls it; nothing in them is personal (`schemas.headers.FORMS`)."""
    headers = {
        Header.SPECVERSION: "1.0",
        Header.MESSAGE_ID: str(metadata.message_id),
        Header.SOURCE: f"//stadtbus.example/portals/{portal_id}",
        Header.TYPE: metadata.type,
        Header.TIME: (metadata.created_at or accepted_at).isoformat(timespec="milliseconds"),
        Header.DATASCHEMA: metadata.namespace,
        Header.CONTENT_TYPE: "application/xml",
        Header.CITY: metadata.office.partition(".")[0],
        Header.OFFICE: metadata.office,
        Header.SERVICE: metadata.service,
        Header.PORTAL: portal_id,
        Header.TRUST: str(min(trust.level for trust in metadata.trust)),
        Header.ACCEPTED_AT: accepted_at.isoformat(timespec="milliseconds"),
    }
    return headers | ({Header.TEST: "true"} if metadata.test else {})
