"""The contract between the bus and an adapter.

An adapter hands one submission at a time to one back office of one city. It is made once per process (`stadtbus run adapter`), inside
the event loop that calls it, as `Adapter class(Settings(...))`; the constructor connects nothing, so a back office that is away does
not keep the process from starting. The bus keeps the ledger; the adapter keeps no state that an outcome depends on.

What the methods raise decides what becomes of a submission (`schemas.errors.DeliveryFailure` and `consumers/delivery/decide.py`):

| raised by `deliver`          | the back office      | what follows                                                            |
|------------------------------|----------------------|-------------------------------------------------------------------------|
| Blip                         | has not taken it     | some immediate retries; then the case is parked and tried later         |
| DestinationDown              | has not taken it     | the whole office pauses, `retry_after_s` or as it thinks, at most 1 h   |
| CaseNotReady                 | has not taken it     | the case is parked and tried later, its later submissions behind it     |
| Refused                      | never will take it   | a dead letter                                                           |
| `kit.NotTheOffice`           | may have taken it    | the office pauses as for DestinationDown; `find` before the next try    |
| anything else                | may have taken it    | as for Blip, but `find` is asked before the next try                    |

*Anything else* includes time-outs, a CancelledError of something that the adapter waited for, and the SystemExit of a library.
Reasons of the four causes and of `kit.UnclearAnswer` are shown to operators as they are; of other exceptions only the class is.
Reasons, references, names of documents and logs never contain personal data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, runtime_checkable
from uuid import UUID

from lxml import etree

from schemas import xml

LONGEST_REFERENCE: Final = 80
UNREADABLE_LETTER: Final = "\ufffd"
"""Stands for bytes that are not of the character set of what they are in."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What an adapter gets: the message, and what intake found out about it.

    Ids are those of the bus. Portals choose those inside a message, and two may choose the same; so a back office that finds cases and
    earlier messages by ids is given these. All messages of a case carry the same `case_id`.
    """

    id: UUID
    case_id: UUID
    office: str
    accepted_at: datetime
    body: bytes
    """Byte for byte as the portal sent it."""
    root: etree._Element
    """The same, parsed; shared by all who read it, so nobody changes it."""
    about: UUID | None = None
    """The submission of the same case that this one amends or withdraws; None where it says none, and in records of earlier versions."""

    @property
    def message_type(self) -> str:
        """Local name of the root, for example `einreichung.antrag.0100`."""
        return etree.QName(self.root).localname

    @property
    def test(self) -> bool:
        """A test submission must have no effect outside of tests; in messages of the XÖV family the attribute is the mark (XÖV-Basisnachricht)."""
        return self.root.get("test") is not None


@dataclass(frozen=True, slots=True)
class Received:
    """A submission that nobody has parsed yet; the words are those of `Submission`."""

    id: UUID
    case_id: UUID
    office: str
    accepted_at: datetime
    body: bytes
    about: UUID | None = None

    def parsed(self) -> Submission:
        """The same, parsed here.

        Raises:
            Rejected: it cannot be read within the limits.
        """
        return Submission(self.id, self.case_id, self.office, self.accepted_at, self.body, xml.parse(self.body), self.about)


@dataclass(frozen=True, slots=True)
class Document:
    """A submission in the form of the back office. `name` is safe as a file name and free of personal data."""

    submission_id: UUID
    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """The back office has it. `reference` is its own number for it, which portals see and must not hold a name.

    Raises:
        ValueError: the reference is not short printable text, or has a letter that could not be read.

    """

    reference: str

    def __post_init__(self) -> None:
        readable = self.reference.isprintable() and UNREADABLE_LETTER not in self.reference
        if not (0 < len(self.reference) <= LONGEST_REFERENCE and readable):
            raise ValueError(f"a reference has 1 to {LONGEST_REFERENCE} printable characters")


@dataclass(frozen=True, slots=True)
class Accepted:
    """The back office has decided to take a submission."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The back office has decided not to take a submission; `code` is its own, without personal data."""

    code: str


class CannotFind(Exception):
    """Raised by `find`: this back office has no way to say whether a submission arrived. The submission becomes a dead letter, and a
    person has to find out.
    """


