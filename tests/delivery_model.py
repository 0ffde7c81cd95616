"""Delivery without Kafka: the real core, ledger and handler, a back office that fails as it is told, and topics that are lists."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from aiokafka import TopicPartition

from adapters.interface import CannotFind, Delivered, Document, Submission
from adapters.kit import NotTheOffice
from consumers.delivery.entry import LedgerEntry
from consumers.delivery.handler import Delivery
from consumers.delivery.job import Job
from consumers.delivery.ledger import Ledger
from consumers.engine import Again, CaseState, Core, Dead, End, Parked, Waits
from consumers.settings import DeliverySettings
from infra.kafka.outgoing import KafkaRefusal, Outgoing, Sent, Written
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings
from schemas import message, problems, topics
from schemas.copies import Copy, headers_of_copy, take_apart
from schemas.errors import CannotTell, DestinationDown
from schemas.headers import CopyHeader, Header, RawHeaders
from schemas.message import Application
from tests import builders

OFFICE = "muenchen.meldewesen"
MAIN = TopicPartition(topics.submissions(OFFICE), 1)
RETRY = TopicPartition(topics.retry(OFFICE), 1)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FOREIGN: RawHeaders = [("foreign", b"\xff\x00"), ("null", None), ("foreign", b"again")]
TIMESTAMP_MS = 1_772_355_600_000
CANARY = "Kanarienvogel"
"""Whatever must not be seen."""
APPLICATION = builders.application()
CASE = str(APPLICATION.case_id).encode()
FOLLOWING = [builders.application(case_id=APPLICATION.case_id) for _ in range(3)]
"""Later submissions of the same case."""


class Clock:
    """A clock that tests move."""

    now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return 1_772_355_600.0 + self.now_s


def headers_of(application: Application) -> dict[str, str]:
    """What intake writes about it."""
    values = {
        Header.SUBMISSION: str(application.message_id),
        Header.CASE: str(application.case_id),
        Header.CITY: "muenchen",
        Header.OFFICE: OFFICE,
        Header.SERVICE: application.service.code,
        Header.PORTAL: "portal",
        Header.ACCEPTED_AT: "2026-03-01T09:00:00.000+00:00",
        Header.TRACEPARENT: TRACE,
    }
    return {name.value: text for name, text in values.items()}


def record(application: Application, offset: int, changes: dict[str, bytes | None] | None = None, **values: Any) -> Any:
    """Its record, as the relay writes it, with some headers that somebody else added."""
    raw: dict[str, bytes | None] = {name: text.encode() for name, text in headers_of(application).items()}
    parts = {
        "topic": MAIN.topic,
        "partition": MAIN.partition,
        "offset": offset,
        "timestamp": TIMESTAMP_MS,
        "key": str(application.case_id).encode(),
        "value": message.write(application),
        "headers": [*(raw | (changes or {})).items(), *FOREIGN],
    }
    return SimpleNamespace(**(parts | values))


@dataclass
class Office:
    """A back office that notes what it is asked, and fails as it is told: before the effect, after it, or when it is asked."""

    before: list[BaseException] = field(default_factory=list)
    after: list[BaseException] = field(default_factory=list)
    asked: list[BaseException] = field(default_factory=list)
    translating: list[BaseException] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    effects: list[UUID] = field(default_factory=list)
    max_concurrency: int = 10
    down: bool = False
    """What it answers when it is asked whether it is there: as its last answer to a delivery or a question was."""

    def translate(self, submission: Submission) -> Document:
        if self.translating:
            raise self.translating.pop(0)
        return Document(submission.id, "name", "text/plain", b"content")

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        self.calls.append(f"deliver {attempt}")
        self._fail(self.before)
        self.effects.append(document.submission_id)
        self._fail(self.after)
        return Delivered("M-1")

    def _fail(self, errors: list[BaseException]) -> None:
        error = errors.pop(0) if errors else None
        self.down = isinstance(error, DestinationDown | NotTheOffice)
        if error is not None:
            raise error

    async def find(self, submission_id: UUID) -> Delivered | None:
        self.calls.append("find")
        self._fail(self.asked)
        return Delivered("M-1") if submission_id in self.effects else None

    async def check(self) -> str:
        if self.down:
            raise DestinationDown("away")
        return "fine"

    async def close(self) -> None:
        return None


class Talkative(Office):
    """An adapter that quotes the message in everything that goes wrong."""

    def translate(self, submission: Submission) -> Document:
        if self.after and isinstance(self.after[0], KeyError):
            raise self.after.pop(0)
        return super().translate(submission)


class Mute(Office):
    """A back office that can never say what it has."""

    async def find(self, submission_id: UUID) -> Delivered | None:
        self.calls.append("find")
        raise CannotFind


class Wire(Sender):
    """Stands for Kafka: keeps what is sent, or does not take it."""

    def __init__(self) -> None:
        super().__init__(KafkaSettings(), "test")
        self.sent: list[Outgoing] = []
        self.trouble: list[str] = []
        """What goes wrong next: `unknown` (it may be there), `away`."""
        self.refuses: Callable[[Outgoing], str | None] = lambda _: None
        """The error with which a record is refused."""
        self._ends: defaultdict[tuple[str, int], int] = defaultdict(int)

    async def send_all(self, records: Sequence[Outgoing]) -> list[Sent]:
        trouble = self.trouble.pop(0) if self.trouble else None
        if trouble == "away":
            raise CannotTell(problems.KAFKA_UNREACHABLE)
        sent = [KafkaRefusal(one.topic, error) if (error := self.refuses(one)) else self._keep(one) for one in records]
        return [None] * len(records) if trouble == "unknown" else list(sent)

    def _keep(self, one: Outgoing) -> Written:
        assert one.partition is not None
        self.sent.append(one)
        offset = self._ends[one.topic, one.partition]
        self._ends[one.topic, one.partition] = offset + 1
        return Written(one.partition, offset)

    def of(self, topic: str) -> list[Outgoing]:
        """What is in a topic."""
        return [one for one in self.sent if one.topic == topic]

    @property
    def parked(self) -> list[Outgoing]:
        return self.of(topics.retry(OFFICE))

    @property
    def dead(self) -> list[Outgoing]:
        return self.of(topics.deadletters(OFFICE))

    @property
    def events(self) -> list[dict[str, Any]]:
        """What the portals hear."""
        return [json.loads(one.value or b"") for one in self.of("muenchen.events")]

    @property
    def states(self) -> list[str]:
        """What the events say."""
        return [event["data"]["state"] for event in self.events]


def block(copy: Outgoing) -> Copy:
    """The headers of a copy, taken apart."""
    return take_apart(copy.headers)


class Process:
    """One process with a new core, that reads both topics from their beginnings."""

    def __init__(
        self, ledger: Ledger, office: Office, wire: Wire, settings: DeliverySettings | None = None, continuing: Collection[str] = ()
    ) -> None:
        self.office, self.wire = office, wire
        self.settings = settings or DeliverySettings()
        self.stands = False
        """The office is paused on purpose."""
        self.delivery = Delivery(OFFICE, office, ledger, wire, self.settings, continuing, lambda: self.stands)
        self.core: Core[TopicPartition, Any, Job] = Core(Job)
        self.waiting: list[tuple[Job, float]] = []
        """What is to come again, and after how many seconds."""
        self.unsettled: list[Job] = []
        """What is to be settled again."""
        self._read = 0

    async def start(self, cases: dict[bytes, CaseState] | None = None) -> Process:
        """Partitions are assigned."""
        _, known = await self.delivery.on_assigned([MAIN, RETRY])
        self.core.assign({MAIN: 0, RETRY: 0}, {RETRY}, known if cases is None else cases)
        return self

    def fetch(self, *records: Any) -> list[Job]:
        """Records of the submissions topic come in."""
        works = self.core.offer(MAIN, records)
        self.delivery.recognise(works)
        return works

    def fetch_parked(self) -> list[Job]:
        """What was written to the retry topic since comes in."""
        copies = self.wire.parked[self._read :]
        records = [_as_record(copy, self._read + number) for number, copy in enumerate(copies)]
        self._read += len(copies)
        works = self.core.offer(RETRY, records) if records else []
        self.delivery.recognise(works)
        return works

    async def turn(self) -> list[End]:
        """Hand out what may go, and settle it."""
        works = self.core.take(self.delivery.capacity(100))
        if not works:
            return []
        begun, rest = await self.delivery.begin(works)
        for work in begun:
            await self.delivery.deliver(work)
        return await self.settle([*begun, *rest])

    async def settle(self, works: Sequence[Job]) -> list[End]:
        """What came of them, and what the engine does with that."""
        ends = await self.delivery.settle(works)
        for work, end in zip(works, ends, strict=True):
            self._apply(work, end)
        return ends

    def _apply(self, work: Job, end: End) -> None:
        if isinstance(end, Again):
            self.core.defer(work)
            self.waiting.append((work, end.delay_s))
        elif isinstance(end, Waits):
            self.unsettled.append(work)
        elif isinstance(end, Parked):
            self.core.finish_parked(work, end.retry_offset)
        elif isinstance(end, Dead):
            self.core.finish_dead(work, end.submission)
        else:
            self.core.finish(work)

    def wait(self) -> list[float]:
        """Time passes until everything that waits comes again; how long each waits."""
        waits = [delay_s for _, delay_s in self.waiting]
        for work, _ in self.waiting:
            self.core.requeue(work)
        self.waiting.clear()
        return waits

    async def settle_again(self) -> list[End]:
        """Time passes until everything that was not settled is settled once more."""
        works, self.unsettled = self.unsettled, []
        return await self.settle(works) if works else []

    async def go_on(self, turns: int = 100) -> None:
        """Until nothing is left to do, or so many times."""
        for _ in range(turns):
            self.fetch_parked()
            if not await self.turn() and not self.wait() and not any(not isinstance(end, Waits) for end in await self.settle_again()):
                return


def case_records(count: int = 4) -> list[Any]:
    """The records of one case."""
    return [record(application, offset) for offset, application in enumerate([APPLICATION, *FOLLOWING][:count])]


async def run(ledger: Ledger, office: Office, wire: Wire, *records: Any, turns: int = 100, **values: Any) -> Process:
    """A new process that reads these from the submissions topic, and goes on until nothing is left to do."""
    process = await Process(ledger, office, wire, **values).start()
    process.fetch(*(records or [record(APPLICATION, 0)]))
    await process.go_on(turns)
    return process


async def deliver_some(process: Process, limit: int) -> list[Job]:
    """Begin so many records of a process, and deliver them; they are not settled."""
    begun, _ = await process.delivery.begin(process.core.take(limit))
    for work in begun:
        await process.delivery.deliver(work)
    return begun


def _as_record(copy: Outgoing, offset: int) -> Any:
    """A copy as it is read."""
    return SimpleNamespace(
        topic=copy.topic,
        partition=copy.partition,
        offset=offset,
        timestamp=copy.timestamp_ms,
        key=copy.key,
        value=copy.value,
        headers=tuple(copy.headers),
    )


async def put_into_retry(wire: Wire, letter: Outgoing, more: dict[CopyHeader, str]) -> None:
    """What an operator does with a dead letter."""
    copy = block(letter)
    assert copy.origin is not None
    headers = headers_of_copy(copy.original, copy.origin, more)
    await wire.send_until_known([letter._replace(topic=topics.retry(OFFICE), headers=headers)])


def entry_of(ledger: Ledger, application: Application) -> LedgerEntry:
    """Its row."""
    return ledger.entries([application.message_id.bytes])[application.message_id.bytes]
