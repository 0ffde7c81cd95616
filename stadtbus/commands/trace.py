"""The command `trace`, and its table."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from schemas import problems
from schemas.errors import Rejected
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load_quietly, print_json, to_people
from stadtbus.display import ago, printable

if TYPE_CHECKING:
    from stadtbus.tracing import Trace


def trace(
    wanted: Annotated[str, typer.Argument(metavar="ID|CODE|CASE", help="Id or hotline code of the submission, or id of a case.")],
    *,
    as_json: AsJson = False,
) -> None:
    """The way of a submission with times, or of all of a case, from audit and outbox; where it waits, since when and why.

    Exit code 1 when nobody knows it, 3 when neither audit nor outbox is here.
    """
    from stadtbus.tracing import Tracer, parse_wanted

    parsed = parse_wanted(wanted)
    with closing(Tracer(load_quietly())) as tracer:
        traces = asyncio.run(tracer.with_reasons(tracer.find(parsed)))
        places = tracer.places()
    if as_json:
        print_json([step for one in traces for step in _steps_as_dicts(one)])
    else:
        for one in traces:
            console.print(_trace_table(one, datetime.now(UTC)))
    if not traces:
        to_people.print(Rejected(problems.NOBODY_KNOWS, where=places).diagnostics(), markup=False, soft_wrap=True)
        raise typer.Exit(FINDINGS)


def _steps_as_dicts(trace: Trace) -> list[dict[str, Any]]:
    """The steps of one submission for programs; each names the submission, because a case has several."""
    return [asdict(step) | {"submission": trace.submission, "hotline_code": trace.hotline_code} for step in trace.steps]


def _trace_table(trace: Trace, now: datetime) -> Table:
    """The way of one submission, with the time since the step before; of one that waits, how long it has waited."""
    from stadtbus.tracing import WAITS

    table = Table(title=f"Submission {trace.submission}, hotline code {trace.hotline_code}", title_justify="left", box=SIMPLE_HEAD)
    for name in ("step", "at", "after", "where"):
        table.add_column(name, justify="right" if name == "after" else "left", no_wrap=name != "where", overflow="fold")
    before = None
    for step in trace.steps:
        waits = step.what == WAITS
        if waits:
            after = f"for {ago((now - step.at).total_seconds())}"
        else:
            after = f"+{ago((step.at - before).total_seconds())}" if before is not None else ""
        at = step.at.astimezone().strftime("%d.%m.%Y %H:%M:%S.%f")[:-3]
        table.add_row(step.what, at, after, Text(printable(step.where)), style="yellow" if waits else "")
        before = step.at
    return table
