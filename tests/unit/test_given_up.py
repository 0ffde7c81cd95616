"""What a topic refuses for a fault of the record's own becomes a dead letter, seen by its portal, and nothing overtakes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from infra.kafka.outgoing import KafkaRefusal, Outgoing, Sent, Written
from infra.settings import KafkaSettings, StoreSettings
from producers.feedback import history
from producers.outbox import held, relay
from producers.outbox.outbox import Outbox
from producers.outbox.relay import Lane
from schemas import events, topics
from schemas.copies import take_apart
from schemas.events import State
from schemas.headers import CopyHeader, Header
from tests import dead_letters, outboxes
from tests.outboxes import OFFICE

SUBMISSIONS, DEAD, EVENTS = topics.submissions(OFFICE), topics.deadletters(OFFICE), topics.events("muenchen")
HUGE = b"huge" + bytes(topics.MIB)


class Kafka:
    """Topics that refuse what they are told to refuse: by topic, what is said of a value."""

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []
        self.refuses: Callable[[Outgoing], str | None] = lambda _: None
        self.calls = 0

    async def send_all(self, records: Sequence[Outgoing]) -> list[Sent]:
        self.calls += 1
        await asyncio.sleep(0)
        held_keys: set[bytes | None] = set()
        sent: list[Sent] = []
        for record in records:
            error = self.refuses(record)
            if error or record.key in held_keys:
                held_keys.add(record.key)
                sent.append(KafkaRefusal(record.topic, error or "behind"))
            else:
                self.taken.append(record)
                sent.append(Written(0, len(self.taken) - 1))
        return sent

    async def stop(self) -> None:
        """Nothing to stop."""

    def values(self, topic: str) -> list[bytes | None]:
        """What a topic has taken."""
        return [record.value for record in self.taken if record.topic == topic]


def huge(record: Outgoing) -> str | None:
    """A topic as it is planned."""
    return "MessageSizeTooLarge" if record.topic == SUBMISSIONS and (record.value or b"").startswith(b"huge") else None


def odd(record: Outgoing) -> str | None:
    """A topic that has something against a record, whatever its size."""
    return "InvalidRecord" if record.topic == SUBMISSIONS and (record.value or b"").startswith(b"odd") else None


@pytest.fixture
def kafka() -> Kafka:
    """Topics as planned."""
    opened = Kafka()
    opened.refuses = huge
    return opened


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Outbox]:
    """An empty outbox."""
    opened = Outbox(StoreSettings(folder=tmp_path), limit=1_000)
    yield opened
    opened.store.close()


@pytest.fixture
def lane(box: Outbox, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> Lane:
    """A lane that does not wait long."""
    for name in ("_PAUSE_S", "_FIRST_RETRY_S", "_LONGEST_RETRY_S", "_LOOK_S"):
        monkeypatch.setattr(relay, name, 0.01)
    return lane_of(box, kafka)


def lane_of(box: Outbox, kafka: Kafka) -> Lane:
    """A lane with this Kafka."""
    opened = Lane(box, KafkaSettings(), OFFICE)
    opened._sender = opened._dead_letters._sender = kafka  # type: ignore[assignment]
    return opened


@asynccontextmanager
async def running(lane: Lane) -> AsyncIterator[None]:
    """The lane at work."""
    task = asyncio.create_task(lane.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Return as soon as it holds."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def accept(box: Outbox, content: bytes, case: UUID | None = None) -> UUID:
    """Put a submission into the outbox, and say what the bus calls it."""
    one = outboxes.candidate(content=content)
    names = {Header.OFFICE: OFFICE, Header.SERVICE: "99108012070000", Header.ACCEPTED_AT: "2026-03-01T08:30:00+00:00"}
    return (await box.accept(replace(one, case_id=case or uuid4(), headers={**one.headers, **names}))).id


def letter_of(record: Outgoing, offset: int = 0) -> Any:
    """What the desk makes of a record among the dead letters."""
    record_there = type("Record", (), record._asdict() | {"offset": offset, "timestamp": dead_letters.AT_MS})()
    (letter,) = dead_letters.letters(record_there).open
    return letter


async def test_nine_of_a_megabyte_end_as_dead_letters(box: Outbox, lane: Lane, kafka: Kafka) -> None:
    """Nine that no topic takes are seen as held, then each becomes one dead letter with one event; all others go on, and in the end nothing waits."""
    ids = {str(await accept(box, HUGE + b"%d" % number)) for number in range(9)}
    await accept(box, b"small")
    async with running(lane):
        await until(lambda: kafka.values(SUBMISSIONS) == [b"small"])
        await until(lambda: len(kafka.values(EVENTS)) == 9 and lane.vitals().waiting == 0 and lane.refused() is None)
    assert len(kafka.values(DEAD)) == 9
    told = [events.read(value or b"").data for value in kafka.values(EVENTS)]
    assert {str(one.submission) for one in told} == ids
    assert {(one.state, one.reason, one.office, one.portal, one.final) for one in told} == {
        (State.DEAD_LETTER, "not-publishable", OFFICE, "portal", False)
    }


async def test_the_dead_letter_is_the_record(box: Outbox, lane: Lane, kafka: Kafka) -> None:
    """It has key, value and headers of the record, and a block with which the desk reads it: cause, text, id, and no place of its topic."""
    submission = await accept(box, HUGE)
    async with running(lane):
        await until(lambda: len(kafka.values(EVENTS)) == 1)
    dead = next(record for record in kafka.taken if record.topic == DEAD)
    copy = take_apart(dead.headers)
    assert dict(copy.original)[Header.SUBMISSION] == str(submission).encode()
    assert (dead.value, copy.block[CopyHeader.EXCEPTION]) == (HUGE, "MessageSizeTooLarge")
    letter = letter_of(dead)
    assert (letter.submission, letter.origin, letter.cause.error_class) == (str(submission), -1, "not-publishable")
    assert letter.cause.reason == f"{SUBMISSIONS} refuses it: MessageSizeTooLarge"


async def test_later_ones_of_the_case_wait_for_its_end(box: Outbox, lane: Lane, kafka: Kafka) -> None:
    """What follows a dead letter of its case is sent only when that has ended, also after a restart; other cases do not wait."""
    case = uuid4()
    first = await accept(box, HUGE, case)
    await accept(box, b"second", case)
    async with running(lane):
        await until(lambda: len(kafka.values(EVENTS)) == 1)
        await accept(box, b"third", case)
        await accept(box, b"other")
        await until(lambda: kafka.values(SUBMISSIONS) == [b"other"] and lane.vitals().waiting == 2)
        await until(lambda: lane.check() == f"2 wait for dead letters of their cases: `stadtbus deadletters list {OFFICE}`")
        assert (lane.vitals().oldest_accepted_at, lane.vitals().why) == (outboxes.ACCEPTED_AT, lane.check())
    async with running(again := lane_of(box, kafka)):
        await accept(box, b"another")
        await until(lambda: len(kafka.values(SUBMISSIONS)) == 2 and again.vitals().waiting == 2)
        await outboxes.hear(box, outboxes.event(first, State.DEAD_LETTER))
        await accept(box, b"one more")
        await until(lambda: len(kafka.values(SUBMISSIONS)) == 3)
        await outboxes.hear(box, outboxes.event(first, State.DELIVERED))
        await until(lambda: len(kafka.values(SUBMISSIONS)) == 5)
    assert kafka.values(SUBMISSIONS) == [b"other", b"another", b"one more", b"second", b"third"]
    assert None in outboxes.contents(box)


async def test_what_fits_the_plan_has_its_time(box: Outbox, lane: Lane, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a topic as planned could take is given up only after the patience, and only if the topic took others meanwhile."""
    kafka.refuses = odd
    await accept(box, b"odd")
    async with running(lane):
        await until(lambda: kafka.calls > 8)
        monkeypatch.setattr(held, "_PATIENCE_S", 0.0)
        calls = kafka.calls
        await until(lambda: kafka.calls > calls + 5)
        assert kafka.values(DEAD) == []
        await accept(box, b"even")
        await until(lambda: len(kafka.values(EVENTS)) == 1)
    assert kafka.values(DEAD) == [b"odd"]


