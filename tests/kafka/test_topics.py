"""Topics as they have to be: every difference is shown, what can be mended is, and what would lose or reorder records is left and named."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from structlog.testing import capture_logs

from infra.kafka import differences
from infra.kafka.admin import config_of, connected, count_records, create_topics, require_topics
from infra.kafka.outgoing import Outgoing, Written
from infra.kafka.reading import read_all
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings
from schemas import topics
from schemas.topics import DAY_MS, Topic
from tests.kafka.helpers import fill


async def created(kafka: KafkaSettings, **changes: Any) -> Topic:
    """A topic that was made by somebody else, and the same as it has to be."""
    wanted = topics.of_office(f"t{uuid.uuid4().hex[:8]}.office")[0]
    await create_topics(kafka, [replace(wanted, **changes)])
    return wanted


async def alter(kafka: KafkaSettings, topic: Topic, **configs: str) -> None:
    """What `kafka-configs --alter` does; what is not named is set to the broker's default."""
    named = {name.replace("_", "."): value for name, value in configs.items()}
    async with connected(kafka) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=named)])


async def found(kafka: KafkaSettings, topic: Topic, count: int) -> list[differences.TopicDifference]:
    """What differs, as soon as it is so many: a broker shows a moment later what the controller has taken."""
    for _ in range(100):
        if len(differing := await differences.find(kafka, [topic])) == count:
            break
        await asyncio.sleep(0.1)
    return differing


async def test_as_created_nothing_differs(kafka: KafkaSettings) -> None:
    """What `topics apply` creates is what `topics plan` wants."""
    assert await found(kafka, await created(kafka), 0) == []


@pytest.mark.parametrize("setting", sorted(config_of(KafkaSettings(), topics.of_office("a.b")[0])))
async def test_each_setting_is_compared_and_mended(kafka: KafkaSettings, setting: str) -> None:
    """Whichever setting somebody has changed is shown with both values and set again; what else is set there stays."""
    topic = await created(kafka)
    wrong = {
        "cleanup.policy": "compact", "compression.type": "zstd", "max.message.bytes": "500", "message.timestamp.type": "CreateTime",
        "min.insync.replicas": "3", "retention.ms": "1000000", "unclean.leader.election.enable": "true",
    }[setting]  # fmt: skip
    await alter(kafka, topic, **config_of(kafka, topic) | {setting: wrong, "segment.ms": "700000"})
    (one,) = await found(kafka, topic, 1)
    assert (one.setting, one.found, one.wanted, one.why_not) == (setting, wrong, config_of(kafka, topic)[setting], None)
    assert await differences.mend(kafka, [one]) == [one]
    assert await found(kafka, topic, 0) == []
    async with connected(kafka) as admin:
        config = (await differences._configs(kafka, admin, [topic]))[topic.name]
    assert config["segment.ms"] == ("700000", 1)


@pytest.mark.parametrize("retention_ms", [-1, 400 * DAY_MS])
async def test_what_is_kept_longer_stays(kafka: KafkaSettings, retention_ms: int) -> None:
    """A longer retention is shown, and not shortened: that would delete records."""
    topic = await created(kafka, retention_ms=retention_ms)
    (one,) = await found(kafka, topic, 1)
    assert (one.setting, one.found) == ("retention.ms", str(retention_ms))
    assert "deletes records" in (one.why_not or "")
    assert await differences.mend(kafka, [one]) == []


async def test_fewer_partitions_are_said(kafka: KafkaSettings) -> None:
    """A topic with one partition is shown, not grown, because keys would move; processes work with it and say so."""
    topic = await created(kafka, partitions=1)
    (one,) = await found(kafka, topic, 1)
    assert (one.setting, one.found, one.wanted) == ("partitions", "1", "3")
    assert "order" in (one.why_not or "")
    with capture_logs() as said:
        await require_topics(kafka, [topic])
    assert [(line["event"], line["topic"], line["partitions"]) for line in said] == [("topic_differs", topic.name, 1)]


async def test_records_of_a_topic_with_one_partition(kafka: KafkaSettings) -> None:
    """How many partitions there are is read, not assumed, also by whoever looks into dead letters."""
    topic = await created(kafka, partitions=1)
    await fill(kafka, [Outgoing(topic.name, b"key", b"value")])
    records: list[Any] = []
    await read_all(kafka, [topic.name], records.append)
    assert ([record.value for record in records], await count_records(kafka, [topic.name])) == ([b"value"], 1)


async def test_more_partitions_and_fewer_copies_are_shown(kafka: KafkaSettings) -> None:
    """More partitions do no harm and fewer copies do; both are named with the reason why they are left."""
    topic = await created(kafka, partitions=6)
    differing = await found(kafka.model_copy(update={"replication": 3}), topic, 3)
    assert {(one.setting, one.found, one.wanted) for one in differing if one.why_not} == {
        ("partitions", "6", "3"),
        ("replication", "1", "3"),
    }
    await require_topics(kafka, [topic])


@pytest.mark.parametrize("hours", [-40 * 24, -(56 * 365 * 24), 48])
async def test_no_clock_of_a_sender_decides_how_long_a_record_is_kept(kafka: KafkaSettings, hours: int) -> None:
    """A record of a machine whose clock is far behind, or ahead, is taken, and its time is the broker's: retention counts from there."""
    office = f"t{uuid.uuid4().hex[:8]}.office"
    wanted = [topics.of_office(office)[0], *topics.of_city(office.partition(".")[0])]
    await create_topics(kafka, wanted)
    now_ms = int(time.time() * 1000)
    sender = Sender(kafka, "test")
    sent = await sender.send_all([Outgoing(one.name, b"k", b"x", timestamp_ms=max(0, now_ms + hours * 3_600_000)) for one in wanted])
    await sender.stop()
    assert all(isinstance(one, Written) for one in sent)
    kept: list[Any] = []
    await read_all(kafka, [one.name for one in wanted], kept.append)
    assert len(kept) == 2
    assert all(abs(record.timestamp - now_ms) < 60_000 for record in kept)


def test_only_copies_keep_the_time_of_another_record() -> None:
    """Times are the broker's everywhere but where the time of the original is wanted."""
    everything = topics.all_topics(["a.b", "c.d"])
    originals = {topic.name for topic in everything if topic.config()["message.timestamp.type"] != "LogAppendTime"}
    assert originals == {name(office) for office in ("a.b", "c.d") for name in (topics.retry, topics.deadletters)}
