"""Heartbeats: the last state of each process, as records of `stadtbus.heartbeats`. Their key is the instance, so that the topic keeps the last one.

No personal data: counts, codes, times and our own sentences, never the id of a submission. Writers are strict, readers ignore what a newer
version has added (docs/decisions/0016); a kind of process that a reader does not know makes the record unreadable for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

HEARTBEAT_CONTENT_TYPE: Final = "application/json"
INTERVAL_S: Final = 5.0
"""Three that are missing are noticed within 15 s, long before Kafka ends the membership of a killed process (45 s); and a thousand
processes write 200 records of about 1 KB a second."""
ACTOR_PATTERN: Final = r"^[!-~]{1,80}$"
INSTANCE_PATTERN: Final = r"^[!-~]{1,200}$"
OFFICE_PATTERN: Final = r"^[a-z][a-z0-9-]{1,39}\.[a-z][a-z0-9-]{1,39}$"
PLACE_PATTERN: Final = r"^[a-zA-Z0-9._-]{1,249}/[0-9]{1,6}$"
MOST_LETTERS: Final = 1_000
"""Of a sentence; what is longer is cut off by the writer."""

_TOGETHER: Final = timedelta(minutes=1)

MOST_HELD: Final = 100
"""Series that one heartbeat tells."""

Sentence = Annotated[str, StringConstraints(max_length=MOST_LETTERS)]
Office = Annotated[str, StringConstraints(pattern=OFFICE_PATTERN)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class ProcessKind(StrEnum):
    """What a process is for."""

    GATEWAY = "gateway"
    ADAPTER = "adapter"
    AUDIT = "audit"
    STATISTICS = "statistics"
    WATCH = "watch"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PartitionProgress(_Part):
    """How far a process is in one partition."""

    position: Count
    """The next offset that it reads."""
    committed: Count | None = None
    """The offset that it has committed last, as it knows; None where it has not since the partition was assigned."""
    oldest_since: AwareDatetime | None = None
    """Since when one record has been the oldest that is read and not finished; it keeps the commit back. None where all is finished."""
    attempts: Count | None = None
    """How often this process has taken that record up."""


class BreakerState(_Part):
    """Whether an office is paused because its back office is down."""

    open: bool
    since: AwareDatetime | None = None
    """When it opened."""
    why: Sentence | None = None
    """What the back office's failure was."""


class Pause(_Part):
    """An office is paused on purpose: what is in flight ends, and nothing new begins."""

    since: AwareDatetime
    actor: Annotated[str, StringConstraints(pattern=ACTOR_PATTERN)] | None = None
    """The operator who has paused it; None where a maintenance window of the catalogue does."""
    reason: Sentence
    until: AwareDatetime | None = None
    """When it ends by itself; None until somebody resumes it."""


class ProbeAnswer(_Part):
    """How a probe (`schemas.probes`) has come to its end at the door of the back office."""

    sent_at: AwareDatetime
    """When the gateway wrote it."""
    answered_at: AwareDatetime
    """When the back office had answered, or had not in time."""
    why: Sentence | None = None
    """What was wrong at the door; None where the back office has answered."""


class HeldSeries(_Part):
    """What an adapter holds because all of it is refused: of a portal, of a cause, of both; where neither is said, the whole office."""

    portal: Annotated[str, StringConstraints(max_length=100)] | None = None
    cause: Annotated[str, StringConstraints(max_length=100)] | None = None
    """The fingerprint of its dead letters."""
    since: AwareDatetime
    reason: Sentence


class SetAsideCount(_Part):
    """How many submissions of an office are set aside, whichever of its processes has done it."""

    count: Count
    oldest_at: AwareDatetime | None = None
    """When the oldest of them died first; of what is parked, when it was begun last. None where none is."""


class RelayLane(_Part):
    """What one office's relay has still to write to Kafka."""

    office: Office
    waiting: Count
    """Submissions in the outbox."""
    refused_since: AwareDatetime | None = None
    """Since when Kafka refuses one of them; None while it takes them."""
    oldest_accepted_at: AwareDatetime | None = None
    """Of the oldest that waits, as far as the relay has looked; None where none waits for longer than a round."""
    why: Sentence | None = None
    """Why they wait, where that is known."""


class Vitals(_Part):
    """What a process does at the moment. What its kind does not have is missing."""

    partitions: dict[Annotated[str, StringConstraints(pattern=PLACE_PATTERN)], PartitionProgress] = Field(default_factory=dict)
    """By `topic/partition`, of those that are assigned to it."""
    lanes: list[RelayLane] = Field(default_factory=list)
    in_flight: Count | None = None
    """Records read and not finished."""
    oldest_in_flight_since: AwareDatetime | None = None
    """The earliest `oldest_since` of its partitions."""
    breaker: BreakerState | None = None
    brake: Sentence | None = None
    """Why the whole office is held; None while it is not."""
    held: list[HeldSeries] = Field(default_factory=list)
    """What is held, the office first, so many and no more."""
    parked: SetAsideCount | None = None
    """Those that wait in the retry topic, or are being tried, by the ledger; None where that is not known yet."""
    dead_letters: SetAsideCount | None = None
    """Open ones: what lies in the dead letters, and nobody has replayed, settled or discarded; None as above."""
    last_poll_at: AwareDatetime | None = None
    """When it last asked Kafka for records."""
    pause: Pause | None = None
    """Why its office is paused on purpose; None while it is not."""
    knows_probes: bool = False
    """It does with a probe what is to be done; a version that does not say so would take it for a submission that it cannot read."""
    probe: ProbeAnswer | None = None
    """The last one that came to its end in this process."""


class Heartbeat(Vitals):
    """The state of one process at one moment; the record's key is `instance`."""

    at: AwareDatetime
    instance: Annotated[str, StringConstraints(pattern=INSTANCE_PATTERN)]
    """`process@host:port`: the same after a restart."""
    process: ProcessKind
    office: Office | None = None
    """Whose adapter it is; nothing else says so."""
    version: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,60}$")]
    started_at: AwareDatetime
    stopping: bool = False
    """The last one of a process that was told to end. Where none says so and none comes, the process was killed, or is cut off."""
    findings: dict[Annotated[str, StringConstraints(max_length=100)], Sentence] = Field(default_factory=dict)
    """What `/readyz` finds fault with, by the name of the check."""

    @model_validator(mode="after")
    def _adapters_have_an_office(self) -> Self:
        if (self.process is ProcessKind.ADAPTER) != (self.office is not None):
            raise ValueError("an adapter names its office, and nobody else one")
        return self


def read(value: bytes) -> Heartbeat:
    """The heartbeat in a record's value; members that this version does not know are ignored.

    Raises:
        ValidationError: it is none, or one of a kind of process that this version does not know.
    """
    return Heartbeat.model_validate_json(value, extra="ignore")


def still_there(said: Sequence[Heartbeat]) -> list[Heartbeat]:
    """Of the last words of processes of one kind, those of the ones that are there: who was last heard a minute before another one of them is not
    there any more.
    """
    last = max((one.at for one in said), default=None)
    return [one for one in said if last is not None and last - one.at <= _TOGETHER]


def sentence(text: str) -> str:
    """As much of a text as a heartbeat takes."""
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…"
