"""Dead letters on a real Kafka: every copy is the original, and what was ended or shown is on record."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final
from uuid import uuid4

import pytest
from aiokafka.errors import KafkaTimeoutError
from faststream.kafka.publisher.producer import AioKafkaFastProducerImpl

from consumers.desk.plan import Selection, plan_end, plan_replay
from consumers.desk.rollout import Outcome
from infra.kafka.outgoing import Outgoing
from schemas import topics
from schemas.copies import Place, headers_of_copy, take_apart
from schemas.errors import CannotTell
from schemas.headers import CopyHeader, Header
from tests.kafka.helpers import eventually, fill
from tests.kafka.town import QUICK, Town, refused, submission

STRANGE: Final = [("x-binary", b"\xff\x00\xfe"), ("x-null", None), ("x-twice", b"1"), ("x-twice", b"2")]


def original(record: Any) -> tuple[Any, ...]:
    """What has to survive every copy."""
    return record.key, record.value, record.timestamp, record.partition, tuple(take_apart(record.headers).original)


@pytest.mark.parametrize("empty", [False, True])
async def test_every_copy_is_the_original(town: Town, empty: bool) -> None:
    """Binary, null and repeated headers, key, value and timestamp survive main topic, dead letter, replay and dead letter again."""
    _, record = submission(town, more=STRANGE)
    await fill(town.kafka, [record._replace(value=None) if empty else record])
    async with town.adapter():
        await town.lying(1)
        tally = await town.replay()
    (first,) = await town.all_of(topics.submissions(town.office))
    (again,) = await town.all_of(topics.retry(town.office))
    letters = await town.all_of(topics.deadletters(town.office))
    assert (tally.outcomes.total(), tally.all_well, len(letters)) == (1, False, 2)
    assert [original(copy) for copy in (*letters, again)] == [original(first)] * 3
    assert list(first.headers)[-4:] == STRANGE
    origins = {take_apart(copy.headers).origin for copy in (*letters, again)}
    assert origins == {Place(first.topic, first.partition, first.offset)}


async def test_what_cannot_be_read_is_set_aside_and_the_rest_flows(town: Town) -> None:
    """A record without headers, of the same key, ends in the dead letters; a replay leaves it, a discard ends it."""
    good, record = submission(town, refused=False)
    await fill(town.kafka, [record._replace(headers=[], value=b"\xff"), record])
    async with town.adapter():
        await eventually(lambda: town.back_office.got == [good])
        await town.lying(1)
        letters = await town.letters()
        assert (letters.open[0].submission, letters.open[0].cause.stage) == ("", "PARSE")
        assert (plan_replay(letters, Selection()).letters, plan_replay(letters, Selection()).unreadable) == ([], 1)
        selection = Selection(fingerprint=letters.open[0].cause.fingerprint)
        tally = await town.desk.discard(plan_end(letters, selection), selection, "not-ours", QUICK, lambda _: None)
        assert (tally.sent, tally.unwatched, tally.all_well) == (1, 1, True)
        await asyncio.sleep(2)  # so long the engine has to make a copy of it again, if it does
        assert (await town.letters()).open == []


async def test_discard_ends_as_rejected_and_releases_the_case(town: Town) -> None:
    """The portal hears the reason; the later one of the case stays until it is replayed, then the case is free."""
    case = uuid4()
    (first, record), (second, later), (third, last) = (submission(town, case, refused=not number) for number in range(3))
    await fill(town.kafka, [record, later])
    async with town.adapter():
        await town.lying(2)
        selection = Selection(submission=str(first))
        plan = plan_end(await town.letters(), selection)
        tally = await town.desk.discard(plan, selection, "withdrawn-by-portal", QUICK, lambda _: None)
        assert (plan.left, tally.outcomes[Outcome.REJECTED], tally.all_well) == (1, 1, True)
        (event,) = await town.events("rejected")
        assert (event["submission"], event["reason"]) == (str(first), "withdrawn-by-portal")
        await town.lying(1)
        assert (await town.replay()).all_well
        await fill(town.kafka, [last])
        await eventually(lambda: town.back_office.got == [second, third])
    assert [one["action"] for one in await town.operations()] == ["discard", "replay"]


async def test_settled_is_delivered_without_a_hand_over(town: Town) -> None:
    """A submission that a person has found in the back office ends as delivered, with the number it has there."""
    one, record = submission(town, uuid4(), refused=True)
    await fill(town.kafka, [record])
    async with town.adapter():
        await town.lying(1)
        selection = Selection(submission=str(one))
        tally = await town.desk.settle(plan_end(await town.letters(), selection), selection, "M-000815", QUICK, lambda _: None)
        assert (tally.outcomes[Outcome.DELIVERED], tally.all_well, town.back_office.got) == (1, True, [])
        (event,) = await town.events("delivered")
        assert (event["submission"], event["reference"]) == (str(one), "M-000815")
    assert [(one["action"], one["reference"]) for one in await town.operations()] == [("settle", "M-000815")]


async def test_reveal_is_on_record_first(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value is shown only after the operation was acknowledged; without it nothing is shown."""
    (one,) = await refused(town, 1)
    async with town.adapter():
        await town.lying(1)
    code, output, _ = await town.command("deadletters", "show", str(one))
    assert (code, "einreichung" in output, "Sendlinger" in output) == (0, False, False)
    arguments = ("deadletters", "show", str(one), "--reveal", "--reason", "ticket 4711", "--actor", town.name)
    code, output, error = await town.command(*arguments)
    assert (code, "Sendlinger" in output) == (0, True), error
    (operation,) = await town.operations()
    assert (operation["action"], operation["submission"], operation["reason"]) == ("reveal", str(one), "ticket 4711")
    (letter,) = (await town.letters()).open

    async def lost(*_: object) -> None:
        raise KafkaTimeoutError

    monkeypatch.setattr(AioKafkaFastProducerImpl, "publish", lost)
    with pytest.raises(CannotTell, match="operation-not-recorded"):
        await town.desk.reveal(letter, "ticket 4711")


async def test_many_letters_are_read_quickly(town: Town) -> None:
    """20,000 dead letters are read, grouped by cause and checked against the retry topic within seconds, without their values."""
    count, lying = 20_000, topics.deadletters(town.office)
    _, record = submission(town)
    block = {CopyHeader.STAGE: "DELIVER", CopyHeader.ERROR_CLASS: "permanent", CopyHeader.MESSAGE: "the street is not known"}

    def copy(number: int) -> Outgoing:
        headers = [(name, str(uuid4()).encode() if name == Header.SUBMISSION else value) for name, value in record.headers]
        return Outgoing(lying, str(number).encode(), record.value, headers_of_copy(headers, Place("x", 0, number), block), number % 3)

    for start in range(0, count, 2_000):
        await fill(town.kafka, [copy(number) for number in range(start, start + 2_000)])
    began_s = time.monotonic()
    letters = await town.letters()
    assert (len(letters.open), len({letter.cause.fingerprint for letter in letters.open})) == (count, 1)
    assert time.monotonic() - began_s < 30
