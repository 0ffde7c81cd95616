"""The outbox: accepted once, in order, and content only as long as it is needed."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from aiokafka import TopicPartition

from infra.kafka.outgoing import Position
from infra.settings import StoreSettings
from producers.outbox import outbox, relay
from producers.outbox.outbox import Candidate, Outbox, Step
from schemas import problems
from schemas.errors import Rejected
from schemas.events import State, StatusEvent
from schemas.headers import Header
from schemas.hotline import hotline_code
from schemas.problems import Problem
from tests import builders

ACCEPTED_AT = datetime(2026, 3, 1, 8, 30, 0, 123456, tzinfo=UTC)
DELIVERED_AT = datetime(2026, 3, 1, 10, 31, tzinfo=timezone(timedelta(hours=2)))
LIMIT = 10
STATES = {"submitted": State.SUBMITTED, "deliver": State.DELIVERED, "reject": State.REJECTED, "park": State.PARKED}

Open = Callable[[], Outbox]


@pytest.fixture
def opened(store_settings: StoreSettings) -> Iterator[Open]:
    """Opens the same outbox, as often as the process would start; each opening ends the one before."""
    boxes: list[Outbox] = []

    def open_() -> Outbox:
        for earlier in boxes[-1:]:
            earlier.store.close()
        boxes.append(Outbox(store_settings, limit=LIMIT))
        return boxes[-1]

    yield open_
    boxes[-1].store.close()


@pytest.fixture
def box(opened: Open) -> Outbox:
    """An empty outbox."""
    return opened()


def candidate(submission_id: UUID | None = None, *, portal: str = "portal", content: bytes = b"<a/>") -> Candidate:
    """A submission that passed intake."""
    submission_id = submission_id or uuid4()
    return Candidate(
        id=submission_id,
        portal=portal,
        content_sha512=hashlib.sha512(content).hexdigest(),
        office="muenchen.meldewesen",
        case_id=uuid4(),
        accepted_at=ACCEPTED_AT,
        headers={Header.SUBMISSION: str(submission_id), Header.PORTAL: portal},
        content=content,
    )


def event(submission_id: UUID, state: State = State.DELIVERED) -> StatusEvent:
    """What a back office, or the bus, says about a submission."""
    return builders.event(submission_id, state, at=DELIVERED_AT.isoformat())


async def publish(box: Outbox) -> None:
    """Note everything that waits as published."""
    pending = (await builders.waiting(box))[:LIMIT]
    await box.published([(one, Position(partition=0, offset=one.seq)) for one in pending])


async def hear(box: Outbox, *events: StatusEvent) -> None:
    """Store events as the status feed does."""
    await box.store.write(lambda connection: outbox.store_events(connection, builders.records(*events)))


def contents(box: Outbox) -> list[bytes | None]:
    """The content of every row, in order of acceptance."""
    query = sa.select(outbox._submission.c.content).order_by(outbox._submission.c.seq)
    return list(box.store.read_now(lambda connection: connection.execute(query).scalars().all()))


async def refusal(box: Outbox, refused: Candidate) -> Problem:
    """Why a submission is not taken."""
    with pytest.raises(Rejected) as rejected:
        await box.accept(refused)
    return rejected.value.problem


async def test_pending_in_order_of_acceptance(box: Outbox) -> None:
    """The relay gets the oldest first, byte for byte, with the headers of intake."""
    sent = [candidate(content=f"<a>{number} ü</a>".encode()) for number in range(LIMIT)]
    for one in sent:
        await box.accept(one)
    pending = (await builders.waiting(box))[:7]
    assert [(one.content, one.headers, one.case_id) for one in pending] == [(one.content, one.headers, one.case_id) for one in sent[:7]]
    assert [one.seq for one in pending] == sorted(one.seq for one in pending)


async def test_published_leaves_pending(box: Outbox) -> None:
    """What is on Kafka is not sent again, and makes room."""
    sent = [candidate(), candidate(), candidate()]
    for one in sent:
        await box.accept(one)
    first, second, third = (await builders.waiting(box))[:3]
    await box.published([(first, Position(0, 7)), (third, Position(1, 7))])
    assert (await builders.waiting(box))[:3] == [second]
    assert len(await builders.waiting(box)) == 1


async def test_repeat_gets_the_same_answer(opened: Open) -> None:
    """The same submission is taken once, before and after a restart, before and after its delivery."""
    sent = candidate()
    first = await opened().accept(sent)
    box = opened()
    assert len(await builders.waiting(box)) == 1
    repeats = [await box.accept(sent)]
    await publish(box)
    await hear(box, event(sent.id))
    repeats += [await box.accept(sent), await opened().accept(sent)]
    assert [(one.id, one.hotline_code, one.office, one.accepted_at) for one in repeats] == [
        (first.id, first.hotline_code, first.office, first.accepted_at)
    ] * 3
    assert [first.repeated, *(one.repeated for one in repeats)] == [False, True, True, True]


@pytest.mark.parametrize(
    "changes", [pytest.param({"content": b"<b/>"}, id="other content"), pytest.param({"portal": "other"}, id="other portal")]
)
async def test_an_id_is_used_once(opened: Open, changes: dict[str, str | bytes]) -> None:
    """An id is refused for other content and to other portals, also after a restart, and nothing changes."""
    sent = candidate()
    await opened().accept(sent)
    box = opened()
    assert await refusal(box, candidate(sent.id, **changes)) == problems.ID_CONFLICT  # type: ignore[arg-type]
    assert contents(box) == [b"<a/>"]


async def test_concurrent_repeats_are_one(box: Outbox) -> None:
    """Twenty calls at the same time store one row; one of them is the first."""
    sent = candidate()
    accepted = await asyncio.gather(*(box.accept(sent) for _ in range(20)))
    assert [one.repeated for one in accepted].count(False) == 1
    assert (len((await builders.waiting(box))[:20]), len(await builders.waiting(box))) == (1, 1)


async def test_full_until_published(opened: Open) -> None:
    """At the limit nothing new is taken, repeats are answered, and what is published makes room; a restart changes nothing."""
    box = opened()
    sent = [candidate() for _ in range(LIMIT)]
    for one in sent:
        await box.accept(one)
    box = opened()
    assert await refusal(box, candidate()) == problems.INTAKE_FULL
    assert (await box.accept(sent[0])).repeated
    await publish(box)
    assert not (await box.accept(candidate())).repeated


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        pytest.param("", True, id="accepted"),
        pytest.param("publish", True, id="published"),
        pytest.param("submitted publish", True, id="another event"),
        pytest.param("deliver", True, id="delivered, not noted as published"),
        pytest.param("publish deliver", False, id="published, delivered"),
        pytest.param("deliver publish", False, id="delivered, then noted as published"),
        pytest.param("publish deliver deliver", False, id="told twice"),
        pytest.param("publish reject", False, id="rejected"),
        pytest.param("publish park", True, id="parked"),
    ],
)
async def test_content_goes_after_delivery_and_publication(box: Outbox, steps: str, kept: bool) -> None:
    """Content stays until its back office has confirmed it and it needs no sending, and not longer; others keep theirs."""
    sent, other = candidate(), candidate(content=b"<other/>")
    await box.accept(sent)
    for step in steps.split():
        if step == "publish":
            await publish(box)
        else:
            await hear(box, event(sent.id, STATES[step]))
    await box.accept(other)
    assert contents(box) == [b"<a/>" if kept else None, b"<other/>"]


async def test_steps_of_a_submission(opened: Open) -> None:
    """A portal reads what happened, in UTC, each event once, also after a restart."""
    sent = candidate()
    box = opened()
    await box.accept(sent)
    await hear(box, event(sent.id), event(sent.id))
    await hear(box, event(sent.id))
    found = await opened().steps(sent.id, "portal")
    assert found is not None
    accepted, steps = found
    assert (accepted.id, accepted.accepted_at) == (sent.id, ACCEPTED_AT)
    assert steps == [Step(State.SUBMITTED, ACCEPTED_AT, final=False), Step(State.DELIVERED, DELIVERED_AT, "M-1", final=True)]


async def test_a_clock_that_is_ahead_hides_no_delivery(box: Outbox) -> None:
    """Steps stand as in the log: a try that failed on a machine whose clock is a day ahead does not come behind the delivery."""
    sent = candidate()
    await box.accept(sent)
    ahead = (DELIVERED_AT + timedelta(days=1)).isoformat()
    waits = builders.event(sent.id, State.RETRY_WAIT, at=ahead, attempt=1)
    await hear(box, waits, builders.event(sent.id, at=DELIVERED_AT.isoformat(), attempt=2))
    found = await box.steps(sent.id, "portal")
    assert found is not None
    assert [step.state for step in found[1]] == [State.SUBMITTED, State.RETRY_WAIT, State.DELIVERED]


async def test_topic_of_events_made_anew_comes_behind(box: Outbox) -> None:
    """Positions begin again in a new topic: what was told in the old one stays before it, in its order; other cities keep theirs."""
    sent = candidate()
    await box.accept(sent)
    told = [builders.event(sent.id, State.RETRY_WAIT, attempt=number, at=f"2026-03-01T10:0{number}:00Z") for number in range(1, 4)]
    await box.store.write(lambda connection: outbox.store_events(connection, builders.records(*told[:2], first=40)))
    for partition in (TopicPartition("muenchen.events", 0), TopicPartition("muenchen.events", 0)):
        await box.store.write(partial(outbox.begin_again, partition=partition))
    await box.store.write(lambda connection: outbox.store_events(connection, builders.records(told[2])))
    for partition in (TopicPartition("muenchen.events", 1), TopicPartition("muen.events", 0), TopicPartition("augsburg.events", 0)):
        await box.store.write(partial(outbox.begin_again, partition=partition))
    found = await box.steps(sent.id, "portal")
    assert found is not None
    assert [step.at.minute for step in found[1][1:]] == [1, 2, 3]


async def test_outbox_of_an_earlier_version_keeps_its_order(opened: Open, store_settings: StoreSettings) -> None:
    """Steps that were stored without a position stay in the order of their times, before those that come; nothing else changes."""
    box, sent = opened(), candidate()
    await box.accept(sent)
    first, second = (builders.event(sent.id, State.RETRY_WAIT, attempt=number, at=f"2026-03-01T10:0{number}:00Z") for number in (1, 2))
    await hear(box, second, first)
    await box.store.write(_as_before)
    box = opened()
    third = builders.event(sent.id, State.PARKED, attempt=3, at="2026-03-01T09:00:00Z")
    await hear(box, third)
    found = await box.steps(sent.id, "portal")
    assert found is not None
    assert [step.at.isoformat()[11:16] for step in found[1][1:]] == ["10:01", "10:02", "09:00"]
    assert found[1][-1].state == State.PARKED


def _as_before(connection: sa.Connection) -> None:
    """Make the tables of the version that knew no positions."""
    for column in ("attempt", "partition", "record_offset"):
        connection.exec_driver_sql(f'ALTER TABLE status DROP COLUMN "{column}"')
    connection.exec_driver_sql("ALTER TABLE unreadable_record DROP COLUMN gone")
    connection.exec_driver_sql("UPDATE store_version SET version = 1")


async def test_row_of_a_newer_version_is_sent_as_it_is(box: Outbox) -> None:
    """A header whose name this version does not know holds up no submission: it travels as it was stored."""
    sent = candidate()
    await box.accept(sent)
    stored = {Header.SUBMISSION: str(sent.id), "bus_language": "de"}
    await box.store.write(lambda connection: connection.execute(outbox._submission.update().values(headers=json.dumps(stored))))
    (pending,) = await builders.waiting(box)
    assert relay.record_of(pending).headers == [("bus_submission", str(sent.id).encode()), ("bus_language", b"de")]


async def test_steps_are_for_the_portal_that_sent(box: Outbox) -> None:
    """Unknown submissions and those of other portals look the same."""
    sent = candidate()
    await box.accept(sent)
    assert [await box.steps(sent.id, "other"), await box.steps(uuid4(), "portal")] == [None, None]


async def test_operators_see_what_waits(box: Outbox) -> None:
    """By office, how many are not on Kafka and since when the oldest of them waits; what is on Kafka does not wait."""
    assert outbox.waiting(box.store) == {}
    first, second = candidate(), candidate()
    later = replace(second, accepted_at=ACCEPTED_AT + timedelta(hours=1))
    for one in (first, later, replace(candidate(), office="augsburg.gewerbe")):
        await box.accept(one)
    assert outbox.waiting(box.store) == {
        "muenchen.meldewesen": outbox.Waiting(2, ACCEPTED_AT), "augsburg.gewerbe": outbox.Waiting(1, ACCEPTED_AT)
    }  # fmt: skip
    oldest = (await box.next_pending(first.office, 1))[0]
    await box.published([(oldest, Position(2, 7))])
    assert outbox.waiting(box.store)[first.office] == outbox.Waiting(1, later.accepted_at)


async def test_operators_find_a_submission(box: Outbox) -> None:
    """By its id, or by its hotline code as somebody says it: where it is and what became of it, whichever portal sent it."""
    sent = candidate()
    accepted = await box.accept(sent)
    found = outbox.find(box.store, sent.id)
    assert found == outbox.Found(accepted, "portal", None, None, [Step(State.SUBMITTED, ACCEPTED_AT, final=False)])
    await publish(box)
    await hear(box, event(sent.id))
    found = outbox.find(box.store, sent.id)
    assert found is not None
    assert (found.position, found.steps[-1].state) == (Position(0, 1), State.DELIVERED)
    spoken = accepted.hotline_code.lower().replace("-", " ")
    assert outbox.find_spoken(box.store, spoken) == outbox.find_spoken(box.store, accepted.hotline_code) == [found]
    assert (outbox.find(box.store, uuid4()), outbox.find_spoken(box.store, "0")) == (None, [])


def test_hotline_code_is_stable() -> None:
    """The code follows from the id alone, and has no letters that sound or look alike."""
    assert hotline_code(UUID("00000000-0000-4000-8000-000000000001")) == "GTJ2-EXBT"
    codes = [hotline_code(UUID(int=number)) for number in range(1000)]
    assert len(set(codes)) == 1000
    assert set("".join(codes)) == set("0123456789ABCDEFGHJKMNPQRSTVWXYZ-")
    assert {(len(code), code.index("-")) for code in codes} == {(9, 4)}


OFFICE = "muenchen.meldewesen"


async def published_at(box: Outbox, offsets: list[int], partition: int = 0) -> list[UUID]:
    """Submissions on Kafka at these offsets."""
    sent = [candidate() for _ in offsets]
    for one in sent:
        await box.accept(one)
    waiting = await builders.waiting(box)
    await box.published([(one, Position(partition, offset)) for one, offset in zip(waiting, offsets, strict=True)])
    return [one.id for one in sent]


def missed(box: Outbox, *, passed: int, end: int = 100, parked: int = 0, before: outbox.Unfinished | None = None) -> int:
    """How many nobody will deliver, when Kafka says so."""
    reach = outbox.Reach({0: passed, 1: 0}, {0: end, 1: end}, parked)
    return outbox.unaccounted(box.store, before or outbox.unfinished(box.store), {OFFICE: reach}).get(OFFICE, 0)


async def test_what_is_passed_over_is_counted(box: Outbox) -> None:
    """What lies before the committed offset, wherever that was set, and was not heard of is nobody's any more; what is behind it waits."""
    await published_at(box, [3, 4, 5])
    assert [missed(box, passed=passed) for passed in (3, 5, 9, 600)] == [0, 2, 3, 3]


