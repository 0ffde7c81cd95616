"""A record in delivery: what its headers say, the ledger's entry of its submission, and what comes of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from consumers.delivery.brake import Hold
from consumers.delivery.entry import AttemptRequest, LedgerEntry
from consumers.delivery.failures import Cause, Failure, Stage
from consumers.engine import Action, End, KafkaWork
from infra.kafka.outgoing import Outgoing
from schemas import probes
from schemas.copies import Copy, Place, take_apart
from schemas.errors import Refused
from schemas.events import State
from schemas.headers import FORMS, UUID, CopyHeader, Header, RawHeaders

_UUID: Final = re.compile(UUID)
_CODES: Final = re.compile(r"[A-Za-z0-9._:+ -]{1,100}(\n[A-Za-z0-9._:+ -]{1,100}){3}")
"""Ids, names of portals, keys of services, times, a line each: they go into events as they are."""
_TRACE: Final = re.compile(FORMS[Header.TRACEPARENT].encode())

_READ: Final = (Header.SUBMISSION, Header.OFFICE, Header.CASE, Header.SERVICE, Header.PORTAL, Header.ACCEPTED_AT)


class Unreadable(Refused):
    """The headers do not say what the record is; the text names a header, never a value. Dead letters have the name of this class, so it
    stays as it is.
    """


class Job(KafkaWork):
    """A record and what is known of it while it is here. What cannot be read has no submission.

    A plain class, because one is made for each record: what is not set is that of the class.
    """

    # From its headers, read once:
    submission: str = ""
    case_id: str = ""
    service: str = ""
    portal: str = ""
    accepted_at: str = ""
    about: str = ""
    """The submission that this one is about."""
    traceparent: bytes | None = None
    earlier_copy: Copy | None = None
    """Of a record from the retry topic: its headers, taken apart."""
    origin_place: Place | None = None
    """Of a copy of ours: where the original stands."""
    discarded: str | None = None
    """An operator's reason for ending the submission."""
    found_under: str | None = None
    """The back office's own number, where an operator has found the submission there."""
    is_probe: bool = False
    """It is no submission; `schemas.probes` says what it is."""
    probe_sent_at: datetime | None = None
    """When that was written; None where it does not say, or is another office's."""
    unreadable: Failure | None = None
    """Why its headers do not say what it is."""
    # Of its time in this process:
    dispatches: int = 0
    """How often it was dispatched."""
    failures: int = 0
    """How many attempts failed for a reason of the record's own, not because the back office was down."""
    standing: bool = False
    """It waits where it is, because the office is held."""
    # Of the dispatch that is under way:
    entry: LedgerEntry
    """What the ledger says of its submission, and what it is to say."""
    begun: bool = False
    """The ledger has noted that an attempt begins."""
    stage: Stage = Stage.PARSE
    """How far the attempt has come."""
    waits_s: float | None = None
    """Its series is held, and it is looked at again so much later."""
    set_aside: bool = False
    """Its series is held, and there is no room for it where it stands."""
    tries_series: Hold | None = None
    """The held series that it tries out."""
    tries_out: bool = False
    """It tries out a back office that was down."""
    unclear: bool = False
    """An attempt may have had its effect."""
    skipped: bool = False
    """It was begun, and the attempt was given up before it was made."""
    reference: str | None = None
    """The back office has it, under this reference."""
    failure: Failure | None = None
    """Why the attempt failed."""
    fingerprint: str = ""
    """The same for all that fail by this cause."""
    # What is decided, and what of it is still to be done:
    decided: bool = False
    copy: Outgoing | None = None
    """To be written before anything else."""
    ledger_due: bool = False
    """The entry has to be written."""
    news: State | None = None
    """What the portal is to be told."""
    end: End | None = None
    """What the engine is to be told; None for `FINISHED`."""

    def dispatched(self) -> None:
        """The engine hands the record out, perhaps not for the first time: nothing of an earlier time counts."""
        if self.dispatches:
            self.stage, self.end, self.news, self.reference, self.failure = Stage.PARSE, None, None, None, None
            self.begun = self.unclear = self.skipped = self.ledger_due = self.decided = self.set_aside = self.tries_out = False
            self.copy = self.waits_s = self.tries_series = None
        self.dispatches += 1
        if self.unreadable is not None or self.is_probe:
            self.entry = LedgerEntry(b"")
            self.failure = self.unreadable if self.discarded is None else None

    def wait(self, wait_s: float) -> None:
        """Its series is held, and it is looked at again so much later; the ledger is not asked."""
        self.waits_s, self.entry = wait_s, LedgerEntry(b"")

    @property
    def id(self) -> bytes:
        """The submission's id as the ledger has it."""
        return bytes.fromhex(self.submission.replace("-", ""))

    @property
    def request(self) -> AttemptRequest:
        """What the ledger has to know to begin an attempt."""
        return AttemptRequest(self.id, self.partition, self.offset, self.retry, self.wants_attempt, waited=self.dispatches > 1)

    @property
    def wants_attempt(self) -> bool:
        """It is to be delivered, if the ledger has nothing against it."""
        return self.action is Action.TRY and self.discarded is None and self.found_under is None and not self.set_aside

    @property
    def open(self) -> bool:
        """Something is still to be done for its submission, and by this record."""
        return self.entry.is_open(self.offset, retry=self.retry)

    @property
    def of_series(self) -> bool:
        """It was parked because its series was held."""
        return self.earlier_copy is not None and self.earlier_copy.block.get(CopyHeader.ERROR_CLASS) == Cause.SERIES_HELD

    @property
    def size_bytes(self) -> int:
        """Of its value."""
        return len(self.record.value or b"")

    @property
    def original_headers(self) -> RawHeaders:
        """Without those that a copy of ours has behind them."""
        return self.record.headers if self.earlier_copy is None else self.earlier_copy.original

    @property
    def first_place(self) -> Place:
        """Where the record was read first."""
        record = self.record
        return self.origin_place or Place(record.topic, record.partition, record.offset)


