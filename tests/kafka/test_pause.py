"""An office is paused and resumed on a real Kafka while its processes run, come and go; and probed, without anybody being the wiser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from adapters.interface import Delivered, Document
from infra.kafka.last_said import last_said
from infra.kafka.outgoing import Outgoing, partition_of
from infra.kafka.sender import Sender
from infra.tasks import in_background
from producers.gateway.prober import Prober
from schemas import probes, topics
from schemas.heartbeats import Heartbeat
from tests.kafka.helpers import eventually, fill
from tests.kafka.town import BackOffice, Town, submission


class Watched(BackOffice):
    """A back office that lets its first delivery wait, and notes which ones began after the resume."""

    def __init__(self) -> None:
        super().__init__()
        self.busy, self.go_on = asyncio.Event(), asyncio.Event()
        self.resumed = False
        self.too_early = 0
        self.checks = 0

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        if not self.busy.is_set():
            self.busy.set()
            await self.go_on.wait()
        elif not self.resumed:
            self.too_early += 1
        return await super().deliver(document, attempt)

    async def check(self) -> str:
        self.checks += 1
        return await super().check()


@pytest.fixture(autouse=True)
def _talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes say often how they are."""
    monkeypatch.setattr("infra.kafka.heartbeats.INTERVAL_S", 0.3)


async def ordered(town: Town, *arguments: str) -> tuple[int, dict[str, Any]]:
    """What `stadtbus office …` says to programs."""
    action, *more = arguments
    code, output, error = await town.command("office", action, town.office, "--reason", "new release", "--json", *more)
    assert output, error
    return code, json.loads(output)


async def said_by(town: Town, port: int) -> Heartbeat:
    """The last heartbeat of an instance."""
    (found,) = [one for one in await last_said(town.kafka) if one.office == town.office and one.instance.endswith(f":{port}")]
    return found


async def test_a_pause_holds_for_all_processes_and_outlives_them(town: Town) -> None:
    """What is in flight ends, nothing else begins in either instance nor in one that starts later, until another operator resumes it."""
    town.back_office = office = Watched()
    first, record = submission(town, refused=False)
    await fill(town.kafka, [record])
    async with town.adapter(port=8084), town.adapter(port=8085):
        await asyncio.wait_for(office.busy.wait(), 30)
        assert (await ordered(town, "pause"))[1]["before"] is None
        assert await town.operations() == []
        code, said = await ordered(town, "pause", "--go", "--actor", "anna")
        assert (code, [one["obeyed"] for one in said["processes"]]) == (0, [True, True])
        office.go_on.set()
        await eventually(lambda: office.got == [first])
        more = [submission(town, refused=False) for _ in range(9)]
        await fill(town.kafka, [record for _, record in more])
    async with town.adapter(port=8086) as engine:
        await eventually(lambda: bool(engine.core.partitions))
        async with asyncio.timeout(30):
            while (pause := (await said_by(town, 8086)).pause) is None:
                await asyncio.sleep(0.2)
        assert (pause.actor, pause.reason, pause.until) == ("anna", "new release", None)
        office.resumed = True
        code, said = await ordered(town, "resume", "--go", "--actor", "bert")
        assert (code, said["before"]["actor"], [one["obeyed"] for one in said["processes"]]) == (0, "anna", [True])
        await eventually(lambda: len(office.got) == 10)
    assert office.too_early == 0
    written = await town.all_of(topics.OPERATIONS)
    assert {record.partition for record in written if record.key == town.office.encode()} == {written_in(town)}
    assert [(one["action"], one["actor"]) for one in await town.operations()] == [("pause", "anna"), ("resume", "bert")]


def written_in(town: Town) -> int:
    """The one partition in which the words about an office stand."""
    return partition_of(town.office.encode())


@asynccontextmanager
async def probing(town: Town) -> AsyncIterator[None]:
    """A gateway's prober, that probes whenever it may."""
    async with in_background(partial(Prober(town.kafka, [town.office], 0.1).run)):
        yield


async def test_a_probe_goes_to_the_door_and_back_into_the_heartbeats(town: Town) -> None:
    """The next one is written when the last one was answered, into the next partition; nothing is delivered, told or set aside."""
    town.back_office = office = Watched()
    async with town.adapter(port=8084) as engine, probing(town):
        async with asyncio.timeout(60):
            while len(written := await town.all_of(topics.submissions(town.office))) < 3:
                await asyncio.sleep(0.3)
        last = await said_by(town, 8084)
        await eventually(lambda: office.checks >= 3 and engine.core.in_flight == 0)
    assert last.probe is not None
    assert (last.probe.why, last.probe.answered_at >= last.probe.sent_at) == (None, True)
    sent = sorted((probes.sent_at(record.headers, town.office), record.partition) for record in written)
    assert [partition for _, partition in sent[:3]] == [0, 1, 2]
    assert (office.got, (await town.letters()).open, await town.all_of(topics.events(town.name))) == ([], [], [])


async def test_one_probe_waits_for_an_adapter_that_is_gone(town: Town) -> None:
    """As submissions do; a second one is not put behind it."""
    async with town.adapter(port=8084):
        async with asyncio.timeout(30):
            while not [one for one in await last_said(town.kafka) if one.office == town.office]:
                await asyncio.sleep(0.2)
        killed = await said_by(town, 8084)
    await fill(town.kafka, [_as_if_killed(killed)])
    prober = Prober(town.kafka, [town.office], 0.1)
    sender = Sender(town.kafka, "test")
    for _ in range(3):
        await prober._probe(sender)
    await sender.stop()
    assert len(await town.all_of(topics.submissions(town.office))) == 1


def _as_if_killed(heartbeat: Heartbeat) -> Any:
    """Its last word was not that it stops."""
    value = heartbeat.model_dump_json(exclude_none=True).encode()
    return Outgoing(topics.HEARTBEATS, heartbeat.instance.encode(), value, [("content-type", b"application/json")])
