"""`stadtbus validate`: files are examined in a pool of processes as the gateway examines submissions, and compared with each other.

Only the comparison is not the gateway's: it finds one id with different contents by its outbox, and there is none here.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID

from adapters import dry_run
from infra.process_pool import ProcessPool
from infra.workers.operations import Operation
from schemas import problems, xml
from schemas.catalogue import Catalogue
from schemas.errors import Rejected, UsageError
from schemas.examination import rules
from schemas.examination.examine import asked_prepared, examine_prepared
from schemas.findings import Finding, Severity

STDIN: Final = Path("-")
_ENOUGH_BYTES: Final = xml.MAX_SIZE_BYTES + 1
"""One byte more than is accepted is enough to refuse a file."""


@dataclass(frozen=True, slots=True)
class MessageFile:
    """A file to examine; `body` is its content where that has been read already, as of the standard input."""

    path: Path
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class FileReport:
    """What was found in one file. Id and hash are compared with those of other files; a file that could not be read has none.

    `own` is whether it is a message of our own family, and not a genuine XÖV message.
    """

    path: Path
    findings: tuple[Finding, ...]
    message_id: UUID | None = None
    sha512: str = ""
    own: bool = True

    @property
    def refused(self) -> bool:
        """Whether there is an error among the findings."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)


def message_files(paths: Iterable[Path]) -> Iterator[MessageFile]:
    """These files, and all `*.xml` in and below these folders, sorted; `-` is the standard input.

    Raises:
        UsageError: file-unreadable.
    """
    for path in paths:
        if path == STDIN:
            yield MessageFile(path, sys.stdin.buffer.read(_ENOUGH_BYTES))
            continue
        inside = sorted(one for one in path.rglob("*.xml") if one.is_file()) if path.is_dir() else [path]
        if not inside or not path.exists():
            raise UsageError(problems.FILE_UNREADABLE, "no *.xml in this folder" if path.is_dir() else "no such file", where=str(path))
        yield from map(MessageFile, inside)


async def reports(
    found: Sequence[MessageFile], catalogue: Catalogue, schema_folder: Path | None, *, accept_test: bool
) -> AsyncIterator[FileReport]:
    """A report of each file, in their order. Few files are under way at a time, so memory does not grow with their number.

    The processes are started here, and end with the iteration, however it ends.

    Raises:
        RuntimeError: the examination itself failed, which is a mistake of ours; the message names class and place, and no value.
    """
    size = os.cpu_count() or 1
    pool = ProcessPool(partial(dry_run.prepare, catalogue, schema_folder), [EXAMINE], size=size)
    waiting = iter(found)
    under_way = deque(asyncio.create_task(_report(pool, one, accept_test)) for one in islice(waiting, 4 * size))
    first: dict[UUID, FileReport] = {}
    try:
        while under_way:
            report = await under_way.popleft()
            under_way.extend(asyncio.create_task(_report(pool, one, accept_test)) for one in islice(waiting, 1))
            yield _compared(report, first)
    finally:
        await asyncio.to_thread(pool.close)


async def _report(pool: ProcessPool, source: MessageFile, accept_test: bool) -> FileReport:
    """The report of a file. One that takes more time or memory than a call may is refused, as the gateway refuses it."""
    try:
        body = await asyncio.to_thread(_read, source.path) if source.body is None else source.body
        examined, _ = await pool.run(EXAMINE, body, accept_test)
    except OSError as error:
        return FileReport(source.path, (Finding(problems.FILE_UNREADABLE, "readable", error.strerror or type(error).__name__),))
    except Rejected as error:
        return FileReport(source.path, (Finding(error.problem, "readable", error.detail),))
    return FileReport(source.path, examined.findings, examined.message_id, hashlib.sha512(body).hexdigest(), examined.own)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_ENOUGH_BYTES)


def _compared(report: FileReport, first: dict[UUID, FileReport]) -> FileReport:
    """The report, with one finding more where an earlier file has the same id and other content (rule H7, S050).

    Published samples of genuine messages share ids: of those it is a warning.
    """
    earlier = report if report.message_id is None else first.setdefault(report.message_id, report)
    if earlier.sha512 == report.sha512:
        return report
    severity = Severity.ERROR if report.own else Severity.WARNING
    finding = Finding(problems.ID_CONFLICT, rules.ID_USED_ONCE, f"{earlier.path} has the same nachrichtenUUID", severity=severity)
    return replace(report, findings=tuple(sorted((finding, *report.findings), key=lambda one: one.severity)))


# --- in a worker


@dataclass(frozen=True, slots=True)
class ExaminedFile:
    """What was found in the content of a file, and what other files are compared by."""

    findings: tuple[Finding, ...]
    message_id: UUID | None
    own: bool


def file_examined(content: bytes, asked: bool) -> tuple[ExaminedFile, bytes]:
    """Examine the content of a file, test messages as well if they are `asked` for: what runs in a worker, which `prepare` has made ready."""
    examined = asked_prepared(examine_prepared(content, accept_test=asked), content)
    own = examined.row is not None and examined.row.own
    return ExaminedFile(examined.findings, examined.message_id, own), b""


EXAMINE: Final = Operation(file_examined)
