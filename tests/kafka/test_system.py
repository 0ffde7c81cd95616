"""The whole bus on a real Kafka: nothing lost, nothing twice, whichever process is killed."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from consumers.watch.model import Judgement, SubReason, Verdict
from producers.synthetic import messages
from producers.synthetic.permits import Genuine
from producers.synthetic.portal import SyntheticPortal
from schemas import catalogue
from stadtbus import overview
from stadtbus.local.proof import Proof, Prover
from stadtbus.local.system import LocalSystem, Logins
from tests.kafka_service import free_system_offset

START = datetime.fromisoformat("2026-01-05T07:30:00.000+01:00")
SHARE = 40
OFFICES = catalogue.load().offices
PROCESSES = ["gateway", *OFFICES, "audit", "statistics", "watch"]


class Run:
    """A system, its portals and their streams of messages."""

    def __init__(self, system: LocalSystem, seed: int) -> None:
        self.system = system
        self.portals: list[SyntheticPortal] = [system.portal(entry) for entry in system.portals]
        self.streams = [messages.messages(entry.route, entry.author, seed=seed, start=START) for entry in system.portals]
        self._prover = Prover(system, self.portals)

    async def send(self, share: int) -> None:
        """Each portal sends its share of new messages to each of its offices."""
        async with asyncio.TaskGroup() as group:
            for portal, stream in zip(self.portals, self.streams, strict=True):
                group.create_task(portal.send_all(itertools.islice(stream, share)))

    async def proof(self) -> Proof:
        """The comparison by id, once everything has arrived or two minutes are over."""
        return await self._prover.wait(120)

    async def close(self) -> None:
        """Give everything back."""
        self._prover.close()
        for portal in self.portals:
            await portal.close()


@asynccontextmanager
async def running(folder: Path, logins: Logins, seed: int) -> AsyncIterator[Run]:
    """A system that runs for as long as the block lasts."""
    system = LocalSystem(folder, port_offset=free_system_offset(), logins=logins)
    try:
        await system.start(fresh=False)
        run = Run(system, seed)
        yield run
        await run.close()
    finally:
        await system.stop()


@pytest.fixture(scope="module")
def run(loop: asyncio.Runner, kafka_logins: Logins, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The system, started once; each test adds its submissions and the proof is over all of them."""
    context = running(tmp_path_factory.mktemp("system"), kafka_logins, seed=3)
    before = os.umask(0o077)  # as each command does
    yield loop.run(context.__aenter__())
    loop.run(context.__aexit__(None, None, None))
    os.umask(before)


def test_everything_arrives_once(loop: asyncio.Runner, run: Run) -> None:
    """What portals sent is what twins, audit and statistics hold, by id."""
    loop.run(run.send(SHARE))
    proof = loop.run(run.proof())
    assert proof.complete, proof
    assert proof.total("delivered") == len(run.portals) * SHARE
    assert proof.offices["muenchen.gewerbe"].confirmed == SHARE


@pytest.mark.parametrize("process", PROCESSES)
def test_a_killed_process_loses_and_repeats_nothing(loop: asyncio.Runner, run: Run, process: str) -> None:
    """SIGKILL of any process in the middle of the work, at a seeded moment: same result."""
    chance = random.Random(process)
    before = sum(len(portal.book.accepted) for portal in run.portals)

    async def work() -> Proof:
        sending = asyncio.create_task(run.send(SHARE))
        for _ in range(2):
            await asyncio.sleep(chance.uniform(0.2, 1.2))
            run.system.kill(process)
        await sending
        return await run.proof()

    proof = loop.run(work())
    assert proof.complete, proof
    assert sum(len(portal.book.accepted) for portal in run.portals) == before + len(run.portals) * SHARE


