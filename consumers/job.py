"""A record on its way to the back office: what its headers say, the row of its submission, and what came of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from consumers.engine import Action, End, KafkaWork
from consumers.failures import Failure, Stage
from consumers.ledger import NEW, Begin, Entry
from schemas.copies import Place, take_apart
from schemas.errors import Refused
from schemas.events import State
from schemas.headers import CopyHeader, Header, RawHeaders

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Unreadable(Refused):
    """The headers do not say what the record is; the text names a header, never a value."""


@dataclass(slots=True)
class Job:
    """One handing-out of one record; `work.job` until the next. What cannot be read has no submission."""

    work: KafkaWork
    attempts: int
    """How often this process has handed the record out."""
    submission: str = ""
    case: str = ""
    city: str = ""
    service: str = ""
    portal: str = ""
    accepted_at: str = ""
    traceparent: bytes | None = None
    discarded: str | None = None
    """An operator's reason for ending the submission."""
    entry: Entry = field(default_factory=lambda: Entry(b""))
    begun: bool = False
    stage: Stage = Stage.PARSE
    unclear: bool = False
    """A hand-over may have had its effect."""
    skipped: bool = False
    """It was begun, and then not handed over."""
    reference: str | None = None
    """The back office has it."""
    failure: Failure | None = None
    # What is decided in the end:
    writes: bool = False
    """The ledger has to note the entry."""
    state: State | None = None
    """What the portal is told."""
    end: End | None = None

    @classmethod
    def read(cls, work: KafkaWork, office: str) -> Job:
        """The job of a record that was handed out.

        Raises:
            Unreadable: a header is missing or malformed, or the record is another office's.
        """
        job = cls(work, _attempts(work))
        meta = dict(reversed(work.record.headers))  # of repeated names the first counts
        job.submission = _text(meta, Header.SUBMISSION)
        if not _UUID.fullmatch(job.submission):
            raise Unreadable(f"header {Header.SUBMISSION} is malformed")
        if _text(meta, Header.OFFICE) != office:
            raise Unreadable(f"header {Header.OFFICE} names another office")
        job.entry.submission = bytes.fromhex(job.submission.replace("-", ""))
        job.case, job.city = _text(meta, Header.CASE), office.partition(".")[0]
        job.service, job.portal = _text(meta, Header.SERVICE), _text(meta, Header.PORTAL)
        job.accepted_at = _text(meta, Header.ACCEPTED_AT)
        job.traceparent = meta.get(Header.TRACEPARENT)
        if work.retry:
            job.discarded = take_apart(work.record.headers).block.get(CopyHeader.DISCARDED)
        return job

    @classmethod
    def unreadable(cls, work: KafkaWork, error: Unreadable) -> Job:
        """The job of a record that cannot be read."""
        return cls(work, _attempts(work), failure=Failure.of(error, Stage.PARSE))

    @property
    def begin(self) -> Begin:
        """What the ledger has to know before."""
        work = self.work
        untried = work.action is not Action.TRY or self.discarded is not None
        return Begin(self.entry.submission, work.partition, work.offset, work.retry, untried, self.attempts > 1)

    @property
    def known(self) -> bool:
        """The ledger has a row of the submission."""
        return self.entry.state != NEW

    @property
    def open(self) -> bool:
        """Something is still to be done with the record."""
        return self.entry.is_open(self.work.offset, retry=self.work.retry)

    @property
    def original_headers(self) -> RawHeaders:
        """Without those that a copy of ours has behind them."""
        headers: RawHeaders = self.work.record.headers
        return take_apart(headers).original if self.work.retry else headers

    @property
    def origin(self) -> Place:
        """Where the record was read first."""
        record = self.work.record
        first = take_apart(record.headers).origin if self.work.retry else None
        return first or Place(record.topic, record.partition, record.offset)


def _attempts(work: KafkaWork) -> int:
    return 1 if work.job is None else work.job.attempts + 1


def _text(meta: dict[str, bytes | None], name: str) -> str:
    try:
        text = (meta.get(name) or b"").decode()
    except UnicodeDecodeError:
        raise Unreadable(f"header {name} is not text") from None
    if not text:
        raise Unreadable(f"header {name} is missing")
    return text
