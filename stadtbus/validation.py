"""Examining files in workers, as the gateway would, and what only shows between files."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID

from infra.process_pool import ProcessPool
from schemas import problems, xml
from schemas.catalogue import Catalogue
from schemas.errors import Rejected, UsageError
from schemas.examination import rules
from schemas.examination.examine import examine_prepared, prepare
from schemas.findings import Finding, Severity

STDIN: Final = Path("-")
_ENOUGH_BYTES: Final = xml.MAX_SIZE_BYTES + 1
"""One byte more than is accepted is enough to refuse a file."""
_BATCH: Final = 25
"""Files that a worker gets at a time: so few that a limit meets few, so many that handing them over costs little."""


@dataclass(frozen=True, slots=True)
class MessageFile:
    """A file, or what the standard input gave already."""

    path: Path
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class FileReport:
    """What was found in one message, with what it takes to find the same id in another; `own` are messages of our own family."""

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
    """A report of each file, in their order. Few files are under way at a time, so memory does not grow with their number."""
    size = os.cpu_count() or 1
    workers = ProcessPool(partial(prepare, catalogue, schema_folder), size=size)
    examine = partial(examine_files, accept_test=accept_test)
    batches = (found[start : start + _BATCH] for start in range(0, len(found), _BATCH))
    under_way = deque(asyncio.create_task(_batch(workers, examine, batch)) for batch in islice(batches, 2 * size))
    first: dict[UUID, FileReport] = {}
    try:
        while under_way:
            done = await under_way.popleft()
            under_way.extend(asyncio.create_task(_batch(workers, examine, batch)) for batch in islice(batches, 1))
            for report in done:
                yield _compared(report, first)
    finally:
        await asyncio.to_thread(workers.close)


async def _batch(
    workers: ProcessPool, examine: Callable[[Sequence[MessageFile]], list[FileReport]], batch: Sequence[MessageFile]
) -> list[FileReport]:
    """When a batch passes a limit, its files are examined one by one, to find the one that does."""
    try:
        return await workers.run(examine, batch)
    except Rejected as error:
        if len(batch) == 1:
            return [FileReport(batch[0].path, (Finding(error.problem, "readable", error.detail),))]
        return [report for one in batch for report in await _batch(workers, examine, [one])]


def _compared(report: FileReport, first: dict[UUID, FileReport]) -> FileReport:
    """H7 (S050): an id that an earlier file has with other content. Published samples of genuine messages share ids: there it is a warning."""
    earlier = report if report.message_id is None else first.setdefault(report.message_id, report)
    if earlier.sha512 == report.sha512:
        return report
    severity = Severity.ERROR if report.own else Severity.WARNING
    finding = Finding(problems.ID_CONFLICT, rules.ID_USED_ONCE, f"{earlier.path} has the same nachrichtenUUID", severity=severity)
    return replace(report, findings=tuple(sorted((finding, *report.findings), key=lambda one: one.severity)))


# --- in a worker


def examine_files(batch: Sequence[MessageFile], *, accept_test: bool) -> list[FileReport]:
    """Read and examine each."""
    return [_examine(source, accept_test=accept_test) for source in batch]


def _examine(source: MessageFile, *, accept_test: bool) -> FileReport:
    try:
        body = _read(source.path) if source.body is None else source.body
    except OSError as error:
        return FileReport(source.path, (Finding(problems.FILE_UNREADABLE, "readable", error.strerror or type(error).__name__),))
    examined = examine_prepared(body, accept_test=accept_test)
    own = examined.row is not None and examined.row.own
    return FileReport(source.path, examined.findings, examined.message_id, hashlib.sha512(body).hexdigest(), own)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_ENOUGH_BYTES)
