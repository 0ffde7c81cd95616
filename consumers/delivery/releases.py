"""Hears what operators release (`stadtbus office release`): every instance of an office reads `stadtbus.operations` from its end on.

No group, and nothing is kept: what is held is known to this process alone and since it began, so a release of before it has nothing to open. One that came while Kafka
was away has to be given again; `stadtbus lag` shows what is still held.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from faststream.kafka.annotations import KafkaMessage
from pydantic import ValidationError

from consumers.delivery.brake import SeriesName
from consumers.delivery.guard import Guard
from infra import metrics
from infra.kafka.streams import LastingBroker, follow
from infra.settings import KafkaSettings
from schemas import operations, topics
from schemas.operations import OperatorAction

log = structlog.get_logger()


@asynccontextmanager
async def heard(kafka: KafkaSettings, office: str, guard: Guard) -> AsyncIterator[None]:
    """Open what is released, while the block lasts. Raises nothing of Kafka's: it is connected to in the background, for as long as it takes."""
    broker = LastingBroker(kafka, f"{office}-operations", reads_only=True)

    @follow(broker, topics.OPERATIONS)
    async def operations_of_people(message: KafkaMessage) -> None:
        for record in message.raw_message:
            take(record.value or b"", office, guard)

    await broker.start()
    try:
        yield
    finally:
        await broker.stop()


def take(value: bytes, office: str, guard: Guard) -> None:
    """Do what one record says, if it is a release of this office; what cannot be read is passed over and counted."""
    try:
        operation = operations.read(value)
    except ValidationError:
        metrics.LEFT_OUT.labels(office, topics.OPERATIONS).inc()
        return
    if operation.action is OperatorAction.RELEASE and operation.office == office:
        log.info("series_released", office=office, portal=operation.portal, cause=operation.fingerprint)
        guard.release(SeriesName(operation.portal, operation.fingerprint))