class Adapter(Protocol):
    """One back office of one city. All methods are called in the event loop of the process."""

    max_concurrency: int
    """How many calls of `deliver` and `find` this back office bears at the same time, each of another case. Read once, at the start; the
    setting `delivery.max_concurrency` can only make it less.
    """

    def translate(self, submission: Submission) -> Document:
        """The document to hand over. Called before each `deliver`, and by `stadtbus adapter try|check|diff`.

        Pure: no I/O, no clock, no chance; the same submission gives the same bytes in every process. It runs in the event loop, which
        it holds up, so it may not wait for anything; where the adapter `TranslatesApart`, the engine calls that instead. One that needs no
        settings should be a static method: then intake asks it as well (`adapters.dry_run`), and its portal hears at once what would else be
        a dead letter.

        Raises:
            Refused: the submission has no form that this back office can take.
            Exception: the same to the bus, since nothing has left yet: a dead letter. Blip, DestinationDown and CaseNotReady mean here what
                they mean in `deliver`, but for DestinationDown, which is a Blip: nobody was asked. They have no place here.
        """

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        """Hand over once, and return what the back office confirmed; `attempt` counts from 1 for each submission, in all processes.

        Called for many cases at the same time, for one case never twice at the same time, and in the order of the case. It may take as
        long as the back office does, but must not block the loop. After `delivery.attempt_timeout_s`, or when a process that stops
        can wait no longer, it is cancelled, and the outcome is unclear. So that a hand-over has one effect, nothing in it is sent twice.

        Raises:
            Blip, DestinationDown, CaseNotReady, Refused: certainly not taken; the table above says what follows, for each of them.
            Exception: the outcome is unclear; see the table, too.
        """

    async def find(self, submission_id: UUID) -> Delivered | None:
        """Whether an earlier hand-over of this submission arrived. Called in place of `deliver` when its outcome is unclear, perhaps in
        another process; after None `deliver` follows at once, so None has to mean "certainly not there, and not on its way".

        Raises:
            CannotFind: this back office cannot say, ever.
            Refused: it arrived, and was refused: a dead letter.
            DestinationDown: the office is paused, and it is asked again.
            Exception: it does not say now; it is asked again later.
        """

    async def check(self) -> str:
        """One line on reachability, version and clock of the back office, for people. Called by `stadtbus adapter check`.

        Raises:
            DestinationDown: it does not answer.
        """

    async def close(self) -> None:
        """Give connections back. Called once, when nothing else runs; whatever it raises is logged, and one that takes long is left."""


@runtime_checkable
class TranslatesApart(Protocol):
    """An adapter that parses and translates in a locked process, not in that which holds the logins of the back office."""

    async def translate_apart(self, received: Received) -> Document:
        """As `Adapter.translate`, of a message that nobody has parsed. Called by the engine in its place; waits, and does not block the loop.

        Raises:
            Rejected: the message cannot be read within the limits.
            Blip: it cannot be done now.
            Exception: as `translate`.
        """

    async def keep_ready(self) -> None:
        """Have such a process ready before the first record; waits then until it is cancelled. Called in the background, and again if it fails."""

    def lacking(self) -> str | None:
        """What those processes do without because this machine has not got it, for `/readyz`; None where nothing is missing, or not known yet."""

    async def close_apart(self) -> None:
        """End those processes. Called once, when nothing else runs; beside `close`, which a protocol may call itself to connect anew."""


@runtime_checkable
class AnswersLater(Protocol):
    """An adapter whose back office takes a submission first and decides on it later. The others decide when they take it."""

    async def outcome(self, reference: str) -> Accepted | Refusal | None:
        """What the back office has decided about what it has under this reference; None while it has not.

        Called after `deliver`, for each submission again and again, after longer pauses each time, for many at the same time and beside
        `deliver`; when it has answered, and the answer is written, not any more. It must not block the loop, and is cancelled after two minutes.

        Raises:
            Exception: it does not say now, and is asked again; a DestinationDown with `retry_after_s` keeps all questions off so long.
        """
