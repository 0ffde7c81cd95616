"""Since when the first record in line waits, found on a real Kafka by its offsets and times alone."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from consumers.watch.timelag import First, Range, TimeLag
from infra.kafka.admin import create_topics
from infra.kafka.clients import connection_options
from infra.kafka.survey import LATEST, Survey, surveying, topic_partitions
from infra.settings import KafkaSettings
from schemas import topics

MINUTE_MS, DAY_MS = 60_000, 86_400_000
TARGET_S = 900.0


async def topic_with(kafka: KafkaSettings, ages_ms: Mapping[int, list[int]]) -> tuple[str, int]:
    """A topic whose records are that old by partition, oldest first as the broker's clock would have them; and the moment of now."""
    name = topics.submissions(f"t{uuid.uuid4().hex[:8]}.office")
    await create_topics(kafka, [replace(topics.of_office(name.removesuffix(".submissions"))[0], times="CreateTime", retention_ms=-1)])
    now_ms = int(time.time() * 1000)
    async with AIOKafkaProducer(**connection_options(kafka), acks="all") as producer:
        for partition, ages in ages_ms.items():
            for age_ms in ages:
                await producer.send(name, b"x", partition=partition, timestamp_ms=now_ms - age_ms)
    return name, now_ms


async def find(survey: Survey, name: str, offsets: Mapping[int, int], now_ms: int, lag: TimeLag | None = None) -> dict[int, Range]:
    """The ages of the records at these offsets, by partition."""
    survey.begin()
    await survey.find_topics([name])
    ends = await survey.offsets(dict.fromkeys(topic_partitions(survey.topics, [name]), LATEST), "ends")
    firsts = {
        TopicPartition(name, number): First(at, ends[TopicPartition(name, number)].offset, TARGET_S) for number, at in offsets.items()
    }
    return {partition.partition: found for partition, found in (await (lag or TimeLag()).find(survey, firsts, now_ms)).items()}


@pytest.mark.parametrize("offset", [0, 1, 7, 333, 998, 999])
async def test_ages_are_true_within_two_seconds_or_two_percent(kafka: KafkaSettings, offset: int) -> None:
    """From a first look on, in a topic of a thousand records from 30 days ago until now, in at most twelve requests."""
    ages = sorted((int(1.0175**n * 1000) for n in range(1000)), reverse=True)
    ages = [min(age, 30 * DAY_MS) for age in ages]
    name, now_ms = await topic_with(kafka, {0: ages})
    async with surveying(kafka, "test") as survey:
        found = (await find(survey, name, {0: offset}, now_ms))[0]
        age_s, true_s = now_ms / 1000 - found.at.timestamp(), ages[offset] / 1000
        assert abs(age_s - true_s) <= max(2.0, 0.02 * true_s)
        assert survey.requests <= 2 + 12


async def test_exact_where_few_records_lie_and_remembered(kafka: KafkaSettings) -> None:
    """At three submissions a day the record's own time is found; while it stays the first in line, nothing is asked again."""
    ages = [(9 - n) * 8 * 60 * MINUTE_MS for n in range(9)]
    name, now_ms = await topic_with(kafka, {0: ages, 1: ages[:4]})
    lag = TimeLag()
    async with surveying(kafka, "test") as survey:
        found = await find(survey, name, {0: 5, 1: 2}, now_ms, lag)
        assert [round(found[n].at.timestamp() * 1000) for n in (0, 1)] == [now_ms - ages[5], now_ms - ages[2]]
        assert all(one.is_exact for one in found.values())
        again = await find(survey, name, {0: 5, 1: 2}, now_ms + MINUTE_MS, lag)
        assert (again, survey.requests) == (found, 2)  # the topic and its ends


async def test_all_partitions_share_their_requests(kafka: KafkaSettings) -> None:
    """Three partitions with ages of their own take no more rounds than the worst of them."""
    name, now_ms = await topic_with(kafka, {0: [10 * DAY_MS], 1: [3 * MINUTE_MS], 2: [20 * MINUTE_MS]})
    async with surveying(kafka, "test") as survey:
        found = await find(survey, name, {0: 0, 1: 0, 2: 0}, now_ms)
        assert [one.is_exact for one in found.values()] == [True] * 3
        assert survey.requests <= 2 + 12
        fresh = [found[n].since_ms >= now_ms - TARGET_S * 1000 for n in range(3)]
        assert fresh == [False, True, False]


async def test_times_that_do_not_rise_give_no_age_that_is_too_great(kafka: KafkaSettings) -> None:
    """In a topic of copies the first in line is at least as old as is said: the newest record up to it bounds it."""
    name, now_ms = await topic_with(kafka, {0: [50 * MINUTE_MS, 10 * MINUTE_MS, 90 * MINUTE_MS, 5 * MINUTE_MS]})
    async with surveying(kafka, "test") as survey:
        found = (await find(survey, name, {0: 2}, now_ms))[0]
    assert abs((now_ms - found.at.timestamp() * 1000) / MINUTE_MS - 10) < 0.3
