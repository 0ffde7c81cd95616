"""Sends again what Kafka had and has lost: retention, a clock, a person or another cluster took it, and its content still lies in the outbox.

What is lost is found by looking, not by guessing: what the outbox knows as published and without an end, less what still stands before the
office in its topics, less what the log of events says has come to an end since. So nothing that merely waits is sent twice; and were
it, the ledger would drop it.

How it is sent again depends on its last state: what was parked goes to the retry topic as a copy, because the ledger would drop it anywhere
else; a dead letter becomes a dead letter again, because only a person lets it go on; all else is left to the relay.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import TopicPartition

from consumers.desk.deadletters import CAUSE_GONE
from consumers.desk.operations import write_down
from infra.kafka import group_offsets, order
from infra.kafka.admin import require_topics
from infra.kafka.consumer_record import ConsumerRecord
from infra.kafka.diagnosis import why_unreachable
from infra.kafka.group_offsets import GroupOffsets
from infra.kafka.outgoing import KafkaRefusal, Outgoing, Written
from infra.kafka.reading import read_all
from infra.kafka.records import read_event
from infra.kafka.sender import Sender
from infra.kafka.sink import UnreadableRecord
from infra.settings import KafkaSettings
from infra.stores import Store
from producers.outbox import republishing
from producers.outbox.pending import Pending
from producers.outbox.record import record_of
from producers.outbox.republishing import Unfinished
from schemas import headers, problems, topics
from schemas.copies import Place, headers_of_copy
from schemas.errors import CannotTell
from schemas.events import State
from schemas.headers import CopyHeader, Header
from schemas.operations import Operation, OperatorAction

Advance = Callable[[int, int], None]

_BATCH: Final = 100
_PARKED: Final = frozenset((State.PARKED, State.RETRY_WAIT))


@dataclass(frozen=True, slots=True)
class LostSubmissions:
    """What Kafka has lost of an office and the outbox still has."""

    office: str
    submissions: Sequence[Unfinished]
    waiting: int
    """So many have no end either, and still stand in Kafka: they are left."""

    @property
    def since(self) -> datetime | None:
        """When the oldest of what is lost was accepted."""
        return min((one.accepted_at for one in self.submissions), default=None)

    @property
    def dead(self) -> int:
        """How many of what is lost are dead letters."""
        return len(self.rows((State.DEAD_LETTER,)))

    def rows(self, states: Collection[State]) -> list[int]:
        """The outbox rows of what is in one of these states."""
        return [one.seq for one in self.submissions if one.state in states]


async def find_lost(kafka: KafkaSettings, store: Store, office: str, advance: Advance | None = None) -> LostSubmissions:
    """What Kafka has lost of an office. Reads the office's topics and, where something is missing, the events of its city.

    Raises:
        UsageError: topics-missing.
        CannotTell: kafka-unreachable, kafka-failed.
    """
    city = office.partition(".")[0]
    await require_topics(kafka, [*topics.of_office(office), *topics.of_city(city)])
    # In this order: what is published meanwhile is not asked for, and what is delivered meanwhile has told it before it is passed.
    unfinished = {str(one.id): one for one in await asyncio.to_thread(republishing.unfinished, store, office)}
    waiting, dead = await _still_in_kafka(kafka, office, unfinished, advance) if unfinished else (set(), set())
    missing = unfinished.keys() - waiting - dead
    states = await _states_by_events(kafka, office, missing, advance) if missing else {}
    lost = [replace(one, state=states.get(name, one.state)) for name, one in unfinished.items() if name in missing]
    return LostSubmissions(office, [one for one in lost if not one.state.once], len(waiting))


async def send_again(kafka: KafkaSettings, store: Store, lost: LostSubmissions, actor: str) -> int:
    """Put what is lost back before the relay, into the retry topic or among the dead letters, after that has been written down; how many.

    Raises:
        UsageError: topics-missing.
        CannotTell: operation-not-recorded, kafka-unreachable, record-refused. Given again, it goes on where it stopped.
    """
    operation = Operation(
        at=datetime.now(UTC), actor=actor, action=OperatorAction.REPUBLISH, office=lost.office, count=len(lost.submissions)
    )
    await write_down(kafka, operation)
    sender = Sender(kafka, "stadtbus-republish")
    try:
        copied = await _send_copies(kafka, sender, store, lost.rows(_PARKED), _parked_copy)
        copied += await _send_copies(kafka, sender, store, lost.rows((State.DEAD_LETTER,)), _dead_letter)
    finally:
        await sender.stop()
    return copied + await republishing.put_back(store, lost.rows(set(State) - _PARKED - {State.DEAD_LETTER}))


async def _send_copies(
    kafka: KafkaSettings, sender: Sender, store: Store, rows: Sequence[int], copy_of: Callable[[Pending, Written], Outgoing]
) -> int:
    """Write copies of these outbox rows, as the engine makes them; how many.

    Raises:
        CannotTell: kafka-unreachable, record-refused; those before are written.
    """
    count = 0
    for start in range(0, len(rows), _BATCH):
        copies = [copy_of(*one) for one in await asyncio.to_thread(republishing.published, store, rows[start : start + _BATCH])]
        for copy, sent in zip(copies, await sender.send_all(copies), strict=True):
            if sent is None:
                raise await why_unreachable(kafka)
            if isinstance(sent, KafkaRefusal):
                raise CannotTell(problems.RECORD_REFUSED, sent.error, where=copy.topic)
            count += 1
    return count


def _parked_copy(pending: Pending, at: Written) -> Outgoing:
    record = record_of(pending)
    block = headers_of_copy(record.headers, Place(record.topic, at.partition, at.offset), {})
    return record._replace(topic=topics.retry(pending.office), headers=block, partition=at.partition)


def _dead_letter(pending: Pending, at: Written) -> Outgoing:
    """Why it died went with the lost one; the ledger may know, and `deadletters show` says it."""
    record = record_of(pending)
    block = headers_of_copy(record.headers, Place(record.topic, at.partition, at.offset), {CopyHeader.ERROR_CLASS: CAUSE_GONE})
    return record._replace(topic=topics.deadletters(pending.office), headers=block, partition=at.partition)


async def _still_in_kafka(kafka: KafkaSettings, office: str, wanted: Collection[str], advance: Advance | None) -> tuple[set[str], set[str]]:
    """Which of these submissions the office has still before it, in its topic or parked, and which lie among its dead letters."""
    read = (topics.submissions(office), topics.retry(office))
    group, _ = await group_offsets.look_at_topics(kafka, office, read)
    waiting: set[str] = set()
    dead: set[str] = set()

    def take(record: ConsumerRecord) -> None:
        submission = headers.decode(record.headers).get(Header.SUBMISSION)
        if submission is None or submission not in wanted:
            return
        if record.topic not in read:
            dead.add(submission)
        elif record.offset >= _next_offset(group, TopicPartition(record.topic, record.partition)):
            waiting.add(submission)

    await read_all(kafka, (*read, topics.deadletters(office)), take, advance)
    return waiting, dead


def _next_offset(group: GroupOffsets, partition: TopicPartition) -> int:
    """What lies before is done with; an offset behind the end is one of another topic of this name."""
    committed = group.committed[partition] or 0
    return committed if committed <= group.end[partition] else 0


async def _states_by_events(kafka: KafkaSettings, office: str, wanted: Collection[str], advance: Advance | None) -> dict[str, State]:
    """The last states of these submissions, by the log of events: the status feed may not have read so far."""
    told: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def take(record: ConsumerRecord) -> None:
        try:
            heard = read_event(record)
        except UnreadableRecord:
            return
        data = heard.event.data
        if data.office == office and str(data.submission) in wanted:
            told[str(data.submission)].append({"state": data.state, "at": heard.event.time} | order.values(heard))

    await read_all(kafka, [topics.events(office.partition(".")[0])], take, advance)
    return {submission: State(order.in_order(rows)[-1]["state"]) for submission, rows in told.items()}
