"""The gateway: the portals' HTTP API, with the relay and the status feed beside it in one process.

It has to start and to accept while Kafka is away, so it is a plain FastAPI app; the consuming processes are FastStream apps
(docs/decisions/0001).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from fastapi import APIRouter, FastAPI, Request, Response

from infra.health import LIVE, Health, live_page
from infra.kafka.heartbeats import Heartbeats, Identity
from infra.kafka.records import EventRecord
from infra.kafka.stored_reader import StoredReader
from infra.settings import KafkaSettings, SchemaSettings, StoreSettings
from infra.tasks import in_background
from producers.feedback.status_feed import status_feed
from producers.gateway import openapi, problems, security_txt
from producers.gateway.prober import Prober
from producers.gateway.rate_headers import RateHeaders
from producers.gateway.routes import Submissions
from producers.intake.assertions import Assertions
from producers.intake.intake import Intake
from producers.intake.portals import Portals
from producers.outbox.outbox import Outbox
from producers.outbox.relay import Lane
from producers.portals.register import Register
from producers.settings import GatewaySettings
from schemas.catalogue import Catalogue
from schemas.heartbeats import ProcessKind, Vitals
from schemas.message import Authority


def create_app(
    catalogue: Catalogue,
    register: Register,
    gateway: GatewaySettings,
    kafka: KafkaSettings,
    stores: StoreSettings,
    schemas: SchemaSettings,
    port: int | None = None,
) -> FastAPI:
    """The gateway as an ASGI app, served at `port` or else where the settings say. Blocks while the outbox is opened.

    Raises:
        CannotTell: store-unreachable.
    """
    outbox = Outbox(stores, limit=gateway.outbox_limit, limit_bytes=gateway.outbox_limit_bytes, free_bytes=gateway.disk_free_bytes)
    known = Portals(register)
    assertions = Assertions(gateway.identity, catalogue)
    intake = Intake(catalogue, schemas, known, assertions, outbox, accept_test=gateway.accept_test)
    lanes = {office: Lane(outbox, kafka, office) for office in catalogue.offices}
    feed = status_feed(kafka, outbox.store, catalogue.cities)
    checks = _checks(known, assertions, outbox, lanes, feed)
    checks.facts["workers"] = intake.workers.lacking
    heartbeats = Heartbeats(kafka, Identity(ProcessKind.GATEWAY, port or gateway.port), checks)
    routes = Submissions(intake, outbox.store, Authority(key=gateway.authority, name="Stadtbus")).router()
    probers = [Prober(kafka, catalogue.offices, gateway.probe_interval_s)] if gateway.probes else []
    loops = [intake.workers.keep_ready, *(prober.run for prober in probers), known.run, feed.run, *(lane.run for lane in lanes.values())]
    app = _api(routes, checks, partial(_running, intake, outbox, heartbeats, loops))
    if gateway.security_contact is not None:
        app.add_route(security_txt.PATH, security_txt.security_page(gateway.security_contact), include_in_schema=False)
    app.state.intake = intake
    app.state.health = checks
    return app


def _api(routes: APIRouter, checks: Health, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """The routes with their document, the answers to errors, and whether the gateway lives."""
    app = FastAPI(title="Stadtbus gateway", version="1", lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    described = json.dumps(openapi.document(app.version), ensure_ascii=False).encode()  # once: everybody may ask, as often as he likes

    async def describe(_: Request) -> Response:
        return Response(described, media_type="application/json")

    app.add_route("/openapi.json", describe, include_in_schema=False)
    app.include_router(routes)
    problems.answer_errors_of(app)
    app.add_middleware(RateHeaders)
    app.add_route(LIVE, live_page(checks), include_in_schema=False)  # type: ignore[arg-type]
    return app


@asynccontextmanager
async def _running(
    intake: Intake, outbox: Outbox, heartbeats: Heartbeats, loops: Sequence[Callable[[], Awaitable[None]]], _: FastAPI
) -> AsyncIterator[None]:
    """The lifespan: relay, status feed and heartbeats run beside the API; what `create_app` has opened is closed after it."""
    try:
        async with heartbeats.hosted(), in_background(*loops):
            yield
    finally:
        intake.close()
        outbox.store.close()


def _checks(portals: Portals, assertions: Assertions, outbox: Outbox, lanes: Mapping[str, Lane], feed: StoredReader[EventRecord]) -> Health:
    """Without its store nothing can be accepted. Kafka being away is no reason to be taken out of service: accepting goes on. Nor is one
    office's topic that refuses records: the others would suffer for it. What waits in the outbox for either is told, and so are pages of portals
    that could not be taken up.
    """
    moving = {f"relay of {office}": lane.progress.check for office, lane in lanes.items()}
    waiting = {f"relay of {office}": lane.check for office, lane in lanes.items()}
    ready = moving | {"store": outbox.store.check, "disk": outbox.room.check}
    degraded = waiting | {"portals": portals.check, "identity sources": assertions.check, "status feed": feed.check}
    return Health(alive=moving, ready=ready, degraded=degraded, vitals=partial(_vitals, lanes, feed))


def _vitals(lanes: Mapping[str, Lane], feed: StoredReader[EventRecord]) -> Vitals:
    return feed.vitals().model_copy(update={"lanes": [lane.vitals() for lane in lanes.values()]})
