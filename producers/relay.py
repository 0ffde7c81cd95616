"""The relay: brings what waits in the outbox to Kafka, in the order of acceptance, and notes it only after the acknowledgement.

Each office has a lane and a producer of its own: a topic that does not take records holds up nobody else's. A crash between
Kafka's acknowledgement and our note sends a record twice under the same message id; every consumer drops that.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from infra import crashpoints, metrics
from infra.health import Progress
from infra.kafka.clients import Outgoing, Position, Sender
from infra.settings import KafkaSettings
from producers.outbox import Outbox, Pending
from schemas import headers, topics
from schemas.errors import CannotTell

log = structlog.get_logger()

_BATCH: Final = 500
_PAUSE_S: Final = 2.0
_LOOK_S: Final = 30.0
_STALL_LIMIT_S: Final = 180
"""Longer than a send may take; a lane that waits for Kafka moves, and is alive."""


class Lane:
    """The way of one office's submissions. One per office and outbox: a second one would break the order within a case."""

    def __init__(self, outbox: Outbox, kafka: KafkaSettings, office: str) -> None:
        self._outbox = outbox
        self._office = office
        self._sender = Sender(kafka, f"relay-{office}")
        self._filled = outbox.filled[office]
        self.progress = Progress(_STALL_LIMIT_S)

    async def run(self) -> None:
        """Send until cancelled. While Kafka does not take records the outbox holds them."""
        try:
            while True:
                self.progress.moved()
                if await self._send_waiting():
                    await self._wait_for_more()
                else:
                    await asyncio.sleep(_PAUSE_S)
        finally:
            await self._sender.stop()

    async def _send_waiting(self) -> bool:
        """Send all that waits; False when Kafka did not take something."""
        self._filled.clear()
        while pending := await self._outbox.next_pending(self._office, _BATCH):
            metrics.OUTBOX_PENDING.labels(self._office).set(await self._outbox.count_pending(self._office))
            crashpoints.reached("relay.before")
            try:
                positions = await self._sender.send_all([_record(one) for one in pending])
            except CannotTell as error:
                log.warning("relay_waits", office=self._office, error=error.problem.code)
                return False
            crashpoints.reached("relay.acknowledged")
            known = [(one, position) for one, position in zip(pending, positions, strict=True) if isinstance(position, Position)]
            if known:
                await self._outbox.published(known)
            if len(known) < len(pending):
                log.warning("relay_waits", office=self._office, unknown=len(pending) - len(known))
                return False
            self.progress.moved()
        metrics.OUTBOX_PENDING.labels(self._office).set(0)
        return True

    async def _wait_for_more(self) -> None:
        """Until something was accepted; looking now and then all the same costs one query."""
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._filled.wait()
        except TimeoutError:
            pass


def _record(pending: Pending) -> Outgoing:
    return Outgoing(topics.submissions(pending.office), str(pending.case_id).encode(), pending.content, headers.encode(pending.headers))
