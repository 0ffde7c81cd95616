"""The relay on a real Kafka: what was accepted gets there, and trouble with one office stays with that office."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from infra.kafka import sender
from infra.kafka.admin import connected, count_records, create_topics
from infra.kafka.clients import connection_options
from infra.kafka.outgoing import size_bytes
from infra.settings import KafkaSettings, StoreSettings
from producers.intake.publishable import require_publishable
from producers.outbox.outbox import Candidate, Outbox
from producers.outbox.record import likeness_of
from producers.outbox.relay import Lane
from schemas import topics
from schemas.errors import Rejected
from schemas.headers import Header
from tests import builders, outboxes
from tests.kafka.helpers import eventually


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
        while await builders.count_pending(box, office):
            await asyncio.sleep(0.05)


async def stop(*tasks: asyncio.Task[None]) -> None:
    """End lanes."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def create(kafka: KafkaSettings, office: str) -> None:
    """The topics of an office."""
    await create_topics(kafka, topics.of_office(office))


async def test_office_without_topic_holds_up_nobody(kafka: KafkaSettings, box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one office's topic does not exist another's submissions get through, each once; then the first one's follow."""
    monkeypatch.setattr(sender, "SEND_TIMEOUT_S", 2)
    sick, well = new_office(), new_office()
    await create(kafka, well)
    await accept(box, sick, 5)
    await accept(box, well, 50)
    lanes = [asyncio.create_task(Lane(box, kafka, office).run()) for office in (sick, well)]
    await drained(box, well)
    await asyncio.sleep(3)  # the sick lane fails and tries again meanwhile
    assert (await builders.count_pending(box, sick), await count_records(kafka, [topics.submissions(well)])) == (5, 50)
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
    assert (await builders.count_pending(box, office), lane.progress.check(), task.done()) == (3, None, False)
    await stop(task)


async def test_restart_goes_on_where_it_was(kafka: KafkaSettings, box: Outbox) -> None:
    """A lane that is stopped and begun again sends what is left, and what came meanwhile."""
    office = new_office()
    await create(kafka, office)
    for _ in range(3):
        await accept(box, office, 20)
        lane = asyncio.create_task(Lane(box, kafka, office).run())
        await drained(box, office)
        await stop(lane)
    assert await count_records(kafka, [topics.submissions(office)]) == 60


@pytest.mark.parametrize("partitions", [1, 6])
async def test_relay_takes_topics_as_they_are(kafka: KafkaSettings, box: Outbox, partitions: int) -> None:
    """Whatever the number of partitions of a topic, everything gets there once, and what belongs to a case in its order in one of them."""
    office = new_office()
    await create_topics(kafka, [replace(topic, partitions=partitions) for topic in topics.of_office(office)])
    cases = [uuid4() for _ in range(8)]
    for number in range(40):
        await accept_one(box, office, cases[number % 8], b"<x>%d</x>" % number)
    lane = asyncio.create_task(Lane(box, kafka, office).run())
    await drained(box, office)
    await stop(lane)
    found = await everything(kafka, topics.submissions(office), partitions)
    of_cases = {case: [record for record in found if record.key == outboxes.key(box, case)] for case in cases}
    for number, case in enumerate(cases):
        assert [record.value for record in of_cases[case]] == [b"<x>%d</x>" % later for later in range(number, 40, 8)]
        assert len({record.partition for record in of_cases[case]}) == 1


async def test_topic_that_refuses_a_record_takes_the_others(kafka: KafkaSettings, box: Outbox) -> None:
    """What is too large for the topic waits with the rest of its case, named; everything else goes on; mended, all follow in order."""
    office, case = new_office(), uuid4()
    await create(kafka, office)
    await alter(kafka, topics.submissions(office), {"max.message.bytes": "2000"})
    for number, (of_case, size) in enumerate([(case, 3_000), (uuid4(), 3_000), (case, 10), *((uuid4(), 10) for _ in range(20))]):
        await accept_one(box, office, of_case, b"%d " % number + b"x" * size)
    lane = Lane(box, kafka, office)
    task = asyncio.create_task(lane.run())
    await eventually(lambda: f"{topics.submissions(office)} refuses records: MessageSizeTooLarge; 3 wait" in (lane.refused() or ""))
    assert await count_records(kafka, [topics.submissions(office)]) == 20
    await alter(kafka, topics.submissions(office), {"max.message.bytes": "1048576"})
    await drained(box, office)
    await eventually(lambda: lane.refused() is None)
    await stop(task)
    found = await everything(kafka, topics.submissions(office), topics.PARTITIONS)
    assert len(found) == 23
    assert [record.value[:1] for record in found if record.key == outboxes.key(box, case)] == [b"0", b"2"]


async def test_the_largest_that_intake_takes_is_published(kafka: KafkaSettings, box: Outbox) -> None:
    """A record that fits to the byte gets to a topic as the plan has it; one byte more is refused at intake, and Kafka refuses it too."""
    office = new_office()
    await create(kafka, office)
    room = topics.submission_limit_bytes(office) - size_bytes(likeness_of(candidate_for(office, bytes(1_000_000))))
    largest, larger = candidate_for(office, bytes(1_000_000 + room)), candidate_for(office, bytes(1_000_001 + room))
    require_publishable(largest)
    with pytest.raises(Rejected, match="message-too-large"):
        require_publishable(larger)
    await box.accept(candidate_for(office, b"<x/>"))
    await box.accept(largest)
    lane = Lane(box, kafka, office)
    task = asyncio.create_task(lane.run())
    await drained(box, office)
    await box.accept(larger)
    await eventually(lambda: "MessageSizeTooLarge; 1 wait" in (lane.refused() or ""))
    await stop(task)
    assert await count_records(kafka, [topics.submissions(office)]) == 2


def candidate_for(office: str, content: bytes) -> Candidate:
    """What intake is about to store."""
    return Candidate(uuid4(), "portal", "0", office, uuid4(), datetime.now(UTC), {Header.OFFICE: office}, content)


async def accept_one(box: Outbox, office: str, case: UUID, content: bytes) -> None:
    """Put one submission of a case into the outbox."""
    await box.accept(Candidate(uuid4(), "portal", "0", office, case, datetime.now(UTC), {Header.OFFICE: office}, content))


async def everything(kafka: KafkaSettings, topic: str, partitions: int) -> list[Any]:
    """All records of a topic, each partition in its order."""
    found: list[Any] = []
    client = AIOKafkaConsumer(**connection_options(kafka), enable_auto_commit=False, auto_offset_reset="earliest")
    async with client as consumer, asyncio.timeout(30):
        consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
        ends = await consumer.end_offsets(list(consumer.assignment()))
        while len(found) < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found.extend(records)
    return found


async def alter(kafka: KafkaSettings, topic: str, settings: dict[str, str]) -> None:
    """Set these of a topic, and leave the others as the broker has them."""
    async with connected(kafka) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=settings)])
