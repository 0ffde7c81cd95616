"""Who asks back offices for what they decide later: submissions that were delivered and are not accepted or rejected yet.

Some back offices confirm that they have a submission and decide on it afterwards (`adapters.interface.AnswersLater`). For them
`delivered` and `accepted` are different moments (docs/decisions/0013).

 1. note      the transaction that notes `delivered` in the ledger adds a row (`awaited.py`), so neither is there without the other
 2. ask       whoever has the row's partition asks the back office, longest overdue first, some at once, with a pause that doubles
 3. tell      the event goes to Kafka; its id is that of the state, so told again after a crash it is the same event
 4. let go    only then the row goes

Killed before 3 the question is asked again, killed before 4 the answer is told again. While partitions move two processes may ask for
one row; that has the same end. A row that nobody answers stays and is asked for, at the longest pause, until somebody does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Final

import sqlalchemy as sa
import structlog

from adapters.interface import Accepted, AnswersLater, Refusal
from consumers.delivery.awaited import AWAITED, FIRST_PAUSE_MS, Awaited
from consumers.delivery.breaker import LONGEST_PAUSE_S
from consumers.delivery.failures import Failure, Stage
from consumers.delivery.news import News
from consumers.settings import MOST_DOUBLINGS, DeliverySettings
from infra import metrics
from infra.cancellation import is_own_cancellation
from infra.kafka.outgoing import KafkaRefusal
from infra.kafka.refusals import Refusals
from infra.kafka.sender import Sender
from infra.stores import Store

log = structlog.get_logger()

_MAX_CONCURRENCY: Final = 8
"""Questions at the same time: deliveries use the same connections and go first."""
_ANSWER_LIMIT_S: Final = 120.0
"""For adapters that have no limit of their own."""
_STOP_LIMIT_S: Final = 2.0
"""A question that does not end when it is told to is left behind: it is asked again."""
_ROUND_S: Final = 0.5
_SELDOM_S: Final = 15.0
"""Between two counts, and between two lines on questions that failed."""

_COLUMNS: Final = (*(AWAITED.c[name] for name in Awaited._fields), AWAITED.c.asked)


class OutcomePoller:
    """Asks one back office for what it has decided. Runs in the loop of the office's process, beside the engine."""

    def __init__(
        self, office: str, adapter: AnswersLater, store: Store, sender: Sender, settings: DeliverySettings, refusals: Refusals,
        partitions: Callable[[], Collection[int]], *, stand: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._office = office
        self._adapter = adapter
        self._store = store
        self._sender = sender
        self._longest_ms = int(settings.longest_outcome_poll_s * 1000)
        self._refusals = refusals
        self._partitions = partitions
        """Those whose rows this process asks for; asked anew in each round, in the loop."""
        self._stand = stand
        """Whether nothing may be asked, because the office is paused on purpose; the same."""
        self._news = News(office, answers_later=True)
        self._asking: dict[str, asyncio.Task[None]] = {}
        """By submission: a question, and what follows from its answer."""
        self._failures: list[str] = []
        """Of questions without an answer since people were told of them."""
        self._quiet_until_ms = 0
        """Until then the back office wants to be left alone."""
        self._said_s = self._counted_s = -_SELDOM_S

    async def run(self) -> None:
        """Ask, round after round, until cancelled. Then questions that are under way are cancelled too; one that takes no notice is left
        behind after some seconds, and its row stays.

        Raises:
            Exception: of the store or the sender; whoever runs this begins anew, and all rows are still there.
        """
        try:
            while True:
                await self.ask()
                await self.answered(_ROUND_S)
                if time.monotonic() - self._counted_s > _SELDOM_S:
                    await self.count()
        finally:
            asking = list(self._asking.values())
            for task in asking:
                task.cancel()
            if asking:
                await asyncio.wait(asking, timeout=_STOP_LIMIT_S)
            self._asking.clear()

    async def ask(self) -> None:
        """Begin to ask for rows that are due, as many as may be asked for at the same time. Each question is a task of its own; `answered`
        says how they end.
        """
        places = 0 if self._stand() else _MAX_CONCURRENCY - len(self._asking)
        now_ms = _now_ms()
        if places == 0 or 0 < self._quiet_until_ms - now_ms <= LONGEST_PAUSE_S * 1000:
            return
        # What is put off for longer than anything ever is was put off by a clock that was ahead.
        due_now = (AWAITED.c.next_ms <= now_ms) | (AWAITED.c.next_ms > now_ms + max(self._longest_ms, FIRST_PAUSE_MS))
        mine = (AWAITED.c.office == self._office, AWAITED.c.partition.in_(list(self._partitions())), due_now)
        free = AWAITED.c.submission.not_in(list(self._asking))
        due = sa.select(*_COLUMNS).where(*mine, free).order_by(AWAITED.c.next_ms).limit(places)
        for *row, asked in await self._store.read(lambda connection: connection.execute(due).all()):
            awaited = Awaited(*row)
            self._asking[awaited.submission] = asyncio.create_task(self._follow(awaited, asked))

    async def answered(self, limit_s: float | None = None) -> None:
        """Wait until one of the questions has come to its end, at most so long; None waits for all of them, without limit.

        Raises:
            Exception: of the store or the sender; the row stays and is asked for again.
        """
        if not self._asking:
            await asyncio.sleep(limit_s or 0)
            return
        when = asyncio.ALL_COMPLETED if limit_s is None else asyncio.FIRST_COMPLETED
        await asyncio.wait(self._asking.values(), timeout=limit_s, return_when=when)
        ended = [submission for submission, task in self._asking.items() if task.done()]
        tasks = [self._asking.pop(submission) for submission in ended]
        self._say_failures()
        for task in tasks:
            task.result()

    async def _follow(self, awaited: Awaited, asked: int) -> None:
        """Steps 2 to 4 (see above) for one row, which was asked for so often before."""
        answer = await self._outcome(awaited.reference)
        if answer is None:
            pause_ms = min(FIRST_PAUSE_MS << min(asked + 1, MOST_DOUBLINGS), self._longest_ms)
            await self._put_off(awaited, asked, pause_ms)
            return
        (told,) = await self._sender.send_until_known([self._news.of_outcome(awaited, answer, _now_ms())])
        if isinstance(told, KafkaRefusal):
            await self._put_off(awaited, asked, int(self._refusals.refused(awaited.submission, told) * 1000))
            return
        self._refusals.taken(awaited.submission)
        mine = (AWAITED.c.office == self._office, AWAITED.c.submission == awaited.submission)
        await self._store.write(lambda connection: connection.execute(AWAITED.delete().where(*mine)))

    async def _outcome(self, reference: str) -> Accepted | Refusal | None:
        """None also for whatever an adapter raises: the answer is not known yet."""
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                return await self._adapter.outcome(reference)
        except BaseException as error:
            if is_own_cancellation(error):
                raise
            failure = Failure.of(error, Stage.DELIVER)
            self._failures.append(failure.reason)
            if failure.retry_after_s is not None:
                self._quiet_until_ms = _now_ms() + int(min(failure.retry_after_s, LONGEST_PAUSE_S) * 1000)
            return None

    async def _put_off(self, awaited: Awaited, asked: int, pause_ms: int) -> None:
        mine = (AWAITED.c.office == self._office, AWAITED.c.submission == awaited.submission)
        later = AWAITED.update().where(*mine).values(asked=asked + 1, next_ms=_now_ms() + pause_ms)
        await self._store.write(lambda connection: connection.execute(later))

    def _say_failures(self) -> None:
        """One line for many, now and then, because a back office that is down fails them all."""
        if self._failures and time.monotonic() - self._said_s > _SELDOM_S:
            log.warning("outcomes_not_known", office=self._office, count=len(self._failures), reason=self._failures[0])
            self._failures.clear()
            self._said_s = time.monotonic()

    async def count(self) -> None:
        """Set the metrics of how many rows of the whole office wait and for how long; it costs a look at every row.

        Raises:
            Exception: of the store.
        """
        self._counted_s = time.monotonic()
        query = sa.select(sa.func.count(), sa.func.min(AWAITED.c.delivered_ms)).where(AWAITED.c.office == self._office)
        count, oldest_ms = await self._store.read(lambda connection: connection.execute(query).one())
        metrics.OUTCOMES_AWAITED.labels(self._office).set(count)
        metrics.OUTCOME_OLDEST_SECONDS.labels(self._office).set(max(0, _now_ms() - oldest_ms) / 1000 if oldest_ms is not None else 0)


def _now_ms() -> int:
    return int(time.time() * 1000)
