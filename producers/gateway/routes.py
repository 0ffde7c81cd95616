"""What portals may ask for: hand in a submission, what became of one, the schema of the message.

A route authenticates the caller once, before anything else, and reads each header once; what the answer says of rates is added by
`producers.gateway.rate_headers`. Whatever it raises becomes an answer in
`producers.gateway.problems`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response

from infra.fair_queue import FairQueue
from infra.stores import Store
from producers.feedback import history
from producers.gateway import answers, views
from producers.intake.call import Call
from producers.intake.intake import Intake
from producers.intake.portals import Portal
from schemas import problems
from schemas.errors import Rejected
from schemas.message import Authority, xsd

_QUESTIONS: Final = 3
"""So many are answered at the same time, of one portal at most two (`infra.shares`)."""
_WAITING: Final = 256
_Header = Annotated[str | None, Header()]


class Submissions:
    """The routes of submissions; `bus` is the author of answers in XML."""

    def __init__(self, intake: Intake, store: Store, bus: Authority) -> None:
        self._intake = intake
        self._questions = FairQueue(_QUESTIONS, _WAITING)
        self._store = store
        self._bus = bus

    def router(self) -> APIRouter:
        """Their paths, and that of the schema of the message. What they promise is written in `producers.gateway.openapi`."""
        router = APIRouter()
        router.add_route("/v1/submissions", self.submit, methods=["POST"])  # plain: parameters and models of FastAPI are a third of a call
        router.add_api_route("/v1/submissions/{submission_id}", self.status, methods=["GET"], response_model=views.SubmissionView)
        router.add_api_route("/v1/schemas/einreichung-1.0.xsd", _message_schema, methods=["GET"], response_class=Response)
        return router

    async def submit(self, request: Request) -> Response:
        """`POST /v1/submissions`: the receipt, in JSON or XML; in XML a refusal that is final is a message too.

        Raises:
            Rejected: as `Intake.admit` and `Intake.submit`, as a problem.
        """
        portal, in_xml = self._intake.admit(request.headers.get("Authorization")), answers.wanted(request.headers.get("Accept"))
        request.state.rate_limit = self._intake.rates.of(portal).of_submissions
        try:
            accepted = await self._intake.submit(portal, Call(request.headers, request.stream(), partial(_hung_up, request)))
        except Rejected as error:
            if not (in_xml and answers.is_rejection(error)):
                raise
            return _xml(answers.rejection(error, self._bus, portal.author), error.problem.status)
        place = {"Location": views.status_url(accepted)}
        if in_xml:
            return _xml(answers.receipt(accepted, self._bus, portal.author), 202, place)
        return Response(views.receipt(accepted).model_dump_json(), 202, place, "application/json")

    async def status(
        self, request: Request, submission_id: str, authorization: _Header = None, accept: _Header = None
    ) -> views.SubmissionView | Response:
        """`GET /v1/submissions/{submission_id}`: what became of a portal's own submission.

        Raises:
            Rejected: unauthenticated, rate-exceeded, portal-busy, or submission-not-found, also for the submission of another portal.
        """
        portal = self._intake.admit(authorization)
        request.state.rate_limit = self._intake.rates.of(portal).of_status
        async with self._intake.throttled(portal):
            self._intake.rates.of(portal).begin_status()
            found = await self._questions.run(portal.id, partial(self._found, submission_id, portal))
        if answers.wanted(accept):
            return _xml(answers.status(found.accepted, found.steps, self._bus, portal.author))
        return views.status(found.accepted, found.steps)

    async def _found(self, submission_id: str, portal: Portal) -> history.SubmissionHistory:
        found = await history.find_own(self._store, _uuid(submission_id), portal.id)
        if found is None:
            raise Rejected(problems.NOT_FOUND)
        return found


async def _hung_up(request: Request) -> None:
    """Returns when the caller has gone, after its body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _message_schema() -> Response:
    return Response(xsd.content(), media_type=answers.MEDIA_TYPE)


def _xml(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, headers, answers.MEDIA_TYPE)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Rejected(problems.NOT_FOUND, "the id is not a UUID") from None
