"""What Kafka has lost and the outbox still has is sent again, once, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from consumers.desk.deadletters import read
from infra.kafka.admin import connected, create_topics
from infra.kafka.group_offsets import set_offsets
from infra.kafka.outgoing import Outgoing
from infra.kafka.reading import read_all
from infra.kafka.records import read_event
from infra.settings import KafkaSettings, StoreSettings
from producers.feedback import status_feed
from producers.outbox.outbox import Candidate, Outbox
from producers.outbox.relay import Lane
from schemas import operations, topics
from schemas.copies import Place, headers_of_copy, take_apart
from schemas.errors import CannotTell
from schemas.events import EventWriter, State, StatusChange, iso
from schemas.headers import Header
from schemas.operations import OperatorAction
from stadtbus import republish
from stadtbus.republish import LostSubmissions
from tests import builders
from tests.kafka.helpers import fill

ACCEPTED_AT = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Outbox]:
    """An empty outbox."""
    opened = Outbox(StoreSettings(folder=tmp_path), limit=1_000)
    yield opened
    opened.store.close()


async def new_office(kafka: KafkaSettings) -> str:
    """An office with its topics, that no other test has."""
    office = f"t{uuid4().hex[:8]}.office"
    await create_topics(kafka, topics.all_topics([office]))
    return office


async def accept(box: Outbox, office: str, count: int) -> list[UUID]:
    """Put submissions into the outbox, one a minute; their ids."""
    ids = []
    for number in range(count):
        one, at = uuid4(), ACCEPTED_AT + timedelta(minutes=number)
        headers = {Header.SUBMISSION: str(one), Header.OFFICE: office}
        await box.accept(Candidate(one, "portal", "0", office, uuid4(), at, headers, b"<x/>"))
        ids.append(one)
    return ids


async def relayed(box: Outbox, kafka: KafkaSettings, office: str) -> None:
    """Run the relay until nothing waits."""
    lane = asyncio.create_task(Lane(box, kafka, office).run())
    async with asyncio.timeout(30):
        while await builders.count_pending(box, office):
            await asyncio.sleep(0.05)
    lane.cancel()
    await asyncio.gather(lane, return_exceptions=True)


async def submissions_on(kafka: KafkaSettings, topic: str) -> list[UUID]:
    """The submissions whose records a topic holds."""
    found: list[Any] = []
    await read_all(kafka, [topic], found.append)
    return [UUID(dict(record.headers)[Header.SUBMISSION].decode()) for record in found]


async def delete(kafka: KafkaSettings, topic: str) -> None:
    """Take away all that the topic holds, as retention does."""
    async with connected(kafka) as admin:
        everything = {TopicPartition(topic, number): RecordsToDelete(before_offset=-1) for number in range(topics.PARTITIONS)}
        await admin.delete_records(everything)


async def tell(kafka: KafkaSettings, office: str, states: Sequence[tuple[UUID, State]]) -> None:
    """What the office says, on the topic only: the status feed has not read it."""
    moment, writer = iso(1_772_355_600_000), EventWriter(office, answers_later=False)
    values = [writer.write(StatusChange(state, moment, 1, moment), str(one), "case", "99115005104000", "portal") for one, state in states]
    await fill(kafka, [Outgoing(topics.events(office.partition(".")[0]), b"k", value) for value in values])


async def look(kafka: KafkaSettings, box: Outbox, office: str) -> LostSubmissions:
    """The plan; a cluster that no group has ever used needs a moment before it answers for one."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await republish.find_lost(kafka, box.store, office)
            except CannotTell:
                await asyncio.sleep(0.2)


async def test_what_is_lost_is_sent_again_once(kafka: KafkaSettings, box: Outbox) -> None:
    """What retention has taken unread goes again under its own id, once and on record; what waits or has come to an end does not."""
    office = await new_office(kafka)
    lost = await accept(box, office, 7)
    await relayed(box, kafka, office)
    await delete(kafka, topics.submissions(office))
    delivered, dead, parked = lost[:3]
    await tell(kafka, office, [(delivered, State.DELIVERED), (dead, State.DEAD_LETTER), (parked, State.PARKED)])
    copy = headers_of_copy([(Header.SUBMISSION.value, str(parked).encode())], Place(topics.submissions(office), 0, 0), {})
    letter = headers_of_copy([(Header.SUBMISSION.value, str(dead).encode())], Place(topics.submissions(office), 0, 1), {})
    await fill(kafka, [Outgoing(topics.retry(office), b"k", b"<x/>", copy), Outgoing(topics.deadletters(office), b"k", b"<x/>", letter)])
    waiting = await accept(box, office, 3)
    await relayed(box, kafka, office)

    found = await look(kafka, box, office)
    assert ([one.id for one in found.submissions], found.waiting) == (lost[3:], 4)
    assert found.since == ACCEPTED_AT + timedelta(minutes=3)
    assert await builders.count_pending(box, office) == 0
    assert await republish.send_again(kafka, box.store, found, "op") == 4
    await relayed(box, kafka, office)
    assert sorted(await submissions_on(kafka, topics.submissions(office))) == sorted([*lost[3:], *waiting])
    assert (await look(kafka, box, office)).submissions == []
    written: list[Any] = []
    await read_all(kafka, [topics.OPERATIONS], written.append)
    noted = [one for record in written if (one := operations.read(record.value)).office == office]
    assert [(one.actor, one.action, one.count) for one in noted] == [("op", OperatorAction.REPUBLISH, 4)]


