"""A process that delivers one office's submissions until it is killed: `python -m tests.kafka.victim BOOTSTRAP OFFICE STORES EFFECTS`.

Its back office is a file with a line for each effect, which another process can read afterwards.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from adapters.interface import Delivered
from consumers.delivery.handler import Delivery
from consumers.delivery.ledger import Ledger
from consumers.engine import Engine
from consumers.settings import DeliverySettings
from infra.kafka.sender import Sender
from infra.settings import StoreSettings
from schemas import topics
from stadtbus.settings import load
from tests.delivery_model import Office

MAX_CONCURRENCY = 10


class Written(Office):
    """The back office; what it has written is its effect."""

    def __init__(self, path: Path) -> None:
        super().__init__(max_concurrency=MAX_CONCURRENCY)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def deliver(self, document: Any, attempt: int) -> Delivered:
        await asyncio.sleep(0.002)
        os.write(self._file, f"{document.submission_id}\n".encode())
        await asyncio.sleep(0.002)
        return await super().deliver(document, attempt)


async def main(office: str, stores: str, effects: str) -> None:
    """Deliver for ever."""
    kafka = load().kafka
    limits = DeliverySettings()
    handler = Delivery(office, Written(Path(effects)), Ledger(StoreSettings(folder=Path(stores)), office), Sender(kafka, office), limits)
    await Engine(kafka, group=office, topics=[topics.submissions(office), topics.retry(office)], handler=handler, limits=limits).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
