"""What operators do is recorded in a form that holds no personal data."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from schemas.operations import DISCARD_PATTERN, REASON_PATTERN, Operation, OperatorAction
from tests.dead_letters import LYING, NOW, OFFICE


@pytest.mark.parametrize("reason", ["no", "Frau Maier zog um", "zurückgezogen", "x" * 81, "two\nlines", "-dash"])
def test_discard_reason_is_a_code(reason: str) -> None:
    """Sentences, in which there would soon be a name, are no reason to discard."""
    assert re.fullmatch(DISCARD_PATTERN, reason) is None


def test_operation_is_what_is_written() -> None:
    """An operation survives its record, and takes neither unknown fields nor an actor with spaces."""
    operation = Operation(at=NOW, actor="op", action=OperatorAction.REVEAL, office=OFFICE, reason="ticket 4711", place=f"{LYING}/0/1")
    assert Operation.model_validate_json(operation.model_dump_json(exclude_none=True)) == operation
    assert re.fullmatch(REASON_PATTERN, "ticket 4711")
    for wrong in ({"actor": "two words"}, {"actor": ""}, {"value": "x"}, {"reason": "a\nb"}):
        with pytest.raises(ValidationError):
            Operation.model_validate(operation.model_dump() | wrong)
