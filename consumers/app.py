"""The consuming processes as FastStream ASGI apps: FastStream hosts (lifespan, health pages), our engine and reader consume."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

import structlog
from faststream.asgi import AsgiFastStream

from adapters import registry
from adapters.interface import Adapter, AnswersLater, TranslatesApart
from consumers.audit import recorder, tables
from consumers.delivery.aside import ParkedCount
from consumers.delivery.handler import Delivery
from consumers.delivery.job import Job
from consumers.delivery.ledger import Ledger
from consumers.delivery.orders import Orders
from consumers.delivery.outcomes import OutcomePoller
from consumers.delivery.vitals import VitalSigns
from consumers.desk.open_letters import OpenLetters
from consumers.engine import Engine
from consumers.pages import pages
from consumers.settings import DeliverySettings
from consumers.statistics import facts
from infra import metrics
from infra.cancellation import is_own_cancellation
from infra.health import Health
from infra.kafka.heartbeats import Heartbeats, Identity
from infra.kafka.records import AnyRecord
from infra.kafka.refusals import Refusals
from infra.kafka.sender import Sender
from infra.kafka.stored_reader import StoredReader
from infra.settings import KafkaSettings, StoreSettings
from infra.stores import Store
from infra.tasks import in_background
from schemas import topics
from schemas.catalogue.expected import Expected
from schemas.heartbeats import ProcessKind, Vitals

log = structlog.get_logger()

_CLOSE_LIMIT_S: Final = 2

Lifespan = Callable[[], AbstractAsyncContextManager[None]]


def adapter_app(
    office: str,
    adapter_settings: Mapping[str, object],
    settings: DeliverySettings,
    kafka: KafkaSettings,
    stores: StoreSettings,
    *,
    continuing: Collection[str],
    expected: Expected,
    port: int,
) -> AsgiFastStream:
    """The process that delivers to one office; its settings have been checked. `port` is that of its pages."""
    health = Health()

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        ledger = Ledger(stores, office)
        sender = Sender(kafka, office)
        adapter = registry.connect(office, adapter_settings)
        orders = Orders(kafka, office, expected)
        delivery = Delivery(office, adapter, ledger, sender, settings, continuing, orders.stand)
        read = [topics.submissions(office), topics.retry(office)]
        engine = Engine(kafka, group=office, topics=read, handler=delivery, limits=settings)
        pollers = _outcome_pollers(office, adapter, ledger, sender, settings, engine, delivery.refusals, stand=orders.stand)
        parked, open_letters = ParkedCount(ledger), OpenLetters(kafka, office)
        _show(office, engine, delivery, orders, health)
        health.vitals = partial(_with_set_aside, VitalSigns(engine, delivery, orders), parked, open_letters)
        works: list[Callable[[], Awaitable[None]]] = [
            partial(orders.run, delivery.guard.release),
            engine.run,
            *(poller.run for poller in pollers),
            parked.run,
            open_letters.run,
        ]
        if isinstance(adapter, TranslatesApart):
            health.facts["workers"] = adapter.lacking
            works.append(adapter.keep_ready)
        health.ready["store"] = ledger.store.check
        try:
            async with in_background(*works):
                yield  # leaving it drains
        finally:
            await sender.stop()
            await _close(adapter)
            ledger.close()

    return _app(kafka, Identity(ProcessKind.ADAPTER, port, office), lifespan, health)


async def _close(adapter: Adapter) -> None:
    """Let an adapter give its connections back; one that does not come to an end is left to the end of the process."""
    try:
        async with asyncio.timeout(_CLOSE_LIMIT_S):
            await adapter.close()
            if isinstance(adapter, TranslatesApart):
                await adapter.close_apart()
    except BaseException as error:
        if is_own_cancellation(error):
            raise
        log.warning("adapter_close_failed", error=type(error).__name__)


def _outcome_pollers(
    office: str,
    adapter: Adapter,
    ledger: Ledger,
    sender: Sender,
    settings: DeliverySettings,
    engine: Engine[Job],
    refusals: Refusals,
    *,
    stand: Callable[[], bool],
) -> list[OutcomePoller]:
    """One for a back office that answers later, none for one that answers at once."""
    if not isinstance(adapter, AnswersLater):
        return []

    def partitions() -> set[int]:
        return {place.partition for place in engine.core.partitions}

    return [OutcomePoller(office, adapter, ledger.store, sender, settings, refusals, partitions, stand=stand)]


def _show(office: str, engine: Engine[Job], delivery: Delivery, orders: Orders, health: Health) -> None:
    """Let the health pages and metrics of the process ask engine and delivery."""
    health.alive["engine"] = engine.progress.check
    health.degraded["offsets"] = engine.notice
    health.ready["engine"] = lambda: engine.check() or engine.progress.check()
    health.ready["partitions"] = lambda: None if engine.core.partitions else "no partition is assigned"
    health.ready["steps"] = engine.stuck
    health.ready["office"] = delivery.guard.check
    health.degraded["series"] = delivery.guard.notice
    health.ready["operations"] = orders.check
    health.degraded["pause"] = orders.notice
    health.ready["topics"] = delivery.refusals.check
    metrics.OFFICE_STATE.labels(office).set(metrics.UP)
    metrics.OFFICE_PAUSED.labels(office).set_function(lambda: orders.pause() is not None)
    metrics.IN_FLIGHT.labels(office).set_function(lambda: engine.core.in_flight)
    metrics.UNCOMMITTED.labels(office).set_function(lambda: engine.core.uncommittable)
    metrics.PARKED_CASES.labels(office).set_function(lambda: engine.core.parked_cases)


def _with_set_aside(vital_signs: VitalSigns, parked: ParkedCount, open_letters: OpenLetters) -> Vitals:
    return vital_signs().model_copy(update={"parked": parked.count, "dead_letters": open_letters.count})


def audit_app(kafka: KafkaSettings, stores: StoreSettings, offices: Sequence[str], port: int) -> AsgiFastStream:
    """The process that records everything for the audit."""
    identity = Identity(ProcessKind.AUDIT, port)
    return _recorder(identity, kafka, lambda: tables.open_store(stores), lambda store: recorder.reader(kafka, store, offices))


def statistics_app(kafka: KafkaSettings, stores: StoreSettings, offices: Sequence[str], port: int) -> AsgiFastStream:
    """The process that counts each submission once, for the statistics."""
    identity = Identity(ProcessKind.STATISTICS, port)
    return _recorder(identity, kafka, lambda: facts.open_store(stores), lambda store: facts.reader(kafka, store, offices))


def _recorder(
    identity: Identity, kafka: KafkaSettings, open_store: Callable[[], Store], make_reader: Callable[[Store], StoredReader[AnyRecord]]
) -> AsgiFastStream:
    health = Health()

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        store = open_store()
        reader = make_reader(store)
        health.alive["reader"] = health.ready["reader"] = reader.progress.check
        health.ready["partitions"] = reader.check
        health.vitals = reader.vitals
        health.ready["store"] = store.check
        try:
            async with in_background(reader.run):
                yield
        finally:
            store.close()

    return _app(kafka, identity, lifespan, health)


def _app(kafka: KafkaSettings, identity: Identity, lifespan: Lifespan, health: Health) -> AsgiFastStream:
    """An app that works and says so. What it does begins and ends in hooks, not in FastStream's lifespan, which ends after the broker: the
    last heartbeat tells how far the process has come.
    """
    heartbeats = Heartbeats(kafka, identity, health)
    work = AsyncExitStack()

    async def begin() -> None:
        async with AsyncExitStack() as begun:  # FastStream calls no hook to end what has not begun
            await begun.enter_async_context(heartbeats.beating())
            await begun.enter_async_context(lifespan())
            work.push_async_exit(begun.pop_all())

    return AsgiFastStream(heartbeats.broker, on_startup=[begin], on_shutdown=[work.aclose], asgi_routes=pages(health), logger=None)
