"""Does what operators write into `stadtbus.operations` about an office: pause, resume and release, without a restart.

Every instance reads for itself, without a group. What has the office as its key stands in one partition, in one order, whoever wrote it: that one is read from its start at each
connection, so a pause holds for a process that starts, and two instances know the same. Until that is read once, nothing is delivered.
A release is done once, where it is written while the process runs: what is held is known to this process alone and since it began. Releases of earlier
versions have another key, so the other partitions are followed from their ends.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import ValidationError

from consumers.delivery.brake import SeriesName
from consumers.pauses import Pauses
from infra import metrics
from infra.kafka.clients import Contact, outside
from infra.kafka.cluster import partitions_of
from infra.kafka.consumer_record import ConsumerRecord, written_at
from infra.kafka.outgoing import partition_of
from infra.settings import KafkaSettings
from schemas import operations, problems, topics
from schemas.catalogue.expected import Expected
from schemas.errors import UsageError
from schemas.heartbeats import Pause
from schemas.operations import OperatorAction

log = structlog.get_logger()

_POLL_MS: Final = 500
_BATCH: Final = 1_000

Release = Callable[[SeriesName], None]


class Orders:
    """What operators want of one office. `run` hears it; the other methods say what is known, at once."""

    def __init__(self, kafka: KafkaSettings, office: str, expected: Expected) -> None:
        self._kafka = kafka
        self._office = office
        self._expected = expected
        self._pauses: Pauses | None = None
        """None until all is read that was written before this process."""
        self._heard: dict[TopicPartition, int] = {}
        """By partition the offset from which on releases are new."""
        self._cut_off_since: datetime | None = datetime.now(UTC)

    async def run(self, release: Release) -> None:
        """Follow the topic until cancelled; `release` is called with each that is new, in the event loop. It can be run again, and then begins anew.

        Raises:
            UsageError: topics-missing.
            CannotTell: kafka-unreachable, kafka-failed, kafka-not-allowed. What was known stays known.
        """
        try:
            async with outside(self._kafka, f"{self._office}-operations") as consumer:
                await self._follow(consumer, release)
        finally:
            self._cut_off_since = self._cut_off_since or datetime.now(UTC)

    async def _follow(self, consumer: AIOKafkaConsumer, release: Release) -> None:
        ours, end = await self._begin(consumer)
        pauses, contact = Pauses(self._office, self._expected), Contact(self._kafka)
        while True:
            if self._cut_off_since is not None and await consumer.position(ours) >= end:
                self._pauses, self._cut_off_since = pauses, None
            for partition, records in (await consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH)).items():
                for record in records:
                    self.take(partition, record, pauses, release)
            contact.check(consumer)

    async def _begin(self, consumer: AIOKafkaConsumer) -> tuple[TopicPartition, int]:
        """Seek to where reading begins; the office's own partition, and its end now."""
        partitions = await partitions_of(consumer, [topics.OPERATIONS])
        if not partitions:
            raise UsageError(problems.TOPICS_MISSING, topics.OPERATIONS)
        ours = partitions[partition_of(self._office.encode()) % len(partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        for partition, end in ends.items():
            self._heard[partition] = min(self._heard.get(partition, end), end)  # lower where another log has taken the name
            consumer.seek(partition, self._heard[partition])
        consumer.seek(ours, (await consumer.beginning_offsets([ours]))[ours])
        return ours, ends[ours]

    def take(self, partition: TopicPartition, record: ConsumerRecord, pauses: Pauses, release: Release) -> None:
        """Do what one record says, if it is about this office; what cannot be read is passed over and counted."""
        is_new = record.offset >= self._heard.get(partition, 0)
        self._heard[partition] = max(self._heard.get(partition, 0), record.offset + 1)
        is_ours = record.key == self._office.encode()
        if not (is_new or is_ours):
            return
        try:
            operation, at = operations.read(record.value or b""), written_at(record)
        except (ValidationError, ValueError, OverflowError, OSError):
            metrics.LEFT_OUT.labels(self._office, topics.OPERATIONS).inc(is_new)
            return
        if is_ours:
            pauses.take(operation, at)
        if is_new and operation.office == self._office:
            log.info("operator_wants", office=self._office, action=operation.action)
            if operation.action is OperatorAction.RELEASE:
                release(SeriesName(operation.portal, operation.fingerprint))

    # --- what is known

    def pause(self) -> Pause | None:
        """Why the office is paused now; None where it is not, or where that is not known yet."""
        return None if self._pauses is None else self._pauses.at(datetime.now(UTC))

    def stand(self) -> bool:
        """Whether nothing may begin: the office is paused, or it is not known yet whether it is."""
        return self._pauses is None or self.pause() is not None

    def check(self) -> str | None:
        """For the health page: that it is not known yet whether the office is paused."""
        if self._pauses is not None:
            return None
        return f"nothing is delivered before {topics.OPERATIONS} is read: the office may be paused"

    def notice(self) -> str | None:
        """The same of a pause, and of operators who are not heard."""
        pause, said = self.pause(), []
        if pause is not None:
            who = "a maintenance window" if pause.actor is None else pause.actor
            until = "somebody resumes it" if pause.until is None else _shown(pause.until)
            said.append(
                f"paused by {who} since {_shown(pause.since)} until {until}: {pause.reason}; `stadtbus office resume {self._office}` ends it"
            )
        if self._pauses is not None and self._cut_off_since is not None:
            said.append(
                f"{topics.OPERATIONS} is not heard since {_shown(self._cut_off_since)}: a pause, a resume or a release is not obeyed before it is"
            )
        return "; ".join(said) or None


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