@pytest.mark.parametrize("error", ["TopicAuthorizationFailed", "PolicyViolation", "UnknownTopicOrPartition", "InvalidTimestamp"])
async def test_a_fault_of_the_topic_is_waited_for(
    error: str, box: Outbox, lane: Lane, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights, policies, clocks and missing topics are nobody's submission's fault: also the largest waits, whatever others come through."""
    monkeypatch.setattr(held, "_PATIENCE_S", 0.0)
    kafka.refuses = lambda record: error if huge(record) else None
    await accept(box, HUGE)
    async with running(lane):
        await until(lambda: kafka.calls > 8)
        await accept(box, b"small")
        await until(lambda: kafka.values(SUBMISSIONS) == [b"small"])
        calls = kafka.calls
        await until(lambda: kafka.calls > calls + 8)
    assert (kafka.values(DEAD), lane.vitals().waiting) == ([], 1)


@pytest.mark.parametrize("topic", [DEAD, EVENTS])
async def test_refused_there_too_it_stays_and_is_told(topic: str, box: Outbox, lane: Lane, kafka: Kafka) -> None:
    """While dead letters or events are refused the submission stays in the outbox with its content, and people read which topic refuses."""
    kafka.refuses = lambda record: "TopicAuthorizationFailed" if record.topic == topic else huge(record)
    await accept(box, HUGE)
    async with running(lane):
        await until(lambda: f"{topic} refuses records: TopicAuthorizationFailed; 1 wait" in (lane.refused() or ""))
        assert outboxes.contents(box) == [HUGE]
        kafka.refuses = huge
        await until(lambda: len(kafka.values(EVENTS)) == 1 and lane.refused() is None)


async def test_an_earlier_one_that_has_not_ended_goes_first(box: Outbox, lane: Lane, kafka: Kafka) -> None:
    """A dead letter is made only when what went before in its case has ended: an operator could replay it before that."""
    case = uuid4()
    first = await accept(box, b"first", case)
    await accept(box, HUGE, case)
    async with running(lane):
        await until(lambda: kafka.calls > 12)
        assert kafka.values(DEAD) == []
        await outboxes.hear(box, outboxes.event(first, State.DELIVERED))
        await until(lambda: len(kafka.values(EVENTS)) == 1)


async def test_killed_before_the_note(box: Outbox, lane: Lane, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended between dead letter and note, it is done again: two dead letters, of which the desk counts the last, and one id of an event."""
    await accept(box, HUGE)
    with monkeypatch.context() as killed:
        killed.setattr("infra.crashpoints.reached", _die)
        task = asyncio.create_task(lane.run())
        await asyncio.gather(task, return_exceptions=True)
    async with running(lane_of(box, kafka)):
        await until(lambda: len(kafka.values(EVENTS)) == 2)
    assert len({events.read(value or b"").id for value in kafka.values(EVENTS)}) == 1
    dead = [record for record in kafka.taken if record.topic == DEAD]
    there = [type("Record", (), one._asdict() | {"offset": at, "timestamp": dead_letters.AT_MS})() for at, one in enumerate(dead)]
    assert [letter.offset for letter in dead_letters.letters(*there).open] == [1]


def _die(label: str) -> None:
    if label == "relay.set_aside":
        raise RuntimeError(label)


async def test_the_history_says_so(box: Outbox, lane: Lane, kafka: Kafka) -> None:
    """For operators it is published, and stands at no place of its topic; with the event its portal reads `dead_letter`."""
    submission = await accept(box, HUGE)
    async with running(lane):
        await until(lambda: len(kafka.values(EVENTS)) == 1 and lane.vitals().waiting == 0)
    await outboxes.hear(box, events.read(kafka.values(EVENTS)[0] or b""))
    found = history.find(box.store, submission)
    assert found is not None
    assert (found.published_at is not None, found.written, found.steps[-1].state) == (True, None, State.DEAD_LETTER)
