"""A cluster is looked at in a few requests, and a broker that is gone hides nothing of the others."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from infra.kafka.admin import create_topics
from infra.kafka.clients import connection_options
from infra.kafka.local import LocalKafka
from infra.kafka.survey import EARLIEST, LATEST, Place, Survey, surveying, topic_partitions
from infra.settings import KafkaSettings
from schemas import topics
from tests.kafka.helpers import settings_for


async def new_offices(kafka: KafkaSettings, count: int) -> list[str]:
    """Offices of a city of their own, with topics."""
    city = f"t{uuid.uuid4().hex[:8]}"
    offices = [f"{city}.office{number}" for number in range(count)]
    made = [topic for office in offices for topic in topics.of_office(office)]
    await create_topics(kafka, made)
    async with surveying(kafka, "test") as survey:
        while not await is_known(survey, [topic.name for topic in made]):
            await asyncio.sleep(0.2)
    return offices


async def is_known(survey: Survey, names: Sequence[str]) -> bool:
    """Whether the brokers that lead these topics know it: they hear of new ones a moment later than whoever made them."""
    survey.begin()
    await survey.find_topics(names)
    partitions = topic_partitions(survey.topics, names)
    return len(await survey.offsets(dict.fromkeys(partitions, LATEST), "ends")) == topics.PARTITIONS * len(names)


async def commit(kafka: KafkaSettings, office: str, offset: int, text: str = "") -> None:
    """Commit in one partition as the office's group would."""
    async with AIOKafkaConsumer(**connection_options(kafka), group_id=office, enable_auto_commit=False) as consumer:
        place = TopicPartition(topics.submissions(office), 1)
        consumer.assign([place])
        await consumer.commit({place: OffsetAndMetadata(offset, text)})


async def test_many_groups_and_partitions_in_one_request_each(kafka: KafkaSettings) -> None:
    """Ten offices cost as many requests as one: six, on one broker; what nobody ever committed is told as nothing."""
    offices = await new_offices(kafka, 10)
    await commit(kafka, offices[3], 0, "lost=7")
    names = [topic.name for office in offices for topic in topics.of_office(office)]
    async with surveying(kafka, "test") as survey:
        survey.begin()
        await survey.find_topics([*names, "nobody.nothing.submissions"])
        coordinators = await survey.find_coordinators(offices)
        states, committed = await survey.states(coordinators), await survey.committed(coordinators)
        partitions = topic_partitions(survey.topics, names)
        ends = await survey.offsets(dict.fromkeys(partitions, LATEST), "ends")
        starts = await survey.offsets(dict.fromkeys(partitions, EARLIEST), "log starts")
        assert (survey.requests, survey.faults) == (6, set())
    assert sorted(survey.topics) == sorted(names)
    assert {office: states[office].state for office in offices} == dict.fromkeys(offices, "Dead") | {offices[3]: "Empty"}
    place = TopicPartition(topics.submissions(offices[3]), 1)
    assert committed == {office: {} for office in offices} | {offices[3]: {place: (0, "lost=7")}}
    assert len(partitions) == len(ends) == len(starts) == 3 * len(names)


async def test_members_are_told(kafka: KafkaSettings) -> None:
    """A group's coordinator shows who is in it."""
    (office,) = await new_offices(kafka, 1)
    async with AIOKafkaConsumer(
        topics.submissions(office), **connection_options(kafka), group_id=office, client_id="one-of-them", enable_auto_commit=False
    ) as consumer:
        while not consumer.assignment():
            await consumer.getmany(timeout_ms=50)
        async with surveying(kafka, "test") as survey:
            survey.begin()
            states = await survey.states(await survey.find_coordinators([office]))
    assert states[office].state == "Stable"
    assert [member.client for member in states[office].members] == ["one-of-them"]


async def test_what_the_living_brokers_lead_is_known_when_one_dies(cluster: Callable[[], LocalKafka]) -> None:
    """Of three brokers one is killed, and each partition had one copy: those of the two others are answered, and the third is named."""
    kafka = await asyncio.to_thread(cluster)
    settings = settings_for(kafka.bootstrap)
    offices = await new_offices(settings, 4)
    names = [topic.name for office in offices for topic in topics.of_office(office)]
    async with surveying(settings, "test") as survey:
        survey.begin()
        partitions: list[TopicPartition] = []
        known: dict[TopicPartition, Place] = {}
        while len(known) < 3 * len(names):  # brokers hear of new topics one after the other
            await survey.find_topics(names)
            partitions = topic_partitions(survey.topics, names)
            known = await survey.offsets(dict.fromkeys(partitions, LATEST), "ends")
        led = {one for one in partitions if survey.topics[one.topic][one.partition].leader != 2}
        kafka.kill(2, signal.SIGKILL)
        survey.begin()
        ends = await survey.offsets(dict.fromkeys(partitions, LATEST), "ends")
        assert set(ends) == led, survey.faults
        assert 0 < len(led) < len(partitions)
        assert survey.silent == {2}
        assert {fault.broker for fault in survey.faults if fault.question == "ends"} == {2}
