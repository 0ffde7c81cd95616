"""An operator pauses and resumes an office: what the log says of it now, what its processes say, and whether they have obeyed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from consumers.desk.operations import write_down
from consumers.pauses import Pauses
from infra.kafka.admin import require_topics
from infra.kafka.consumer_record import ConsumerRecord, written_at
from infra.kafka.last_said import last_said
from infra.kafka.reading import read_all
from infra.settings import KafkaSettings
from schemas import operations, topics
from schemas.catalogue.expected import Expected
from schemas.heartbeats import INTERVAL_S, Heartbeat, Pause, still_there
from schemas.operations import Operation, OperatorAction

_PATIENCE_S: Final = 3 * INTERVAL_S
_LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How an office stands."""

    pause: Pause | None
    """Why it is paused now, by the log and its page of the catalogue; None where it is not."""
    processes: Sequence[Heartbeat]
    """What each of its processes has said last."""


async def look(kafka: KafkaSettings, office: str, expected: Expected) -> Standing:
    """How an office stands now.

    Raises:
        UsageError: topics-missing.
        CannotTell: kafka-unreachable, kafka-failed.
    """
    await require_topics(kafka, topics.of_bus())
    pauses = Pauses(office, expected)

    def take(record: ConsumerRecord) -> None:
        if record.key == office.encode():
            try:
                pauses.take(operations.read(record.value or b""), written_at(record))
            except (ValidationError, ValueError, OverflowError, OSError):
                return  # as the processes of the office do

    await read_all(kafka, [topics.OPERATIONS], take)
    return Standing(pauses.at(datetime.now(UTC)), await processes_of(kafka, office))


async def processes_of(kafka: KafkaSettings, office: str) -> list[Heartbeat]:
    """The last words of the processes of an office that have not said that they stop.

    Raises:
        CannotTell: kafka-unreachable, kafka-failed.
    """
    said = [one for one in await last_said(kafka) if one.office == office and not one.stopping]
    return sorted(still_there(said), key=lambda one: one.instance)


async def give(kafka: KafkaSettings, operation: Operation, before: Standing) -> Mapping[str, bool]:
    """Write a pause or a resume down, and wait some seconds until the processes of the office say that they obey; by instance, whether it has.

    Raises:
        UsageError: topics-missing.
        CannotTell: operation-not-recorded, kafka-unreachable, kafka-failed.
    """
    await write_down(kafka, operation)
    spoke = {one.instance: one.at for one in before.processes}
    obeyed = dict.fromkeys(spoke, False)
    end_s = asyncio.get_running_loop().time() + _PATIENCE_S
    while not all(obeyed.values()) and asyncio.get_running_loop().time() < end_s:
        await asyncio.sleep(_LOOK_S)
        for one in await processes_of(kafka, operation.office):
            if one.instance in spoke and one.at > spoke[one.instance]:
                obeyed[one.instance] = _obeys(one, operation.action)
    return obeyed


def _obeys(process: Heartbeat, action: OperatorAction) -> bool:
    by_operator = process.pause is not None and process.pause.actor is not None
    return by_operator if action is OperatorAction.PAUSE else process.pause is None
