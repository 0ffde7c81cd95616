"""What the runs say: a table for people at a terminal, and one in docs/reliability.md. Suite, soak and attack each own a section there."""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.report import machine
from infra.kafka.jars import kafka_version
from tests.faults.judge import Figures
from tests.faults.scenarios import Scenario

COLUMNS: Final = ("sent", "delivered", "dead-lettered", "lost", "twice", "inverted", "foreign", "recovery, s")
_HEAD: Final = """# Reliability

What happens to submissions when things break, as measured on real processes, a real Kafka of three brokers and real kills.
This page is written by `make test-faults`, `make soak`, `make test-attack` and `make test-watch`; each replaces its own section.
"""


@dataclass(frozen=True, slots=True)
class Result:
    """One run of a scenario. Without figures it did not get that far; `failure` says why, `skipped` that it cannot run here."""

    scenario: Scenario
    seed: int
    seconds: float = 0
    figures: Figures | None = None
    failure: str | None = None
    skipped: str | None = None

    @property
    def clean(self) -> bool:
        """Whether it was hit and nothing was violated."""
        return self.failure is None and (self.figures is None or not self.figures.violations)

    @property
    def verdict(self) -> str:
        """In a few words."""
        if self.skipped:
            return f"skipped: {self.skipped}"
        found = [f"{name} {count}" for name, count in (self.figures.violations if self.figures else {}).items()]
        return "; ".join([*([self.failure] if self.failure else []), *found]) or "clean"

    @property
    def more(self) -> str:
        """What the line of a run says behind its verdict."""
        if self.figures is None:
            return ""
        recovery_s = self.figures.recovery_s
        recovery = "" if recovery_s is None else f", recovery {recovery_s:.1f} s"
        return f", {self.figures.sent} sent, {self.figures.unknown} unknown{recovery}"


@dataclass(frozen=True, slots=True)
class Row:
    """All runs of one scenario."""

    scenario: Scenario
    results: Sequence[Result]

    @property
    def cells(self) -> list[str]:
        """The figures, summed over the seeds; recovery as median and worst."""
        figures = [result.figures for result in self.results if result.figures is not None]
        names = ("sent", "delivered", "deadlettered", "lost", "duplicated", "inverted", "foreign")
        times = [one.recovery_s for one in figures if one.recovery_s is not None]
        recovery = f"{statistics.median(times):.1f} / {max(times):.1f}" if times else "–"
        return [str(sum(getattr(one, name) for one in figures)) for name in names] + [recovery]

    @property
    def verdict(self) -> str:
        """`clean`, or what is not, by seed."""
        if skipped := self.results[0].skipped:
            return f"skipped: {skipped}"
        return "; ".join(f"seed {result.seed}: {result.verdict}" for result in self.results if not result.clean) or "clean"

    @property
    def seeds(self) -> str:
        """How many runs."""
        return "0" if self.results[0].skipped else str(len(self.results))


def rows(results: Iterable[Result]) -> list[Row]:
    """By scenario, in the order of the fault list."""
    by_scenario: defaultdict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_scenario[result.scenario.row].append(result)
    ordered = sorted(by_scenario.values(), key=lambda of_one: int(of_one[0].scenario.row[1:]))
    return [Row(of_one[0].scenario, of_one) for of_one in ordered]


def table(shown: Sequence[Row], title: str) -> Table:
    """For the terminal."""
    made = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for column in ("row", "scenario", "seeds", *COLUMNS, "verdict"):
        made.add_column(column, justify="right" if column in COLUMNS or column == "seeds" else "left", overflow="fold")
    for row in shown:
        verdict = row.verdict if row.verdict == "clean" else f"[bold red]{row.verdict}[/]"
        made.add_row(row.scenario.row, row.scenario.name, row.seeds, *row.cells, verdict)
    return made


def markdown(shown: Sequence[Row], command: str, seconds: float) -> str:
    """The section of the suite."""
    lines = [
        "## Fault suite",
        "",
        "Rows are those of the fault list, each repeated with other seeds: other moments, offices, partitions and brokers.",
        "Figures are sums over the seeds. *Twice* counts effects at back offices, *inverted* those that overtook an earlier one of their case,",
        "*foreign* whatever appeared at an office or city that it was not sent to. Dead letters are poison that was sent on purpose.",
        "*Recovery* (median / worst) is the time from the kill, or from the end of an outage, until a submission made after it had its effect,",
        "in the slowest partition.",
        "",
        *facts(command, seconds),
        "",
        line(("row", "scenario", "expected", "seeds", *COLUMNS, "verdict")),
        line(["---"] * (len(COLUMNS) + 5)),
    ]
    for row in shown:
        name = f"{row.scenario.name} ({row.scenario.scaled})" if row.scenario.scaled else row.scenario.name
        lines.append(line([row.scenario.row, name, row.scenario.expected, row.seeds, *row.cells, row.verdict]))
    return "\n".join(lines) + "\n"


def facts(command: str, seconds: float) -> list[str]:
    """What it was measured on."""
    day = datetime.now(UTC).date().isoformat()
    return [f"{machine()}; Apache Kafka {kafka_version()}, three brokers; {day}; `{command}`; {seconds / 60:.0f} min."]


def line(cells: Iterable[str]) -> str:
    """One row of a table."""
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def write(page: Path, section: str, content: str) -> None:
    """Put a section into the page, in the place of its earlier version."""
    text = page.read_text(encoding="utf-8") if page.exists() else _HEAD
    begin, end = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
    whole = f"{begin}\n{content}{end}\n"
    pattern = re.compile(rf"{re.escape(begin)}.*{re.escape(end)}\n", re.DOTALL)
    page.write_text(pattern.sub(lambda _: whole, text) if pattern.search(text) else f"{text}\n{whole}", encoding="utf-8")
