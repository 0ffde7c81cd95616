"""How adapters and what is found out about them are shown to people at a terminal."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from stadtbus.adapters import Report
    from stadtbus.trial import Difference, Trial

_UNMAPPED: Final = "bold red"
_PAGE_WIDTH: Final = 160
_DIFF: Final = {"-": "red", "+": "green", "@": "cyan", " ": ""}


def known_view(rows: Sequence[dict[str, Any]]) -> RenderableType:
    """A line per office."""
    table = Table(box=SIMPLE_HEAD)
    for name in ("office", "adapter from", "twin", "services"):
        table.add_column(name, overflow="fold")
    for row in rows:
        package = row["package"] if row["adapter"] else Text("none", style="red")
        table.add_row(row["office"], package, "yes" if row["twin"] else "no", ", ".join(row["services"]) or "not in the catalogue")
    return table


@contextmanager
def progress(console: Console, office: str, total: int) -> Iterator[Callable[[str], None]]:
    """A line that tells which check runs; it goes when all have run."""
    columns = (SpinnerColumn(), TextColumn("{task.completed}/{task.total} {task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(office, total=total, completed=-1)
        yield lambda text: bar.update(task, advance=1, description=f"{office}: {text}")


def reports_view(reports: Sequence[Report]) -> RenderableType:
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


def _sum_up(report: Report) -> str:
    if report.flaws:
        return f"the mapping has {len(report.flaws)} flaw(s); the checks come when it has none"
    return f"{len(report.verdicts) - len(report.broken)} of {len(report.verdicts)} checks kept"


def trial_view(trial: Trial) -> RenderableType:
    """Left the values of the message, right the document."""
    left = Table(box=None, padding=(0, 1, 0, 0), show_header=False)
    left.add_column(overflow="fold", ratio=2)
    left.add_column(overflow="fold", ratio=1)
    for leaf in trial.leaves:
        style = "" if leaf.read else "dim" if leaf.ignored else _UNMAPPED
        left.add_row(Text(leaf.path, style=style or "cyan"), Text(leaf.value, style=style))
    right = Text(f"refused: {trial.refused}", style="red") if trial.refused else Text(trial.text)
    sides = Table(box=SIMPLE_HEAD, expand=True)
    sides.add_column("message", ratio=1, overflow="fold")
    sides.add_column(trial.document.content_type if trial.document else "document", ratio=1, overflow="fold")
    sides.add_row(left, right)
    return Group(sides, Text(_summary(trial)))


def _summary(trial: Trial) -> str:
    if trial.refused:
        return "the adapter refuses this message, so nothing is in a document"
    if trial.unmapped:
        return "not in the document: " + ", ".join(trial.unmapped)
    left_out = sum(1 for leaf in trial.leaves if not leaf.read)
    return f"{len(trial.leaves) - left_out} values in the document; {left_out} left out, as the mapping says under 'ignored'"


def as_html(view: RenderableType) -> str:
    """The same as a page of its own."""
    recorder = Console(record=True, width=_PAGE_WIDTH, file=io.StringIO())
    recorder.print(view)
    return recorder.export_html()


def differences_view(found: Sequence[Difference]) -> RenderableType:
    """A diff per sample that changes."""
    changed = [one for one in found if one.lines]
    lines: list[RenderableType] = []
    for one in changed:
        lines.append(Text(f"samples/{one.sample}", style="bold"))
        lines += [Text(line, style=_DIFF[line[0]]) for line in one.lines]
    return Group(*lines, Text(f"{len(changed)} of {len(found)} samples change"))
