"""What is known of the partitions that are assigned to us, beside the records in flight."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from aiokafka import TopicPartition

from consumers.engine.starts import Start
from infra import metrics

log = structlog.get_logger()


class Assignment:
    """Where the assigned partitions started, what is committed of them, and how many of their records were gone before they were read.

    It keeps what it knows when partitions are revoked, for the last commit and for whoever asks, until others are assigned.
    """

    def __init__(self) -> None:
        self.committed: dict[TopicPartition, int] = {}
        """What Kafka has taken of our commits since the partitions were assigned."""
        self.lost: dict[TopicPartition, int] = {}
        """By partition how many records were gone before they were read, since the last reset of offsets."""
        self.run_ended: str | None = None
        """Why the last run ended, for people; None as soon as partitions are assigned again."""
        self._starts: Mapping[TopicPartition, Start] = {}

    def on_assigned(self, starts: Mapping[TopicPartition, Start]) -> None:
        """These partitions were assigned, and start here; what a person has to know of it is logged and counted."""
        for partition, start in starts.items():
            if start.newly_lost:
                _report_expired(partition, start.newly_lost)
            if start.moved:
                _report_moved(partition, start)
        self._starts = starts
        self.committed = {}
        self.lost = {partition: start.lost for partition, start in starts.items()}
        self.run_ended = None

    def lose(self, partition: TopicPartition, count: int) -> None:
        """So many records of an assigned partition were gone before they were read."""
        self.lost[partition] += count
        _report_expired(partition, count)

    @property
    def first_commits(self) -> dict[TopicPartition, int]:
        """Of the partitions for which Kafka had no commit: where they started."""
        return {partition: start.offset for partition, start in self._starts.items() if start.first_commit}

    @property
    def topic_ids(self) -> dict[str, str | None]:
        """Which topics the partitions belong to, by name."""
        return {partition.topic: start.topic_id for partition, start in self._starts.items()}

    def notice(self, committable: Mapping[TopicPartition, int]) -> str | None:
        """What a person has to know while work goes on: records that are gone, and offsets that somebody moved, until all records that
        are unclear by that were asked for.
        """
        lost = sum(self.lost.values())
        moved = [
            f"{topic}/{number} goes on at {start.offset}, Kafka said {start.offset + start.moved}"
            for (topic, number), start in self._starts.items()
            if start.moved and committable.get(TopicPartition(topic, number), 0) < start.ask_before
        ]
        said = [f"{lost} records were gone before they were read (see `stadtbus offsets reset`)"] if lost else []
        return "; ".join([*said, *moved]) or None


def _report_expired(partition: TopicPartition, count: int) -> None:
    """Records that nobody delivered are gone, by retention or by somebody's hand. The bus must go on, and a person has to know."""
    metrics.EXPIRED.labels(partition.topic).inc(count)
    log.error("records_expired", topic=partition.topic, partition=partition.partition, count=count)


def _report_moved(partition: TopicPartition, start: Start) -> None:
    """Somebody set the group's offset forward, or the ledger is an older copy of itself."""
    metrics.OFFSETS_MOVED.labels(partition.topic).inc(start.moved)
    log.error(
        "offsets_moved", topic=partition.topic, partition=partition.partition, start=start.offset, count=start.moved,
        what="Kafka's commit is ahead of the ledger; what lies between is asked for, not skipped",
    )  # fmt: skip
