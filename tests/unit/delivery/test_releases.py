"""What an operator releases is done by the processes that it concerns, and by no others; what cannot be read changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from consumers.delivery.brake import SeriesName
from consumers.delivery.guard import Guard
from consumers.delivery.releases import take
from consumers.settings import DeliverySettings
from schemas.operations import Operation, OperatorAction
from tests.delivery_model import OFFICE, Office


def guard() -> Guard:
    """Of an office that holds one cause of each of two portals, and so the office."""
    made = Guard(OFFICE, Office().check, DeliverySettings(brake_in_a_row=2))
    for portal, cause in ("bx", "bx", "cy", "cy", "cy"):
        made.brake.note_refused(portal, cause, 0)
    return made


def names(made: Guard) -> list[tuple[str | None, str | None]]:
    """What it holds."""
    return [(hold.name.portal, hold.name.cause) for hold in made.brake.held]


def operation(**values: Any) -> bytes:
    """A record of `stadtbus.operations`."""
    about = {"at": datetime.now(UTC), "actor": "anna", "action": OperatorAction.RELEASE, "office": OFFICE, "reason": "ticket 1"}
    return Operation(**(about | values)).model_dump_json(exclude_none=True).encode()


@pytest.mark.parametrize(
    ("record", "left"),
    [
        (operation(), []),
        (operation(portal="b"), [(None, None), ("c", "y")]),
        (operation(fingerprint="y"), [(None, None), ("b", "x")]),
        (operation(portal="b", fingerprint="y"), [(None, None), ("b", "x"), ("c", "y")]),
        (operation(office="augsburg.gewerbe"), [(None, None), ("b", "x"), ("c", "y")]),
        (operation(action=OperatorAction.REPLAY), [(None, None), ("b", "x"), ("c", "y")]),
        (b"", [(None, None), ("b", "x"), ("c", "y")]),
        (b'{"action":"release","office":"muenchen.meldewesen"}', [(None, None), ("b", "x"), ("c", "y")]),
        (b"\xff" * 1_000, [(None, None), ("b", "x"), ("c", "y")]),
    ],
)
def test_what_a_record_releases(record: bytes, left: list[tuple[str | None, str | None]]) -> None:
    """A release of this office, as far as it says; anything else is passed over."""
    made = guard()
    assert names(made) == [(None, None), ("b", "x"), ("c", "y")]
    take(record, OFFICE, made)
    assert names(made) == left


def test_a_release_before_anything_is_held_opens_nothing_later() -> None:
    """It is about what stands when it is read, and is not kept."""
    made = Guard(OFFICE, Office().check, DeliverySettings(brake_in_a_row=2))
    take(operation(), OFFICE, made)
    made.brake.note_refused("b", "x", 0)
    made.brake.note_refused("b", "x", 0)
    assert names(made) == [SeriesName("b", "x")]
