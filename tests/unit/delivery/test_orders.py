"""What operators write is done by the processes that it concerns, in the order of the log, and by no others; what cannot be read changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from consumers.delivery.brake import SeriesName
from consumers.delivery.orders import Orders
from consumers.pauses import Pauses
from infra.settings import KafkaSettings
from schemas import topics
from schemas.catalogue.expected import Expected
from schemas.operations import Operation, OperatorAction
from tests.delivery_model import OFFICE

PLACE = TopicPartition(topics.OPERATIONS, 1)


def operation(**values: Any) -> bytes:
    """The value of a record of `stadtbus.operations`."""
    about = {"at": datetime.now(UTC), "actor": "anna", "action": OperatorAction.RELEASE, "office": OFFICE, "reason": "ticket 1"}
    return Operation(**(about | values)).model_dump_json(exclude_none=True).encode()


class Log:
    """One partition of the topic, that a process reads."""

    def __init__(self, starts_at: int = 0) -> None:
        """The process has begun when so many records were written."""
        self.orders = Orders(KafkaSettings(), OFFICE, Expected())
        self.orders._heard[PLACE] = starts_at
        self.released: list[SeriesName] = []
        self.read_again()
        self._offset = 0

    def read_again(self) -> None:
        """A new connection: the log is read from its start."""
        self.pauses = Pauses(OFFICE, Expected())
        self._offset = 0

    def take(self, value: bytes, key: str = OFFICE, timestamp: int = 1_772_355_600_000) -> None:
        """The next record."""
        record: Any = SimpleNamespace(key=key.encode(), value=value, offset=self._offset, timestamp=timestamp)
        self._offset += 1
        self.orders.take(PLACE, record, self.pauses, self.released.append)

    @property
    def paused_by(self) -> str | None:
        """Who has paused the office, as far as it was read."""
        pause = self.pauses.at(datetime.now(UTC))
        return None if pause is None else pause.actor


@pytest.mark.parametrize(
    ("record", "released"),
    [
        (operation(), [SeriesName()]),
        (operation(portal="b"), [SeriesName("b")]),
        (operation(fingerprint="y"), [SeriesName(None, "y")]),
        (operation(portal="b", fingerprint="y"), [SeriesName("b", "y")]),
        (operation(office="augsburg.gewerbe"), []),
        (operation(action=OperatorAction.REPLAY), []),
        (b"", []),
        (b'{"action":"release","office":"muenchen.meldewesen"}', []),
        (b"\xff" * 1_000, []),
    ],
)
def test_what_a_record_releases(record: bytes, released: list[SeriesName]) -> None:
    """A release of this office, as far as it says, also under the key of earlier versions; anything else is passed over."""
    for key in (OFFICE, "anna"):
        log = Log()
        log.take(record, key)
        assert log.released == released


def test_a_release_is_done_once_and_only_while_the_process_runs() -> None:
    """One of before has nothing to open, and one that is read again at a new connection was done."""
    log = Log(starts_at=1)
    log.take(operation(portal="before"))
    log.take(operation(portal="b"))
    log.read_again()
    log.take(operation(portal="before"))
    log.take(operation(portal="b"))
    assert log.released == [SeriesName("b")]


def test_a_pause_of_before_the_process_holds() -> None:
    """It was written when no process of the office ran."""
    log = Log(starts_at=1)
    log.take(operation(action=OperatorAction.PAUSE))
    assert log.paused_by == "anna"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda log: log.take(b"\xff"),
        lambda log: log.take(operation(action=OperatorAction.RESUME), key="anna"),  # stands in another order
        lambda log: log.take(operation(action=OperatorAction.RESUME, office="augsburg.gewerbe")),
        lambda log: log.take(operation(action=OperatorAction.RESUME), timestamp=10**18),
    ],
)
def test_what_is_no_word_about_this_office_ends_no_pause(spoil: Callable[[Log], None]) -> None:
    """What cannot be read, has another key, another office or a time beyond all calendars; a resume does."""
    log = Log()
    log.take(operation(action=OperatorAction.PAUSE))
    spoil(log)
    assert log.paused_by == "anna"
    log.take(operation(action=OperatorAction.RESUME, actor="bert"))
    assert log.paused_by is None


def test_nothing_is_delivered_before_it_is_known() -> None:
    """It could be paused; what is known then stays known, and health says what it is and who has said it."""
    log = Log()
    assert (log.orders.stand(), log.orders.pause(), log.orders.notice()) == (True, None, None)
    assert "may be paused" in (log.orders.check() or "")
    log.orders._pauses, log.orders._cut_off_since = log.pauses, None
    assert (log.orders.stand(), log.orders.check(), log.orders.notice()) == (False, None, None)
    log.take(operation(action=OperatorAction.PAUSE, reason="new release"))
    assert log.orders.stand()
    assert "paused by anna since 2026-03-01T09:00:00+00:00 until somebody resumes it: new release" in (log.orders.notice() or "")
    log.orders._cut_off_since = datetime.now(UTC)
    assert log.orders.stand()
    assert "is not heard since" in (log.orders.notice() or "")