@pytest.mark.parametrize("state", [State.DELIVERED, State.REJECTED, State.DEAD_LETTER])
async def test_what_has_ended_is_accounted_for(box: Outbox, state: State) -> None:
    """Delivered, rejected, or a dead letter: it is known what became of it."""
    (sent,) = await published_at(box, [3])
    await hear(box, builders.event(sent, state, office=OFFICE))
    assert missed(box, passed=9) == 0


async def test_what_another_office_says_does_not_account(box: Outbox) -> None:
    """An office speaks for its own submissions only."""
    (sent,) = await published_at(box, [3])
    await hear(box, builders.event(sent, office="augsburg.gewerbe"))
    assert missed(box, passed=9) == 1


@pytest.mark.parametrize("state", [State.PARKED, State.RETRY_WAIT])
async def test_set_aside_and_not_in_the_retry_topic(box: Outbox, state: State) -> None:
    """Of what was set aside as many are missing as the retry topic has not."""
    for sent in await published_at(box, [3, 4, 5]):
        await hear(box, builders.event(sent, state, office=OFFICE))
    assert [missed(box, passed=9, parked=parked) for parked in (3, 2, 0)] == [0, 1, 3]


async def test_a_topic_that_ends_before_what_was_published(box: Outbox) -> None:
    """A log that is shorter than what was published has lost it; what is published while one looks has not."""
    await published_at(box, [3, 4])
    before = outbox.unfinished(box.store)
    await published_at(box, [12])
    assert (missed(box, passed=0, end=4, before=before), missed(box, passed=0, end=10, before=before)) == (1, 0)


