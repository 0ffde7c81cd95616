"""The watch as a FastStream app: its broker reads heartbeats and operations, its pages say since when that is up to date."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial

from faststream.asgi import AsgiFastStream

from consumers.pages import pages
from consumers.watch.freshness import Freshness
from consumers.watch.store import open_store
from consumers.watch.subscribers import add_subscribers
from infra.health import Health
from infra.kafka.heartbeats import Heartbeats, Identity
from infra.kafka.streams import LastingBroker
from infra.settings import KafkaSettings, StoreSettings
from infra.tasks import in_background
from schemas import topics
from schemas.heartbeats import ProcessKind


def watch_app(kafka: KafkaSettings, stores: StoreSettings, port: int) -> AsgiFastStream:
    """The process that keeps what others say of themselves. `port` is that of its pages."""
    health = Health()
    heartbeats = Heartbeats(kafka, Identity(ProcessKind.WATCH, port), health)
    broker = LastingBroker(kafka, f"{topics.GROUP_WATCH}-reader", reads_only=True)
    freshness = Freshness([topics.HEARTBEATS, topics.OPERATIONS])
    health.ready["records"] = freshness.check
    health.facts["up to date"] = freshness.fact
    health.vitals = freshness.vitals
    work = AsyncExitStack()

    async def begin() -> None:
        store = open_store(stores)
        work.callback(store.close)
        health.ready["store"] = store.check
        add_subscribers(broker, kafka, store, freshness)
        await work.enter_async_context(heartbeats.beating())
        await work.enter_async_context(in_background(partial(freshness.watch, broker)))
        work.push_async_callback(broker.stop)  # its handlers end before the store is closed

    return AsgiFastStream(broker, heartbeats.broker, on_startup=[begin], on_shutdown=[work.aclose], asgi_routes=pages(health), logger=None)
