"""Sends again what Kafka had and has lost: retention, a clock, a person or another cluster took it, and its content still lies in the outbox.

What is lost is found by looking, not by guessing: what the outbox knows as published and without an end, less what still stands before the
office in its topics, less what the log of events says has come to an end since. So nothing that merely waits is sent twice; and were
it, the ledger would drop it.

What the office had set aside goes on only in its retry topic: the ledger would drop it anywhere else. So its copy is made anew there.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import TopicPartition

from consumers.operations import note
from infra.kafka import group_offsets, order
from infra.kafka.admin import require_topics
from infra.kafka.clients import KafkaRefusal, Outgoing, Position, Sender, unreachable
from infra.kafka.group_offsets import GroupOffsets
from infra.kafka.reading import read_all
from infra.kafka.records import read_event
from infra.kafka.unread import Unreadable
from infra.settings import KafkaSettings
from infra.stores import Store
from producers import outbox
from producers.outbox import Pending, Unended
from producers.relay import record_of
from schemas import errors, headers, topics
from schemas.copies import Place, headers_of_copy
from schemas.errors import CannotTell
from schemas.events import State
from schemas.headers import Header
from schemas.operations import Action, Operation

Advance = Callable[[int, int], None]

_AT_ONCE: Final = 100
_SET_ASIDE: Final = frozenset((State.PARKED, State.RETRY_WAIT))


@dataclass(frozen=True, slots=True)
class Plan:
    """What of an office would be sent again."""

    office: str
    lost: Sequence[Unended]
    waiting: int
    """So many have no end either, and still stand in Kafka: they are left."""

    @property
    def since(self) -> datetime | None:
        """When the oldest of what is lost was accepted."""
        return min((one.accepted_at for one in self.lost), default=None)


async def plan(kafka: KafkaSettings, store: Store, office: str, advance: Advance | None = None) -> Plan:
    """What Kafka has lost of an office.

    Raises:
        UsageError: topics-missing.
        CannotTell: kafka-unreachable, kafka-failed.
    """
    city = office.partition(".")[0]
    await require_topics(kafka, [*topics.of_office(office), *topics.of_city(city)])
    # In this order: what is published meanwhile is not asked for, and what is delivered meanwhile has told it before it is passed.
    unended = {str(one.id): one for one in await asyncio.to_thread(outbox.unended, store, office)}
    there = await _still_there(kafka, office, unended, advance) if unended else set()
    missing = unended.keys() - there
    told = await _told(kafka, office, missing, advance) if missing else {}
    lost = [replace(one, state=told.get(name, one.state)) for name, one in unended.items() if name in missing]
    return Plan(office, [one for one in lost if one.state not in outbox.ENDED], len(there))


async def send_again(kafka: KafkaSettings, store: Store, found: Plan, actor: str) -> int:
    """Put what is lost back before the relay, or into the retry topic, after that has been written down; how many they are.

    Raises:
        UsageError: topics-missing.
        CannotTell: operation-not-recorded, kafka-unreachable, record-refused. Given again, it goes on where it stopped.
    """
    await require_topics(kafka, [topic for topic in topics.of_bus() if topic.name == topics.OPERATIONS])
    sender = Sender(kafka, "stadtbus-republish")
    try:
        await note(
            sender, Operation(at=datetime.now(UTC), actor=actor, action=Action.REPUBLISH, office=found.office, count=len(found.lost))
        )
        parked = await _park_again(kafka, sender, store, [one.seq for one in found.lost if one.state in _SET_ASIDE])
    finally:
        await sender.stop()
    return parked + await outbox.put_back(store, [one.seq for one in found.lost if one.state not in _SET_ASIDE])


async def _park_again(kafka: KafkaSettings, sender: Sender, store: Store, rows: Sequence[int]) -> int:
    """Write copies of these into their office's retry topic, as the engine makes them; how many."""
    count = 0
    for start in range(0, len(rows), _AT_ONCE):
        copies = [_copy(*one) for one in await asyncio.to_thread(outbox.sent, store, rows[start : start + _AT_ONCE])]
        for copy, sent in zip(copies, await sender.send_all(copies), strict=True):
            if sent is None:
                raise unreachable(kafka)
            if isinstance(sent, KafkaRefusal):
                raise CannotTell(errors.RECORD_REFUSED, sent.error, where=copy.topic)
            count += 1
    return count


def _copy(pending: Pending, at: Position) -> Outgoing:
    record = record_of(pending)
    block = headers_of_copy(record.headers, Place(record.topic, at.partition, at.offset), {})
    return record._replace(topic=topics.retry(pending.office), headers=block, partition=at.partition)


async def _still_there(kafka: KafkaSettings, office: str, wanted: Collection[str], advance: Advance | None) -> set[str]:
    """Which of these submissions the office has still before it, in its topic or parked."""
    read = (topics.submissions(office), topics.retry(office))
    group, _ = await group_offsets.look_at_topics(kafka, office, read)
    found: set[str] = set()

    def take(record: Any) -> None:
        submission = headers.decode(record.headers).get(Header.SUBMISSION)
        if (
            submission is not None
            and submission in wanted
            and record.offset >= _passed(group, TopicPartition(record.topic, record.partition))
        ):
            found.add(submission)

    await read_all(kafka, read, take, advance)
    return found


def _passed(group: GroupOffsets, partition: TopicPartition) -> int:
    """What lies before is done with; an offset behind the end is one of another topic of this name."""
    committed = group.committed[partition] or 0
    return committed if committed <= group.end[partition] else 0


async def _told(kafka: KafkaSettings, office: str, wanted: Collection[str], advance: Advance | None) -> dict[str, State]:
    """The states of these submissions, by the log of events: the status feed may not have read so far."""
    told: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def take(record: Any) -> None:
        try:
            heard = read_event(record)
        except Unreadable:
            return
        data = heard.event.data
        if data.office == office and str(data.submission) in wanted:
            told[str(data.submission)].append({"state": data.state, "at": heard.event.time} | order.values(heard))

    await read_all(kafka, [topics.events(office.partition(".")[0])], take, advance)
    return {submission: State(order.in_order(rows)[-1]["state"]) for submission, rows in told.items()}
