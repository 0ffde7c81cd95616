"""The ledger's entry of one submission: what it says, when a record may begin an attempt, and what each outcome changes in it.

Pure: methods change the entry in memory, `consumers.delivery.ledger` writes it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from consumers.delivery.states import BUSY, DEAD, DELIVERED, DISCARDED, NEW, NOT_TAKEN, PARKED, STARTED
from consumers.engine.starts import TopicPartition

OLDER_THAN_ALL: Final = -1
"""`origin_offset` of a record that does not stand in the submissions topic."""


class AttemptRequest(NamedTuple):
    """A record that was dispatched, as the ledger has to know it to say whether an attempt begins."""

    submission: bytes
    partition: TopicPartition
    offset: int
    retry: bool
    wants_attempt: bool
    """False where it is to be set aside, or an operator has ended it: then the entry is only looked up."""
    waited: bool
    """It has waited as long as it should, by this process's own clock: `next_try_ms` may be of another one."""


class LedgerEntry:
    """The row of a submission; times in ms since the epoch.

    A plain class, because one is made for each record: what is not set is that of the class.
    """

    tries: int = 0
    """Failed attempts since it was parked."""
    ended_ms: int | None = None
    next_try_ms: int | None = None
    reference: str | None = None
    cause: str | None = None
    """Why it is parked or dead (`consumers.delivery.failures.Cause`)."""
    unclear: bool | None = None
    """An earlier attempt may have had its effect."""
    partition: int | None = None
    """From here on only of those that were ever parked or dead."""
    origin_offset: int | None = None
    retry_offset: int | None = None
    case_key: bytes | None = None
    holds: bool | None = None
    """Dead, and its case waits for it."""

    def __init__(self, submission: bytes, state: str = NEW, attempt: int = 0, started_ms: int = 0, **more: Any) -> None:
        """`attempt` counts all attempts, `started_ms` is when the last one began."""
        self.submission = submission
        self.state = state
        self.attempt = attempt
        self.started_ms = started_ms
        if more:
            self.__dict__.update(more)

    @property
    def final(self) -> bool:
        """Its submission has ended: it was delivered, or an operator discarded it."""
        return self.state in (DELIVERED, DISCARDED)

    def is_open(self, offset: int, *, retry: bool) -> bool:
        """Whether a record at this offset still has something to do for its submission.

        What has a copy in the retry topic goes on only there. What is dead goes on only by a record that was put into the retry
        topic after it died.
        """
        if self.final:
            return False
        if not retry:
            return self.retry_offset is None and self.state != DEAD
        return self.state != DEAD or self.retry_offset is None or self.retry_offset < offset

    def begin(self, request: AttemptRequest, now_ms: int, *, asks: bool) -> bool:
        """Begin an attempt, if this record may; whether it has begun. `asks`: whatever the entry says, others may have delivered it."""
        if self.state == STARTED or (asks and not self.final):
            self.unclear = True
        due = not request.retry or request.waited or self.state == DEAD or (self.next_try_ms or 0) <= now_ms
        if self.state == BUSY or not request.wants_attempt or not due or not self.is_open(request.offset, retry=request.retry):
            return False
        self.note_started(now_ms)
        if request.retry:
            self.retry_offset = request.offset
        return True

    def note_started(self, now_ms: int) -> None:
        """An attempt begins. One that was dead has all its tries again."""
        if self.state == DEAD:
            self.tries = 0
        self.state, self.started_ms = STARTED, now_ms
        self.attempt += 1

    def note_delivered(self, reference: str, now_ms: int) -> None:
        """The back office has it under this reference."""
        self.state, self.reference, self.ended_ms = DELIVERED, reference, now_ms
        self.cause = self.next_try_ms = self.unclear = None

    def note_discarded(self, reason: str, now_ms: int) -> None:
        """An operator has discarded its dead letter, for this reason (a code)."""
        self.state, self.cause, self.ended_ms = DISCARDED, reason, now_ms

    def note_not_taken(self, *, unclear: bool) -> None:
        """An attempt has failed, or was not made, and the submission is tried again; `unclear`: an attempt may have had its effect."""
        self.state, self.unclear = NOT_TAKEN, unclear

    def note_try_failed(self, cause: str, next_try_ms: int | None) -> None:
        """Beside `note_not_taken`: one more attempt from the retry topic has failed, and the next one has a time."""
        self.tries += 1
        self.cause, self.next_try_ms = cause, next_try_ms

    def note_parked(self, cause: str, next_try_ms: int | None, *, unclear: bool) -> None:
        """Its copy goes into the retry topic; `next_try_ms` is None where it waits for an earlier submission of its case."""
        self.state, self.cause, self.tries, self.next_try_ms, self.unclear = PARKED, cause, 0, next_try_ms, unclear

    def note_dead(self, cause: str, retry_offset: int | None, *, holds: bool, unclear: bool) -> None:
        """Its copy becomes a dead letter. `retry_offset` is where the record stood in the retry topic, so that it cannot replay itself."""
        self.state, self.cause, self.next_try_ms, self.holds, self.unclear = DEAD, cause, None, holds, unclear
        self.retry_offset = retry_offset
