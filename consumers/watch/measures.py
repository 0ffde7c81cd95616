"""The metrics of the watch, made from its last look and served as they were made: a scrape asks nobody and waits for nothing.

Thousands of partitions make tens of thousands of lines, so they are written here and not by prometheus-client, which takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from consumers.watch.model import Attention, Judgement, Verdict
from consumers.watch.observed import ConsumerSeen, Observation, PartitionSeen
from consumers.watch.snapshot import Snapshot
from infra.kafka.survey import PartitionState

CLUSTER: Final = "stadtbus"
"""`cluster_name`, where kafka-lag-exporter has one."""
_NO_COMMIT: Final = -1
_ESCAPED: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: a gauge with these labels."""

    name: str
    labels: tuple[str, ...]
    meaning: str
    drop_in: bool = False
    """It has the name and labels of another exporter; `watch.drop_in_metrics` turns it off."""


_CONSUMER: Final = ("city", "office", "group")
_OFFICE: Final = ("city", "office")
_ATTENTIONS: Final = (Attention.NONE, Attention.SOON, Attention.NOW)
VERDICT: Final = Family(
    "stadtbus_consumer_verdict",
    (*_CONSUMER, "verdict"),
    "1 for the verdict on a consumer, 0 for the others (docs/lag.md). `city` and `office` are empty for who serves all; the outbox is `gateway`.",
)
ATTENTION: Final = Family("stadtbus_consumer_attention", _CONSUMER, "Whether a person has to act: 0 no, 1 soon, 2 now.")
LAG_SECONDS: Final = Family("stadtbus_lag_seconds", _CONSUMER, "Age of the oldest that waits; 0 where nothing does.")
LAG_MESSAGES: Final = Family("stadtbus_lag_messages", _CONSUMER, "How many wait, without what is set aside.")
DRAIN_SECONDS: Final = Family(
    "stadtbus_drain_seconds", _CONSUMER, "Until the backlog is worked off at the pace of now; missing where it is not."
)
MARGIN: Final = Family(
    "stadtbus_retention_margin_ratio", _CONSUMER, "Part of its retention that the oldest that waits has left; 1 where nothing waits."
)
LOST: Final = Family("stadtbus_records_lost", _CONSUMER, "Records that were gone before they were read. Alarm above 0.")
PROCESSED_AT: Final = Family(
    "stadtbus_last_processed_timestamp_seconds", _CONSUMER, "When a consumer was last seen to come on (Unix time), by its commits."
)
IN_FLIGHT_SECONDS: Final = Family(
    "stadtbus_oldest_inflight_seconds", _CONSUMER, "How long one record has been the oldest that is read and not finished; 0 where none is."
)
DEAD_LETTERS: Final = Family("stadtbus_dead_letters", _OFFICE, "Open dead letters: neither replayed, settled nor discarded.")
DEAD_LETTER_SECONDS: Final = Family(
    "stadtbus_dead_letter_oldest_seconds", ("city", "office"), "Age of the oldest of them; 0 where none is."
)
SET_ASIDE: Final = Family("stadtbus_parked", _OFFICE, "Submissions that are parked in the retry topic.")
CYCLE_SECONDS: Final = Family("stadtbus_lagwatch_cycle_seconds", (), "How long the last look at Kafka took.")
CYCLE_CPU: Final = Family("stadtbus_lagwatch_cycle_cpu_seconds", (), "Processor time of the watch during that look.")
REQUESTS: Final = Family("stadtbus_lagwatch_requests", (), "Requests to Kafka in that look.")
FAULTS: Final = Family("stadtbus_lagwatch_faults", (), "Questions of that look that Kafka did not answer.")
SUCCESS_AT: Final = Family(
    "stadtbus_lagwatch_last_success_timestamp_seconds",
    (),
    "When a look last found out something of Kafka (Unix time). Alarm where it is old.",
)
_PLACE: Final = ("consumergroup", "topic", "partition")
_OF_GROUP: Final = ("consumergroup", "topic")
_OF_TOPIC: Final = ("topic", "partition")
OFFSET: Final = Family("kafka_consumergroup_current_offset", _PLACE, "Committed offset; -1 without one.", drop_in=True)
LAG: Final = Family("kafka_consumergroup_lag", _PLACE, "Records behind the committed offset; -1 without one.", drop_in=True)
OFFSET_SUM: Final = Family("kafka_consumergroup_current_offset_sum", _OF_GROUP, "Sum of committed offsets.", drop_in=True)
LAG_SUM: Final = Family("kafka_consumergroup_lag_sum", _OF_GROUP, "Sum of lags; without a commit from the log start on.", drop_in=True)
MEMBERS: Final = Family("kafka_consumergroup_members", ("consumergroup",), "Members of a group.", drop_in=True)
GROUP_LAG_SECONDS: Final = Family(
    "kafka_consumergroup_group_lag_seconds", ("cluster_name", "group", "topic", "partition"), "Age of the first in line.", drop_in=True
)
GROUP_MAX_LAG_SECONDS: Final = Family(
    "kafka_consumergroup_group_max_lag_seconds", ("cluster_name", "group"), "The greatest of those.", drop_in=True
)
PARTITIONS: Final = Family("kafka_topic_partitions", ("topic",), "Partitions of a topic.", drop_in=True)
END: Final = Family("kafka_topic_partition_current_offset", _OF_TOPIC, "Offset behind the last record.", drop_in=True)
START: Final = Family("kafka_topic_partition_oldest_offset", _OF_TOPIC, "Offset of the first record.", drop_in=True)
REPLICAS: Final = Family("kafka_topic_partition_replicas", _OF_TOPIC, "Replicas.", drop_in=True)
IN_SYNC: Final = Family("kafka_topic_partition_in_sync_replica", _OF_TOPIC, "Replicas in sync.", drop_in=True)
LEADER: Final = Family("kafka_topic_partition_leader", _OF_TOPIC, "Number of the leader; -1 without one.", drop_in=True)
PREFERRED: Final = Family("kafka_topic_partition_leader_is_preferred", _OF_TOPIC, "1 where the first replica leads.", drop_in=True)
UNDER: Final = Family("kafka_topic_partition_under_replicated_partition", _OF_TOPIC, "1 where a replica is not in sync.", drop_in=True)
BROKERS: Final = Family("kafka_brokers", (), "Brokers that answer.", drop_in=True)
BROKER_INFO: Final = Family("kafka_broker_info", ("id", "address"), "1 for each of them.", drop_in=True)
FAMILIES: Final = tuple(value for value in list(vars().values()) if isinstance(value, Family))
"""All of them, in this order."""


