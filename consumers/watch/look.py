"""One look after the other at the whole bus: asked, judged, and put together as a snapshot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final

from consumers.watch import observe
from consumers.watch.collector import Collector
from consumers.watch.hearing import Hearing
from consumers.watch.judge import judge
from consumers.watch.memory import Memory
from consumers.watch.observed import Observation
from consumers.watch.snapshot import Effort, Snapshot
from consumers.watch.watched import all_watched
from infra.kafka.survey import PartitionState, Survey, surveying
from infra.settings import KafkaSettings
from schemas.catalogue.expected import Expected
from schemas.errors import StadtbusError

_CONNECT_LIMIT_S: Final = 5.0
_LOOK_LIMIT_S: Final = 20.0
"""A broker that is silent costs three seconds, once in a look; longer than this no look takes."""


class Looks:
    """Looks at the bus, and what is remembered from one to the next. `close` at the end."""

    def __init__(self, kafka: KafkaSettings, expected: Mapping[str, Expected], hearing: Hearing, interval_s: float, memory: Memory) -> None:
        """`expected` has all offices; `interval_s` is the time between two looks."""
        self._kafka = kafka
        self._expected = expected
        self._hearing = hearing
        self._interval_s = interval_s
        self._watched = all_watched(sorted(expected), expected)
        self._collector = Collector(self._watched)
        self._connection = AsyncExitStack()
        self._survey: Survey | None = None
        self.memory = memory
        """What the judge remembers after the last look."""

    async def look(self, heard_all_at: Callable[[], datetime | None]) -> tuple[Observation, Snapshot]:
        """Look once. Where Kafka cannot be asked, what was known before is judged again, as old as it is. `heard_all_at` says when all
        heartbeats and operations had been read; it is asked when Kafka has answered.
        """
        began_s, cpu_s = time.monotonic(), time.process_time()
        fault = await self._ask_kafka()
        now = datetime.now(UTC)
        seen = observe.observation(self._watched, self._collector, self._hearing, now, self._interval_s, heard_all_at())
        judgements, self.memory = await asyncio.to_thread(judge, seen, self._expected, self.memory)
        survey = self._survey
        snapshot = Snapshot(
            at=now,
            interval_s=self._interval_s,
            effort=Effort(time.monotonic() - began_s, time.process_time() - cpu_s, survey.requests if survey else 0),
            judgements=judgements,
            brokers=seen.brokers,
            processes=tuple(self._hearing.heard[name] for name in sorted(self._hearing.heard)),
            faults=tuple(sorted(survey.faults)) if survey else (),
            kafka_fault=fault,
        )
        return seen, snapshot

    @property
    def topics(self) -> Mapping[str, Mapping[int, PartitionState]]:
        """The topics as they were seen last; none while Kafka cannot be asked."""
        return self._survey.topics if self._survey else {}

    async def close(self) -> None:
        """Disconnect from Kafka."""
        self._survey = None
        await self._connection.aclose()

    async def _ask_kafka(self) -> str:
        """Why nothing could be asked; empty where it could. A connection that has failed is made anew by the next look: brokers may have come
        back under other addresses.
        """
        try:
            async with asyncio.timeout(_LOOK_LIMIT_S):
                if self._survey is None:
                    async with asyncio.timeout(_CONNECT_LIMIT_S):
                        self._survey = await self._connection.enter_async_context(surveying(self._kafka, "stadtbus-watch"))
                await self._collector.look(self._survey)
        except (StadtbusError, TimeoutError) as error:
            await self.close()
            fault = str(error) or "Kafka did not answer in time"
            self._collector.miss(fault, self._kafka.bootstrap)
            return fault
        return ""
