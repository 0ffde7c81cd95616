"""One submission on its way to the back office: the ledger, the question before a repeat, and the news for the portal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from adapters.interface import Delivered, Document, Submission
from consumers.delivery import Delivery
from consumers.ledger import Ledger
from infra.kafka.clients import Outgoing, Position, Sender, SendUnknown
from infra.settings import StoreSettings
from schemas import message
from schemas.errors import CaseNotReady, DestinationDown, Refused
from schemas.headers import Header
from tests import builders

OFFICE = "muenchen.meldewesen"
APPLICATION = builders.application()


@dataclass
class Office:
    """A back office that notes what it is asked, and fails as it is told: before or after the effect."""

    before: list[Exception] = field(default_factory=list)
    after: list[Exception] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    effects: list[UUID] = field(default_factory=list)

    def translate(self, submission: Submission) -> Document:
        return Document(submission.id, "name", "text/plain", b"content")

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        self.calls.append(f"deliver {attempt}")
        if self.before:
            raise self.before.pop(0)
        self.effects.append(document.submission_id)
        if self.after:
            raise self.after.pop(0)
        return Delivered("M-1")

    async def find(self, submission_id: UUID) -> Delivered | None:
        self.calls.append("find")
        return Delivered("M-1") if submission_id in self.effects else None

    async def check(self) -> str:
        return "fine"

    async def close(self) -> None:
        return None


@dataclass
class News:
    """Stands for Kafka: keeps events, or does not take them."""

    events: list[Outgoing] = field(default_factory=list)
    failures: int = 0

    async def send(self, record: Outgoing) -> Position:
        if self.failures:
            self.failures -= 1
            raise SendUnknown
        self.events.append(record)
        return Position(0, 0)


@pytest.fixture
def ledger(store_settings: StoreSettings) -> Iterator[Ledger]:
    """The ledger of one office, on both databases."""
    opened = Ledger(store_settings, OFFICE)
    yield opened
    opened.close()


def record() -> Any:
    """The record of the application, as the relay writes it."""
    headers = {
        Header.SUBMISSION: str(APPLICATION.message_id),
        Header.CASE: str(APPLICATION.case_id),
        Header.CITY: "muenchen",
        Header.OFFICE: OFFICE,
        Header.SERVICE: APPLICATION.service.code,
        Header.PORTAL: "portal",
        Header.ACCEPTED_AT: "2026-03-01T09:00:00.000+00:00",
        Header.TRACEPARENT: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    }
    raw = [(name.value, value.encode()) for name, value in headers.items()]
    return SimpleNamespace(headers=raw, key=str(APPLICATION.case_id).encode(), value=message.write(APPLICATION))


async def handle(ledger: Ledger, office: Office, news: News, times: int = 1) -> list[str]:
    """Hand the record out so many times; what each came to."""
    delivery = Delivery(OFFICE, office, ledger, cast("Sender", news))
    outcomes = []
    for attempt in range(1, times + 1):
        try:
            await delivery.handle(record(), attempt)
            outcomes.append("delivered")
        except Exception as error:  # noqa: BLE001 - the engine takes whatever comes
            outcomes.append(type(error).__name__)
    return outcomes


async def test_delivered_once_however_often_it_comes(ledger: Ledger) -> None:
    """A record that comes again is not handed over again, and its event has the same id."""
    office, news = Office(), News()
    assert await handle(ledger, office, news, times=3) == ["delivered"] * 3
    assert office.calls == ["deliver 1"]
    assert len({json.loads(event.value)["id"] for event in news.events}) == 1


@pytest.mark.parametrize("failure", [DestinationDown("x"), CaseNotReady("x"), Refused("x")])
async def test_certain_failure_is_simply_tried_again(ledger: Ledger, failure: Exception) -> None:
    """When the back office surely did not take it nobody asks: the next attempt hands over."""
    office = Office(before=[failure])
    assert await handle(ledger, office, News(), times=2) == [type(failure).__name__, "delivered"]
    assert (office.calls, len(office.effects)) == (["deliver 1", "deliver 2"], 1)


async def test_unclear_outcome_is_asked_about(ledger: Ledger) -> None:
    """After an answer that never came the back office is asked, and the effect it has is the only one."""
    office = Office(after=[TimeoutError()])
    assert await handle(ledger, office, News(), times=2) == ["TimeoutError", "delivered"]
    assert (office.calls, len(office.effects)) == (["deliver 1", "find"], 1)


async def test_unclear_outcome_without_effect_is_handed_over(ledger: Ledger) -> None:
    """When the back office says that nothing arrived, the submission is handed over."""
    office = Office(before=[TimeoutError()])
    assert await handle(ledger, office, News(), times=2) == ["TimeoutError", "delivered"]
    assert (office.calls, len(office.effects)) == (["deliver 1", "find", "deliver 2"], 1)


async def test_news_that_failed_is_told_later(ledger: Ledger) -> None:
    """A delivery whose event could not be written is not finished; the next time only the event is missing."""
    office, news = Office(), News(failures=1)
    assert await handle(ledger, office, news, times=2) == ["SendUnknown", "delivered"]
    assert (office.calls, len(news.events)) == (["deliver 1"], 1)


async def test_event_speaks_for_the_submission(ledger: Ledger) -> None:
    """The event goes to the city's topic under the key of the case, with the trace, and names no person."""
    news = News()
    await handle(ledger, Office(), news)
    (event,) = news.events
    said = json.loads(event.value)
    assert (event.topic, event.key) == ("muenchen.events", str(APPLICATION.case_id).encode())
    assert (said["subject"], said["data"]["state"], said["data"]["reference"]) == (str(APPLICATION.message_id), "delivered", "M-1")
    assert dict(event.headers)["traceparent"].startswith(b"00-4bf9")
    assert b"Sch" not in event.value


@pytest.mark.parametrize("reference", ["", "x" * 81, "two\nlines", "nul\0"])
def test_reference_is_short_and_printable(reference: str) -> None:
    """A back office's own number that is no number does not get into events."""
    with pytest.raises(ValueError, match="printable"):
        Delivered(reference)
