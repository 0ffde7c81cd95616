"""What a benchmark says, as a table for people and JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. `ratio` is value / value of the figure that `baseline` names; `goal` is the least ratio wanted."""

    name: str
    value: float
    unit: str
    baseline: str | None = None
    ratio: float | None = None
    goal: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        return None if self.goal is None or self.ratio is None else self.ratio >= self.goal


def against(baseline: Figure, name: str, value: float, *, goal: float | None = None, less_is_better: bool = False) -> Figure:
    """A figure with its ratio to a baseline of the same run; above 1 is better than the baseline."""
    ratio = baseline.value / value if less_is_better else value / baseline.value
    return Figure(name, round(value, 1), baseline.unit, baseline.name, round(ratio, 3), goal)


def machine() -> str:
    """What the figures were measured on."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    models = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return (
        f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores, {memory_gib:.0f} GiB, Python {platform.python_version()}"
    )


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def show(name: str, figures: Sequence[Figure], *, as_json: bool) -> None:
    """Print the result."""
    if as_json:
        rows = [asdict(figure) | {"met": figure.met} for figure in figures]
        print(json.dumps({"name": name, "machine": machine(), "figures": rows}, indent=2))
        return
    table = Table(title=f"{name} on {machine()}", title_justify="left", box=SIMPLE_HEAD)
    for column in ("figure", "value", "unit", "ratio", "to", "goal", "met"):
        table.add_column(column, justify="right" if column in ("value", "ratio", "goal") else "left", overflow="fold")
    for one in figures:
        met = {True: "yes", False: "[bold red]no[/]", None: ""}[one.met]
        cells = ("" if one.ratio is None else f"{one.ratio:.2f}", one.baseline or "", "" if one.goal is None else f"{one.goal:.2f}", met)
        table.add_row(one.name, f"{one.value:,.1f}", one.unit, *cells)
    Console().print(table)
