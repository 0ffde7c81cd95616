"""What the rows say: a table for people at a terminal, and its section in docs/reliability.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.report import machine
from infra.kafka.jars import kafka_version
from tests.attack.honest import PER_S
from tests.attack.judge import Figures, counts, percentile, violations
from tests.attack.rows import Row
from tests.attack.siege import DESCRIPTORS, SECONDS
from tests.faults.report import line

Result = tuple[Row, Figures]
_COLUMNS: Final = ("sent", "p50 ms", "p99 ms", "worst ms", "not accepted", "not delivered", "restarts", "log KB", "gateway MiB", "starved")
_SHORT: Final = ("p50", "p99", "worst", "refused", "missing", "ended", "log", "mem", "starved")


def verdict(figures: Figures) -> str:
    """`holds`, or what does not."""
    return "; ".join(violations(figures)) or "holds"


def cells(figures: Figures) -> list[str]:
    """In the order of the columns."""
    times = [f"{percentile(figures.times_s, part) * 1000:.0f}" for part in (0.5, 0.99, 1)]
    numbers = (sum(figures.not_accepted.values()), figures.not_delivered, figures.restarts)
    return [
        str(len(figures.times_s)),
        *times,
        *map(str, numbers),
        f"{figures.log_bytes / 1000:.0f}",
        f"{figures.memory_mib:.0f}",
        f"{figures.starved:.0%}",
    ]


def table(results: Sequence[Result], title: str) -> Table:
    """For the terminal, 100 columns wide. What does not hold is told in words when its row ends."""
    made = Table(
        title=f"{title}; times in ms, log in KB, memory of the gateway in MiB", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    made.add_column("attack", no_wrap=True)
    for column in _SHORT:
        made.add_column(column, justify="right", no_wrap=True)
    made.add_column("", no_wrap=True)
    for row, figures in results:
        made.add_row(row.title, *cells(figures)[1:], "[bold red]fails[/]" if violations(figures) else "holds")
    return made


def markdown(results: Sequence[Result], seconds: float) -> str:
    """The section of the page."""
    day = datetime.now(UTC).date().isoformat()
    lines = [
        "## Under attack",
        "",
        f"An honest portal submits {PER_S} times a second to three offices, each time on a new connection, and follows each submission to its",
        f"back office, while others attack the same gateway for {SECONDS:.0f} s each: strangers without a login, and a portal with the same rights.",
        "The hostile ones are a process of lowest priority on the same machine. They call from three addresses, of which one is the honest portal's.",
        f"The gateway may have {DESCRIPTORS} files open (set by `prlimit` before it looks), and the outbox 64 MiB; else all is as it is by default.",
        "A row holds where the honest portal's p99 at intake is below 1 s, all is accepted and delivered, no process ends, and the logs of the bus",
        "grow by less than 1 MB. *Gateway MiB* is the most that the gateway's process held, without its workers. *Starved* is the part of the time in",
        "which its loop wanted the processor and others had it: where that is much, the machine is slow and not the bus. The last column is what came back",
        "to the attackers: answers by status, connections opened, and closed by the gateway. `make test-attack` writes this section.",
        "",
        f"{machine()}; Apache Kafka {kafka_version()}, one broker with TLS, users and rights; {day}; `make test-attack`; {seconds / 60:.0f} min.",
        "",
        line(("attack", "finding", *_COLUMNS, "verdict", "came back to the attackers")),
        line(["---"] * 2 + ["---:"] * len(_COLUMNS) + ["---"] * 2),
    ]
    lines += [
        line((row.title, row.finding or "–", *cells(figures), verdict(figures), counts(figures.came_back))) for row, figures in results
    ]
    return "\n".join(lines) + "\n"
