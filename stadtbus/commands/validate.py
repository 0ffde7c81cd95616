"""The command `validate`: messages in files, held against everything that the gateway would hold them against."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stadtbus.commands.terminal import FINDINGS, AsJson, console, print_json, quiet, to_people

if TYPE_CHECKING:
    from schemas.findings import Finding
    from stadtbus.settings import Settings
    from stadtbus.validation import Report, Source

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="XML files, folders (all *.xml below), or - for the standard input.")]
Reveal = Annotated[bool, typer.Option("--reveal", help="Print the values at the findings too; they may be personal data.")]


@dataclass
class _Tally:
    files: int = 0
    refused: int = 0
    severities: Counter[str] = field(default_factory=Counter)

    def add(self, report: Report) -> None:
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

    loaded = quiet()
    tally = asyncio.run(_run(list(validation.sources(files)), loaded, reveal=reveal, as_json=as_json))
    if tally.refused:
        raise typer.Exit(FINDINGS)


async def _run(sources: list[Source], loaded: Settings, *, reveal: bool, as_json: bool) -> _Tally:
    from stadtbus import validation

    reports = validation.reports(sources, loaded.load_catalogue(), loaded.schemas.folder, accept_test=loaded.gateway.accept_test)
    tally, told = _Tally(), []
    with _progress() as progress:
        bar = progress.add_task("examined", total=len(sources))
        async for report in reports:
            tally.add(report)
            progress.advance(bar)
            if report.findings and as_json:
                told.append(_as_dict(report, reveal=reveal))
            elif report.findings:
                _print(report, reveal=reveal)
    if as_json:
        print_json(tally.as_dict() | {"results": told})
    else:
        console.print(", ".join(f"{number} {name}" for name, number in tally.as_dict().items()), highlight=False)
    return tally


def _progress() -> Progress:
    """A bar on the standard error, if that is a terminal; it goes when all is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=to_people, transient=True, disable=not to_people.is_terminal)


def _print(report: Report, *, reveal: bool) -> None:
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


def _as_dict(report: Report, *, reveal: bool) -> dict[str, Any]:
    return {"file": str(report.path), "findings": [_finding_as_dict(finding, reveal=reveal) for finding in report.findings]}


def _finding_as_dict(finding: Finding, *, reveal: bool) -> dict[str, Any]:
    return finding.as_dict() | ({"value": finding.value} if reveal and finding.value is not None else {})
