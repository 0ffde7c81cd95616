"""A drop: files in folders, answered by acknowledgement files. `adapters.protocols.sftp` and `.file` say where the folders are.

    eingang/<submission>.csv.part   being written, ignored by the back office
    eingang/<submission>.csv        handed over (by renaming), not taken up yet
    verarbeitet/<submission>.csv    taken up by the back office
    quittung/<submission>.ack       its answer: `ANGENOMMEN;<reference>` or `ABGEWIESEN;<code>`

Nothing is handed over before the renaming; what fails up to there is the way, not the submission. The back office moves a
file from `eingang` to `verarbeitet` and acknowledges it, so who looks in that order never misses one. Names and suffix may differ
per office (`Drop`).

An acknowledgement may be read while it is being written. Its first line counts when it has its line end; without one, when the file has
stood still for `STILL_S`. Two fields of it count, in whatever case the word is; blanks and zero bytes round them do not, nor what follows.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol
from uuid import UUID

from pydantic import Field, PositiveFloat

from adapters import kit
from adapters.interface import Delivered, Document
from infra.settings import Part
from schemas.errors import DestinationDown, Refused

ACCEPTED: Final = "ANGENOMMEN"
REFUSED: Final = "ABGEWIESEN"
MAX_ACK_BYTES: Final = 1000
STILL_S: Final = 5.0
"""Some back offices write no line end; longer than any pause seen between two writes."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The names of one back office. Adapter and twin share them."""

    suffix: str
    """Of the files handed over, for example `.csv`."""
    inbox: str = "eingang"
    taken_up: str = "verarbeitet"
    answers: str = "quittung"

    def waiting(self, submission_id: UUID) -> str:
        """Where a file is handed over."""
        return f"{self.inbox}/{submission_id}{self.suffix}"

    def ack(self, submission_id: UUID) -> str:
        """Where its acknowledgement comes."""
        return f"{self.answers}/{submission_id}.ack"

    def places(self, submission_id: UUID) -> tuple[str, str, str]:
        """Where a file comes past, in this order."""
        return self.waiting(submission_id), f"{self.taken_up}/{submission_id}{self.suffix}", self.ack(submission_id)


class DropFiles(Protocol):
    """The files of a drop, wherever its folders are; paths are relative to them. Called by `DropAdapter` in the event loop, for many
    submissions at the same time, and must not block it. Every failure has to be an OSError, time-outs included; only
    FileNotFoundError means that a file is not there.
    """

    async def is_there(self, path: str) -> bool:
        """Whether there is such a file or folder. False only where that is certain: "no permission" raises."""

    async def read(self, path: str, limit_bytes: int) -> bytes:
        """The first bytes of a file, which may be being written at this moment.

        Raises:
            FileNotFoundError: there is none; the acknowledgement is waited for.
        """

    async def write(self, path: str, content: bytes) -> None:
        """A whole new file; on a disk when this returns, where that can be had. What fails here was not handed over."""

    async def rename(self, path: str, target: str) -> None:
        """Give a file its final name, which hands it over. Called once for a file; what fails here leaves the outcome unclear."""

    async def remove(self, path: str) -> None:
        """Remove a refusal that answered an earlier hand-over. What fails here was not handed over."""


class DropSettings(Part):
    """How long to wait for what."""

    upload_limit_s: PositiveFloat = Field(default=30, description="How long an upload may take.")
    answer_limit_s: PositiveFloat = Field(default=60, description="How long to wait for the acknowledgement; then the outcome is unclear.")
    ack_poll_s: PositiveFloat = Field(default=0.5, description="Pause between two looks for the acknowledgement.")


