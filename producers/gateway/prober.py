"""Writes a probe (`schemas.probes`) for each office, every so often, straight to its submissions topic: it goes with the submissions of citizens, and shows that
an office would be served in which nothing happens for days.

Whom to probe the heartbeats say. An office with a process of a version that does not know probes gets none, and nobody does while an audit or a statistics
of such a version runs: to them it would be a submission that cannot be read. One that has not been answered is enough: it waits for its adapter, as
submissions do, and no second one is put behind it for hours.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from infra import metrics
from infra.kafka.last_said import last_said
from infra.kafka.outgoing import KafkaRefusal, Outgoing
from infra.kafka.sender import Sender
from infra.settings import KafkaSettings
from schemas import probes, topics
from schemas.heartbeats import Heartbeat, ProcessKind, still_there

_GIVEN_UP: Final = timedelta(hours=6)
"""An unanswered probe may have been passed over, by an offset that somebody set; then there is another one."""
_RECORDERS: Final = (ProcessKind.AUDIT, ProcessKind.STATISTICS)


class Prober:
    """Probes the offices of one gateway's catalogue."""

    def __init__(self, kafka: KafkaSettings, offices: Sequence[str], interval_s: float) -> None:
        self._kafka = kafka
        self._offices = offices
        self._interval_s = interval_s
        self._sent: dict[str, datetime] = {}
        self._written: Counter[str] = Counter()

    async def run(self) -> None:
        """Probe until cancelled, first after one interval.

        Raises:
            UsageError: topics-missing.
            CannotTell: kafka-unreachable, kafka-failed, kafka-not-allowed. It may be run again.
        """
        sender = Sender(self._kafka, "gateway-probes")
        try:
            while True:
                await asyncio.sleep(self._interval_s)
                await self._probe(sender)
        finally:
            await sender.stop()

    async def _probe(self, sender: Sender) -> None:
        """One round. An office's next probe goes to its next partition. What Kafka does not take is not tried again: another one will come."""
        heard = [one for one in await last_said(self._kafka) if not one.stopping]
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as the record has it
        offices = due(self._offices, heard, self._sent, now)
        records = [
            Outgoing(topics.submissions(office), None, b"", probes.headers_of(office, now), self._written[office] % topics.PARTITIONS)
            for office in offices
        ]
        for office, sent in zip(offices, await sender.send_all(records), strict=True):
            if not isinstance(sent, KafkaRefusal):  # also where it is not known: it may be there
                self._sent[office] = now
                self._written[office] += 1
                metrics.PROBES_SENT.labels(office).inc()


def due(offices: Collection[str], heard: Sequence[Heartbeat], sent: Mapping[str, datetime], now: datetime) -> list[str]:
    """The offices that get a probe now. `sent` says when each got its last one."""
    of_office: defaultdict[str, list[Heartbeat]] = defaultdict(list)
    for one in heard:
        of_office[one.office or ""].append(one)
    recorders = [still_there([one for one in heard if one.process is kind]) for kind in _RECORDERS]
    if not all(one.knows_probes for last in recorders for one in last):
        return []
    return [office for office in offices if _is_due(still_there(of_office[office]), sent.get(office), now)]


def _is_due(adapters: Sequence[Heartbeat], sent_at: datetime | None, now: datetime) -> bool:
    if not adapters or not all(one.knows_probes for one in adapters):
        return False
    answered = any(sent_at is not None and one.probe is not None and one.probe.sent_at >= sent_at for one in adapters)
    return sent_at is None or answered or now - sent_at > _GIVEN_UP
