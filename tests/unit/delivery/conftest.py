"""Ledgers, topics and a clock for the tests of delivery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consumers.delivery import outcomes
from consumers.delivery.awaited import AWAITED
from consumers.delivery.ledger import Ledger
from infra.kafka import sender
from infra.settings import StoreSettings
from infra.stores import Store
from tests.delivery_model import OFFICE, Clock, Wire
from tests.outcome_model import BackOffice, EventsTopic, PollClock


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for Kafka or a store here."""
    monkeypatch.setattr(sender, "_RESEND_PAUSE_S", 0)
    monkeypatch.setattr("consumers.delivery.handler._STORE_PAUSE_S", 0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of deliveries."""
    moved = Clock()
    monkeypatch.setattr("consumers.delivery.handler.time", moved)
    monkeypatch.setattr("consumers.delivery.guard.time", moved)
    return moved


@pytest.fixture
def ledger(store_settings: StoreSettings) -> Iterator[Ledger]:
    """The ledger of the office, on both databases."""
    opened = Ledger(store_settings, OFFICE)
    yield opened
    opened.close()


@pytest.fixture
def small_ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger for what has nothing to do with the database."""
    opened = Ledger(StoreSettings(folder=tmp_path), OFFICE)
    yield opened
    opened.close()


@pytest.fixture
def wire() -> Wire:
    """The topics."""
    return Wire()


# --- outcomes that are told later


@pytest.fixture
def poll_clock(monkeypatch: pytest.MonkeyPatch) -> PollClock:
    """The clock of the poller."""
    moved = PollClock()
    monkeypatch.setattr(outcomes, "time", moved)
    return moved


@pytest.fixture
def store(store_settings: StoreSettings) -> Iterator[Store]:
    """The ledger's database, of which only the table of outcomes is needed here."""
    opened = Store(store_settings, "ledger-outcomes", AWAITED.metadata)
    yield opened
    opened.close()


@pytest.fixture
def topic() -> EventsTopic:
    """The events topic."""
    return EventsTopic()


@pytest.fixture
def back_office() -> BackOffice:
    """The back office."""
    return BackOffice()
