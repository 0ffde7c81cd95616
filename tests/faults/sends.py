"""Submissions that are sent, and what is known of each send: ok, fail or unknown."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import httpx

from infra.kafka.outgoing import Outgoing, Written
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings
from producers.intake import intake, metadata
from producers.intake.portals import Portal
from producers.settings import PortalSettings
from producers.synthetic import messages
from producers.synthetic.portal import SyntheticPortal
from schemas import catalogue, message, topics
from schemas.errors import CannotTell
from schemas.headers import Header
from schemas.message import Application, Authority

START: Final = datetime.fromisoformat("2026-01-05T07:30:00.000+01:00")
_TEMPLATES: Final = 60
_BATCH: Final = 500
_PAUSE_S: Final = 1.0
_OPEN_CASES: Final = 16
_CONTINUES: Final = 0.6


class SendOutcome(StrEnum):
    """What the sender knows at the end."""

    OK = "ok"
    """It was acknowledged: it has to arrive."""
    FAIL = "fail"
    """It was refused: it must not arrive."""
    UNKNOWN = "unknown"
    """It may arrive."""


@dataclass(slots=True)
class Sent:
    """One submission."""

    id: str
    case: str
    office: str
    made_at: float
    """Unix time."""
    outcome: SendOutcome = SendOutcome.UNKNOWN
    tries: int = 0
    unknown_tries: int = 0
    partition: int = -1
    offset: int = -1
    dead: bool = False
    """It is made so that it has to end as a dead letter."""
    removed: bool = False
    """Retention took it from the topic before it was read."""

    def acknowledged(self, partition: int, offset: int) -> None:
        """Kafka has it; the first place is the one that counts."""
        if self.outcome is not SendOutcome.OK:
            self.outcome, self.partition, self.offset = SendOutcome.OK, partition, offset


@dataclass
class SendLog:
    """Everything that one run sent, in the order of each case."""

    sent: dict[str, Sent] = field(default_factory=dict)

    def add(self, sent: Sent) -> Sent:
        """Note before it is sent."""
        self.sent[sent.id] = sent
        return sent

    def having(self, outcome: SendOutcome) -> list[Sent]:
        """Those with this outcome."""
        return [one for one in self.sent.values() if one.outcome is outcome]


class Forge:
    """Makes valid submission records of one office: some real ones, in which ids and times are replaced."""

    def __init__(self, office: str, seed: int) -> None:
        self.office = office
        self._chance = random.Random(f"forge {office} {seed}")
        self._templates = list(itertools.islice(_templates(office, seed), _TEMPLATES))
        self._cases: deque[str] = deque((self.uuid() for _ in range(_OPEN_CASES)), maxlen=_OPEN_CASES)

    def make(self) -> tuple[Sent, Outgoing]:
        """The next submission: more than every other continues a case."""
        if self._chance.random() > _CONTINUES:
            self._cases.append(self.uuid())
        return self.make_for(self._chance.choice(self._cases))

    def make_for(self, case: str) -> tuple[Sent, Outgoing]:
        """A submission of this case."""
        sent = Sent(self.uuid(), case, self.office, time.time())
        return sent, self._chance.choice(self._templates).fill(sent)

    def uuid(self) -> str:
        """The next id."""
        return str(UUID(int=self._chance.getrandbits(128), version=4))


@dataclass(frozen=True, slots=True)
class _Template:
    office: str
    application: Application
    headers: Mapping[Header, str]
    content: bytes

    def fill(self, sent: Sent) -> Outgoing:
        now = datetime.fromtimestamp(sent.made_at, UTC).isoformat(timespec="milliseconds")
        content = self.content.replace(str(self.application.message_id).encode(), sent.id.encode())
        content = content.replace(str(self.application.case_id).encode(), sent.case.encode())
        content = content.replace(self.headers[Header.TIME].encode(), now.encode())
        own = {Header.CASE: sent.case, Header.TIME: now, Header.ACCEPTED_AT: now}
        own |= dict.fromkeys((Header.MESSAGE_ID, Header.SUBJECT, Header.SUBMISSION), sent.id)
        raw = [(name.value, value.encode()) for name, value in {**self.headers, **own}.items()]
        return Outgoing(topics.submissions(self.office), sent.case.encode(), content, raw)


def _templates(office: str, seed: int) -> Iterator[_Template]:
    """Submissions with the headers that intake gives them."""
    route = catalogue.load().routes_of(office)[0]
    author = Authority(key=f"kop:{route.city.ags}", name=f"Portal {route.city.name}")
    portal = Portal("portal-faults", PortalSettings(name=author.name, authority=author.key))
    for application in messages.applications(route, author, seed=seed, start=START):
        content = message.write(application)
        known = metadata.of_filing(application, route.office)
        candidate = intake.candidate_of(known, portal, content, hashlib.sha512(content).hexdigest(), {})
        yield _Template(office, application, candidate.headers, content)


class Lane:
    """The way of one office's submissions to its topic, as the gateway's relay goes it: in order, unknown ones once more."""

    def __init__(self, kafka: KafkaSettings, office: str) -> None:
        self._sender = Sender(kafka, f"faults-{office}")
        self._waiting: deque[tuple[Sent, Outgoing]] = deque()
        self._filled = asyncio.Event()

    def put(self, sent: Sent, record: Outgoing) -> None:
        """Send this after all before it."""
        self._waiting.append((sent, record))
        self._filled.set()

    @property
    def empty(self) -> bool:
        """Whether all is acknowledged."""
        return not self._waiting

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            while True:
                await self._filled.wait()
                self._filled.clear()
                while self._waiting:
                    if not await self._send_some():
                        await asyncio.sleep(_PAUSE_S)
        finally:
            await self._sender.stop()

    async def _send_some(self) -> bool:
        batch = list(itertools.islice(self._waiting, _BATCH))
        for sent, _ in batch:
            sent.tries += 1
        try:
            positions = await self._sender.send_all([record for _, record in batch])
        except CannotTell:
            return False
        again = [one for one, position in zip(batch, positions, strict=True) if not isinstance(position, Written)]
        for (sent, _), position in zip(batch, positions, strict=True):
            if isinstance(position, Written):
                sent.acknowledged(position.partition, position.offset)
            else:
                sent.unknown_tries += 1
        for _ in batch:
            self._waiting.popleft()
        self._waiting.extendleft(reversed(again))
        return not again


class Door:
    """A portal that submits over HTTP; what the gateway answered is counted by status."""

    def __init__(self, portal: SyntheticPortal, applications: Iterator[Application], log: SendLog) -> None:
        self.portal = portal
        self.answers: dict[int, int] = {}
        self.without_retry_after = 0
        """503 answers that do not say when to come back."""
        self._applications = applications
        self._log = log
        portal._http.event_hooks["response"].append(self._count)

    async def _count(self, response: httpx.Response) -> None:
        self.answers[response.status_code] = self.answers.get(response.status_code, 0) + 1
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE and "Retry-After" not in response.headers:
            self.without_retry_after += 1

    async def send(self, count: int) -> list[Application]:
        """Submit some and wait for the answers."""
        chosen = [self._note(application) for application in itertools.islice(self._applications, count)]
        await self.portal.send_all(chosen)
        return chosen

    def _note(self, application: Application) -> Application:
        self._log.add(Sent(str(application.message_id), str(application.case_id), self.portal.office, time.time()))
        return application

    async def drive(self, rate: float, stop: asyncio.Event) -> None:
        """Submit so many per second until stopped, and until all of them are answered; those of a case one after the other."""
        last: dict[UUID, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                application = self._note(next(self._applications))
                send = self.portal._send_after(last.get(application.case_id), application)
                last[application.case_id] = group.create_task(send)
                await asyncio.sleep(1 / rate)

    def settle(self) -> None:
        """Put the portal's own list into the log."""
        book = self.portal.book
        for submission in book.sent:
            if submission in book.accepted:
                self._log.sent[str(submission)].outcome = SendOutcome.OK
            elif submission in book.rejected:
                self._log.sent[str(submission)].outcome = SendOutcome.FAIL


def spread(rates: Mapping[str, float], tick_s: float) -> Iterator[Sequence[str]]:
    """For each tick the offices that are due, so that each comes so many times per second."""
    due = dict.fromkeys(rates, 0.0)
    while True:
        chosen: list[str] = []
        for office, rate in rates.items():
            due[office] += rate * tick_s
            chosen += [office] * int(due[office])
            due[office] %= 1
        yield chosen
