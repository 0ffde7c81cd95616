"""How things are shown to people at a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.box import SIMPLE_HEAD
from rich.table import Table

from consumers.audit import TraceStep
from consumers.stats import Figure
from infra.lag import OfficeLag

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


def lag_table(lags: Sequence[OfficeLag], now: datetime) -> Table:
    """One line per office."""
    table = Table(title="Accepted and not delivered", title_justify="left", box=SIMPLE_HEAD)
    for name in ("office", "lag", "oldest waits", "parked", "expired", "group", "up"):
        table.add_column(name, justify="left" if name in ("office", "group") else "right", no_wrap=name == "office")
    for one in lags:
        alarming = one.expired or (one.behind and not one.members)
        style = "bold red" if alarming else "yellow" if one.behind or one.parked else ""
        counts = (str(one.parked or ""), str(one.expired or ""), one.group_state, str(one.members))
        table.add_row(one.office, str(one.behind), ago(one.oldest_age_s(now)), *counts, style=style)
    return table


def trace_table(submission: str, steps: Sequence[TraceStep]) -> Table:
    """The way of one submission, with the time since the step before."""
    table = Table(title=f"Submission {submission}", title_justify="left", box=SIMPLE_HEAD)
    for name in ("step", "at", "after", "where"):
        table.add_column(name, justify="right" if name == "after" else "left")
    before = None
    for step in steps:
        after = "" if before is None else f"+{ago((step.at - before).total_seconds())}"
        table.add_row(step.what, step.at.astimezone().strftime("%d.%m.%Y %H:%M:%S.%f")[:-3], after, step.where)
        before = step.at
    return table


def statistics_table(figures: Sequence[Figure]) -> Table:
    """One line per city, office, service, portal and hour."""
    table = Table(title="Submissions by hour", title_justify="left", box=SIMPLE_HEAD)
    for name in ("hour", "office", "service", "portal", "taken", "delivered", "accepted", "rejected", "median", "p95"):
        table.add_column(name, justify="left" if name in ("hour", "office", "service", "portal") else "right", overflow="fold")
    for one in figures:
        hour = one.hour.astimezone().strftime("%d.%m. %Hh")
        counts = (str(one.accepted), str(one.delivered), str(one.confirmed or ""), str(one.rejected or ""))
        table.add_row(hour, one.office, one.service, one.portal, *counts, ago(one.median_s), ago(one.p95_s))
    return table
