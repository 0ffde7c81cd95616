"""What operators do is recorded in a form that holds no personal data."""

from __future__ import annotations

import re

import pytest
from aiokafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError
from faststream.kafka import KafkaBroker
from faststream.kafka.publisher.producer import AioKafkaFastProducerImpl
from pydantic import ValidationError

from consumers.desk.operations import note
from infra.settings import KafkaSettings
from schemas.errors import CannotTell
from schemas.operations import DISCARD_PATTERN, REASON_PATTERN, Operation, OperatorAction
from tests.dead_letters import LYING, NOW, OFFICE

OPERATION = Operation(at=NOW, actor="op", action=OperatorAction.REPLAY, office=OFFICE)


@pytest.mark.parametrize("reason", ["no", "Frau Maier zog um", "zurückgezogen", "x" * 81, "two\nlines", "-dash"])
def test_discard_reason_is_a_code(reason: str) -> None:
    """Sentences, in which there would soon be a name, are no reason to discard."""
    assert re.fullmatch(DISCARD_PATTERN, reason) is None


def test_operation_is_what_is_written() -> None:
    """An operation survives its record, and takes neither unknown fields nor an actor with spaces."""
    operation = Operation(at=NOW, actor="op", action=OperatorAction.REVEAL, office=OFFICE, reason="ticket 4711", place=f"{LYING}/0/1")
    assert Operation.model_validate_json(operation.model_dump_json(exclude_none=True)) == operation
    assert re.fullmatch(REASON_PATTERN, "ticket 4711")
    for wrong in ({"actor": "two words"}, {"actor": ""}, {"value": "x"}, {"reason": "a\nb"}):
        with pytest.raises(ValidationError):
            Operation.model_validate(operation.model_dump() | wrong)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KafkaTimeoutError, "operation-not-recorded: action 'replay'$"),
        (TimeoutError, "operation-not-recorded: action 'replay'$"),
        (TopicAuthorizationFailedError, "operation-not-recorded: action 'replay': Kafka refuses it, TopicAuthorizationFailed$"),
    ],
)
async def test_operation_that_is_not_recorded_is_an_error(error: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not certainly in Kafka counts as not recorded, with Kafka's reason where it refuses it."""

    async def fail(*_: object) -> None:
        raise error

    async def nothing(*_: object) -> None:
        pass

    monkeypatch.setattr(KafkaBroker, "start", nothing)
    monkeypatch.setattr(AioKafkaFastProducerImpl, "publish", fail)
    with pytest.raises(CannotTell, match=said):
        await note(KafkaSettings(), OPERATION)


async def test_operation_without_kafka_is_an_error() -> None:
    """Where no broker answers it is said at once, and nothing is left open."""
    with pytest.raises(CannotTell, match="kafka-unreachable"):
        await note(KafkaSettings(bootstrap="127.0.0.1:1"), OPERATION)
