"""The watch as a FastStream app: its broker reads heartbeats and operations, its looks judge, its pages show what was found last."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial

from faststream.asgi import AsgiFastStream

from consumers.pages import pages
from consumers.settings import WatchSettings
from consumers.watch import store as tables
from consumers.watch.freshness import Freshness
from consumers.watch.hearing import Hearing
from consumers.watch.notices.notifier import Notifier, channels_of
from consumers.watch.snapshot import PATH
from consumers.watch.subscribers import add_subscribers
from consumers.watch.watching import Watching
from infra.health import Health, HealthPage
from infra.kafka.heartbeats import Heartbeats, Identity
from infra.kafka.streams import LastingBroker
from infra.settings import KafkaSettings, StoreSettings
from infra.stores import Store
from infra.tasks import in_background
from schemas import topics
from schemas.catalogue.expected import Expected
from schemas.heartbeats import ProcessKind


def watch_app(
    kafka: KafkaSettings, stores: StoreSettings, settings: WatchSettings, expected: Mapping[str, Expected], port: int
) -> AsgiFastStream:
    """The process that judges how the bus does. `expected` has all offices; `port` is that of its pages."""
    health = Health()
    heartbeats = Heartbeats(kafka, Identity(ProcessKind.WATCH, port), health)
    broker = LastingBroker(kafka, f"{topics.GROUP_WATCH}-reader", reads_only=True)
    freshness = Freshness([topics.HEARTBEATS, topics.OPERATIONS])
    hearing = Hearing(expected)
    watching = Watching(kafka, settings, expected, hearing, freshness.as_of)
    health.ready["records"] = freshness.check
    health.ready["looks"] = watching.check
    health.facts["up to date"] = freshness.fact
    health.vitals = freshness.vitals
    work = AsyncExitStack()

    async def begin() -> None:
        store = tables.open_store(stores)
        work.callback(store.close)
        health.ready["store"] = store.check
        _remember(store, hearing)
        notifier = Notifier(settings.notices, store, channels_of(settings.notices))
        health.degraded["notices"] = notifier.check
        add_subscribers(broker, kafka, store, freshness, hearing)
        await work.enter_async_context(heartbeats.beating())
        await work.enter_async_context(notifier.running())
        await work.enter_async_context(in_background(partial(freshness.watch, broker), partial(watching.run, store, notifier.note)))
        work.push_async_callback(broker.stop)  # its handlers end before the store is closed

    shown = dict(pages(health)) | {PATH: HealthPage(watching.page), "/metrics": HealthPage(watching.scrape)}
    return AsgiFastStream(
        broker, heartbeats.broker, on_startup=[begin], on_shutdown=[work.aclose], asgi_routes=list(shown.items()), logger=None
    )


def _remember(store: Store, hearing: Hearing) -> None:
    """What was said before this process began, as far as the store has it."""
    for said in store.read_now(tables.last_heartbeats):
        hearing.hear(said.heartbeat, said.written_at)
    for done in store.read_now(tables.all_operations):
        hearing.note(done.operation, done.written_at)
