"""Sends again what Kafka had and has lost: retention, a clock, a person or another cluster took it, and its content still lies in the outbox.

What is lost is found by looking, not by guessing: what the outbox knows as published and without an end, less what still stands before the
office in its topics, less what the log of events says has come to an end since. So nothing that merely waits is sent twice; and were
it, the ledger would drop it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import TopicPartition

from consumers.operations import note
from infra.kafka import group_offsets, order
from infra.kafka.admin import require_topics
from infra.kafka.clients import Sender
from infra.kafka.group_offsets import GroupOffsets
from infra.kafka.reading import read_all
from infra.kafka.records import read_event
from infra.kafka.unread import Unreadable
from infra.settings import KafkaSettings
from infra.stores import Store
from producers import outbox
from producers.outbox import Unended
from schemas import headers, topics
from schemas.events import State
from schemas.headers import Header
from schemas.operations import Action, Operation

Advance = Callable[[int, int], None]


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
    ended = await _ended(kafka, office, unended.keys() - there, advance) if unended.keys() - there else set()
    lost = [one for name, one in unended.items() if name not in there and name not in ended]
    return Plan(office, lost, len(there))


async def send_again(kafka: KafkaSettings, store: Store, found: Plan, actor: str) -> int:
    """Put what is lost back before the relay, after that has been written down; how many they are.

    Raises:
        UsageError: topics-missing.
        CannotTell: operation-not-recorded, kafka-unreachable.
    """
    await require_topics(kafka, [topic for topic in topics.of_bus() if topic.name == topics.OPERATIONS])
    sender = Sender(kafka, "stadtbus-republish")
    try:
        await note(
            sender, Operation(at=datetime.now(UTC), actor=actor, action=Action.REPUBLISH, office=found.office, count=len(found.lost))
        )
    finally:
        await sender.stop()
    return await outbox.put_back(store, [one.seq for one in found.lost])


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


async def _ended(kafka: KafkaSettings, office: str, wanted: Collection[str], advance: Advance | None) -> set[str]:
    """Which of these submissions have come to an end, by the log of events: the status feed may not have read so far."""
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
    return {submission for submission, rows in told.items() if State(order.in_order(rows)[-1]["state"]) in outbox.ENDED}
