"""Dead letters of the relay: what an office's topic refuses for good goes where the office's dead letters are, and its portal is told.

    1. the record goes to `.deadletters`, byte for byte, with error headers as those of the adapters have them
    2. the event `dead_letter` goes to the city's events
    3. only then the row counts as published, at no place of its own topic (`tables.NOT_THERE`)

Killed in between, all is done again: of two dead letters of one submission the desk counts the last, and the event has the same id. The content stays in
the outbox until the submission ends, as that of every submission does.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from typing import Final

from infra import crashpoints
from infra.kafka.outgoing import KafkaRefusal, Outgoing, Sent, Written, partition_of
from infra.kafka.sender import Sender
from infra.stores import Store
from producers.outbox import pending
from producers.outbox.pending import Pending
from producers.outbox.record import record_of
from producers.outbox.tables import NOT_THERE
from schemas import topics
from schemas.copies import Place, headers_of_copy
from schemas.events import EVENT_CONTENT_TYPE, EventWriter, State, StatusChange
from schemas.headers import CopyHeader, Header

NOT_PUBLISHABLE: Final = "not-publishable"
"""Error class of these dead letters, and the code that portals are shown."""
_STAGE: Final = "KAFKA_PRODUCE"
"""In the words of Kafka Connect's reporters."""
_INSTANCE: Final = f"{socket.gethostname()}-{os.getpid()}"


class DeadLetters:
    """Sets aside what the topic of one office refuses. It uses the lane's sender and store."""

    def __init__(self, store: Store, sender: Sender, office: str) -> None:
        self._store = store
        self._sender = sender
        self._events = EventWriter(office, answers_later=False)

    async def set_aside(self, one: Pending, refusal: KafkaRefusal) -> Sent:
        """Make a dead letter of a submission. What is written is noted; else what stands in the way: nothing is given up then.

        Raises:
            CannotTell: kafka-unreachable.
            SQLAlchemyError: the store does not answer.
        """
        now = datetime.now(UTC)
        for record in (_copy(one, refusal, now), self._event(one, now)):
            (sent,) = await self._sender.send_all([record])
            if not isinstance(sent, Written):
                return sent
        crashpoints.reached("relay.set_aside")
        await pending.note_published(self._store, [(one, Written(partition_of(record.key), NOT_THERE))])
        return sent

    def _event(self, one: Pending, now: datetime) -> Outgoing:
        at = now.isoformat(timespec="milliseconds")
        step = StatusChange(State.DEAD_LETTER, at, 0, at, reason=NOT_PUBLISHABLE)
        names = (Header.SUBMISSION, Header.CASE, Header.SERVICE, Header.PORTAL)
        value = self._events.write(step, *(one.headers.get(name, "") for name in names))
        key = record_of(one).key
        headers = [(Header.CONTENT_TYPE.value, EVENT_CONTENT_TYPE.encode())]
        return Outgoing(topics.events(one.office.partition(".")[0]), key, value, headers, partition_of(key))


def _copy(one: Pending, refusal: KafkaRefusal, now: datetime) -> Outgoing:
    """Its time is now: it has none of a broker, and retention begins here."""
    record = record_of(one)
    said = f"{refusal.topic} refuses it: {refusal.error}"
    block = {
        CopyHeader.ADAPTER: "gateway",
        CopyHeader.INSTANCE: _INSTANCE,
        CopyHeader.STAGE: _STAGE,
        CopyHeader.CLASS: "producers.outbox",
        CopyHeader.EXCEPTION: refusal.error,
        CopyHeader.MESSAGE: said,
        CopyHeader.ERROR_CLASS: NOT_PUBLISHABLE,
        CopyHeader.FIRST_FAILURE: now.isoformat(timespec="milliseconds"),
        CopyHeader.ATTEMPT: "0",
        CopyHeader.SPRING_TOPIC: record.topic,
        CopyHeader.SPRING_EXCEPTION: refusal.error,
        CopyHeader.SPRING_MESSAGE: said,
    }
    place = Place(record.topic, partition_of(record.key), NOT_THERE)
    headers = headers_of_copy(record.headers, place, block)
    return Outgoing(topics.deadletters(one.office), record.key, record.value, headers, place.partition)
