"""The relay on a real Kafka: what was accepted gets there, and trouble with one office stays with that office."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from infra.kafka import clients
from infra.kafka.admin import count_records, create_topics
from infra.settings import KafkaSettings, StoreSettings
from producers.outbox import Candidate, Outbox
from producers.relay import Lane
from schemas import topics
from schemas.headers import Header
from tests.kafka.helpers import settings_for


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Outbox]:
    """An empty outbox."""
    opened = Outbox(StoreSettings(folder=tmp_path), limit=10_000)
    yield opened
    opened.store.close()


def new_office() -> str:
    """An office that no other test has."""
    return f"t{uuid4().hex[:8]}.office"


async def accept(box: Outbox, office: str, count: int) -> None:
    """Put submissions of an office into the outbox."""
    for _ in range(count):
        candidate = Candidate(uuid4(), "portal", "0", office, uuid4(), datetime.now(UTC), {Header.OFFICE: office}, b"<x/>")
        await box.accept(candidate)


async def drained(box: Outbox, office: str, limit_s: float = 30) -> None:
    """Return when nothing of the office waits any more."""
    async with asyncio.timeout(limit_s):
        while await box.count_pending(office):
            await asyncio.sleep(0.05)


async def stop(*tasks: asyncio.Task[None]) -> None:
    """End lanes."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def create(kafka: KafkaSettings, office: str) -> None:
    """The topics of an office."""
    await create_topics(kafka, topics.of_office(office))


async def test_office_without_topic_holds_up_nobody(kafka_bootstrap: str, box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one office's topic does not exist another's submissions get through, each once; then the first one's follow."""
    monkeypatch.setattr(clients, "SEND_TIMEOUT_S", 2)
    kafka = settings_for(kafka_bootstrap)
    sick, well = new_office(), new_office()
    await create(kafka, well)
    await accept(box, sick, 5)
    await accept(box, well, 50)
    lanes = [asyncio.create_task(Lane(box, kafka, office).run()) for office in (sick, well)]
    await drained(box, well)
    await asyncio.sleep(3)  # the sick lane fails and tries again meanwhile
    assert (await box.count_pending(sick), await count_records(kafka, [topics.submissions(well)])) == (5, 50)
    await create(kafka, sick)
    await drained(box, sick)
    await stop(*lanes)
    assert await count_records(kafka, [topics.submissions(sick)]) == 5


async def test_kafka_away_at_start(box: Outbox) -> None:
    """Without Kafka everything stays in the outbox, and the lane is alive."""
    office = new_office()
    await accept(box, office, 3)
    lane = Lane(box, KafkaSettings(bootstrap="127.0.0.1:1"), office)
    task = asyncio.create_task(lane.run())
    await asyncio.sleep(0.5)
    assert (await box.count_pending(office), lane.progress.check(), task.done()) == (3, None, False)
    await stop(task)


async def test_restart_goes_on_where_it_was(kafka_bootstrap: str, box: Outbox) -> None:
    """A lane that is stopped and begun again sends what is left, and what came meanwhile."""
    kafka = settings_for(kafka_bootstrap)
    office = new_office()
    await create(kafka, office)
    for _ in range(3):
        await accept(box, office, 20)
        lane = asyncio.create_task(Lane(box, kafka, office).run())
        await drained(box, office)
        await stop(lane)
    assert await count_records(kafka, [topics.submissions(office)]) == 60
