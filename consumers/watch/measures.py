"""The metrics of the watch, made from its last look and served as they were made: a scrape asks nobody and waits for nothing.

Thousands of partitions make tens of thousands of lines, so they are written here and not by prometheus-client, which takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from consumers.watch.model import Judgement, Verdict
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
DEAD_LETTERS: Final = Family("stadtbus_dead_letters", ("city", "office"), "Open dead letters: neither replayed, settled nor discarded.")
DEAD_LETTER_SECONDS: Final = Family(
    "stadtbus_dead_letter_oldest_seconds", ("city", "office"), "Age of the oldest of them; 0 where none is."
)
SET_ASIDE: Final = Family("stadtbus_parked", ("city", "office"), "Submissions that are parked in the retry topic.")
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


@dataclass
class Sheet:
    """The lines of a scrape, by family."""

    drop_in: bool
    _lines: dict[str, list[str]] = field(default_factory=dict)

    def add(self, family: Family, labels: Iterable[object], value: float) -> None:
        """One sample."""
        if family.drop_in and not self.drop_in:
            return
        if family.name not in self._lines:
            self._lines[family.name] = [f"# HELP {family.name} {family.meaning}\n# TYPE {family.name} gauge\n"]
        named = ",".join([f'{name}="{str(value).translate(_ESCAPED)}"' for name, value in zip(family.labels, labels, strict=True)])
        self._lines[family.name].append(f"{family.name}{{{named}}} {value}\n" if named else f"{family.name} {value}\n")

    def text(self) -> bytes:
        """As Prometheus reads it."""
        return "".join(line for lines in self._lines.values() for line in lines).encode()


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
    made = Sheet(drop_in)
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
    labels = (judged.city, office, judged.name)
    for verdict in Verdict:
        made.add(VERDICT, (*labels, verdict.value), int(judged.verdict is verdict))
    made.add(ATTENTION, labels, ("none", "soon", "now").index(judged.attention.value))
    if judged.waiting is not None:
        made.add(LAG_SECONDS, labels, _age_s(judged.oldest_at, now))
        made.add(LAG_MESSAGES, labels, judged.waiting)
        made.add(LOST, labels, judged.lost)
    if judged.done_by is not None:
        made.add(DRAIN_SECONDS, labels, max(0.0, (judged.done_by - now).total_seconds()))
    if seen.partitions:
        made.add(MARGIN, labels, min(_margin(one, now) for one in seen.partitions))
    if moved_at is not None:
        made.add(PROCESSED_AT, labels, moved_at.timestamp())
    if seen.processes:
        oldest = [since for heard in seen.processes if (since := heard.heartbeat.oldest_in_flight_since) is not None]
        made.add(IN_FLIGHT_SECONDS, labels, _age_s(min(oldest, default=None), now))
    if judged.dead_letters is not None:
        made.add(DEAD_LETTERS, labels[:2], judged.dead_letters)
        made.add(DEAD_LETTER_SECONDS, labels[:2], _age_s(judged.dead_letters_oldest_at, now))
    if office and judged.parked is not None:
        made.add(SET_ASIDE, labels[:2], judged.parked)


def _add_watch(made: Sheet, snapshot: Snapshot, succeeded_at: datetime | None) -> None:
    made.add(CYCLE_SECONDS, (), snapshot.effort.took_s)
    made.add(CYCLE_CPU, (), snapshot.effort.cpu_s)
    made.add(REQUESTS, (), snapshot.effort.requests)
    made.add(FAULTS, (), len(snapshot.faults) + bool(snapshot.kafka_fault))
    if succeeded_at is not None:
        made.add(SUCCESS_AT, (), succeeded_at.timestamp())


def _add_group(made: Sheet, seen: ConsumerSeen, now: datetime) -> None:
    if seen.group is None:
        return
    offsets: dict[str, int] = {}
    lags: dict[str, int] = {}
    longest_s = 0.0
    for one in seen.partitions:
        labels, age_s = (seen.name, one.topic, one.partition), _age_s(one.oldest_at, now)
        made.add(OFFSET, labels, _NO_COMMIT if one.committed is None else one.committed)
        made.add(LAG, labels, _NO_COMMIT if one.committed is None else one.lag)
        made.add(GROUP_LAG_SECONDS, (CLUSTER, *labels), age_s)
        offsets[one.topic] = offsets.get(one.topic, 0) + (one.committed or 0)
        lags[one.topic] = lags.get(one.topic, 0) + one.lag
        longest_s = max(longest_s, age_s)
    for topic, total in offsets.items():
        made.add(OFFSET_SUM, (seen.name, topic), total)
        made.add(LAG_SUM, (seen.name, topic), lags[topic])
    made.add(MEMBERS, (seen.name,), len(seen.group.members))
    made.add(GROUP_MAX_LAG_SECONDS, (CLUSTER, seen.name), longest_s)


def _add_topics(made: Sheet, topics: Mapping[str, Mapping[int, PartitionState]], read: Mapping[tuple[str, int], PartitionSeen]) -> None:
    for topic, partitions in topics.items():
        made.add(PARTITIONS, (topic,), len(partitions))
        for number, state in partitions.items():
            labels = (topic, number)
            if (seen := read.get(labels)) is not None:
                made.add(END, labels, seen.end)
                made.add(START, labels, seen.start)
            made.add(REPLICAS, labels, len(state.replicas))
            made.add(IN_SYNC, labels, len(state.in_sync))
            made.add(LEADER, labels, state.leader)
            made.add(PREFERRED, labels, int(list(state.replicas[:1]) == [state.leader]))
            made.add(UNDER, labels, int(len(state.in_sync) < len(state.replicas)))


def _add_brokers(made: Sheet, snapshot: Snapshot) -> None:
    up = [broker for broker in snapshot.brokers if broker.up]
    made.add(BROKERS, (), len(up))
    for broker in up:
        made.add(BROKER_INFO, (broker.id, broker.address), 1)


def _margin(one: PartitionSeen, now: datetime) -> float:
    if one.oldest_at is None or not one.retention_s:
        return 1.0
    return max(0.0, 1 - _age_s(one.oldest_at, now) / one.retention_s)


def _age_s(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())
