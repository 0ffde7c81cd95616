"""What a portal that reads JSON is told of its submissions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from producers.outbox import Accepted, Step
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


class SubmissionView(Receipt):
    """What became of a submission, oldest step first."""

    steps: list[StepView]


def status_url(accepted: Accepted) -> str:
    """Where to ask what became of it."""
    return f"/v1/submissions/{accepted.id}"


def receipt(accepted: Accepted) -> Receipt:
    """What was accepted."""
    return Receipt(**_told(accepted, State.SUBMITTED))


def status(accepted: Accepted, steps: Sequence[Step]) -> SubmissionView:
    """What became of it; the state is that of the last of these steps."""
    return SubmissionView(**_told(accepted, steps[-1].state), steps=[StepView(**asdict(step)) for step in steps])


def _told(accepted: Accepted, state: State) -> dict[str, Any]:
    return {
        "id": accepted.id,
        "hotline_code": accepted.hotline_code,
        "office": accepted.office,
        "accepted_at": accepted.accepted_at,
        "state": state,
        "status_url": status_url(accepted),
        "warnings": accepted.warnings,
    }
