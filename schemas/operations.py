"""What operators do to submissions, as records of `stadtbus.operations`: who, when, what and why, written before it is done.

Writers are strict, readers ignore what a newer version has added (docs/decisions/0016).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

OPERATION_CONTENT_TYPE: Final = "application/json"
ACTOR_PATTERN: Final = r"^[!-~]{1,80}$"
DISCARD_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._:/+-]{2,79}$"
"""A code that portals can show: 3 to 80 characters, no space, because a sentence would soon hold a name."""
REFERENCE_PATTERN: Final = r"^[!-~][ -~]{0,78}[!-~]$|^[!-~]$"
"""The back office's number for a submission: 1 to 80 printable ASCII characters, no blank at either end."""
REASON_PATTERN: Final = r"^[^\x00-\x1f\x7f]{3,200}$"


class OperatorAction(StrEnum):
    """What an operator does; the values are stored."""

    REPLAY = "replay"
    DISCARD = "discard"
    SETTLE = "settle"
    REVEAL = "reveal"
    OFFSET_RESET = "offset-reset"
    REPUBLISH = "republish"
    CASE_GRANT = "case-grant"
    CASE_REVOKE = "case-revoke"
    RELEASE = "release"
    """Of what an office holds: its processes read it and do it."""
    PAUSE = "pause"
    """Of an office: its processes read it, and begin no delivery until it is resumed or `until` has come."""
    RESUME = "resume"


OBEYED: Final = frozenset((OperatorAction.RELEASE, OperatorAction.PAUSE, OperatorAction.RESUME))
"""What the processes of an office do because it stands here. Their order counts, whoever writes them, so they have the office as their key."""


class Operation(BaseModel):
    """One operator's action on one office."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    at: AwareDatetime
    actor: Annotated[str, StringConstraints(pattern=ACTOR_PATTERN)]
    action: OperatorAction
    office: str
    reason: Annotated[str, StringConstraints(pattern=REASON_PATTERN)] | None = None
    reference: str | None = None
    """The back office's own number, as a person found it there."""
    place: str | None = None
    """Place of the dead letter in the log, where the operation is about one."""
    submission: str | None = None
    fingerprint: str | None = None
    count: int | None = None
    """How many dead letters, or submissions, it is about."""
    case: str | None = None
    """The key of a case that is granted, or no more."""
    portal: str | None = None
    """The portal to which it is; of a release, whose series is meant, and all where neither portal nor fingerprint is said."""
    offsets: dict[str, int] | None = None
    """After an offset reset: by `topic/partition` the offset at which the office goes on."""
    until: AwareDatetime | None = None
    """When a pause ends by itself; None until it is resumed."""

    @property
    def key(self) -> str:
        """The key of the record: the office, where its processes have to read it in order (`OBEYED`); else the actor."""
        return self.office if self.action in OBEYED else self.actor


def read(value: bytes) -> Operation:
    """The operation in a record's value. Members that this version does not know are ignored.

    Raises:
        ValidationError: it is none, or one whose action this version does not know.
    """
    return Operation.model_validate_json(value, extra="ignore")
