"""What back offices say later: submissions that were handed over and are not accepted or rejected yet, and who asks for them.

Some back offices confirm that they have a submission and decide on it afterwards (`adapters.interface.AnswersLater`). For them
`delivered` and `accepted` are different moments.

 1. expect    the transaction that notes `delivered` in the ledger adds a row here, so neither is there without the other
 2. ask       whoever has the row's partition asks the back office, longest overdue first, with a pause that doubles
 3. tell      the event goes to Kafka; its id is that of the state, so told again after a crash it is the same event
 4. let go    only then the row goes

Killed before 3 the question is asked again, killed before 4 the answer is told again. While partitions move two processes may ask for
one row; that has the same end. A row that nobody answers stays and is asked for, at the longest pause, until somebody does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
import structlog

from adapters.interface import Accepted, AnswersLater, Refusal
from consumers.settings import DeliverySettings
from infra import metrics
from infra.kafka.clients import Outgoing, Sender
from infra.stores import Store, put_rows
from schemas import events, topics
from schemas.events import EVENT_CONTENT_TYPE, State
from schemas.headers import Header

log = structlog.get_logger()

_FIRST_PAUSE_MS: Final = 1_000
_MOST_DOUBLINGS: Final = 30
_AT_ONCE: Final = 8
"""Questions at the same time: hand-overs use the same connections and go first."""
_ANSWER_LIMIT_S: Final = 120.0
"""For adapters that have no limit of their own."""
_ROUND_S: Final = 0.5

AWAITED: Final = sa.Table(
    "awaited",
    sa.MetaData(),
    sa.Column("office", sa.Text, primary_key=True),
    sa.Column("submission", sa.Text, primary_key=True),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("case", sa.Text, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("portal", sa.Text, nullable=False),
    sa.Column("record_key", sa.LargeBinary),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("begun_ms", sa.BigInteger, nullable=False),
    sa.Column("traceparent", sa.LargeBinary),
    sa.Column("delivered_ms", sa.BigInteger, nullable=False),
    sa.Column("asked", sa.Integer, nullable=False),
    sa.Column("next_ms", sa.BigInteger, nullable=False),
    sa.Index("awaited_due", "office", "next_ms"),
)
"""Of the ledger's database. `asked` counts questions, `next_ms` is when the next one is due."""


class Awaited(NamedTuple):
    """A submission that its back office has and has not decided on; what an event about it says. Times in ms since the epoch."""

    submission: str
    reference: str
    case: str
    service: str
    portal: str
    record_key: bytes | None
    partition: int
    attempt: int
    begun_ms: int
    traceparent: bytes | None
    delivered_ms: int


def expect(connection: sa.Connection, office: str, rows: Sequence[Awaited]) -> None:
    """Note that the outcome of these is awaited; what is noted already stays as it is."""
    columns = ("office", *Awaited._fields, "asked", "next_ms")
    put_rows(connection, AWAITED, columns, [(office, *row, 0, row.delivered_ms + _FIRST_PAUSE_MS) for row in rows], key=2)


class Watch:
    """Asks one back office for what it has decided."""

    def __init__(
        self, office: str, adapter: AnswersLater, store: Store, sender: Sender, settings: DeliverySettings,
        partitions: Callable[[], Collection[int]],
    ) -> None:  # fmt: skip
        self._office = office
        self._adapter = adapter
        self._store = store
        self._sender = sender
        self._longest_ms = int(settings.longest_outcome_s * 1000)
        self._partitions = partitions
        """Those whose rows this process asks for."""
        self._events = topics.events(office.partition(".")[0])
        self._writer = events.EventWriter(office)

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            if not await self.round():
                await asyncio.sleep(_ROUND_S)

    async def round(self) -> bool:
        """Ask for the rows that are due, a few; whether there may be more."""
        rows = await self._store.read(self._due)
        answers = await asyncio.gather(*(self._ask(row) for row in rows), return_exceptions=True)
        known = [(row, answer) for row, answer in zip(rows, answers, strict=True) if isinstance(answer, Accepted | Refusal)]
        if known:
            await self._sender.send_surely([self._news(row, answer) for row, answer in known])
        if rows:
            told = {row.submission for row, _ in known}
            await self._store.write(lambda connection: self._note(connection, told, [row for row in rows if row.submission not in told]))
        self._say_failures([answer for answer in answers if isinstance(answer, BaseException)])
        await self._count()
        return len(rows) == _AT_ONCE

    def _due(self, connection: sa.Connection) -> Sequence[sa.Row[Any]]:
        mine = (AWAITED.c.office == self._office, AWAITED.c.partition.in_(self._partitions()), AWAITED.c.next_ms <= _now_ms())
        return connection.execute(sa.select(AWAITED).where(*mine).order_by(AWAITED.c.next_ms).limit(_AT_ONCE)).all()

    async def _ask(self, row: sa.Row[Any]) -> Accepted | Refusal | None:
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            return await self._adapter.outcome(row.reference)

    def _say_failures(self, failures: Sequence[BaseException]) -> None:
        """Whatever an adapter raises, the answer is not known yet; one line for all, because a back office that is down fails them all."""
        if failures:
            log.warning("outcomes_not_known", office=self._office, count=len(failures), error=type(failures[0]).__name__)

    def _news(self, row: sa.Row[Any], answer: Accepted | Refusal) -> Outgoing:
        state, reason = (State.REJECTED, answer.code) if isinstance(answer, Refusal) else (State.ACCEPTED, None)
        step = events.Step(state, events.iso(_now_ms()), row.attempt, events.iso(row.begun_ms), row.reference, reason)
        value = self._writer.write(step, row.submission, row.case, row.service, row.portal)
        headers = [(Header.CONTENT_TYPE.value, EVENT_CONTENT_TYPE.encode())]
        if row.traceparent is not None:
            headers.append((Header.TRACEPARENT.value, row.traceparent))
        return Outgoing(self._events, row.record_key, value, headers, row.partition)

    def _note(self, connection: sa.Connection, told: Collection[str], waiting: Sequence[sa.Row[Any]]) -> None:
        """Let go of what was told, and put off the rest."""
        connection.execute(AWAITED.delete().where(AWAITED.c.office == self._office, AWAITED.c.submission.in_(told)))
        now_ms = _now_ms()
        for row in waiting:
            pause_ms = min(_FIRST_PAUSE_MS << min(row.asked + 1, _MOST_DOUBLINGS), self._longest_ms)
            mine = (AWAITED.c.office == self._office, AWAITED.c.submission == row.submission)
            connection.execute(AWAITED.update().where(*mine).values(asked=row.asked + 1, next_ms=now_ms + pause_ms))

    async def _count(self) -> None:
        """Say how many wait and for how long, of the whole office."""
        query = sa.select(sa.func.count(), sa.func.min(AWAITED.c.delivered_ms)).where(AWAITED.c.office == self._office)
        count, oldest_ms = await self._store.read(lambda connection: connection.execute(query).one())
        metrics.OUTCOMES_AWAITED.labels(self._office).set(count)
        metrics.OUTCOME_OLDEST_SECONDS.labels(self._office).set((_now_ms() - oldest_ms) / 1000 if oldest_ms is not None else 0)


def _now_ms() -> int:
    return int(time.time() * 1000)
