"""The consuming processes as FastStream ASGI apps: FastStream hosts (lifespan, health pages), our engine and reader consume."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import structlog
from faststream.asgi import AsgiFastStream
from faststream.kafka import KafkaBroker

from adapters import registry
from adapters.interface import Adapter, AnswersLater
from consumers.audit import recorder, tables
from consumers.delivery.handler import Delivery
from consumers.delivery.job import Job
from consumers.delivery.ledger import Ledger
from consumers.delivery.outcomes import OutcomePoller
from consumers.engine import Engine
from consumers.settings import DeliverySettings
from consumers.statistics import facts
from infra import metrics
from infra.cancellation import is_own_cancellation
from infra.health import Health, pages
from infra.kafka.records import AnyRecord
from infra.kafka.refusals import Refusals
from infra.kafka.sender import Sender
from infra.kafka.stored_reader import StoredReader
from infra.settings import KafkaSettings, StoreSettings
from infra.stores import Store
from infra.tasks import in_background
from schemas import topics

log = structlog.get_logger()

_CLOSE_LIMIT_S: Final = 2

Lifespan = Callable[[], AbstractAsyncContextManager[None]]


def adapter_app(
    office: str,
    adapter_settings: Mapping[str, object],
    settings: DeliverySettings,
    kafka: KafkaSettings,
    stores: StoreSettings,
    continuing: Collection[str],
) -> AsgiFastStream:
    """The process that delivers to one office; its settings have been checked."""
    health = Health()

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        ledger = Ledger(stores, office)
        sender = Sender(kafka, office)
        adapter = registry.connect(office, adapter_settings)
        delivery = Delivery(office, adapter, ledger, sender, settings, continuing)
        read = [topics.submissions(office), topics.retry(office)]
        engine = Engine(kafka, group=office, topics=read, handler=delivery, limits=settings)
        outcomes = _outcomes(office, adapter, ledger, sender, settings, engine, delivery.refusals)
        _watch(health, engine, delivery, office)
        health.ready["store"] = ledger.store.check
        try:
            async with in_background(engine.run, *(watch.run for watch in outcomes)):  # leaving it drains
                yield
        finally:
            await sender.stop()
            await _close(adapter)
            ledger.close()

    return _app(kafka, office, lifespan, health)


async def _close(adapter: Adapter) -> None:
    """Let an adapter give its connections back; one that does not come to an end is left to the end of the process."""
    try:
        async with asyncio.timeout(_CLOSE_LIMIT_S):
            await adapter.close()
    except BaseException as error:
        if is_own_cancellation(error):
            raise
        log.warning("adapter_close_failed", error=type(error).__name__)


def _outcomes(
    office: str, adapter: Adapter, ledger: Ledger, sender: Sender, settings: DeliverySettings, engine: Engine[Job], refusals: Refusals
) -> list[OutcomePoller]:
    """Who asks a back office that answers later for what it has decided; nobody where it answers at once."""
    if not isinstance(adapter, AnswersLater):
        return []
    return [
        OutcomePoller(
            office, adapter, ledger.store, sender, settings, refusals, lambda: {place.partition for place in engine.core.partitions}
        )
    ]


def _watch(health: Health, engine: Engine[Job], delivery: Delivery, office: str) -> None:
    health.alive["engine"] = engine.progress.check
    health.degraded["offsets"] = engine.notice
    health.ready["engine"] = lambda: engine.finding() or engine.progress.check()
    health.ready["partitions"] = lambda: None if engine.core.partitions else "no partition is assigned"
    health.ready["steps"] = engine.stuck
    health.ready["office"] = delivery.finding
    health.ready["topics"] = delivery.refusals.finding
    metrics.OFFICE_STATE.labels(office).set(metrics.UP)
    metrics.IN_FLIGHT.labels(office).set_function(lambda: engine.core.in_flight)
    metrics.UNCOMMITTED.labels(office).set_function(lambda: engine.core.uncommittable)
    metrics.PARKED_CASES.labels(office).set_function(lambda: engine.core.parked_cases)


def audit_app(kafka: KafkaSettings, stores: StoreSettings, offices: Sequence[str]) -> AsgiFastStream:
    """The process that records everything for the audit."""
    return _recorder(topics.GROUP_AUDIT, kafka, lambda: tables.open_store(stores), lambda store: recorder.reader(kafka, store, offices))


def statistics_app(kafka: KafkaSettings, stores: StoreSettings, offices: Sequence[str]) -> AsgiFastStream:
    """The process that counts."""
    return _recorder(topics.GROUP_STATISTICS, kafka, lambda: facts.open_store(stores), lambda store: facts.reader(kafka, store, offices))


def _recorder(
    name: str, kafka: KafkaSettings, open_store: Callable[[], Store], make_reader: Callable[[Store], StoredReader[AnyRecord]]
) -> AsgiFastStream:
    health = Health()

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        store = open_store()
        reader = make_reader(store)
        health.alive["reader"] = health.ready["reader"] = reader.progress.check
        health.ready["partitions"] = reader.check
        health.ready["store"] = store.check
        try:
            async with in_background(reader.run):
                yield
        finally:
            store.close()

    return _app(kafka, name, lifespan, health)


def _app(kafka: KafkaSettings, name: str, lifespan: Lifespan, health: Health) -> AsgiFastStream:
    # FastStream's broker serves the low-volume topics; its producer defaults to acks=1, which loses data.
    broker = KafkaBroker(
        kafka.bootstrap.split(","),
        client_id=f"{name}-host",
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        logger=None,
    )
    return AsgiFastStream(broker, lifespan=lifespan, asgi_routes=pages(health), logger=None)
