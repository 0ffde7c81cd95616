"""Operators' actions on the record: nothing is done before `stadtbus.operations` has it, and there it is read."""

from __future__ import annotations

import asyncio

from aiokafka.errors import KafkaError
from pydantic import ValidationError

from infra.kafka import streams
from infra.kafka.admin import require_topics
from infra.kafka.client_errors import is_refusal, name_of
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.reading import read_all
from infra.kafka.sender import SEND_TIMEOUT_S
from infra.settings import KafkaSettings
from schemas import operations, problems, topics
from schemas.errors import CannotTell
from schemas.operations import Operation


async def read_back(settings: KafkaSettings) -> list[tuple[ConsumerRecord, Operation | None]]:
    """What operators have done, in the order in which Kafka took it; None for a record that this version cannot read.

    Raises:
        UsageError: topics-missing.
        CannotTell: kafka-unreachable.
    """
    await require_topics(settings, [topic for topic in topics.of_bus() if topic.name == topics.OPERATIONS])
    records: list[ConsumerRecord] = []
    await read_all(settings, [topics.OPERATIONS], records.append)
    return [(record, _operation(record)) for record in sorted(records, key=lambda one: (one.timestamp, one.partition, one.offset))]


def _operation(record: ConsumerRecord) -> Operation | None:
    try:
        return operations.read(record.value or b"")
    except ValidationError:
        return None


async def write_down(settings: KafkaSettings, operation: Operation) -> None:
    """As `note`, after a look whether the topic is there: a command says at once what is missing, and does not wait for it.

    Raises:
        UsageError: topics-missing.
        CannotTell: as `note`.
    """
    await require_topics(settings, [topic for topic in topics.of_bus() if topic.name == topics.OPERATIONS])
    await note(settings, operation)


async def note(settings: KafkaSettings, operation: Operation) -> None:
    """Write down what an operator is about to do; it is replicated when this returns.

    Raises:
        CannotTell: operation-not-recorded, kafka-unreachable, kafka-failed.
    """
    async with streams.connected(settings, "stadtbus-operations") as broker:
        publisher = broker.publisher(topics.OPERATIONS, schema=Operation)
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await publisher.publish(operation, key=operation.key.encode())
        except (KafkaError, TimeoutError) as error:
            why = f": Kafka refuses it, {name_of(error)}" if is_refusal(error) else ""
            raise CannotTell(problems.OPERATION_NOT_RECORDED, f"action '{operation.action}'{why}", where=topics.OPERATIONS) from None
