"""The command `validate`: messages in files, held against everything that the gateway would hold them against."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stadtbus.commands.terminal import FINDINGS, AsJson, console, load_quietly, print_json, progress_bar

if TYPE_CHECKING:
    from schemas.findings import Finding
    from stadtbus.settings import Settings
    from stadtbus.validation import FileReport, MessageFile

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="XML files, folders (all *.xml below), or - for the standard input.")]
Reveal = Annotated[bool, typer.Option("--reveal", help="Print the values at the findings too; they may be personal data.")]


@dataclass
class _Counts:
    files: int = 0
    refused: int = 0
    severities: Counter[str] = field(default_factory=Counter)

    def add(self, report: FileReport) -> None:
        self.files += 1
        self.refused += report.refused
        self.severities.update(finding.severity.value for finding in report.findings)

    def as_dict(self) -> dict[str, int]:
        return {
            "files": self.files,
            "refused": self.refused,
            "errors": self.severities["error"],
            "warnings": self.severities["warning"],
        }


def validate(files: Files, *, reveal: Reveal = False, as_json: AsJson = False) -> None:
    """Check messages as the gateway does; exit code 1 when one of them would be refused.

    Every finding has line, place, code and a hint. No value of a message is printed without --reveal.
    """
    from stadtbus import validation

    loaded = load_quietly()
    counts = asyncio.run(_run(list(validation.message_files(files)), loaded, reveal=reveal, as_json=as_json))
    if counts.refused:
        raise typer.Exit(FINDINGS)


async def _run(files: list[MessageFile], loaded: Settings, *, reveal: bool, as_json: bool) -> _Counts:
    """Print what is found in each file as it is found; for programs all at the end."""
    from stadtbus import validation

    reports = validation.reports(files, loaded.load_catalogue(), loaded.schemas.folder, accept_test=loaded.gateway.accept_test)
    counts, told = _Counts(), []
    with progress_bar("examined") as advance:
        async for report in reports:
            counts.add(report)
            advance(counts.files, len(files))
            if report.findings and as_json:
                told.append(_as_dict(report, reveal=reveal))
            elif report.findings:
                _print(report, reveal=reveal)
    if as_json:
        print_json(counts.as_dict() | {"results": told})
    else:
        console.print(", ".join(f"{number} {name}" for name, number in counts.as_dict().items()), highlight=False)
    return counts


def _print(report: FileReport, *, reveal: bool) -> None:
    """One file for people: what, where, what next."""
    lines = [str(report.path)]
    for finding in report.findings:
        place = " ".join(part for part in (f"line {finding.line}" if finding.line else "", finding.path) if part)
        code = f"{finding.problem.code}, XÖV {finding.problem.xoev}" if finding.problem.xoev else finding.problem.code
        lines += [
            f"  {finding.severity}: {finding.problem.title} ({code}; rule {finding.rule})",
            f"    where: {place or 'the file as a whole'}",
            f"    what:  {finding.detail or finding.problem.title}",
            *([f"    value: {finding.value!r}"] if reveal and finding.value is not None else []),
            f"    next:  {finding.problem.hint}",
        ]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _as_dict(report: FileReport, *, reveal: bool) -> dict[str, Any]:
    return {"file": str(report.path), "findings": [_finding_as_dict(finding, reveal=reveal) for finding in report.findings]}


def _finding_as_dict(finding: Finding, *, reveal: bool) -> dict[str, Any]:
    return finding.as_dict() | ({"value": finding.value} if reveal and finding.value is not None else {})
