"""A city with one office, its real engine, ledger and commands, and a back office that refuses what it is told to."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import yaml

import schemas
from adapters.interface import Delivered, Document, Submission
from consumers.delivery.handler import Delivery
from consumers.delivery.ledger import Ledger
from consumers.delivery.orders import Orders
from consumers.delivery.vitals import VitalSigns
from consumers.desk.deadletters import DeadLetters
from consumers.desk.desk import Desk
from consumers.desk.plan import Selection, plan_replay
from consumers.desk.rollout import RolloutLimits, Tally
from consumers.engine import Engine
from consumers.settings import DeliverySettings
from infra.health import Health
from infra.kafka.admin import create_topics
from infra.kafka.heartbeats import Heartbeats, Identity
from infra.kafka.outgoing import Outgoing
from infra.kafka.reading import read_all
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings, StoreSettings
from infra.tasks import in_background
from schemas import message, topics
from schemas.catalogue.expected import Expected
from schemas.copies import take_apart
from schemas.errors import Refused
from schemas.headers import CopyHeader, Header, RawHeaders, encode
from schemas.heartbeats import ProcessKind
from tests import builders
from tests.kafka.helpers import environment_of, fill

DELIVERY: Final = DeliverySettings(brake_in_a_row=10_000, brake_share=1)
QUICK: Final = RolloutLimits(rate=10_000, wait_s=30)
HOUR_MS: Final = 3_600_000


@dataclass
class BackOffice:
    """Keeps what it gets, and refuses what it is told to."""

    refuses: set[UUID] = field(default_factory=set)
    before: list[Exception] = field(default_factory=list)
    got: list[UUID] = field(default_factory=list)
    max_concurrency: int = 50

    def translate(self, submission: Submission) -> Document:
        return Document(submission.id, "name", "text/plain", b"content")

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        if document.submission_id in self.refuses:
            raise Refused("the street is not known")
        if self.before:
            raise self.before.pop()
        self.got.append(document.submission_id)
        return Delivered("R-1")

    async def find(self, submission_id: UUID) -> Delivered | None:
        return Delivered("R-1") if submission_id in self.got else None

    async def check(self) -> str:
        return "fine"

    async def close(self) -> None:
        return None


@dataclass
class Town:
    """One office of its own on the shared Kafka, with its stores, its back office and a catalogue that knows it."""

    kafka: KafkaSettings
    stores: StoreSettings
    name: str
    folder: Path
    back_office: BackOffice = field(default_factory=BackOffice)

    @property
    def office(self) -> str:
        return f"{self.name}.office"

    @property
    def desk(self) -> Desk:
        return Desk(self.kafka, self.stores, self.name)

    async def letters(self) -> DeadLetters:
        return (await self.desk.read([self.office]))[self.office]

    async def replay(self, selection: Selection | None = None, limits: RolloutLimits = QUICK) -> Tally:
        plan = plan_replay(await self.letters(), selection or Selection())
        return await self.desk.replay(plan, selection or Selection(), limits, lambda _: None)

    async def all_of(self, topic: str) -> list[Any]:
        records: list[Any] = []
        await read_all(self.kafka, [topic], records.append)
        return records

    async def replayed_places(self) -> list[str]:
        blocks = [take_apart(record.headers).block for record in await self.all_of(topics.retry(self.office))]
        return [block[CopyHeader.REPLAYED_FROM] for block in blocks]

    async def events(self, state: str) -> list[Mapping[str, Any]]:
        found = [json.loads(record.value)["data"] for record in await self.all_of(topics.events(self.name))]
        return [event for event in found if event["state"] == state]

    async def operations(self) -> list[Mapping[str, Any]]:
        records = await self.all_of(topics.OPERATIONS)
        return [json.loads(record.value) for record in records if record.key in (self.name.encode(), self.office.encode())]

    async def lying(self, count: int) -> None:
        """Wait until so many letters are open."""
        async with asyncio.timeout(30):
            while len((await self.letters()).open) != count:
                await asyncio.sleep(0.2)

    @asynccontextmanager
    async def adapter(self, limits: DeliverySettings = DELIVERY, *, port: int | None = None) -> AsyncIterator[Engine[Any]]:
        """The adapter's process, as `consumers.app` wires it; with a port it has heartbeats, and hears of operations."""
        ledger, sender = Ledger(self.stores, self.office), Sender(self.kafka, self.office)
        orders = Orders(self.kafka, self.office, Expected())
        delivery = Delivery(self.office, self.back_office, ledger, sender, limits, (), orders.stand if port is not None else lambda: False)
        read = [topics.submissions(self.office), topics.retry(self.office)]
        engine = Engine(self.kafka, group=self.office, topics=read, handler=delivery, limits=limits)
        running = asyncio.create_task(engine.run())
        try:
            async with AsyncExitStack() as beside:
                if port is not None:
                    identity = Identity(ProcessKind.ADAPTER, port, self.office)
                    beats = Heartbeats(self.kafka, identity, Health(vitals=VitalSigns(engine, delivery, orders)))
                    await beside.enter_async_context(beats.hosted())
                    await beside.enter_async_context(in_background(partial(orders.run, delivery.guard.release)))
                yield engine
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await sender.stop()
            ledger.close()

    async def command(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, output and errors of a `stadtbus` command."""
        process = await self.start_command(*arguments)
        output, error = await process.communicate()
        return process.returncode or 0, output.decode(), error.decode()

    async def start_command(self, *arguments: str) -> asyncio.subprocess.Process:
        environment = {
            **environment_of(self.kafka),
            "STADTBUS_STORES__FOLDER": str(self.stores.folder),
            "STADTBUS_CATALOGUE": str(self.folder),
            "COLUMNS": "100",
        }
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "stadtbus", *arguments)
        return await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=environment, cwd=Path(__file__).parents[2])


async def new_town(kafka: KafkaSettings, tmp_path: Path) -> Town:
    """A city with one office that no other test has."""
    name = f"t{uuid.uuid4().hex[:10]}"
    await create_topics(kafka, [*topics.of_office(f"{name}.office"), *topics.of_city(name), *topics.of_bus()])
    folder = tmp_path / "catalogue"
    folder.mkdir()
    shutil.copy(Path(schemas.__file__).parent / "cities/services.yaml", folder)
    offer = {"service": "wohnsitz-anmelden", "minimum_level": 1, "accounts": ["bayernid"]}
    office = {"id": "office", "name": "Office", "authority": "ags:09162000", "services": [offer]}
    city = {"city": name, "name": "Town", "ags": "09162000", "ars": "091620000000", "offices": [office]}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(city), encoding="utf-8")
    return Town(kafka, StoreSettings(folder=tmp_path / "stores"), name, folder)


def submission(town: Town, case: UUID | None = None, *, more: RawHeaders = (), refused: bool = True) -> tuple[UUID, Outgoing]:
    """A record as the relay writes it, of a case of its own unless one is given; whether the back office refuses it."""
    application = builders.application(case_id=case or uuid4())
    headers = encode(
        {
            Header.SUBMISSION: str(application.message_id),
            Header.CASE: str(application.case_id),
            Header.CITY: town.name,
            Header.OFFICE: town.office,
            Header.SERVICE: application.service.code,
            Header.PORTAL: "portal",
            Header.ACCEPTED_AT: "2026-03-01T09:00:00.000+00:00",
        }
    )
    if refused:
        town.back_office.refuses.add(application.message_id)
    key, value = str(application.case_id).encode(), message.write(application)
    stamp = int(time.time() * 1000) - HOUR_MS
    return application.message_id, Outgoing(topics.submissions(town.office), key, value, [*headers, *more], None, stamp)


async def refused(town: Town, count: int) -> list[UUID]:
    """So many dead letters, each of a case of its own."""
    made = [submission(town) for _ in range(count)]
    await fill(town.kafka, [record for _, record in made])
    return [one for one, _ in made]