async def test_a_topic_or_partition_that_is_gone(box: Outbox) -> None:
    """What was published to a topic that does not exist any more, or to a partition that it no longer has, is missed; nothing later is."""
    await published_at(box, [3, 4])
    await published_at(box, [7], partition=5)
    before = outbox.unfinished(box.store)
    await published_at(box, [12])
    assert missed(box, passed=0, before=before) == 1
    assert outbox.unaccounted(box.store, before, {OFFICE: outbox.Reach({}, {}, 0)}) == {OFFICE: 3}


async def test_another_topic_of_the_name(box: Outbox) -> None:
    """More that is unfinished than records that are left means that some are gone, whatever their places say."""
    await published_at(box, [1, 2, 3, 0, 1, 2])
    assert [missed(box, passed=0, end=end) for end in (9, 6, 5, 3)] == [0, 0, 1, 3]


async def test_set_aside_while_one_looks(box: Outbox) -> None:
    """What is set aside or delivered after Kafka was asked is not missed."""
    first, second = await published_at(box, [3, 4])
    await hear(box, builders.event(first, State.PARKED, office=OFFICE))
    before = outbox.unfinished(box.store)
    await hear(box, builders.event(first, office=OFFICE), builders.event(second, State.PARKED, office=OFFICE))
    assert missed(box, passed=9, parked=0, before=before) == 0


async def test_looking_for_what_is_missed_reads_an_index(box: Outbox) -> None:
    """Whatever the size of the outbox, only what is unfinished is looked at."""
    condition = sa.and_(outbox._unfinished, outbox._submission.c.office == OFFICE, outbox._submission.c.partition == 0)
    query = sa.select(sa.func.count()).select_from(outbox._submission).where(condition, outbox._submission.c.record_offset < 9)
    text = str(query.compile(box.store._engine, compile_kwargs={"literal_binds": True}))
    if box.store._engine.dialect.name == "sqlite":  # PostgreSQL reads so small a table as a whole
        plan = box.store.read_now(lambda connection: connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all())
        assert "submission_unfinished" in str(plan)