def test_back_office_away_and_back(loop: asyncio.Runner, run: Run) -> None:
    """While a back office is away its submissions wait, with their age and why; the others go on; then everything arrives once."""
    office = "nuernberg.meldewesen"

    async def work() -> tuple[dict[str, Judgement], Proof]:
        await run.system.set_mood(office, "away")
        await run.send(10)
        async with asyncio.timeout(30):
            while True:
                found = {one.name: one for one in (await overview.look(run.system.settings)).judgements()}
                if found[office].verdict is Verdict.STUCK and found[office].waiting == 10 and not found["augsburg.gewerbe"].waiting:
                    break
                await asyncio.sleep(0.2)
        await run.system.set_mood(office, "ok")
        return found, await run.proof()

    found, proof = loop.run(work())
    assert (found[office].sub_reason, found[office].oldest_at is not None) == (SubReason.BACK_OFFICE_DOWN, True)
    assert [one.name for one in found.values() if one.verdict is Verdict.STUCK] == [office]
    assert proof.complete, proof


def test_unclear_outcome_has_one_effect(loop: asyncio.Runner, run: Run) -> None:
    """A back office that takes a submission and then fails to say so is asked before anything is sent again."""

    async def work() -> Proof:
        for office in run.system.catalogue.offices:
            await run.system.set_mood(office, "fail-after")
        sending = asyncio.create_task(run.send(5))
        await asyncio.sleep(2)
        for office in run.system.catalogue.offices:
            await run.system.set_mood(office, "ok")
        await sending
        return await run.proof()

    proof = loop.run(work())
    assert proof.complete, proof


def test_page_in_place_of_the_office_and_odd_answers(loop: asyncio.Runner, run: Run) -> None:
    """While somebody else answers for the back offices nothing is lost; then they answer in rare ways, and everything arrives once."""

    async def work() -> Proof:
        for office in run.system.catalogue.offices:
            await run.system.set_mood(office, "page")
        await run.send(5)
        await asyncio.sleep(2)
        for office in run.system.catalogue.offices:
            await run.system.set_mood(office, "odd")
        proof = await run.proof()
        for office in run.system.catalogue.offices:
            await run.system.set_mood(office, "ok")
        return proof

    proof = loop.run(work())
    assert proof.complete, proof


def test_genuine_messages_arrive_byte_for_byte(loop: asyncio.Runner, run: Run) -> None:
    """The building office holds messages with the hashes of those that the portal sent."""
    number = [portal.office for portal in run.portals].index("nuernberg.bau")
    portal = run.portals[number]
    sent = list(itertools.islice(run.streams[number], 5))

    async def work() -> dict[str, str]:
        await portal.send_all(sent)
        proof = await run.proof()
        assert proof.complete, proof
        async with httpx.AsyncClient(base_url=run.system.twins_url) as http:
            received = (await http.get("/twins/nuernberg.bau/received")).json()
        return {one["submission_id"]: one["sha256"] for one in received}

    held = loop.run(work())
    hashes = {str(one.message_id): hashlib.sha256(one.body).hexdigest() for one in sent if isinstance(one, Genuine)}
    assert len(hashes) == len(sent)
    assert hashes.items() <= held.items()


def test_all_files_are_private(run: Run) -> None:
    """Of settings, stores, logs, keys and what the back offices were handed, nothing can be read by another user of the machine."""
    files = list(run.system.folder.rglob("*"))
    names = {path.name for path in files}
    assert {"outbox.sqlite", "audit.sqlite", "gateway.log", "stadtbus.yaml"} <= names
    assert {str(path): oct(path.stat().st_mode) for path in files if path.stat().st_mode & 0o077} == {}


@pytest.mark.parametrize(
    ("office", "states"),
    [("augsburg.gewerbe", ["submitted", "delivered"]), ("muenchen.gewerbe", ["submitted", "delivered", "accepted"])],
)
def test_the_portal_hears_every_step(loop: asyncio.Runner, run: Run, office: str, states: list[str]) -> None:
    """The portal that asks hears what became of its submission, step by step; a foreign one is not told that it exists."""
    own = next(portal for portal in run.portals if portal.office == office)
    foreign = next(portal for portal in run.portals if portal.name != own.name)
    submission = min(own.book.accepted)

    async def work() -> tuple[list[str], int]:
        async with asyncio.timeout(30):
            while len(heard := [step["state"] for step in (await own.status(submission)).json()["steps"]]) < len(states):
                await asyncio.sleep(0.2)
        return heard, (await foreign.status(submission)).status_code

    assert loop.run(work()) == (states, 404)