class HeaderReader:
    """Reads the headers of one office's records. Those of one portal have the same names in the same order, so where each stands is
    remembered from one record to the next.
    """

    def __init__(self, office: str) -> None:
        self._office = office
        self._names: Sequence[str] = ()
        self._places: Sequence[int] = ()
        self._about: int | None = None
        self._trace: int | None = None

    def read(self, job: Job) -> None:
        """Put what the headers say into the job. Called once for each record, when it was fetched; does not block.

        Raises:
            Unreadable: a header is missing or malformed, or the record is another office's.
        """
        headers: RawHeaders = job.record.headers
        if job.retry:
            job.earlier_copy = copy = take_apart(headers)
            job.origin_place = copy.origin
            job.discarded, job.found_under = copy.block.get(CopyHeader.DISCARDED), copy.block.get(CopyHeader.SETTLED)
        names = [name for name, _ in headers]
        if names != self._names:
            if probes.is_probe(names):
                job.is_probe, job.probe_sent_at = True, probes.sent_at(headers, self._office)
                return
            self._find(names)
        try:
            submission, office, *codes = [headers[place][1].decode() for place in self._places]  # type: ignore[union-attr] # a null header is caught
        except (AttributeError, UnicodeDecodeError):
            raise Unreadable("a header is not text") from None
        if office != self._office:
            raise Unreadable(f"header {Header.OFFICE} names another office")
        if not (_UUID.fullmatch(submission) and _CODES.fullmatch("\n".join(codes))):
            raise Unreadable("a header is malformed")
        job.submission = submission
        job.case_id, job.service, job.portal, job.accepted_at = codes
        if self._about is not None:
            job.about = (headers[self._about][1] or b"").decode(errors="replace")
            if not _UUID.fullmatch(job.about):
                raise Unreadable("a header is malformed")
        if self._trace is not None and _TRACE.fullmatch(trace := headers[self._trace][1] or b""):
            job.traceparent = trace

    def _find(self, names: Sequence[str]) -> None:
        """Where the headers stand that we read; of repeated names the first counts."""
        first = {name: place for place, name in reversed(list(enumerate(names)))}
        if missing := [name for name in _READ if name not in first]:
            raise Unreadable(f"header {missing[0]} is missing")
        self._names, self._places, self._trace = names, [first[name] for name in _READ], first.get(Header.TRACEPARENT)
        self._about = first.get(Header.ABOUT)
