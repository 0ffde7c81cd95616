"""`offsets reset` on a real Kafka: an office that stands for its offsets goes on, and nothing is skipped or done twice."""

from __future__ import annotations

import asyncio
import json

import pytest

from infra.kafka.admin import connected, create_topics, missing_topics
from schemas import topics
from schemas.errors import CaseNotReady, UsageError
from tests.faults.world import forget_group
from tests.kafka.helpers import committed, eventually, fill
from tests.kafka.town import Town, submission


async def test_lost_offsets_are_set_to_the_ledgers(town: Town) -> None:
    """After Kafka has forgotten a group a reset sets what the ledger knows, but not while the adapter runs; nothing comes again."""
    for _ in range(5):
        await fill(town.kafka, [submission(town, refused=False)[1]])
    async with town.adapter():
        await eventually(lambda: len(town.back_office.got) == 5)
        with pytest.raises(UsageError, match="group-has-members"):
            await town.desk.reset_offsets(town.office, go=True)
    before = await committed(town.kafka, town.office, topics.submissions(town.office))
    await forget_group(town.kafka, town.office)
    assert (await town.command("offsets", "reset", town.office))[0] == 1
    assert await committed(town.kafka, town.office, topics.submissions(town.office)) == {}
    code, _, error = await town.command("offsets", "reset", town.office, "--go", "--actor", town.name)
    assert code == 0, error
    assert await committed(town.kafka, town.office, topics.submissions(town.office)) == before
    (operation,) = await town.operations()
    assert (operation["action"], sum(operation["offsets"].values())) == ("offset-reset", 5)
    assert (await town.command("offsets", "reset", town.office))[0] == 0
    await fill(town.kafka, [submission(town, refused=False)[1]])
    async with town.adapter():
        await eventually(lambda: len(town.back_office.got) == 6)


async def test_topics_that_were_made_anew_are_read_from_their_first_record(town: Town) -> None:
    """After either topic of an office was made anew, a reset begins at what it holds now: all is delivered once, parked ones included."""
    before = [submission(town, refused=False)[1] for _ in range(6)]
    await fill(town.kafka, before)
    town.back_office.before = [CaseNotReady("x")]
    async with town.adapter():
        await eventually(lambda: len(town.back_office.got) == 5)
    await made_anew(town, topics.retry(town.office))
    assert "topic-replaced" in str(await stood(town))
    code, output, _ = await town.command("offsets", "reset", town.office, "--json")
    resets = json.loads(output)["partitions"]
    assert (code, {reset["reason"] for reset in resets if topics.is_retry(reset["topic"])} >= {"topic-replaced"}) == (1, True)
    assert (await town.command("offsets", "reset", town.office, "--go"))[0] == 0
    assert (await town.command("offsets", "reset", town.office))[0] == 0
    async with town.adapter():
        await eventually(lambda: len(town.back_office.got) == 6)
    await made_anew(town, topics.submissions(town.office))
    await fill(town.kafka, [*before, *(submission(town, refused=False)[1] for _ in range(20))])
    assert "topic-replaced" in str(await stood(town))
    assert (await town.command("offsets", "reset", town.office, "--go"))[0] == 0
    async with town.adapter():
        await eventually(lambda: len(town.back_office.got) == 26)
    assert len(set(town.back_office.got)) == 26


async def made_anew(town: Town, topic: str) -> None:
    """As an operator does it."""
    async with connected(town.kafka) as admin:
        await admin.delete_topics([topic])
    while not (missing := await missing_topics(town.kafka, topics.of_office(town.office))):
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)
    await create_topics(town.kafka, missing)
    await asyncio.sleep(0.5)


async def stood(town: Town) -> str | None:
    """What an adapter stands for that is started now."""
    async with town.adapter() as engine:
        async with asyncio.timeout(30):
            while engine.check() is None:
                await asyncio.sleep(0.1)
        return engine.check()
