"""How things are shown to people at a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from consumers.statistics.facts import Figure
from stadtbus.standing import GATEWAY, Standing
from stadtbus.tracing import WAITS, Trace

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


def ago(age_s: float | None) -> str:
    """An age as people say it: `8 ms`, `1.4 s`, `12 min`, `2 h 10 min`, `3 d 4 h`; nothing for None."""
    if age_s is None:
        return ""
    if age_s < 1:
        return f"{age_s * 1000:.0f} ms"
    if age_s < _MINUTE_S:
        return f"{age_s:.1f} s" if age_s < 10 else f"{age_s:.0f} s"  # noqa: PLR2004 - tenths only where they matter
    if age_s < _HOUR_S:
        return f"{age_s / _MINUTE_S:.0f} min"
    if age_s < _DAY_S:
        return f"{age_s // _HOUR_S:.0f} h {age_s % _HOUR_S // _MINUTE_S:.0f} min"
    return f"{age_s // _DAY_S:.0f} d {age_s % _DAY_S // _HOUR_S:.0f} h"


def lag_view(standings: Sequence[Standing], now: datetime) -> RenderableType:
    """One line for each, and below them why those that are not well are not."""
    table = Table(title="Accepted and not delivered", title_justify="left", box=SIMPLE_HEAD)
    for name in ("", "waits", "oldest waits", "parked", "lost", "state"):
        table.add_column(name, justify="left" if name in ("", "state") else "right", no_wrap=True)
    for one in standings:
        oldest_at = one.oldest_at()
        oldest = "" if oldest_at is None else ago(max(0.0, (now - oldest_at).total_seconds()))
        waits = str(one.waits) if one.lag and one.lag.offsets else f"{one.waits} + ?" if one.waits else "?"
        parked = str(one.lag.parked or "") if one.lag else ""
        table.add_row(one.name, "" if one.name == GATEWAY else waits, oldest, parked, str(one.lost or ""), one.state, style=_style(one))
    notes = Table.grid(padding=(0, 1), pad_edge=True)
    notes.add_column(no_wrap=True)
    notes.add_column(overflow="fold")
    for one in standings:
        for number, text in enumerate(one.said if not one.well or one.name == GATEWAY else ()):
            notes.add_row(one.name if number == 0 else "", Text(printable(text)), style="bold red" if not one.well else "dim")
    return Lines(table, notes)


def _style(one: Standing) -> str:
    return "bold red" if not one.well else "yellow" if one.waits or (one.lag and one.lag.parked) else ""


def printable(text: str) -> str:
    """Headers and pages come from outside, and a terminal obeys control characters."""
    return "".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in text)


def trace_table(trace: Trace, now: datetime) -> Table:
    """The way of one submission, with the time since the step before; of one that waits, how long it has waited."""
    table = Table(title=f"Submission {trace.submission}, hotline code {trace.hotline_code}", title_justify="left", box=SIMPLE_HEAD)
    for name in ("step", "at", "after", "where"):
        table.add_column(name, justify="right" if name == "after" else "left", no_wrap=name != "where", overflow="fold")
    before = None
    for step in trace.steps:
        waits = step.what == WAITS
        after = (
            f"for {ago((now - step.at).total_seconds())}"
            if waits
            else ""
            if before is None
            else f"+{ago((step.at - before).total_seconds())}"
        )
        at = step.at.astimezone().strftime("%d.%m.%Y %H:%M:%S.%f")[:-3]
        table.add_row(step.what, at, after, Text(printable(step.where)), style="yellow" if waits else "")
        before = step.at
    return table


def statistics_view(figures: Sequence[Figure], services: Mapping[str, str]) -> RenderableType:
    """A table per office with its sum, and the sum of all."""
    if not figures:
        return Text("nothing was counted")
    offices = groupby(figures, key=lambda one: one.office)
    tables = [_statistics_table(office, list(part), services) for office, part in offices]
    total = _sums(figures)
    return Lines(
        *tables, Text(f"together: {', '.join(f'{name} {count}' for name, count in zip(_COUNTS, total, strict=True))}", style="bold")
    )


_COUNTS = ("taken", "delivered", "accepted", "rejected")


def _statistics_table(office: str, figures: Sequence[Figure], services: Mapping[str, str]) -> Table:
    """One line per hour, service and portal."""
    table = Table(title=office, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_footer=True)
    sums = [str(count or "") for count in _sums(figures)]
    table.add_column("hour", "sum", no_wrap=True)
    table.add_column("service\nportal", overflow="fold", ratio=1)
    for name, total in zip(_COUNTS, sums, strict=True):
        table.add_column(name, total, justify="right", no_wrap=True)
    table.add_column("median\np95", justify="right", no_wrap=True)
    for one in figures:
        counts = [str(count or "") for count in _sums([one])]
        names = Text(f"{services.get(one.service, one.service)}\n{one.portal}")
        table.add_row(one.hour.astimezone().strftime("%d.%m. %Hh"), names, *counts, f"{ago(one.median_s)}\n{ago(one.p95_s)}")
    return table


def _sums(figures: Sequence[Figure]) -> tuple[int, ...]:
    counts = [(one.accepted, one.delivered, one.confirmed, one.rejected) for one in figures]
    return tuple(map(sum, zip(*counts, strict=True)))
