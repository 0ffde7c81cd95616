"""The settler: what came of records is made durable, many at once, and then tells how each goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Generic

from consumers.engine.handler import FINISHED, Again, Dead, End, Handler, KafkaCore, Parked, Waits, WorkT
from consumers.engine.steps import Steps


class Settler(Generic[WorkT]):
    """Collects records that came back, and settles all of them in rounds."""

    def __init__(
        self, core: KafkaCore[WorkT], handler: Handler[WorkT], steps: Steps, *, may_dispatch: asyncio.Event, may_read: asyncio.Event
    ) -> None:
        """It sets `may_dispatch` when the core may have records to hand out or a worker is free, `may_read` when records were settled."""
        self._core = core
        self._handler = handler
        self._steps = steps
        self._may_dispatch = may_dispatch
        self._may_read = may_read
        self._due: list[WorkT] = []
        self._any_due = asyncio.Event()
        self.last_round = 0
        """How many records the last round settled."""

    def __len__(self) -> int:
        """Records that wait for the next round."""
        return len(self._due)

    def delivered(self, work: WorkT) -> None:
        """A worker has ended with this record, however its delivery ended, and is free."""
        self._due.append(work)
        self._any_due.set()
        self._may_dispatch.set()

    def add(self, works: Sequence[WorkT]) -> None:
        """Settle these in the next round."""
        if works:
            self._due.extend(works)
            self._any_due.set()

    async def run(self) -> None:
        """Settle until cancelled.

        Raises:
            Exception: what comes out of the handler, or of the core; nobody settles then.
        """
        try:
            while True:
                await self._any_due.wait()
                self._any_due.clear()
                works, self._due = self._due, []
                with self._steps.step("settle"):
                    ends = await self._handler.settle(works)
                self.last_round = len(works)
                self._apply(works, ends)
                self._may_read.set()
                self._may_dispatch.set()
        finally:
            self._due.clear()  # timers of parked records may hold this settler for an hour, and it should not hold messages so long

    def _apply(self, works: Sequence[WorkT], ends: Sequence[End]) -> None:
        """First those that are finished, nearly all, in one go."""
        finished = [work for work, end in zip(works, ends, strict=True) if end is FINISHED]
        self._core.finish(*finished)
        if len(finished) < len(works):
            for work, end in zip(works, ends, strict=True):
                self._apply_one(work, end)

    def _apply_one(self, work: WorkT, end: End) -> None:
        """What comes of a record that is not simply finished."""
        if isinstance(end, Parked):
            self._core.finish_parked(work, end.retry_offset)
        elif isinstance(end, Dead):
            self._core.finish_dead(work, end.submission)
        elif isinstance(end, Again):
            self._core.defer(work)
            asyncio.get_running_loop().call_later(end.delay_s, self._requeue, work)
        elif isinstance(end, Waits):
            asyncio.get_running_loop().call_later(end.delay_s, self.add, [work])

    def _requeue(self, work: WorkT) -> None:
        self._core.requeue(work)
        self._may_dispatch.set()
