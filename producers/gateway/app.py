"""The gateway: the portals' HTTP API, with the relay and the status feed beside it in one process.

It has to start and to accept while Kafka is away, so it is a plain FastAPI app; the consuming processes are FastStream apps
(docs/decisions/0001).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from infra import database
from infra.health import Health
from infra.health import pages as health_pages
from infra.kafka.heartbeats import Heartbeats, Identity
from infra.kafka.records import EventRecord, read_event
from infra.kafka.sink import Sink
from infra.kafka.stored_reader import StoredReader
from infra.settings import KafkaSettings, SchemaSettings, StoreSettings
from infra.tasks import in_background
from producers.gateway import answers, openapi, views
from producers.intake import intake
from producers.intake.intake import Intake
from producers.outbox import outbox
from producers.outbox.outbox import Outbox
from producers.outbox.relay import Lane
from producers.settings import GatewaySettings, PortalSettings
from schemas import problems, topics, xml
from schemas.catalogue import Catalogue
from schemas.errors import Rejected, StadtbusError
from schemas.heartbeats import ProcessKind, Vitals
from schemas.message import Authority
from schemas.problems import Problem

log = structlog.get_logger()


def create_app(
    catalogue: Catalogue,
    portals: Mapping[str, PortalSettings],
    gateway: GatewaySettings,
    kafka: KafkaSettings,
    stores: StoreSettings,
    schemas: SchemaSettings,
    port: int | None = None,
) -> FastAPI:
    """The gateway as an ASGI app. `port` is where it is served, if it is another one than the settings say."""
    box = Outbox(stores, limit=gateway.outbox_limit)
    door = Intake(catalogue, schemas, portals, box, accept_test=gateway.accept_test)
    lanes = [Lane(box, kafka, office) for office in catalogue.offices]
    feed = StoredReader[EventRecord](
        kafka,
        box.store,
        Sink(outbox.READER_TABLES, decode=read_event, apply=outbox.store_events, begin_again=outbox.begin_again),
        group=topics.GROUP_STATUS,
        topics=[topics.events(city) for city in catalogue.cities],
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            async with heartbeats.hosted(), in_background(feed.run, *(lane.run for lane in lanes)):
                yield
        finally:
            door.close()
            box.store.close()

    checks = _checks(box, feed, dict(zip(catalogue.offices, lanes, strict=True)))
    heartbeats = Heartbeats(kafka, Identity(ProcessKind.GATEWAY, port or gateway.port), checks)
    app = FastAPI(title="Stadtbus gateway", version="1", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.openapi = partial(openapi.document, app.version)  # type: ignore[method-assign] # as FastAPI says to replace it
    app.state.intake = door
    _add_routes(app, door, box, Authority(key=gateway.authority, name="Stadtbus"))
    _add_errors(app)
    for path, page in health_pages(checks):
        app.add_route(path, page, include_in_schema=False)  # type: ignore[arg-type]
    return app


def _checks(box: Outbox, feed: StoredReader[EventRecord], lanes: Mapping[str, Lane]) -> Health:
    # Kafka being away is no reason to be taken out of service: accepting goes on. Without its store nothing can be accepted.
    moving = {f"relay of {office}": lane.progress.check for office, lane in lanes.items()}
    # One office's topic that refuses records is no reason either: the others would suffer for it.
    refusing = {f"relay of {office}": lane.refused for office, lane in lanes.items()}
    ready = moving | {"store": box.store.check}

    def vitals() -> Vitals:
        return Vitals(lanes=[lane.vitals() for lane in lanes.values()])

    return Health(alive=moving, ready=ready, degraded=refusing | {"status feed": feed.check}, vitals=vitals)


def _add_routes(app: FastAPI, door: Intake, box: Outbox, bus: Authority) -> None:
    @app.post("/v1/submissions", status_code=202, response_model=views.Receipt)
    async def submit(
        request: Request,
        response: Response,
        authorization: Annotated[str | None, Header()] = None,
        accept: Annotated[str | None, Header()] = None,
    ) -> views.Receipt | Response:
        try:
            accepted = await door.submit(intake.Request(request.headers, request.stream()))
        except Rejected as error:
            if not (answers.wanted(accept) and answers.is_rejection(error)):
                raise
            return _xml(answers.rejection(error, bus, door.authenticate(authorization).author), error.problem.status)
        response.headers["Location"] = views.status_url(accepted)
        if answers.wanted(accept):
            return _xml(answers.receipt(accepted, bus, door.authenticate(authorization).author), 202, response.headers)
        return views.receipt(accepted)

    @app.get("/v1/submissions/{submission_id}", response_model=views.SubmissionView)
    async def status(
        submission_id: str,
        authorization: Annotated[str | None, Header()] = None,
        accept: Annotated[str | None, Header()] = None,
    ) -> views.SubmissionView | Response:
        portal = door.authenticate(authorization)
        found = await box.steps(_uuid(submission_id), portal.id)
        if found is None:
            raise Rejected(problems.NOT_FOUND)
        return _xml(answers.status(*found, bus, portal.author)) if answers.wanted(accept) else views.status(*found)

    @app.get("/v1/schemas/einreichung-1.0.xsd", response_class=Response)
    async def message_schema() -> Response:
        return Response(xml.schema_bytes("einreichung-1.0"), media_type="application/xml")


def _xml(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, headers, answers.MEDIA_TYPE)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Rejected(problems.NOT_FOUND, "the id is not a UUID") from None


def _add_errors(app: FastAPI) -> None:
    """Whatever goes wrong is answered as a problem (RFC 9457)."""

    async def ours(_: Request, error: StadtbusError) -> JSONResponse:
        return _problem(error)

    async def http(_: Request, error: HTTPException) -> JSONResponse:
        problem = problems.METHOD if error.status_code == problems.METHOD.status else problems.NO_SUCH_PAGE
        return _problem(Rejected(problem), error.status_code, error.headers)

    async def store(_: Request, error: SQLAlchemyError) -> JSONResponse:
        log.error("store_failed", store="outbox", error=database.reason(error))
        return _problem(Rejected(problems.STORE_UNREACHABLE, "it is not known whether the submission was taken: send the same again"))

    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it

    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        log.error("internal_error", error=type(error).__name__)
        return _problem(Rejected(problems.INTERNAL))

    handlers: dict[type[Exception], Callable[..., Any]] = {
        StadtbusError: ours,
        HTTPException: http,
        SQLAlchemyError: store,
        ClientDisconnect: gone,
        Exception: unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _problem(error: StadtbusError, status: int | None = None, headers: Mapping[str, str] | None = None) -> JSONResponse:
    problem: Problem = error.problem
    status = status or problem.status
    headers = headers or {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": str(openapi.RETRY_AFTER_S)}}.get(status)
    return JSONResponse(error.as_dict() | {"status": status}, status_code=status, media_type=openapi.PROBLEM_JSON, headers=headers)
