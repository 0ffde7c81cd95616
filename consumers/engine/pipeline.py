"""What happens to records between reading and committing, while partitions are assigned."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Generic

import structlog
from aiokafka import TopicPartition

from consumers.engine.core import CaseState
from consumers.engine.dispatching import Dispatcher
from consumers.engine.handler import Handler, KafkaCore, WorkT
from consumers.engine.settling import Settler
from consumers.engine.steps import Steps
from consumers.engine.workers import Workers
from consumers.settings import DeliverySettings

log = structlog.get_logger()

_LOOK_S: Final = 0.02


class TaskEnded(Exception):
    """A task of the engine was cancelled, and not by the engine: a library did it, and the run cannot go on without that task."""


class Pipeline(Generic[WorkT]):
    """Dispatcher, workers and settler around the core, from an assignment to the next revocation.

    Each assignment has all three anew, so nothing of an earlier one reaches a later one. `Rebalance` calls `start`, `drain` and `close`;
    the engine calls `wake` after each round of the reader, and `cancel_overdue` after each regular commit.
    """

    def __init__(
        self,
        core: KafkaCore[WorkT],
        handler: Handler[WorkT],
        limits: DeliverySettings,
        *,
        group: str,
        wait_limit_s: float,
        may_read: asyncio.Event,
    ) -> None:
        """What has waited for a worker for `wait_limit_s` is not delivered any more. `may_read` is set when there may be room for more
        records.
        """
        self._core = core
        self._handler = handler
        self._limits = limits
        self._group = group
        self._max_concurrency = min(limits.max_concurrency, handler.max_concurrency)
        self._wait_limit_s = wait_limit_s
        self._may_read = may_read
        self._steps = Steps()
        self.tasks: Sequence[asyncio.Task[None]] = ()
        """Dispatcher and settler, while partitions are assigned. None of them ends by itself, but with an exception."""
        self._renew()

    def _renew(self) -> None:
        """Make the parts of the next assignment."""
        self._may_dispatch = asyncio.Event()
        self._settler = Settler(self._core, self._handler, self._steps, may_dispatch=self._may_dispatch, may_read=self._may_read)
        self._workers = Workers(
            self._handler, self._settler.delivered, max_concurrency=self._max_concurrency, wait_limit_s=self._wait_limit_s
        )
        self._dispatcher = Dispatcher(self._core, self._handler, self._workers, self._settler, self._steps, may_dispatch=self._may_dispatch)

    def start(self, starts: Mapping[TopicPartition, int], retry: Collection[TopicPartition], cases: Mapping[bytes, CaseState]) -> None:
        """Partitions were assigned: begin with them (as `Core.assign`). The pipeline is closed before, if it was started."""
        self._core.assign(starts, retry, cases)
        self.tasks = [asyncio.create_task(part.run()) for part in (self._dispatcher, self._settler)]
        self._may_read.set()
        log.info("partitions_assigned", group=self._group, count=len(starts))

    def wake(self) -> None:
        """Records were read, or time has passed for which the handler had no capacity: the dispatcher has to look."""
        self._may_dispatch.set()

    async def drain(self, limit_s: float) -> None:
        """Begin nothing that lies behind all that was begun, and return when the rest is finished, or after so long."""
        self._core.drain()
        try:
            async with asyncio.timeout(limit_s):
                while self._is_busy():
                    self._may_dispatch.set()
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            log.warning("work_cancelled", group=self._group, count=len(self._workers))

    def _is_busy(self) -> bool:
        """Whether something is under way, or can still be handed out. Where a task has failed nothing comes to an end any more."""
        if any(task.done() for task in self.tasks) or not self.tasks:
            return False
        return bool(self._workers or self._settler or self._steps or (self._core.ready and self._handler.capacity(1)))

    async def close(self) -> dict[TopicPartition, int]:
        """No partition is ours any more: cut off what runs, forget everything, and return what may be committed. What was being delivered
        has an unclear outcome; its record comes again, to us or to another member, and the ledger knows.
        """
        offsets = self._core.committable()
        self._core.revoke_all()  # from here on nothing is handed out, by whatever timer
        tasks, self.tasks = self.tasks, ()
        for task in tasks:
            task.cancel()
        workers = self._workers
        self._renew()
        await asyncio.gather(workers.close(), *tasks, return_exceptions=True)
        return offsets

    def cancel_overdue(self) -> None:
        """Cancel deliveries that take too long, or keep too many finished records from being committed: their outcome is unclear."""
        began_before_s = time.monotonic() - self._limits.attempt_timeout_s
        gaps = self._core.gaps(self._limits.gap_limit)
        running = self._workers.running.items()
        self._workers.cancel([work for work, began_s in running if began_s < began_before_s or (work.partition, work.offset) in gaps])

    def stuck(self) -> str | None:
        """Which step has not come back for long, for people; None while all do."""
        return self._steps.stuck()
