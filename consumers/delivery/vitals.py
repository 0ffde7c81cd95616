"""What the process of an office does at the moment, for its heartbeats."""

from __future__ import annotations

from datetime import UTC, datetime

from aiokafka import TopicPartition

from consumers.delivery.handler import Delivery
from consumers.delivery.job import Job
from consumers.delivery.orders import Orders
from consumers.engine import Engine
from schemas.heartbeats import MOST_HELD, BreakerState, HeldSeries, PartitionProgress, Vitals, sentence


class VitalSigns:
    """Looks at engine and delivery with each heartbeat, and remembers since when one record has been the oldest of its partition."""

    def __init__(self, engine: Engine[Job], delivery: Delivery, orders: Orders) -> None:
        self._engine = engine
        self._delivery = delivery
        self._orders = orders
        self._oldest: dict[TopicPartition, tuple[int, datetime]] = {}
        """By partition the offset of its oldest unfinished record, and when that was first seen."""

    def __call__(self) -> Vitals:
        """The vitals of this moment. Called by the heartbeats every few seconds; looks at each case in flight."""
        self._look(datetime.now(UTC))
        attempts = {(job.partition, job.offset): job.dispatches for job in self._engine.core.heads()}
        partitions = {
            f"{partition.topic}/{partition.partition}": self._progress(partition, attempts) for partition in self._engine.core.partitions
        }
        breaker, brake = self._delivery.guard.breaker, self._delivery.guard.brake
        return Vitals(
            partitions=partitions,
            in_flight=self._engine.core.in_flight,
            oldest_in_flight_since=min((since for _, since in self._oldest.values()), default=None),
            breaker=BreakerState(
                open=breaker.reason is not None,
                since=None if breaker.since is None else datetime.fromisoformat(breaker.since),
                why=None if breaker.reason is None else sentence(breaker.reason),
            ),
            brake=None if brake.office is None else sentence(brake.office.reason),
            held=[
                HeldSeries(
                    portal=hold.name.portal, cause=hold.name.cause, since=datetime.fromisoformat(hold.since), reason=sentence(hold.reason)
                )
                for hold in brake.held[:MOST_HELD]
            ],
            last_poll_at=self._engine.progress.last_at,
            pause=self._orders.pause(),
            knows_probes=True,
            probe=self._delivery.prober.last,
        )

    def _look(self, now: datetime) -> None:
        before = self._oldest
        self._oldest = {
            partition: before[partition] if partition in before and before[partition][0] == offset else (offset, now)
            for partition, offset in self._engine.core.oldest().items()
        }

    def _progress(self, partition: TopicPartition, attempts: dict[tuple[TopicPartition, int], int]) -> PartitionProgress:
        offset, since = self._oldest.get(partition, (None, None))
        return PartitionProgress(
            position=self._engine.core.position(partition),
            committed=self._engine.committed().get(partition),
            oldest_since=since,
            attempts=None if offset is None else attempts.get((partition, offset), 0),
        )
