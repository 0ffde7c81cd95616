"""The workers of one assignment: deliveries that run at the same time. No Kafka here, so that tests can drive them through any moment.

Promises, checked by `tests/unit/test_engine_workers.py` after every step:
- while a record waits and fewer than `max_concurrency` deliveries run, a worker runs or starts;
- whatever is added comes to `done`, once, whichever way its delivery ends; only `close` forgets it;
- never more than `max_concurrency` deliveries at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Final, Generic, TypeVar

import structlog

from consumers.engine.handler import Delivers

log = structlog.get_logger()

_FIRST_WORKERS: Final = 8
_CLOSE_LIMIT_S: Final = 2.0
"""A delivery that has not ended so long after it was cancelled is left behind: its outcome is unclear, as that of the others."""
NO_ANSWER: Final = "no answer in time"
ENDED: Final = "ended from outside before there was an answer"

WorkT = TypeVar("WorkT")


class Workers(Generic[WorkT]):
    """Delivers records, each by a worker, up to `max_concurrency` at once. A worker is a task, that takes one record after the other.

    The dispatcher calls `add`, a timer `cancel`, and whoever ends the assignment `close`; then it is not used any more.
    """

    def __init__(
        self,
        handler: Delivers[WorkT],
        done: Callable[[WorkT], None],
        *,
        max_concurrency: int,
        wait_limit_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`done` is called with each record whose delivery has ended, however; it must not raise. What has waited for a worker for
        longer than `wait_limit_s` is given up undelivered: while it waited, or the machine slept, its partition may have gone to
        another member, so the ledger has to be asked again.
        """
        self._handler = handler
        self._done = done
        self.max_concurrency = max_concurrency
        self._wait_limit_s = wait_limit_s
        self._clock = clock
        self._waiting: deque[tuple[WorkT, float]] = deque()
        self._running: dict[WorkT, tuple[asyncio.Task[None], float]] = {}
        self._overdue: set[WorkT] = set()
        self._workers: set[asyncio.Task[None]] = set()
        self._closed = False

    def __len__(self) -> int:
        """Records added and not done."""
        return len(self._waiting) + len(self._running)

    @property
    def running(self) -> dict[WorkT, float]:
        """The deliveries under way, each with when it began (monotonic, in s)."""
        return {work: began_s for work, (_, began_s) in self._running.items()}

    def add(self, works: Sequence[WorkT]) -> None:
        """Deliver these; they begin in this order. Returns at once, however many wait already: the dispatcher keeps their number down."""
        now_s = self._clock()
        self._waiting.extend([(work, now_s) for work in works])
        self._start(_FIRST_WORKERS)

    def cancel(self, works: Collection[WorkT]) -> None:
        """Cancel the deliveries of these, which are all running. They are given up, for want of an answer, and are done."""
        for work in works:
            self._overdue.add(work)
            self._running[work][0].cancel()

    async def close(self) -> None:
        """Forget everything, and cancel what runs: its outcome is unclear, and neither `give_up` nor `done` is called for it.

        Takes two seconds at most; what has not ended by then is logged, and runs on unheard.
        """
        self._closed = True
        self._waiting.clear()
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        if workers:
            _, left = await asyncio.wait(workers, timeout=_CLOSE_LIMIT_S)
            if left:
                log.error("hand_overs_left_behind", count=len(left))
        self._running.clear()

    def _start(self, workers: int) -> None:
        """Start up to so many workers, if records wait for them; a worker goes on until none does.

        A few at first, and twice as many in the next turn of the loop if those were not enough because they wait for the back
        office: quick work then needs no task per record, and slow work has all its workers within some turns.
        """
        starting = min(workers, len(self._waiting), self.max_concurrency - len(self._workers))
        for _ in range(starting):
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._ended)
        if starting > 0:
            asyncio.get_running_loop().call_soon(self._start, 2 * workers)

    def _ended(self, worker: asyncio.Task[None]) -> None:
        """A worker has ended, a turn of the loop after it found nothing: what was added since is for another one."""
        self._workers.discard(worker)
        if not self._closed:
            self._start(1)

    async def _work(self) -> None:
        me = asyncio.current_task()
        assert me is not None  # noqa: S101 - it runs in one
        while self._waiting:
            work, added_s = self._waiting.popleft()
            now_s = self._clock()
            if now_s - added_s > self._wait_limit_s:
                self._handler.give_up(work, None)
            else:
                await self._deliver(work, me, now_s)
            if self._closed:
                return
            self._done(work)

    async def _deliver(self, work: WorkT, me: asyncio.Task[None], now_s: float) -> None:
        self._running[work] = (me, now_s)
        try:
            await self._handler.deliver(work)
        except asyncio.CancelledError:  # by `cancel`, by `close`, or by whoever else had a hold of this task
            if self._closed:
                raise
            self._handler.give_up(work, NO_ANSWER if work in self._overdue else ENDED)
        except Exception as error:  # noqa: BLE001 - against the contract; but the record has to be settled all the same
            log.error("hand_over_failed", error=type(error).__name__)  # noqa: TRY400 - the class is all we log
            self._handler.give_up(work, type(error).__name__)
        finally:
            self._overdue.discard(work)
            self._running.pop(work, None)
        if me.cancelling():
            await _forget_cancelling(me)


async def _forget_cancelling(me: asyncio.Task[None]) -> None:
    """The cancellation concerned one delivery, also where that took no notice of it: the next one of this worker is not to be cancelled."""
    while me.cancelling():
        me.uncancel()
    with suppress(asyncio.CancelledError):  # until Python 3.13 one that nobody has met yet would still come
        await asyncio.sleep(0)
