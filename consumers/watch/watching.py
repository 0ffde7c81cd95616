"""The work of the watch: a look every few seconds, kept in its store, and shown on its pages as it was found last."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from consumers.settings import WatchSettings
from consumers.watch import measures, snapshot
from consumers.watch.hearing import Hearing
from consumers.watch.history import History
from consumers.watch.look import Looks
from consumers.watch.memory import ConsumerMemory
from consumers.watch.model import Judgement
from consumers.watch.observed import Observation
from consumers.watch.snapshot import Effort, Snapshot
from infra import database
from infra.logs import Seldom
from infra.settings import KafkaSettings
from infra.stores import Store
from schemas.catalogue.expected import Expected

log = structlog.get_logger()

_LATE_INTERVALS: Final = 3
_LEAST_LATE_S: Final = 30.0

Page = tuple[int, str, bytes]


class Watching:
    """Looks until cancelled. Pages are asked in the event loop and answer at once, with what the last look has made."""

    def __init__(
        self,
        kafka: KafkaSettings,
        settings: WatchSettings,
        expected: Mapping[str, Expected],
        hearing: Hearing,
        heard_all_at: Callable[[], datetime | None],
    ) -> None:
        """`expected` has all offices; `heard_all_at` says when everything in `hearing` was of now."""
        self._kafka = kafka
        self._settings = settings
        self._expected = expected
        self._hearing = hearing
        self._heard_all_at = heard_all_at
        self._history: History
        self._looks: Looks
        self._verdicts: bytes | None = None
        self._measures = b""
        self._judged: Sequence[Judgement] = ()
        self._looked_s = time.monotonic()
        self._succeeded_at: datetime | None = None
        self._say = Seldom(log)

    async def run(self, store: Store, tell: Callable[[Sequence[Judgement]], None]) -> None:
        """Look again and again, with what the store remembers. `tell` is given the verdicts of each look, and must not block.

        Raises:
            SQLAlchemyError: as `begin`.
        """
        await self.begin(store)
        try:
            while True:
                began_s = time.monotonic()
                await self.look()
                tell(self._judged)
                await asyncio.sleep(max(0.0, self._settings.interval_s - (time.monotonic() - began_s)))
        finally:
            await self.close()

    async def begin(self, store: Store) -> None:
        """Remember what the store has.

        Raises:
            SQLAlchemyError: the store cannot be read.
        """
        self._history = History(store)
        self._looks = Looks(self._kafka, self._expected, self._hearing, self._settings.interval_s, await self._history.load())

    async def look(self) -> Effort:
        """Look once, show it and keep it; what it has cost."""
        began_s, cpu_s = time.monotonic(), time.process_time()
        seen, found = await self._looks.look(self._heard_all_at)
        if not found.kafka_fault:
            self._succeeded_at = found.at
        self._verdicts, self._measures = await asyncio.to_thread(self._make_pages, seen, found)
        self._looked_s = time.monotonic()
        self._judged = found.judgements
        try:
            await self._history.keep(found, self._looks.memory)
        except sa.exc.SQLAlchemyError as error:  # what was found is shown all the same
            self._say.warning("store_failed", store="watch", error=database.reason(error))
        return Effort(time.monotonic() - began_s, time.process_time() - cpu_s, found.effort.requests)

    async def close(self) -> None:
        """Disconnect from Kafka."""
        await self._looks.close()

    def _make_pages(self, seen: Observation, found: Snapshot) -> tuple[bytes, bytes]:
        moved_at = {name: at for name, one in self._looks.memory.consumers.items() if (at := _moved_at(one)) is not None}
        drop_in = self._settings.drop_in_metrics
        return snapshot.write(found), measures.sheet(seen, found, self._looks.topics, moved_at, self._succeeded_at, drop_in=drop_in)

    def page(self) -> Page:
        """The verdicts of the last look."""
        if self._verdicts is None:
            return 503, "text/plain; charset=utf-8", b"the first look is not done yet\n"
        return 200, "application/json", self._verdicts

    def scrape(self) -> Page:
        """The metrics of this process, and those of the last look."""
        return 200, CONTENT_TYPE_LATEST, generate_latest() + self._measures

    def check(self) -> str | None:
        """For the health page: for how long nobody has looked; None while that is as it should be."""
        age_s = time.monotonic() - self._looked_s
        return None if age_s <= max(_LEAST_LATE_S, _LATE_INTERVALS * self._settings.interval_s) else f"no look at Kafka for {age_s:.0f} s"


def _moved_at(memory: ConsumerMemory) -> datetime | None:
    return max((one.moved_at for one in memory.partitions.values() if one.moved_at is not None), default=None)
