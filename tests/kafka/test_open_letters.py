"""The adapter's process counts the open dead letters of its office truly, poison without an id too, from a real Kafka."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial

import pytest_asyncio

from consumers.desk.deadletters import DeadLetter, read
from consumers.desk.open_letters import OpenLetters
from infra.kafka.admin import create_topics
from infra.kafka.outgoing import Outgoing
from infra.settings import KafkaSettings
from infra.tasks import in_background
from schemas import topics
from schemas.copies import Place, headers_of_copy
from schemas.headers import CopyHeader, Header, RawHeaders, encode
from tests.kafka.helpers import eventually, fill

FAILED = "2026-11-02T08:15:00.000+00:00"


@pytest_asyncio.fixture
async def counting(kafka: KafkaSettings) -> AsyncIterator[tuple[str, OpenLetters]]:
    """A new office, and who counts its dead letters from then on."""
    office = f"t{uuid.uuid4().hex[:8]}.office"
    await create_topics(kafka, topics.of_office(office))
    letters = OpenLetters(kafka, office)
    async with in_background(letters.run):
        yield office, letters


def letter(office: str, number: int, submission: str = "") -> Outgoing:
    """A dead letter of the record at this place; without a submission its headers say nothing."""
    others = dict.fromkeys((Header.CASE, Header.SERVICE, Header.PORTAL, Header.ACCEPTED_AT), "x")
    original: RawHeaders = [*encode({Header.SUBMISSION: submission, Header.OFFICE: office} | others)] if submission else []
    more = {CopyHeader.ERROR_CLASS: "permanent", CopyHeader.FIRST_FAILURE: FAILED}
    headers = headers_of_copy(original, Place(topics.submissions(office), 0, number), more)
    return Outgoing(topics.deadletters(office), b"case", b"x", headers, 0, int(datetime.now(UTC).timestamp() * 1000))


def mark(one: DeadLetter, ending: dict[CopyHeader, str]) -> Outgoing:
    """What a replay, or the end by a person, writes."""
    office = one.cause.office
    headers = headers_of_copy([], Place(topics.submissions(office), 0, one.origin), {CopyHeader.REPLAYED_FROM: str(one.place)} | ending)
    return Outgoing(topics.retry(office), b"case", b"x", headers, 0, one.timestamp_ms)


def counted(letters: OpenLetters) -> int | None:
    """How many are open; None while that is not known."""
    return None if letters.count is None else letters.count.count


def has(letters: OpenLetters, count: int) -> bool:
    """Whether so many are open."""
    return counted(letters) == count


async def test_counts_what_is_open_and_nothing_else(kafka: KafkaSettings, counting: tuple[str, OpenLetters]) -> None:
    """None, then five with poison among them, one of a submission that died twice; a replay, a settlement and a discard take one each."""
    office, letters = counting
    await eventually(lambda: counted(letters) == 0)
    twice = str(uuid.uuid4())
    ids = [str(uuid.uuid4()), str(uuid.uuid4()), "", "", twice, twice]
    await fill(kafka, [letter(office, number, submission) for number, submission in enumerate(ids)])
    await eventually(lambda: counted(letters) == 5)
    assert letters.count is not None
    assert letters.count.oldest_at == datetime.fromisoformat(FAILED)
    found = (await read(kafka, [office]))[office].open
    endings: list[dict[CopyHeader, str]] = [{}, {CopyHeader.SETTLED: "X-1"}, {CopyHeader.DISCARDED: "no-such-form"}]
    for left, (one, ending) in zip([4, 3, 2], zip(found, endings, strict=False), strict=True):
        await fill(kafka, [mark(one, ending)])
        await eventually(partial(has, letters, left))


async def test_counts_from_the_start_after_a_restart(kafka: KafkaSettings, counting: tuple[str, OpenLetters]) -> None:
    """Whoever begins later finds the same: the log knows all, and no process has to remember."""
    office, _ = counting
    await fill(kafka, [letter(office, number) for number in range(3)])
    found = (await read(kafka, [office]))[office].open
    await fill(kafka, [mark(found[0], {})])
    later = OpenLetters(kafka, office)
    async with in_background(later.run):
        await eventually(lambda: later.count is not None)
        assert counted(later) == 2
