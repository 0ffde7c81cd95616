"""Translation by a mapping in locked workers (`infra.workers`): a record is what a stranger wrote, and this process holds the logins of a back office."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

import schemas
from adapters.interface import Document, Received, Submission
from adapters.mapping import Mapping
from infra.process_pool import NotStarted, ProcessPool
from infra.workers.operations import Operation
from schemas import message, problems, xml
from schemas.errors import Blip, Refused, Rejected, UsageError

_SAMPLE: Final = Path(schemas.__file__).with_name("samples") / f"{message.APPLICATION}.xml"
_UNREADABLE: Final = (problems.TOO_LARGE, problems.ENCODING, problems.NOT_WELL_FORMED, problems.DOCTYPE, problems.TOO_COMPLEX)


class Translator:
    """The workers of one mapping; they start when they are first needed."""

    def __init__(self, mapping: Mapping, path: Path) -> None:
        """`mapping` is what is at `path`."""
        self._mapping = mapping
        self._pool = ProcessPool(partial(prepare, path), [TRANSLATE])

    async def document(self, received: Received) -> Document:
        """The document that the mapping makes of a message. Waits for a worker, and blocks nothing.

        Raises:
            Rejected: the message cannot be read, or its reader has used up its time or memory.
            Refused: it has no form that the office takes, or a function failed over it.
            Blip: there is no worker now, or it got no time.
        """
        about = About(received.id, received.case_id, received.office, received.accepted_at, received.about)
        try:
            refused, content = await self._pool.run(TRANSLATE, received.body, about)
        except (NotStarted, UsageError):
            raise Blip("no process to translate in could be started") from None
        except Rejected as error:
            if error.problem is problems.READING_STALLED:
                raise Blip("the process that translates got no time") from None
            raise
        except RuntimeError as error:  # class and place, in words of ours
            raise Refused(f"the mapping failed: {error}") from None
        if refused is not None:
            raise Refused(refused)
        return self._mapping.wrapped(received.id, content)

    async def keep_ready(self) -> None:
        """Have a worker ready before the first translation; waits then until it is cancelled. Raises NotStarted."""
        await self._pool.keep_ready()

    def lacking(self) -> str | None:
        """What the workers do without because this machine has not got it."""
        return self._pool.lacking()

    async def close(self) -> None:
        """End the workers."""
        await asyncio.to_thread(self._pool.close)


# --- in a worker


@dataclass(frozen=True, slots=True)
class About:
    """What the bus knows beside a message."""

    id: UUID
    case_id: UUID
    office: str
    accepted_at: datetime
    about: UUID | None


class _Loaded:
    mapping: Mapping


def prepare(path: Path) -> None:
    """Load a mapping, and all that a translation loads the first time.

    Raises:
        UsageError: mapping-invalid.
    """
    _Loaded.mapping = Mapping.load(path)
    translated(_SAMPLE.read_bytes(), About(UUID(int=0), UUID(int=0), "", datetime.fromisoformat("2026-03-01T08:30:00+00:00"), None))


def translated(content: bytes, asked: About) -> tuple[str | None, bytes]:
    """Why the office cannot take the message, or what it is for the office."""
    submission = Submission(asked.id, asked.case_id, asked.office, asked.accepted_at, content, xml.parse(content), asked.about)
    try:
        return None, _Loaded.mapping.document(submission).content
    except Refused as error:
        return error.reason, b""


TRANSLATE: Final = Operation(translated, _UNREADABLE)
