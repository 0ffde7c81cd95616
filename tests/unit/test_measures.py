"""The metrics of the watch: as Prometheus reads them, each of the list, and under the names that common boards ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from consumers.watch import measures
from consumers.watch.judge import judge
from consumers.watch.memory import Memory
from consumers.watch.observed import BrokerSeen, ConsumerSeen, GroupSeen, Heard, Kind, Observation, PartitionSeen, SetAside
from consumers.watch.snapshot import Effort, Snapshot
from infra.kafka.survey import PartitionState
from schemas.heartbeats import Heartbeat, ProcessKind

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
OFFICE = "muenchen.gewerbe"
TOPIC = f"{OFFICE}.submissions"
DANIELQSJ = {
    "kafka_consumergroup_current_offset": ("consumergroup", "partition", "topic"),
    "kafka_consumergroup_lag": ("consumergroup", "partition", "topic"),
    "kafka_consumergroup_current_offset_sum": ("consumergroup", "topic"),
    "kafka_consumergroup_lag_sum": ("consumergroup", "topic"),
    "kafka_consumergroup_members": ("consumergroup",),
    "kafka_topic_partitions": ("topic",),
    "kafka_topic_partition_current_offset": ("partition", "topic"),
    "kafka_topic_partition_oldest_offset": ("partition", "topic"),
    "kafka_topic_partition_replicas": ("partition", "topic"),
    "kafka_topic_partition_in_sync_replica": ("partition", "topic"),
    "kafka_topic_partition_leader": ("partition", "topic"),
    "kafka_topic_partition_leader_is_preferred": ("partition", "topic"),
    "kafka_topic_partition_under_replicated_partition": ("partition", "topic"),
    "kafka_brokers": (),
    "kafka_broker_info": ("address", "id"),
    "kafka_consumergroup_group_lag_seconds": ("cluster_name", "group", "partition", "topic"),
    "kafka_consumergroup_group_max_lag_seconds": ("cluster_name", "group"),
}
"""Names and labels as kafka_exporter 1.9 and kafka-lag-exporter 0.8 have them."""


def observed() -> Observation:
    """An office that has a backlog of ten minutes in one partition and never committed in another."""
    partitions = (
        PartitionSeen(TOPIC, 0, NOW, committed=3, start=1, end=8, fresh=True, oldest_at=NOW - timedelta(minutes=10), retention_s=1200),
        PartitionSeen(TOPIC, 1, NOW, committed=None, start=2, end=4, fresh=True, oldest_at=NOW - timedelta(minutes=1), retention_s=1200),
    )
    said = Heartbeat(
        at=NOW,
        instance="a@b:1",
        process=ProcessKind.ADAPTER,
        office=OFFICE,
        version="1",
        started_at=NOW,
        oldest_in_flight_since=NOW - timedelta(seconds=7),
    )
    office = ConsumerSeen(
        OFFICE,
        Kind.OFFICE,
        group=GroupSeen("Stable", ("m1", "m2"), NOW),
        partitions=partitions,
        processes=(Heard(said, NOW),),
        parked=SetAside(2, NOW, NOW),
        dead_letters=SetAside(40, NOW - timedelta(days=1), NOW),
    )
    brokers = (BrokerSeen(0, "a:9092", up=True), BrokerSeen(1, "b:9092", up=False, why="RequestTimedOut"))
    return Observation(NOW, 10, (office, ConsumerSeen("gateway", Kind.OUTBOX)), brokers, NOW, NOW)


def scrape(*, drop_in: bool = True) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The samples of a look, as Prometheus's own parser reads them, by name and labels."""
    seen = observed()
    judgements, _ = judge(seen, {}, Memory())
    snapshot = Snapshot(NOW, 10, Effort(0.5, 0.2, 7), judgements, seen.brokers, ())
    topics = {TOPIC: {0: PartitionState(0, [0, 1], [0]), 1: PartitionState(-1, [1, 0], [1, 0])}}
    text = measures.sheet(seen, snapshot, topics, {OFFICE: NOW - timedelta(hours=1)}, NOW, drop_in=drop_in).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(one.name, tuple(sorted(one.labels.items()))): one.value for one in samples}
    assert len(found) == len(samples), "a sample is there twice"
    return found


def value(name: str, **labels: str) -> float:
    """Of one sample."""
    return scrape()[name, tuple(sorted(labels.items()))]


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("stadtbus_lag_messages", {"city": "muenchen", "office": OFFICE, "group": OFFICE}, 7),
        ("stadtbus_lag_seconds", {"city": "muenchen", "office": OFFICE, "group": OFFICE}, 600),
        ("stadtbus_retention_margin_ratio", {"city": "muenchen", "office": OFFICE, "group": OFFICE}, 0.5),
        ("stadtbus_dead_letters", {"city": "muenchen", "office": OFFICE}, 40),
        ("stadtbus_parked", {"city": "muenchen", "office": OFFICE}, 2),
        ("stadtbus_oldest_inflight_seconds", {"city": "muenchen", "office": OFFICE, "group": OFFICE}, 7),
        ("stadtbus_lagwatch_requests", {}, 7),
        ("kafka_consumergroup_lag", {"consumergroup": OFFICE, "topic": TOPIC, "partition": "0"}, 5),
        ("kafka_consumergroup_lag", {"consumergroup": OFFICE, "topic": TOPIC, "partition": "1"}, -1),
        ("kafka_consumergroup_lag_sum", {"consumergroup": OFFICE, "topic": TOPIC}, 7),
        ("kafka_consumergroup_members", {"consumergroup": OFFICE}, 2),
        ("kafka_consumergroup_group_max_lag_seconds", {"cluster_name": "stadtbus", "group": OFFICE}, 600),
        ("kafka_topic_partition_under_replicated_partition", {"topic": TOPIC, "partition": "0"}, 1),
        ("kafka_topic_partition_leader_is_preferred", {"topic": TOPIC, "partition": "1"}, 0),
        ("kafka_brokers", {}, 1),
    ],
)
def test_values_are_those_of_the_look(name: str, labels: dict[str, str], expected: float) -> None:
    """Each figure is what was observed; without a commit the drop-in lag is -1 and the sum counts from the log start."""
    assert value(name, **labels) == expected


def test_one_verdict_of_each_consumer_is_one() -> None:
    """Of the twelve samples of a consumer one is 1, with its verdict as the label."""
    rows = [(dict(labels), number) for (name, labels), number in scrape().items() if name == "stadtbus_consumer_verdict"]
    assert sorted(labels["group"] for labels, number in rows if number == 1) == sorted([OFFICE, "gateway"])
    assert len(rows) == 2 * 12


def test_drop_in_names_and_labels_are_those_of_the_others() -> None:
    """Every name that common boards ask for is there with exactly its labels, and one setting turns all of them off."""
    found = {name: tuple(label for label, _ in labels) for name, labels in scrape()}
    assert {name: labels for name, labels in found.items() if name.startswith("kafka_")} == DANIELQSJ
    assert not [name for name, _ in scrape(drop_in=False) if name.startswith("kafka_")]


def test_the_list_is_complete() -> None:
    """What is exported is in the list with its labels, and everything of the list is exported."""
    listed = {family.name: tuple(sorted(family.labels)) for family in measures.FAMILIES}
    found = {name: tuple(label for label, _ in labels) for name, labels in scrape()}
    missing = {"stadtbus_drain_seconds", "stadtbus_dead_letter_oldest_seconds"} - found.keys()
    assert {name: labels for name, labels in listed.items() if name not in missing} == found
    assert missing <= {"stadtbus_drain_seconds"}, "only a backlog that is worked off has it"
