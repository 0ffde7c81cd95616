"""Status events: what happened to a submission, as CloudEvents 1.0 in JSON (structured mode).

Ids are derived from what happened, not drawn: the same step told twice has the same id, so readers can drop repeats.
The record on the submissions topic itself says that a submission was accepted, validated and routed; it needs no event beside it.
An event of the back-office side also says when the attempt behind it began, so `delivering` needs none either (docs/decisions/0006).
Writers are strict, readers ignore what a newer version has added (docs/decisions/0016).
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from json.encoder import encode_basestring
from typing import Annotated, Final, Literal, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

EVENT_CONTENT_TYPE: Final = "application/cloudevents+json"
_EVENT_NAMESPACE: Final = UUID("6f1d3f0a-5a0c-5d0e-9a51-7f0b6f0c1c55").bytes


class State(StrEnum):
    """States of a submission that the bus reports (the whole machine is in docs/decisions/0006).

    submitted -> delivered
    submitted | parked | retry_wait | dead_letter -> parked | retry_wait | dead_letter | delivered
    dead_letter -> rejected
    delivered -> accepted | rejected      only where the back office answers later (`adapters.interface.AnswersLater`)
    """

    SUBMITTED = "submitted"
    RETRY_WAIT = "retry_wait"
    """It failed for a reason that may pass; it and the rest of its case wait."""
    PARKED = "parked"
    """Its case is not ready, or an earlier submission of its case waits."""
    DEAD_LETTER = "dead_letter"
    """An operator has to act."""
    DELIVERED = "delivered"
    """The back office has it. Where it does not decide later, this is the end."""
    ACCEPTED = "accepted"
    """Confirmed: the back office has decided on what had been delivered, and took it."""
    REJECTED = "rejected"
    """It came to nothing, with a reason: an operator discarded its dead letter, or the back office did not take what had been delivered."""

    @property
    def once(self) -> bool:
        """Whether a submission gets into this state at most once, and the bus does not deliver it after that."""
        return self in _ONCE


_ONCE: Final = frozenset((State.DELIVERED, State.ACCEPTED, State.REJECTED))


class StatusData(BaseModel):
    """What an event says. No personal data: ids, codes and times only."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

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
    attempt: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    """The attempt at delivery that this came of, counted from 1."""
    begun_at: AwareDatetime | None = None
    """When that attempt began."""
    next_try_at: AwareDatetime | None = None
    final: bool | None = None
    """Whether this is the end, as the office's process knows; None in events of versions that did not say."""


class StatusEvent(BaseModel):
    """A CloudEvent about one submission; `subject` is the submission id."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: str
    type: str
    time: AwareDatetime
    subject: str
    datacontenttype: Literal["application/json"] = "application/json"
    data: StatusData


def read(value: bytes) -> StatusEvent:
    """The event in a record's value; members that this version does not know are ignored.

    Raises:
        ValidationError: it is none, or one whose state this version does not know.
    """
    return StatusEvent.model_validate_json(value, extra="ignore")


class StatusChange(NamedTuple):
    """What `EventWriter` writes an event about: the new state, when, and at which attempt. Times are texts as `iso` writes them."""

    state: State
    at: str
    attempt: int
    begun_at: str
    reference: str | None = None
    reason: str | None = None
    next_try_at: str | None = None


class EventWriter:
    """Writes the events of one office, as `StatusEvent` reads them; a test compares the two.

    Without the model, because the engine writes an event for each record, and checking what was just made costs three times as
    much as making it.
    """

    def __init__(self, office: str, *, answers_later: bool) -> None:
        """`answers_later`: the back office takes a submission first and decides on it afterwards."""
        self._envelopes = {state: _envelope(office, state, final=_ends(state, answers_later=answers_later)) for state in State}

    def write(self, step: StatusChange, submission: str, case: str, service: str, portal: str) -> bytes:
        """The event; ids and codes hold no character that JSON would have to escape.

        A state that happens once has one id per submission, another one per submission and attempt.
        """
        state, at, attempt, begun_at, reference, reason, next_try_at = step
        name = f"{submission}/{state.value}" if state in _ONCE else f"{submission}/{state.value}/{attempt}"
        more = "" if reference is None else f',"reference":{encode_basestring(reference)}'
        if reason is not None:
            more += f',"reason":{encode_basestring(reason)}'
        if next_try_at is not None:
            more += f',"next_try_at":"{next_try_at}"'
        values = (_id(name), at, submission, submission, case, service, portal, attempt, begun_at, more)
        return (self._envelopes[state] % values).encode()


def _ends(state: State, *, answers_later: bool) -> bool:
    return state in (State.ACCEPTED, State.REJECTED) or (state is State.DELIVERED and not answers_later)


def _envelope(office: str, state: State, *, final: bool) -> str:
    """What is the same in all events of an office that tell of this state."""
    source = office.replace(".", "/")
    return (
        f'{{"specversion":"1.0","id":"%s","source":"//stadtbus.example/{source}","type":"example.stadtbus.submission.{state}","time":"%s",'
        f'"subject":"%s","datacontenttype":"application/json","data":{{"city":"{office.partition(".")[0]}","office":"{office}",'
        f'"submission":"%s","case":"%s","service":"%s","portal":"%s","state":"{state}","final":{str(final).lower()},"attempt":%d,"begun_at":"%s"%s}}}}'
    )


def _id(step: str) -> str:
    """A UUID of version 5 (RFC 9562)."""
    digest = hashlib.sha1(_EVENT_NAMESPACE + step.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{'89ab'[int(digest[16], 16) & 3]}{digest[17:20]}-{digest[20:32]}"


def iso(moment_ms: int) -> str:
    """Milliseconds since the epoch as an event has them."""
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="milliseconds")
