"""Nothing personal leaves a submission, whatever fails."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from adapters.interface import Delivered
from consumers.delivery.ledger import Ledger
from schemas import topics
from schemas.message import Application
from tests import builders
from tests.delivery_model import CANARY, OFFICE, Talkative, Wire, run
from tests.delivery_model import record as record_of


def named(**changes: Any) -> Application:
    """A submission of somebody whose name must not be seen."""
    return builders.application(applicants=(builders.person(CANARY, CANARY),), **changes)


async def test_nothing_personal_leaves_the_message(ledger: Ledger, wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever fails, the name of a person stands in values of submissions and their copies, and nowhere else."""
    first = named()
    rest = [named(case_id=first.case_id), named(), named()]
    office = Talkative(before=[ValueError(CANARY)] * 4, after=[KeyError(CANARY), TimeoutError(CANARY)], asked=[OSError(CANARY)] * 9)
    with structlog.testing.capture_logs() as logs:
        await run(ledger, office, wire, *(record_of(one, offset) for offset, one in enumerate([first, *rest])))
    assert {one.topic for one in wire.sent} == {topics.retry(OFFICE), topics.deadletters(OFFICE), "muenchen.events"}
    for one in wire.sent:
        seen = [one.topic, one.key, one.headers, one.value if topics.is_events(one.topic) else b""]
        assert CANARY not in repr(seen)
    assert "delivery_failed" in {entry["event"] for entry in logs}
    assert CANARY not in str(logs) + "".join(capsys.readouterr())


@pytest.mark.parametrize("reference", ["", "x" * 81, "two\nlines", "nul\0"])
def test_reference_is_short_and_printable(reference: str) -> None:
    """A back office's own number that is no number does not get into events."""
    with pytest.raises(ValueError, match="printable"):
        Delivered(reference)
