"""Operators' actions on the record: nothing is done before `stadtbus.operations` has it."""

from __future__ import annotations

from typing import Final

from infra.kafka.outgoing import Outgoing, SendRefused, SendUnknown
from infra.kafka.sender import Sender
from schemas import problems, topics
from schemas.errors import CannotTell
from schemas.headers import Header
from schemas.operations import OPERATION_CONTENT_TYPE, Operation

_HEADERS: Final = [(Header.CONTENT_TYPE.value, OPERATION_CONTENT_TYPE.encode())]


async def note(sender: Sender, operation: Operation) -> None:
    """Write down what an operator is about to do; it is replicated when this returns.

    Raises:
        CannotTell: operation-not-recorded, kafka-unreachable.
    """
    value = operation.model_dump_json(exclude_none=True).encode()
    try:
        await sender.send(Outgoing(topics.OPERATIONS, operation.actor.encode(), value, _HEADERS))
    except SendUnknown:
        raise CannotTell(problems.OPERATION_NOT_RECORDED, f"action '{operation.action}'", where=topics.OPERATIONS) from None
    except SendRefused as error:
        text = f"action '{operation.action}': Kafka refuses it, {error.refusal.error}"
        raise CannotTell(problems.OPERATION_NOT_RECORDED, text, where=topics.OPERATIONS) from None
