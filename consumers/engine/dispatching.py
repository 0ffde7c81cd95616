"""The dispatcher: hands out records of the core, as many as handler and workers have room for, and begins them durably."""

from __future__ import annotations

import asyncio
from typing import Final, Generic

from consumers.engine.handler import Handler, KafkaCore, WorkT
from consumers.engine.settling import Settler
from consumers.engine.steps import Steps
from consumers.engine.workers import Workers

_BATCH: Final = 2_000


class Dispatcher(Generic[WorkT]):
    """core -> `begin` -> workers, or the settler where there is nothing to deliver."""

    def __init__(
        self,
        core: KafkaCore[WorkT],
        handler: Handler[WorkT],
        workers: Workers[WorkT],
        settler: Settler[WorkT],
        steps: Steps,
        *,
        may_dispatch: asyncio.Event,
    ) -> None:
        self._core = core
        self._handler = handler
        self._workers = workers
        self._settler = settler
        self._steps = steps
        self._may_dispatch = may_dispatch

    async def run(self) -> None:
        """Hand out until cancelled, whenever `may_dispatch` is set.

        Raises:
            Exception: what comes out of the handler; nobody hands out then.
        """
        while True:
            await self._may_dispatch.wait()
            self._may_dispatch.clear()
            while works := self._core.take(self._handler.capacity(min(_BATCH, self._room()))):
                with self._steps.step("begin"):
                    to_deliver, rest = await self._handler.begin(works)
                self._workers.add(to_deliver)
                self._settler.add(rest)

    def _room(self) -> int:
        """How many may be begun. Ahead of the workers only as many as they take in the time of a round or two of the settler: what is
        begun and not delivered when the process dies has to be asked about.
        """
        ahead = max(self._workers.max_concurrency, 2 * self._settler.last_round)
        return max(0, self._workers.max_concurrency + ahead - len(self._workers))
