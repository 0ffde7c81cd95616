"""The whole bus on a real Kafka: nothing lost, nothing twice, whichever process is killed."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from infra import lag
from producers import synthetic
from producers.portal import Portal
from schemas import catalogue
from stadtbus.proof import Checker, Proof
from stadtbus.system import LocalSystem
from tests.kafka_service import free_system_offset

START = datetime.fromisoformat("2026-01-05T07:30:00.000+01:00")
SHARE = 40
PROCESSES = ["gateway", *catalogue.load().offices, "audit", "statistics"]


class Run:
    """A system, its portals and their streams of applications."""

    def __init__(self, system: LocalSystem, seed: int) -> None:
        self.system = system
        self.portals: list[Portal] = [system.portal(entry) for entry in system.portals]
        self._streams = [synthetic.applications(entry.route, entry.author, seed=seed, start=START) for entry in system.portals]
        self._checker = Checker(system, self.portals)

    async def send(self, share: int) -> None:
        """Each portal sends its share of new applications."""
        async with asyncio.TaskGroup() as group:
            for portal, stream in zip(self.portals, self._streams, strict=True):
                group.create_task(portal.send_all(itertools.islice(stream, share)))

    async def proof(self) -> Proof:
        """The comparison by id, once everything has arrived or two minutes are over."""
        return await self._checker.wait(120)

    async def close(self) -> None:
        """Give everything back."""
        self._checker.close()
        for portal in self.portals:
            await portal.close()


@asynccontextmanager
async def running(folder: Path, bootstrap: str, seed: int) -> AsyncIterator[Run]:
    """A system that runs for as long as the block lasts."""
    system = LocalSystem(folder, port_offset=free_system_offset(), bootstrap=bootstrap)
    try:
        await system.start(fresh=False)
        run = Run(system, seed)
        yield run
        await run.close()
    finally:
        await system.stop()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """One event loop for all tests here, because the system lives in it."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def run(loop: asyncio.Runner, kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The system, started once; each test adds its submissions and the proof is over all of them."""
    context = running(tmp_path_factory.mktemp("system"), kafka_bootstrap, seed=3)
    yield loop.run(context.__aenter__())
    loop.run(context.__aexit__(None, None, None))


def test_everything_arrives_once(loop: asyncio.Runner, run: Run) -> None:
    """What portals sent is what twins, audit and statistics hold, by id."""
    loop.run(run.send(SHARE))
    proof = loop.run(run.proof())
    assert proof.complete, proof
    assert proof.total("delivered") == 3 * SHARE


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
    assert sum(len(portal.book.accepted) for portal in run.portals) == before + 3 * SHARE


def test_back_office_away_and_back(loop: asyncio.Runner, run: Run) -> None:
    """While a back office is away its submissions wait, with their age; the others go on; then everything arrives once."""
    office = "nuernberg.meldewesen"

    async def work() -> tuple[lag.OfficeLag, lag.OfficeLag, Proof]:
        await run.system.set_mood(office, "away")
        await run.send(10)
        async with asyncio.timeout(30):
            while (lags := {one.office: one for one in await lag.of_offices(run.system.kafka, PROCESSES[1:4])})["augsburg.gewerbe"].behind:
                await asyncio.sleep(0.2)
        await run.system.set_mood(office, "ok")
        return lags[office], lags["augsburg.gewerbe"], await run.proof()

    waiting, idle, proof = loop.run(work())
    assert (waiting.behind, idle.behind) == (10, 0)
    assert waiting.oldest_undelivered_at is not None
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


def test_audit_traces_the_way(loop: asyncio.Runner, run: Run) -> None:
    """The portal that asks hears what became of its submission, step by step; a foreign one is not told that it exists."""
    own, foreign = run.portals[0], run.portals[1]
    submission = min(own.book.accepted)

    async def work() -> tuple[list[str], int]:
        async with asyncio.timeout(30):
            while len(states := [step["state"] for step in (await own.status(submission)).json()["steps"]]) < 2:
                await asyncio.sleep(0.2)
        return states, (await foreign.status(submission)).status_code

    assert loop.run(work()) == (["submitted", "delivered"], 404)
