"""Submissions that no topic takes, on a real Kafka: seen in the lag, then dead letters that an operator has delivered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from consumers.watch.model import Judgement, SubReason, Verdict
from infra.health import Health
from infra.kafka.heartbeats import Heartbeats, Identity
from infra.kafka.outgoing import size_bytes
from infra.settings import StoreSettings
from producers.feedback.status_feed import status_feed
from producers.outbox import relay
from producers.outbox.outbox import Candidate, Outbox
from producers.outbox.record import likeness_of
from producers.outbox.relay import Lane
from schemas import message, topics
from schemas.headers import Header
from schemas.heartbeats import ProcessKind, Vitals
from schemas.xml import MAX_SIZE_BYTES
from stadtbus import overview
from stadtbus.settings import Settings
from tests import builders
from tests.kafka.helpers import eventually
from tests.kafka.town import Town


@pytest.fixture
def box(town: Town) -> Iterator[Outbox]:
    """The outbox of the town's gateway."""
    opened = Outbox(town.stores, limit=10_000)
    yield opened
    opened.store.close()


async def accept(box: Outbox, town: Town, *, case: UUID | None = None, huge: bool = False) -> UUID:
    """Put a submission into the outbox past intake, an hour old, and say what the bus calls it. A huge one is as large as may be, and has a long header."""
    application = builders.application(case_id=case or uuid4())
    content = message.write(application)
    if huge:
        content = content.ljust(MAX_SIZE_BYTES, b"\n")
    names = {
        Header.OFFICE: town.office,
        Header.CITY: town.name,
        Header.SERVICE: application.service.code,
        Header.PORTAL: "portal",
        Header.TYPE: "A" * (60_000 if huge else 10),
        Header.ACCEPTED_AT: "2026-03-01T09:00:00.000+00:00",
    }
    at = datetime.now(UTC) - timedelta(hours=1)
    candidate = Candidate(application.message_id, "portal", "0", town.office, application.case_id, at, names, content)
    assert (size_bytes(likeness_of(candidate)) > topics.submission_limit_bytes(town.office)) == huge
    return (await box.accept(candidate)).id


@asynccontextmanager
async def gateway(box: Outbox, town: Town) -> AsyncIterator[Lane]:
    """The relay and the status feed of a gateway."""
    lane, feed = Lane(box, town.kafka, town.office), status_feed(town.kafka, box.store, [town.name])
    tasks = [asyncio.create_task(lane.run()), asyncio.create_task(feed.run())]
    try:
        yield lane
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_nine_that_no_topic_takes(town: Town, box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stop nobody, count in the lag, end as dead letters, and a replay delivers them; then what waited behind one of them follows."""
    monkeypatch.setattr(relay, "_FIRST_RETRY_S", 0.3)
    monkeypatch.setattr(relay, "_LOOK_S", 1.0)
    case = uuid4()
    huge = [await accept(box, town, case=case if number == 0 else None, huge=True) for number in range(9)]
    behind, other = await accept(box, town, case=case), await accept(box, town)
    code, output, error = await town.command("lag", "--json")
    (line,) = [one for one in json.loads(output) if one["name"] == town.office]
    assert (code, line["in_outbox"]) == (1, 11), error
    async with town.adapter(), gateway(box, town) as lane:
        await eventually(lambda: town.back_office.got == [other])
        await eventually(lambda: lane.vitals().waiting == 1, limit_s=60)
        await town.lying(9)
        told = await town.events("dead_letter")
        assert {(one["submission"], one["reason"]) for one in told} == {(str(one), "not-publishable") for one in huge}
        assert town.back_office.got == [other]
        tally = await town.replay()
        assert (tally.sent, tally.all_well) == (9, True)
        await eventually(lambda: len(town.back_office.got) == 11)
    assert sorted(town.back_office.got) == sorted([*huge, behind, other])
    assert town.back_office.got.index(huge[0]) < town.back_office.got.index(behind)


async def test_the_gateway_is_heard_from_elsewhere(town: Town, box: Outbox, tmp_path: Path) -> None:
    """Where the outbox is not, `lag` takes what the gateway said last; once that has stopped, nobody can tell."""
    elsewhere = {"stores": StoreSettings(folder=tmp_path / "elsewhere"), "watch": {"url": "http://127.0.0.1:1"}, "catalogue": town.folder}
    settings = Settings.model_validate({"kafka": town.kafka, **elsewhere})
    await accept(box, town)
    lane = Lane(box, town.kafka, town.office)
    _, used = box.store.read_now(lambda connection: lane._next((), connection))
    lane._note_waiting(used)
    await lane._look()
    beats = Heartbeats(town.kafka, Identity(ProcessKind.GATEWAY, 1), Health(vitals=lambda: Vitals(lanes=[lane.vitals()])))
    async with beats.hosted():
        async with asyncio.timeout(30):
            while (found := await named(settings))["gateway"].verdict is Verdict.DOWN:
                await asyncio.sleep(0.2)
    assert (found["gateway"].waiting, found[town.office].in_outbox) == (1, 1)
    gateway = (await named(settings))["gateway"]
    assert (gateway.verdict, gateway.sub_reason) == (Verdict.DOWN, SubReason.STOPPED)


async def named(settings: Settings) -> dict[str, Judgement]:
    """What `lag` says of each, by name."""
    return {one.name: one for one in (await overview.look(settings)).judgements()}
