"""Status events: what happened to a submission, as CloudEvents 1.0 in JSON (structured mode).

Ids are derived from what happened, not drawn: the same step told twice has the same id, so readers can drop repeats.
The record on the submissions topic itself says that a submission was accepted, validated and routed; it needs no event beside it.
An event of the back-office side also says when the attempt behind it began, so `delivering` needs none either (docs/decisions/0006).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

EVENT_CONTENT_TYPE: Final = "application/cloudevents+json"
_EVENT_NAMESPACE: Final = UUID("6f1d3f0a-5a0c-5d0e-9a51-7f0b6f0c1c55").bytes


class State(StrEnum):
    """States of a submission that the bus reports (the whole machine is in docs/decisions/0006).

    submitted -> delivered
    submitted | parked | retry_wait | dead_letter -> parked | retry_wait | dead_letter | delivered
    dead_letter -> rejected
    """

    SUBMITTED = "submitted"
    RETRY_WAIT = "retry_wait"
    """It failed for a reason that may pass; it and the rest of its case wait."""
    PARKED = "parked"
    """Its case is not ready, or an earlier submission of its case waits."""
    DEAD_LETTER = "dead_letter"
    """An operator has to act."""
    DELIVERED = "delivered"
    REJECTED = "rejected"
    """It will not be delivered; an operator said so, with a reason."""

    @property
    def final(self) -> bool:
        """Nothing follows."""
        return self in (State.DELIVERED, State.REJECTED)


class StatusData(BaseModel):
    """What an event says. No personal data: ids, codes and times only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    submission: UUID
    case: str
    city: str
    office: str
    service: str
    portal: str
    state: State
    reference: str | None = None
    """The back office's own number for what it made of the submission."""
    reason: str | None = None
    """A code, never a text of the back office."""
    attempt: int | None = None
    """Which hand-over this came of, from 1."""
    begun_at: AwareDatetime | None = None
    """When that hand-over began."""
    next_try_at: AwareDatetime | None = None


class StatusEvent(BaseModel):
    """A CloudEvent about one submission; `subject` is the submission id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: str
    type: str
    time: AwareDatetime
    subject: str
    datacontenttype: Literal["application/json"] = "application/json"
    data: StatusData


def write(data: Mapping[str, str | int | None], *, time: str) -> bytes:
    """The event for this data, as `StatusEvent` reads it; values that are None are left out.

    A final state has one id per submission, another one per submission and attempt. Written without the model, because the
    engine writes an event for each record, and checking what was just made costs twice as much as making it.
    """
    state, submission = State(str(data["state"])), data["submission"]
    step = f"{submission}/{state}" if state.final else f"{submission}/{state}/{data['attempt']}"
    event = {
        "specversion": "1.0",
        "id": _id(step),
        "source": f"//stadtbus.example/{str(data['office']).replace('.', '/')}",
        "type": f"example.stadtbus.submission.{state}",
        "time": time,
        "subject": submission,
        "datacontenttype": "application/json",
        "data": {name: value for name, value in data.items() if value is not None},
    }
    return json.dumps(event, ensure_ascii=False).encode()


def _id(step: str) -> str:
    """A UUID of version 5 (RFC 9562)."""
    digest = hashlib.sha1(_EVENT_NAMESPACE + step.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{'89ab'[int(digest[16], 16) & 3]}{digest[17:20]}-{digest[20:32]}"


def iso(moment_ms: int) -> str:
    """Milliseconds since the epoch as an event has them."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="milliseconds")