class Sheet:
    """The samples of a scrape, by family: labels and value."""

    def __init__(self, *, drop_in: bool) -> None:
        self._samples: dict[str, list[tuple[str, float]]] = {one.name: [] for one in FAMILIES if drop_in or not one.drop_in}

    def of(self, family: Family) -> list[tuple[str, float]]:
        """Where the samples of a family are put."""
        return self._samples[family.name]

    def add(self, family: Family, labels: str, value: float) -> None:
        """One sample."""
        self._samples[family.name].append((labels, value))

    def text(self) -> bytes:
        """As Prometheus reads it."""
        made = []
        for family in FAMILIES:
            name = family.name
            if samples := self._samples.get(name):
                made.append(f"# HELP {name} {family.meaning}\n# TYPE {name} gauge\n")
                made += [f"{name}{labels} {value}\n" for labels, value in samples]
        return "".join(made).encode()


@lru_cache(maxsize=200_000)
def labelled(names: tuple[str, ...], *values: object) -> str:
    """Labels as they are written; the same ones are wanted in each look."""
    return "{" + ",".join([f'{name}="{str(value).translate(_ESCAPED)}"' for name, value in zip(names, values, strict=True)]) + "}"


def sheet(
    seen: Observation,
    snapshot: Snapshot,
    topics: Mapping[str, Mapping[int, PartitionState]],
    moved_at: Mapping[str, datetime],
    succeeded_at: datetime | None,
    *,
    drop_in: bool,
) -> bytes:
    """All metrics of one look. `moved_at` is when each consumer was last seen to come on."""
    made = Sheet(drop_in=drop_in)
    now = snapshot.at
    for consumer, judged in zip(seen.consumers, snapshot.judgements, strict=True):
        _add_judged(made, judged, consumer, now, moved_at.get(judged.name))
    _add_watch(made, snapshot, succeeded_at)
    if drop_in:
        for consumer in seen.consumers:
            _add_group(made, consumer, now)
        _add_topics(made, topics, {(one.topic, one.partition): one for consumer in seen.consumers for one in consumer.partitions})
        _add_brokers(made, snapshot)
    return made.text()


