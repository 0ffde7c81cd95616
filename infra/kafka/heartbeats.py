"""Says every few seconds what a process does (`stadtbus.heartbeats`), through a publisher of FastStream.

Nothing waits for it: a heartbeat that cannot be written is dropped, and the next one says more anyway.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from infra import metrics
from infra.cancellation import is_own_cancellation
from infra.health import Health
from infra.kafka.client_errors import name_of
from infra.kafka.streams import LastingBroker
from infra.logs import Seldom
from infra.settings import KafkaSettings
from infra.tasks import in_background
from schemas import topics
from schemas.heartbeats import INTERVAL_S, Heartbeat, ProcessKind, sentence

log = structlog.get_logger()

_PATIENCE_S: Final = 10.0
"""For one heartbeat: longer than leadership of a partition takes to move (9 s). Others do not queue up behind it."""
_LAST_PATIENCE_S: Final = 1.0
"""For the last one: the process ends, and its stop has a budget (docs/decisions/0014)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process this is."""

    kind: ProcessKind
    port: int
    """One that it serves; it tells two of a kind on one machine apart."""
    office: str | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def name(self) -> str:
        """As its group is called, where it has one."""
        return self.office or self.kind.value

    @property
    def instance(self) -> str:
        """The same after a restart, so that the topic keeps one record of it."""
        return f"{self.name}@{socket.gethostname()}:{self.port}"


class Heartbeats:
    """The heartbeats of one process, and the broker that publishes them."""

    def __init__(self, settings: KafkaSettings, identity: Identity, health: Health) -> None:
        self.broker = LastingBroker(settings, f"{identity.name}-heartbeats", reads_only=False)
        """To be started and stopped by whoever hosts it: the app, where there is a FastStream app."""
        self._publisher = self.broker.publisher(topics.HEARTBEATS, schema=Heartbeat)
        self._identity = identity
        self._health = health
        self._version = version("stadtbus")
        self._say = Seldom(log)

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Publish a heartbeat every five seconds until the block is left, and then one that says so, for up to a second. Raises nothing of
        its own; of what cannot be published only the log and a metric hear.
        """
        try:
            async with in_background(self._run):
                yield
        finally:
            if self.broker.up.is_set():
                await self._beat(_LAST_PATIENCE_S, stopping=True)

    @asynccontextmanager
    async def hosted(self) -> AsyncIterator[None]:
        """As `beating`, with the broker started before and stopped after, where no FastStream app does that."""
        await self.broker.start()
        try:
            async with self.beating():
                yield
        finally:
            await self.broker.stop()

    def now(self, *, stopping: bool = False) -> Heartbeat:
        """What is said at this moment. Asks every check of the process, and what it does (`Health.vitals`); does not block."""
        checks = {} if stopping else self._health.ready | self._health.degraded  # whoever has stopped reads nothing, and that is right
        return Heartbeat(
            at=datetime.now(UTC),
            instance=self._identity.instance,
            process=self._identity.kind,
            office=self._identity.office,
            version=self._version,
            started_at=self._identity.started_at,
            stopping=stopping,
            findings={name: sentence(text) for name, text in self._health.findings(checks).items()},
            **dict(self._health.vitals()),
        )

    async def _run(self) -> None:
        while True:
            await self.broker.up.wait()  # while Kafka is away nothing is made that would have to be dropped
            await self._beat(_PATIENCE_S)
            await asyncio.sleep(INTERVAL_S)

    async def _beat(self, patience_s: float, *, stopping: bool = False) -> None:
        try:
            heartbeat = self.now(stopping=stopping)
            async with asyncio.timeout(patience_s):
                await self._publisher.publish(heartbeat, key=heartbeat.instance.encode())
        except BaseException as error:  # whatever it is, it must not disturb the work; aiokafka may let out a cancellation of its own tasks
            if is_own_cancellation(error):
                raise
            metrics.HEARTBEATS_DROPPED.inc()
            self._say.warning("heartbeat_dropped", error=name_of(error))
            if isinstance(error, KafkaError | TimeoutError):
                self.broker.renew()
