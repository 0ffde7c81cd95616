"""What a portal that reads JSON is told of its submissions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from producers.feedback.history import Step
from producers.outbox.outbox import AcceptedSubmission
from schemas.events import State
from schemas.findings import Severity


class Finding(BaseModel):
    """One place in a message or form that is not as it must be, in words without any value of it."""

    code: str = Field(description="As that of a problem.")
    severity: Severity = Field(description="`error` refuses the message, `warning` lets it pass.")
    rule: str = Field(description="The stable name of the rule.")
    detail: str = Field(description="What is wrong.")
    hint: str = Field(description="How to mend it.")
    where: str | None = Field(default=None, description="JSON Pointer into a form (the root is left out), XPath into a message.")
    line: int | None = Field(default=None, description="Line of a message.")
    xoev: str | None = Field(default=None, description="Code of the XÖV error lists, where one fits.")


class Receipt(BaseModel):
    """Answer to an accepted submission."""

    id: UUID
    hotline_code: str
    office: str
    accepted_at: datetime
    state: State
    status_url: str
    warnings: list[Finding] = Field(description="What was found and lets it pass, for example that the body of a message was not checked.")


class StepView(BaseModel):
    """One thing that happened."""

    state: State
    at: datetime
    reference: str | None = None
    reason: str | None = None
    """Why it waits, or was ended: a code."""
    next_try_at: datetime | None = None


class Awaiting(StrEnum):
    """What a submission waits for."""

    DELIVERY = "delivery"
    DECISION = "decision"
    OPERATOR = "operator"


class SubmissionView(Receipt):
    """What became of a submission, oldest step first."""

    final: bool | None = Field(
        description="Whether nothing follows. Null after `delivered` where the office's process was of a version that does not say."
    )
    awaiting: Awaiting | None = Field(
        description="What follows: `delivery` to the office, `decision` of the office, or an `operator` has to act. Null after the end."
    )
    steps: list[StepView]


def awaiting(last: Step) -> Awaiting | None:
    """What follows on the last step; None where nothing does, or nobody said."""
    if last.final is not False:
        return None
    return {State.DELIVERED: Awaiting.DECISION, State.DEAD_LETTER: Awaiting.OPERATOR}.get(last.state, Awaiting.DELIVERY)


def status_url(accepted: AcceptedSubmission) -> str:
    """Where to ask what became of it."""
    return f"/v1/submissions/{accepted.message_id}"


def receipt(accepted: AcceptedSubmission) -> Receipt:
    """The receipt of what was accepted; a repeat gets the same, whatever has become of it meanwhile."""
    return Receipt(**_told(accepted, State.SUBMITTED))


def status(accepted: AcceptedSubmission, steps: Sequence[Step]) -> SubmissionView:
    """What became of it; the state is that of the last of these steps."""
    last = steps[-1]
    views = [StepView(**asdict(step)) for step in steps]
    return SubmissionView(**_told(accepted, last.state), final=last.final, awaiting=awaiting(last), steps=views)


def _told(accepted: AcceptedSubmission, state: State) -> dict[str, Any]:
    return {
        "id": accepted.message_id,
        "hotline_code": accepted.hotline_code,
        "office": accepted.office,
        "accepted_at": accepted.accepted_at,
        "state": state,
        "status_url": status_url(accepted),
        "warnings": accepted.warnings,
    }
