"""A back office that decides later, its rows in the ledger's database, and the topic of events as a list."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from time import monotonic
from uuid import UUID, uuid4

import sqlalchemy as sa

from adapters.interface import Accepted, Refusal
from consumers.delivery.awaited import AWAITED, Awaited, note_awaited
from consumers.delivery.outcomes import OutcomePoller
from consumers.settings import DeliverySettings
from infra.kafka.outgoing import KafkaRefusal, KnownResult, Outgoing, Written
from infra.kafka.refusals import Refusals
from infra.stores import Store
from schemas.events import StatusEvent

OFFICE = "muenchen.gewerbe"
DELIVERED_MS = 1_772_355_600_000
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class PollClock:
    """A clock that tests move."""

    now_ms = DELIVERED_MS

    @staticmethod
    def monotonic() -> float:
        return monotonic()

    def time(self) -> float:
        return self.now_ms / 1000


class BackOffice:
    """Answers by reference; what it does not know is in progress."""

    def __init__(self) -> None:
        self.answers: dict[str, Accepted | Refusal | Exception] = {}
        self.asked: list[str] = []
        self.concurrency = Counter[str]()

    async def outcome(self, reference: str) -> Accepted | Refusal | None:
        self.asked.append(reference)
        self.concurrency["now"] += 1
        self.concurrency["most"] = max(self.concurrency["most"], self.concurrency["now"])
        await asyncio.sleep(0)
        self.concurrency["now"] -= 1
        answer = self.answers.get(reference)
        if isinstance(answer, BaseException):
            raise answer
        return answer


class EventsTopic:
    """The events topic as a list; it fails as it is told."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.failures: list[Exception] = []
        self.refuses: str | None = None

    async def send_until_known(self, records: Sequence[Outgoing]) -> list[KnownResult]:
        if self.failures:
            raise self.failures.pop()
        if self.refuses is not None:
            return [KafkaRefusal("muenchen.events", self.refuses)] * len(records)
        self.sent.extend(records)
        return [Written(0, number) for number, _ in enumerate(records)]

    @property
    def events(self) -> list[StatusEvent]:
        return [StatusEvent.model_validate_json(record.value or b"") for record in self.sent]


def row(number: int = 1, *, partition: int = 3, submission: UUID | None = None) -> Awaited:
    """A submission that was delivered, the higher the number the later."""
    delivered_ms = DELIVERED_MS + number
    names = (str(submission or uuid4()), f"GM-{number}", "case", "99050012104000", "portal")
    return Awaited(*names, b"case", partition, 2, delivered_ms - 500, TRACE, delivered_ms)


async def put(store: Store, *rows: Awaited) -> None:
    """Note these as delivered."""
    await store.write(lambda connection: note_awaited(connection, OFFICE, rows))


def rows(store: Store) -> list[tuple[str, int]]:
    """Submissions that wait, and how often each was asked for."""
    query = sa.select(AWAITED.c.submission, AWAITED.c.asked).order_by(AWAITED.c.delivered_ms)
    return [tuple(one) for one in store.read_now(lambda connection: connection.execute(query).all())]


def poller(
    store: Store, back_office: BackOffice, topic: EventsTopic, partitions: Collection[int] = (3,), longest_s: float = 300
) -> OutcomePoller:
    """A process that has these partitions."""
    settings = DeliverySettings(longest_outcome_poll_s=longest_s)
    return OutcomePoller(OFFICE, back_office, store, topic, settings, Refusals(), lambda: partitions)  # type: ignore[arg-type]


async def round_of(process: OutcomePoller) -> int:
    """Ask for what is due, and wait until each has come to its end; how many were asked for."""
    await process.ask()
    count = len(process._asking)
    await process.answered()
    await process.count()
    return count
