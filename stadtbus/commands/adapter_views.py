"""How adapters and what is found out about them are shown to people at a terminal."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from stadtbus.adapter_tools.check import AdapterReport
    from stadtbus.adapter_tools.diff import SampleDiff
    from stadtbus.adapter_tools.trial import MessageValue, Trial

_UNMAPPED: Final = "bold red"
_NOT_THERE: Final = "NOT IN THE DOCUMENT"
_LEFT_OUT: Final = "-"
_ADDED: Final = "(header, bus, mapping)"
_LEAST_WIDTH: Final = 60
_PAGE_WIDTH: Final = 160
_DIFF: Final = {"-": "red", "+": "green", "@": "cyan", " ": ""}


def known_view(rows: Sequence[dict[str, Any]]) -> RenderableType:
    """A line per office."""
    table = Table(box=SIMPLE_HEAD)
    for name in ("office", "adapter from", "twin", "services"):
        table.add_column(name, overflow="fold")
    for row in rows:
        package = Text(row["package"]) if row["adapter"] else Text("none", style="red")
        if len(row["packages"]) > 1:
            package = Text(f"more than one: {', '.join(row['packages'])}; uninstall all but one", style="red")
        table.add_row(row["office"], package, "yes" if row["twin"] else "no", ", ".join(row["services"]) or "not in the catalogue")
    return table


@contextmanager
def progress(console: Console, office: str, total: int) -> Iterator[Callable[[str], None]]:
    """A line that tells which check runs, gone at the end of the block; the function that it gives is called before each."""
    columns = (SpinnerColumn(), TextColumn("{task.completed}/{task.total} {task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(office, total=total, completed=-1)
        yield lambda text: bar.update(task, advance=1, description=f"{office}: {text}")


def reports_view(reports: Sequence[AdapterReport]) -> RenderableType:
    """A line per adapter, and what each does not keep."""
    lines: list[RenderableType] = []
    for report in reports:
        lines.append(Text(f"{report.office}: {_sum_up(report)}", style="green" if report.fine else "red"))
        lines += [Text(f"  {one.spot}: {one.detail} ({one.rule})") for one in report.flaws]
        lines += [Text(f"  samples/{name}: something else comes of it than was recorded") for name in report.differing]
        lines += [Text(f"  {one.check}: {one.title}\n    but: {one.broken}") for one in report.broken]
        if report.flaws:
            lines.append(Text(f"  next: {report.flaws[0].hint}"))
        if report.differing:
            lines.append(Text(f"  next: if that is meant, `stadtbus adapter record {report.office}`; if not, mend the mapping."))
    return Group(*lines)


def _sum_up(report: AdapterReport) -> str:
    if report.flaws:
        return f"the mapping has {len(report.flaws)} flaw(s); the checks come when it has none"
    return f"{len(report.verdicts) - len(report.broken)} of {len(report.verdicts)} checks kept"


def trial_view(trial: Trial) -> RenderableType:
    """A line per value: where it stands in the message, where in the document, what it is. Then what the document has beside that."""
    return Group(_TrialTable(trial), Text(_summary(trial), style="red" if trial.refused or trial.unmapped else ""))


class _TrialTable:
    """The table of a trial, made for the width of the console that prints it: paths are broken between their steps."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = (max(options.max_width, _LEAST_WIDTH) - 4) // 3
        document = self._trial.document
        table = Table(box=SIMPLE_HEAD, padding=0)
        for title in ("in the message", f"in the document\n({document.content_type})" if document else "in the document", "value"):
            table.add_column(title, width=width, overflow="fold")
        around = ""
        for source, targets, value, style in self._rows():
            group, name = _in_group(source)
            if group and group != around:
                table.add_row(Text(broken(group, width), style="bold"))
            around = group
            table.add_row(Text(broken(name, width)), Text("\n".join(broken(one, width) for one in targets)), Text(value), style=style)
        yield table

    def _rows(self) -> Iterator[tuple[str, Sequence[str], str, str]]:
        for one in self._trial.values:
            nowhere, style = (_LEFT_OUT, "dim") if one.ignored else (_NOT_THERE, _UNMAPPED)
            if self._trial.document is None:
                yield one.path, (), one.value, ""
            elif one.read:
                yield one.path, one.targets, self._became(one), ""
            else:
                yield one.path, (nowhere,), one.value, style
        for target, value in self._trial.added.items():
            yield _ADDED, (target,), value, "cyan"

    def _became(self, one: MessageValue) -> str:
        """The value, and what it is in the document where that is something else."""
        found = [self._trial.written.get(target, "").strip() for target in one.targets]
        return one.value if len(found) != 1 or found[0] == one.value.strip() else f"{one.value} → {found[0]}"


def _in_group(path: str) -> tuple[str, str]:
    """A long path as the two steps that it begins with, which stand once above what they have in common, and the rest."""
    one, two, rest = (*path.split("/", 2), "", "")[:3]
    return (f"{one}/{two}/", f"  {rest}") if rest else ("", path)


def broken(path: str, width: int) -> str:
    """A path in lines of some width, broken after a `/`, or inside a step that is longer than a line."""
    lines = [""]
    for step in re.findall(r"[^/]*/?", path):
        if lines[-1] and len(lines[-1]) + len(step) > width:
            lines.append("")
        lines[-1] += step
    return "\n".join(line[at : at + width] for line in lines for at in range(0, max(len(line), 1), width))


def _summary(trial: Trial) -> str:
    if trial.refused:
        return f"refused: {trial.refused}; so nothing is in a document"
    if trial.unmapped:
        return "not in the document: " + ", ".join(trial.unmapped)
    left_out = sum(1 for one in trial.values if not one.read)
    return f"{len(trial.values) - left_out} values in the document; {left_out} left out, as the mapping says under 'ignored'"


def as_html(view: RenderableType) -> str:
    """A view as an HTML page."""
    recorder = Console(record=True, width=_PAGE_WIDTH, file=io.StringIO())
    recorder.print(view)
    return recorder.export_html()


def diffs_view(found: Sequence[SampleDiff]) -> RenderableType:
    """A diff per sample that changes."""
    changed = [one for one in found if one.lines]
    lines: list[RenderableType] = []
    for one in changed:
        lines.append(Text(f"samples/{one.sample}", style="bold"))
        lines += [Text(line, style=_DIFF[line[0]]) for line in one.lines]
    return Group(*lines, Text(f"{len(changed)} of {len(found)} samples change"))