class DropAdapter:
    """Hands over by files. A protocol says where the `files` are; a subclass of that says `drop` and `translate`."""

    drop: ClassVar[Drop]
    max_concurrency = 50

    def __init__(self, settings: DropSettings) -> None:
        self._limits = settings

    async def files(self) -> DropFiles:
        """The folders. Called at the beginning of each hand-over and question; connects where that is needed.

        Raises:
            OSError: they cannot be reached, so the back office is down.
        """
        raise NotImplementedError

    async def deliver(self, document: Document, attempt: int) -> Delivered:  # noqa: ARG002 - the contract has it
        """Write, rename, and wait for the acknowledgement. One that is there already is the answer.

        Raises:
            DestinationDown: certainly nothing was handed over.
            Refused: the acknowledgement says so.
            TimeoutError: the acknowledgement did not come in time: unclear, as is everything else.
        """
        target = self.drop.waiting(document.submission_id)
        with nothing_handed_over():
            async with asyncio.timeout(self._limits.upload_limit_s):
                files = await self.files()
                if earlier := await self._accepted_earlier(files, document.submission_id):
                    return earlier
                await files.write(f"{target}.part", document.content)
        async with asyncio.timeout(self._limits.answer_limit_s):
            await files.rename(f"{target}.part", target)
            return await self._answer(files, document.submission_id)

    async def find(self, submission_id: UUID) -> Delivered | None:
        """The acknowledgement; waited for where the file is still on its way.

        Raises:
            DestinationDown: no connection, or a folder is missing: then a missing file would say nothing.
            Refused: the acknowledgement says so.
            TimeoutError: the file is there, but its acknowledgement did not come in time.
        """
        with nothing_handed_over():
            async with asyncio.timeout(self._limits.upload_limit_s):
                files = await self.files()
                await self._check_folders(files)
                if not await _any_is_there(files, self.drop.places(submission_id)):
                    return None
        async with asyncio.timeout(self._limits.answer_limit_s):
            return await self._answer(files, submission_id)

    async def check(self) -> str:
        """Whether the folders are there; they tell neither version nor clock.

        Raises:
            DestinationDown: they are not.
        """
        with nothing_handed_over():
            async with asyncio.timeout(self._limits.upload_limit_s):
                await self._check_folders(await self.files())
        return "folders, no version, no clock"

    async def close(self) -> None:
        """Nothing to give back."""

    async def _check_folders(self, files: DropFiles) -> None:
        for folder in (self.drop.inbox, self.drop.taken_up, self.drop.answers):
            if not await files.is_there(folder):
                raise DestinationDown(f"there is no folder {folder}")

    async def _accepted_earlier(self, files: DropFiles, submission_id: UUID) -> Delivered | None:
        """A refusal from before is removed: it must not answer for the file that comes now."""
        if await self._read_ack(files, submission_id) is None:
            return None
        try:
            return await self._answer(files, submission_id)
        except Refused:
            await files.remove(self.drop.ack(submission_id))
            return None

    async def _answer(self, files: DropFiles, submission_id: UUID) -> Delivered:
        """What the acknowledgement says, when it is there and whole."""
        still_s = min(STILL_S, self._limits.answer_limit_s / 2)
        before: bytes | None = None
        since_s = time.monotonic()
        while True:
            content = await self._read_ack(files, submission_id)
            if content != before:
                before, since_s = content, time.monotonic()
            if content is not None:
                line, whole = _first_line(content)
                if whole or time.monotonic() - since_s >= still_s:
                    return _judge(line)
            await asyncio.sleep(self._limits.ack_poll_s)

    async def _read_ack(self, files: DropFiles, submission_id: UUID) -> bytes | None:
        """Its beginning; None while there is none, or nothing in it."""
        try:
            content = await files.read(self.drop.ack(submission_id), MAX_ACK_BYTES)
        except FileNotFoundError:
            return None
        return content if content.strip(b"\0 \t\r\n\xef\xbb\xbf\xfe\xff") else None


def _first_line(content: bytes) -> tuple[str, bool]:
    """The first line that is not blank; and whether it is whole. One that is longer than an acknowledgement never will be."""
    charset = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    said = content.decode(charset, errors="replace").lstrip("\ufeff\0 \t\r\n")
    line = re.split(r"[\r\n]", said, maxsplit=1)[0]
    return line, len(line) < len(said) or len(content) >= MAX_ACK_BYTES


def _judge(line: str) -> Delivered:
    """What a whole line says.

    Raises:
        Refused: the back office does not take it.
        UnclearAnswer: the line says neither.
    """
    verdict, value = (field.strip("\0 \t") for field in [*line.split(";"), ""][:2])
    if verdict.upper() == ACCEPTED:
        return kit.delivered(value, "reference behind ANGENOMMEN")
    if verdict.upper() == REFUSED:
        raise Refused(kit.reason_code(value))
    raise kit.UnclearAnswer("the acknowledgement says neither ANGENOMMEN nor ABGEWIESEN")


@contextlib.contextmanager
def nothing_handed_over() -> Iterator[None]:
    """Turns every OSError within, time-outs included, into DestinationDown: nothing was handed over yet."""
    try:
        yield
    except OSError as error:
        raise DestinationDown(f"{type(error.__cause__ or error).__name__}") from error


async def _any_is_there(files: DropFiles, paths: tuple[str, ...]) -> bool:
    for path in paths:
        if await files.is_there(path):
            return True
    return False
