"""The contract between the bus and an adapter.

An adapter hands one submission at a time to one back office. The bus calls it for many cases at once, but never twice at the
same time for one case, and in the order of the case. The bus keeps the ledger; the adapter keeps no state of its own.

- `translate` is pure: no I/O, no clock, no random; the same submission gives the same bytes.
- `deliver` hands over once. It returns what the back office confirmed, or raises one of the four causes of
  `schemas.errors.DeliveryFailure`. Anything else it raises counts as *unclear*, time-outs included, also a CancelledError
  of something that it waited for and the SystemExit of a library: the bus asks `find` before it calls `deliver` again. `kit.NotTheOffice` is unclear too, but says that somebody else answered: no try counts, and the
  office waits as for one that is down.
- A DestinationDown may say for how long (`retry_after_s`); the bus leaves the office alone until then, at most for an hour.
- `kit.UnclearAnswer` says why in a sentence that operators read; of other exceptions they read the class.
- `find` says whether an earlier hand-over arrived. It tells the truth or raises; None means "certainly not there".
- Reasons in failures, logs and references never contain personal data.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, runtime_checkable
from uuid import UUID

from lxml import etree

LONGEST_REFERENCE: Final = 80
UNREADABLE_LETTER: Final = "\ufffd"
"""Stands for bytes that are not of the character set of what they are in."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What an adapter gets: the message, and what intake found out about it. All messages of a case carry the same `case_id`."""

    id: UUID
    case_id: UUID
    office: str
    accepted_at: datetime
    body: bytes
    """Byte for byte as the portal sent it."""
    root: etree._Element
    """The same, parsed; shared by all who read it, so nobody changes it."""

    @property
    def message_type(self) -> str:
        """Local name of the root, for example `einreichung.antrag.0100`."""
        return etree.QName(self.root).localname

    @property
    def test(self) -> bool:
        """A test submission must have no effect outside of tests; in messages of the XÖV family the attribute is the mark (XÖV-Basisnachricht)."""
        return self.root.get("test") is not None


@dataclass(frozen=True, slots=True)
class Document:
    """A submission in the form of the back office. `name` is safe as a file name and free of personal data."""

    submission_id: UUID
    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """The back office has it; `reference` is its own number for it, which travels in events and must not hold a name.

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
    """This back office has no way to say whether a hand-over arrived; raised by `find`. A person has to find out then."""


class Adapter(Protocol):
    """One back office of one city. Instances are made once per process, inside its event loop."""

    max_concurrency: int
    """How many hand-overs at the same time this back office bears."""

    def translate(self, submission: Submission) -> Document:
        """The document to hand over.

        Raises:
            Refused: the submission has no form that this back office can take.
        """

    async def deliver(self, document: Document, attempt: int) -> Delivered:
        """Hand over once; `attempt` counts from 1.

        Raises:
            Blip, DestinationDown, CaseNotReady, Refused: see above; anything else means that the outcome is unclear.
        """

    async def find(self, submission_id: UUID) -> Delivered | None:
        """Did an earlier hand-over of this submission arrive?

        Raises:
            CannotFind: this back office cannot say, ever.
            Exception: it does not say now.
        """

    async def check(self) -> str:
        """One line on reachability, version and clock of the back office, for people.

        Raises:
            DestinationDown: it does not answer.
        """

    async def close(self) -> None:
        """Give connections back."""


@runtime_checkable
class AnswersLater(Protocol):
    """An adapter whose back office takes a submission first and decides on it later. The others decide when they take it."""

    async def outcome(self, reference: str) -> Accepted | Refusal | None:
        """What the back office has decided about what it has under this reference; None while it has not.

        Raises:
            Exception: it does not say now.
        """
