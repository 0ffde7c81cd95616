"""How many submissions of an office are parked, by its ledger, for its heartbeats."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from consumers.delivery.ledger import Ledger
from schemas.heartbeats import INTERVAL_S, SetAsideCount


class ParkedCount:
    """Asks the ledger as often as a heartbeat is written. `run` in the background; `count` is what it said last."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.count: SetAsideCount | None = None
        """None before the ledger has answered."""

    async def run(self) -> None:
        """Ask until cancelled.

        Raises:
            SQLAlchemyError: the database failed; to be begun again.
        """
        while True:
            count, oldest_ms = await self._ledger.parked()
            self.count = SetAsideCount(count=count, oldest_at=None if oldest_ms is None else datetime.fromtimestamp(oldest_ms / 1000, UTC))
            await asyncio.sleep(INTERVAL_S)