async def test_what_was_parked_is_parked_again(kafka: KafkaSettings, box: Outbox) -> None:
    """What the office had set aside, and whose copy is gone, goes into the retry topic again, as a copy of what the office had read."""
    office = await new_office(kafka)
    parked, plain = await accept(box, office, 2)
    await relayed(box, kafka, office)
    original: list[Any] = []
    await read_all(kafka, [topics.submissions(office)], original.append)
    (record,) = [one for one in original if dict(one.headers)[Header.SUBMISSION].decode() == str(parked)]
    await delete(kafka, topics.submissions(office))
    await tell(kafka, office, [(parked, State.RETRY_WAIT)])
    assert await republish.send_again(kafka, box.store, await look(kafka, box, office), "op") == 2
    await relayed(box, kafka, office)
    assert await submissions_on(kafka, topics.submissions(office)) == [plain]
    copies: list[Any] = []
    await read_all(kafka, [topics.retry(office)], copies.append)
    (copy,) = copies
    apart = take_apart(copy.headers)
    assert (copy.key, copy.value, copy.partition) == (record.key, record.value, record.partition)
    assert list(apart.original) == list(record.headers)
    assert apart.origin == Place(record.topic, record.partition, record.offset)
    assert (await look(kafka, box, office)).submissions == []


async def test_dead_letters_that_are_gone_lie_there_again(kafka: KafkaSettings, box: Outbox) -> None:
    """A dead letter that Kafka has lost lies there again, as one that waits for a person who looks; nobody is handed anything."""
    office = await new_office(kafka)
    (dead,) = await accept(box, office, 1)
    await relayed(box, kafka, office)
    await tell(kafka, office, [(dead, State.DEAD_LETTER)])
    await delete(kafka, topics.submissions(office))
    found = await look(kafka, box, office)
    assert ([one.id for one in found.submissions], found.waiting) == ([dead], 0)
    assert await republish.send_again(kafka, box.store, found, "op") == 1
    assert await builders.count_pending(box, office) == 0
    assert await submissions_on(kafka, topics.retry(office)) == []
    assert await submissions_on(kafka, topics.deadletters(office)) == [dead]
    (letter,) = (await read(kafka, [office]))[office].open
    assert (letter.origin, letter.may_have_had_effect) == (0, True)
    assert (await look(kafka, box, office)).submissions == []


async def test_topic_made_anew_is_no_proof(kafka: KafkaSettings, box: Outbox) -> None:
    """Where a topic was deleted and made anew, other records at the same offsets and a group's old offsets hide no loss."""
    office = await new_office(kafka)
    lost = await accept(box, office, 12)
    await relayed(box, kafka, office)
    await set_offsets(kafka, office, {TopicPartition(topics.submissions(office), number): 50 for number in range(3)})
    async with connected(kafka) as admin:
        await admin.delete_topics([topics.submissions(office)])
    await asyncio.sleep(1)
    await create_topics(kafka, topics.of_office(office))
    others = await accept(box, office, 20)
    await relayed(box, kafka, office)
    found = await look(kafka, box, office)
    assert ({one.id for one in found.submissions}, found.waiting) == (set(lost), len(others))


async def test_what_is_confirmed_meanwhile_stays(kafka: KafkaSettings, box: Outbox) -> None:
    """A delivery that the status feed hears of between looking and doing is not undone: its content is gone, and nothing is to be sent."""
    office = await new_office(kafka)
    first, second = await accept(box, office, 2)
    await relayed(box, kafka, office)
    await delete(kafka, topics.submissions(office))
    found = await look(kafka, box, office)
    await tell(kafka, office, [(first, State.DELIVERED)])
    heard: list[Any] = []
    await read_all(kafka, [topics.events(office.partition(".")[0])], heard.append)
    await box.store.write(lambda connection: status_feed.store_events(connection, [read_event(record) for record in heard]))
    assert len(found.submissions) == 2
    assert await republish.send_again(kafka, box.store, replace(found), "op") == 1
    assert [UUID(one.headers[Header.SUBMISSION]) for one in await builders.waiting(box)] == [second]