def _add_judged(made: Sheet, judged: Judgement, seen: ConsumerSeen, now: datetime, moved_at: datetime | None) -> None:
    office = judged.name if judged.city else ""
    consumer = (judged.city, office, judged.name)
    labels, of_office = labelled(_CONSUMER, *consumer), labelled(_OFFICE, *consumer[:2])
    made.of(VERDICT).extend([(labelled(VERDICT.labels, *consumer, one), int(judged.verdict is one)) for one in Verdict])
    made.add(ATTENTION, labels, _ATTENTIONS.index(judged.attention))
    if judged.waiting is not None:
        made.add(LAG_SECONDS, labels, _age_s(judged.oldest_at, now))
        made.add(LAG_MESSAGES, labels, judged.waiting)
        made.add(LOST, labels, judged.lost)
    if judged.done_by is not None:
        made.add(DRAIN_SECONDS, labels, max(0.0, (judged.done_by - now).total_seconds()))
    if seen.partitions:
        made.add(MARGIN, labels, min([_margin(one, now) for one in seen.partitions]))
    if moved_at is not None:
        made.add(PROCESSED_AT, labels, moved_at.timestamp())
    if seen.processes:
        oldest = [since for heard in seen.processes if (since := heard.heartbeat.oldest_in_flight_since) is not None]
        made.add(IN_FLIGHT_SECONDS, labels, _age_s(min(oldest, default=None), now))
    if judged.dead_letters is not None:
        made.add(DEAD_LETTERS, of_office, judged.dead_letters)
        made.add(DEAD_LETTER_SECONDS, of_office, _age_s(judged.dead_letters_oldest_at, now))
    if office and judged.parked is not None:
        made.add(SET_ASIDE, of_office, judged.parked)


def _add_watch(made: Sheet, snapshot: Snapshot, succeeded_at: datetime | None) -> None:
    made.add(CYCLE_SECONDS, "", snapshot.effort.took_s)
    made.add(CYCLE_CPU, "", snapshot.effort.cpu_s)
    made.add(REQUESTS, "", snapshot.effort.requests)
    made.add(FAULTS, "", len(snapshot.faults) + bool(snapshot.kafka_fault))
    if succeeded_at is not None:
        made.add(SUCCESS_AT, "", succeeded_at.timestamp())


def _add_group(made: Sheet, seen: ConsumerSeen, now: datetime) -> None:
    if seen.group is None:
        return
    offset, lag, group_lag = made.of(OFFSET), made.of(LAG), made.of(GROUP_LAG_SECONDS)
    offsets: dict[str, int] = {}
    lags: dict[str, int] = {}
    longest_s = 0.0
    for one in seen.partitions:
        labels, waiting, age_s = labelled(_PLACE, seen.name, one.topic, one.partition), one.lag, _age_s(one.oldest_at, now)
        offset.append((labels, _NO_COMMIT if one.committed is None else one.committed))
        lag.append((labels, _NO_COMMIT if one.committed is None else waiting))
        group_lag.append((labelled(GROUP_LAG_SECONDS.labels, CLUSTER, seen.name, one.topic, one.partition), age_s))
        offsets[one.topic] = offsets.get(one.topic, 0) + (one.committed or 0)
        lags[one.topic] = lags.get(one.topic, 0) + waiting
        longest_s = max(longest_s, age_s)
    for topic, total in offsets.items():
        made.add(OFFSET_SUM, labelled(_OF_GROUP, seen.name, topic), total)
        made.add(LAG_SUM, labelled(_OF_GROUP, seen.name, topic), lags[topic])
    made.add(MEMBERS, labelled(MEMBERS.labels, seen.name), len(seen.group.members))
    made.add(GROUP_MAX_LAG_SECONDS, labelled(GROUP_MAX_LAG_SECONDS.labels, CLUSTER, seen.name), longest_s)


def _add_topics(made: Sheet, topics: Mapping[str, Mapping[int, PartitionState]], read: Mapping[tuple[str, int], PartitionSeen]) -> None:
    end, start, replicas, in_sync = made.of(END), made.of(START), made.of(REPLICAS), made.of(IN_SYNC)
    leader, preferred, under = made.of(LEADER), made.of(PREFERRED), made.of(UNDER)
    for topic, partitions in topics.items():
        made.add(PARTITIONS, labelled(PARTITIONS.labels, topic), len(partitions))
        for number, state in partitions.items():
            labels, copies, synced = labelled(_OF_TOPIC, topic, number), len(state.replicas), len(state.in_sync)
            if (seen := read.get((topic, number))) is not None:
                end.append((labels, seen.end))
                start.append((labels, seen.start))
            replicas.append((labels, copies))
            in_sync.append((labels, synced))
            leader.append((labels, state.leader))
            preferred.append((labels, int(copies > 0 and state.replicas[0] == state.leader)))
            under.append((labels, int(synced < copies)))


def _add_brokers(made: Sheet, snapshot: Snapshot) -> None:
    up = [broker for broker in snapshot.brokers if broker.up]
    made.add(BROKERS, "", len(up))
    for broker in up:
        made.add(BROKER_INFO, labelled(BROKER_INFO.labels, broker.id, broker.address), 1)


def _margin(one: PartitionSeen, now: datetime) -> float:
    if one.oldest_at is None or not one.retention_s:
        return 1.0
    return max(0.0, 1 - _age_s(one.oldest_at, now) / one.retention_s)


def _age_s(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())
