"""What differs between topics as they have to be and as they are, and what of it can be mended without losing a record or the order of a case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from infra.kafka.admin import Existing, config_of, connected, existing_topics
from infra.kafka.client_errors import of_topic
from infra.settings import KafkaSettings
from schemas.topics import Topic

_SET_ON_TOPIC: Final = 1
"""Kafka's DYNAMIC_TOPIC_CONFIG: somebody has set it on this topic."""
_FOR_EVER: Final = -1


@dataclass(frozen=True, slots=True)
class TopicDifference:
    """One setting of a topic that is not as it has to be. `why_not` says why `topics apply` leaves it as it is; None where it mends it."""

    topic: str
    setting: str
    found: str
    wanted: str
    why_not: str | None = None


async def find(settings: KafkaSettings, topics: Sequence[Topic]) -> list[TopicDifference]:
    """How these topics differ from what they have to be; those that do not exist are left out.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed, topic-refused where Kafka does not show a topic's settings.
    """
    async with connected(settings) as admin:
        existing = await existing_topics(admin)
        there = [topic for topic in topics if topic.name in existing]
        configs = {name: {key: value for key, (value, _) in one.items()} for name, one in (await _configs(settings, admin, there)).items()}
    return [one for topic in there for one in _of_topic(settings, topic, existing[topic.name], configs[topic.name])]


async def mend(settings: KafkaSettings, differences: Sequence[TopicDifference]) -> list[TopicDifference]:
    """Mend those that can be mended, and say which these were. What else is set on a topic stays.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed, topic-refused.
    """
    mended = [one for one in differences if one.why_not is None]
    wanted: dict[str, dict[str, str]] = {}
    for one in mended:
        wanted.setdefault(one.topic, {})[one.setting] = one.wanted
    if not wanted:
        return []
    async with connected(settings) as admin:
        set_now = await _configs(settings, admin, list(wanted))
        resources = []
        for name, changes in wanted.items():  # this request replaces all that is set on a topic
            kept = {key: value for key, (value, source) in set_now[name].items() if source == _SET_ON_TOPIC}
            resources.append(ConfigResource(ConfigResourceType.TOPIC, name, configs=kept | changes))
        for answer in await admin.alter_configs(resources):
            for code, _, _, name in answer.resources:
                _refused(settings, code, name)
    return mended


def _of_topic(settings: KafkaSettings, topic: Topic, found: Existing, config: Mapping[str, str]) -> Iterator[TopicDifference]:
    if len(found.leaders) < topic.partitions:
        why = "more partitions would put the keys of cases elsewhere and break their order: empty the topic, delete it, and let it be made anew"
        yield TopicDifference(topic.name, "partitions", str(len(found.leaders)), str(topic.partitions), why)
    if len(found.leaders) > topic.partitions:
        why = "Kafka takes no partition away; the first are used, and the others do no harm"
        yield TopicDifference(topic.name, "partitions", str(len(found.leaders)), str(topic.partitions), why)
    if found.replication < settings.replication:
        why = "copies are added with kafka-reassign-partitions"
        yield TopicDifference(topic.name, "replication", str(found.replication), str(settings.replication), why)
    for setting, wanted in config_of(settings, topic).items():
        if (value := config.get(setting, "not known here")) != wanted:
            yield TopicDifference(topic.name, setting, value, wanted, _why_not(setting, value, wanted))


def _why_not(setting: str, found: str, wanted: str) -> str | None:
    if setting != "retention.ms" or (int(found) != _FOR_EVER and int(found) < int(wanted)):
        return None
    return "a shorter time deletes records: shorten it with kafka-configs if that is meant"


async def _configs(
    settings: KafkaSettings, admin: AIOKafkaAdminClient, topics: Sequence[Topic | str]
) -> dict[str, dict[str, tuple[str, int]]]:
    """By topic and setting, what is in force and where it comes from."""
    names = [topic if isinstance(topic, str) else topic.name for topic in topics]
    if not names:
        return {}
    found: dict[str, dict[str, tuple[str, int]]] = {}
    for answer in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names]):
        for code, _, _, name, entries in answer.resources:
            _refused(settings, code, name)
            found[name] = {entry[0]: (entry[1], entry[3]) for entry in entries}
    return found


def _refused(settings: KafkaSettings, code: int, name: Any) -> None:
    if code:
        raise of_topic(settings, code, str(name))
