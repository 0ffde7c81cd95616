"""Status events: what happened to a submission, as CloudEvents 1.0 in JSON (structured mode).

Ids are derived from what happened, not drawn: the same step told twice has the same id, so readers can drop repeats.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict

EVENT_CONTENT_TYPE: Final = "application/cloudevents+json"
_EVENT_NAMESPACE: Final = UUID("6f1d3f0a-5a0c-5d0e-9a51-7f0b6f0c1c55")


class State(StrEnum):
    """States of a submission that the bus reports (the whole machine is in the transport reference)."""

    SUBMITTED = "submitted"
    DELIVERED = "delivered"


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

    @classmethod
    def of(cls, data: StatusData, *, time: datetime) -> StatusEvent:
        """The event for this state; the same submission and state give the same id."""
        return cls(
            id=uuid5(_EVENT_NAMESPACE, f"{data.submission}/{data.state}"),
            source=f"//stadtbus.example/{data.office.replace('.', '/')}",
            type=f"example.stadtbus.submission.{data.state}",
            time=time,
            subject=str(data.submission),
            data=data,
        )
