"""Records of dead letters, and what the desk makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

from consumers.delivery import states
from consumers.delivery.entry import LedgerEntry
from consumers.delivery.failures import Cause
from consumers.desk.deadletters import DeadLetter, DeadLetters
from schemas import topics
from schemas.copies import Place, headers_of_copy
from schemas.headers import CopyHeader, Header, encode

OFFICE: Final = "muenchen.meldewesen"
LYING: Final = topics.deadletters(OFFICE)
AT_MS: Final = 1_790_000_000_000
NOW: Final = datetime.fromtimestamp(AT_MS / 1000 + 3600, UTC)


def uid(number: int) -> str:
    """The id of a submission."""
    return str(UUID(int=number))


def headers(submission: str | None) -> list[tuple[str, bytes | None]]:
    """As the relay writes them; without a submission nothing can be read."""
    if submission is None:
        return [("x-null", None)]
    names = (Header.CASE, Header.SERVICE, Header.PORTAL, Header.ACCEPTED_AT)
    return [*encode({Header.SUBMISSION: submission, Header.OFFICE: OFFICE} | dict.fromkeys(names, "x"))]


def letter(offset: int, number: int | None, *, partition: int = 0, origin: int | None = None, case: str | None = None, **more: str) -> Any:
    """A record of the dead letters; by default its origin is its own offset, and its case is its own."""
    block = {CopyHeader.STAGE: "DELIVER", CopyHeader.ERROR_CLASS: "permanent", CopyHeader.MESSAGE: "the street is not known"}
    block |= {CopyHeader[name]: value for name, value in more.items()}
    place = Place(topics.submissions(OFFICE), partition, offset if origin is None else origin)
    all_headers = headers_of_copy(headers(None if number is None else uid(number)), place, block)
    key = f"case-{number}" if case is None else case
    return SimpleNamespace(
        topic=LYING, partition=partition, offset=offset, key=key.encode(), value=b"Maier", timestamp=AT_MS + offset, headers=all_headers
    )


def named(at: int, offset: int, *, partition: int = 0, origin: int = 0, **more: str) -> Any:
    """A record of the retry topic that names the dead letter at this offset."""
    place = Place(topics.submissions(OFFICE), partition, origin)
    block = {CopyHeader.REPLAYED_FROM: f"{LYING}/{partition}/{offset}"} | {CopyHeader[name]: value for name, value in more.items()}
    return SimpleNamespace(
        topic=topics.retry(OFFICE), partition=partition, offset=at, headers=headers_of_copy(headers(uid(1)), place, block)
    )


def letters(*records: Any) -> DeadLetters:
    """What the desk makes of records."""
    found = DeadLetters(OFFICE)
    for record in records:
        found.take(record)
    return found


def ids(found: Sequence[DeadLetter]) -> list[int]:
    """The numbers of submissions."""
    return [UUID(one.submission).int for one in found]


def dead(cause: Cause = Cause.PERMANENT) -> LedgerEntry:
    """A row of a submission that died."""
    return LedgerEntry(b"", state=states.DEAD, cause=cause)
