"""The relay: brings what waits in the outbox to Kafka, in the order of acceptance, and notes it only after the acknowledgement.

A crash between Kafka's acknowledgement and our note sends a record twice under the same message id; every consumer drops that.
"""

from __future__ import annotations

import asyncio

import structlog

from infra import metrics
from infra.health import Progress
from infra.kafka.clients import Outgoing, Sender, SendUnknown
from producers.outbox import Outbox, Pending
from schemas import headers, topics
from schemas.errors import CannotTell

log = structlog.get_logger()

_BATCH = 500
_PAUSE_S = 2.0
_STALL_LIMIT_S = 120


class Relay:
    """One per outbox: a second one would break the order within a case."""

    def __init__(self, outbox: Outbox, sender: Sender) -> None:
        self._outbox = outbox
        self._sender = sender
        self.progress = Progress(_STALL_LIMIT_S)

    async def run(self) -> None:
        """Send until cancelled. While Kafka is away the outbox holds everything."""
        while True:
            try:
                await self._send_waiting()
            except (CannotTell, SendUnknown) as error:
                log.warning("relay_waits", error=str(error))
                await asyncio.sleep(_PAUSE_S)

    async def _send_waiting(self) -> None:
        self._outbox.filled.clear()
        while pending := await self._outbox.next_pending(_BATCH):
            metrics.OUTBOX_PENDING.set(await self._outbox.count_pending())
            positions = await self._sender.send_all([_record(one) for one in pending])
            await self._outbox.published(list(zip(pending, positions, strict=True)))
            self.progress.moved()
        self.progress.moved()
        metrics.OUTBOX_PENDING.set(0)
        await _wait(self._outbox.filled, _STALL_LIMIT_S / 4)


async def _wait(event: asyncio.Event, limit_s: float) -> None:
    try:
        async with asyncio.timeout(limit_s):
            await event.wait()
    except TimeoutError:
        pass  # nothing came; looking again costs one query


def _record(pending: Pending) -> Outgoing:
    return Outgoing(topics.submissions(pending.office), str(pending.case_id).encode(), pending.content, headers.encode(pending.headers))
