"""The command `office release`, and its table."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas import problems
from schemas.errors import UsageError
from stadtbus.commands.operators import Actor, Go, OfficeArgument, offices_named, recorded_name
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load_quietly, print_json

if TYPE_CHECKING:
    from consumers.desk.releases import Held

office_app = typer.Typer(no_args_is_help=True, help="What an office holds because all of it is refused.")


@office_app.command("release")
def release(
    office: OfficeArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why, 3 to 200 characters without personal data, for example a ticket number.")],
    portal: Annotated[str | None, typer.Option(help="Only what is held of this portal.", show_default=False)] = None,
    cause: Annotated[
        str | None, typer.Option(help="Only what is held for this cause, as `deadletters list` shows it.", show_default=False)
    ] = None,
    go: Go = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Open at once, without a restart, what an office holds; exit code 1 when there is something to open."""
    from consumers.desk import releases
    from schemas.operations import REASON_PATTERN

    if not re.fullmatch(REASON_PATTERN, reason):
        raise UsageError(problems.REASON, "3 to 200 characters, for example a ticket number", where="--reason")
    loaded = load_quietly()
    offices_named(loaded, office)
    name = recorded_name(actor)
    found = asyncio.run(releases.held(loaded.kafka, office, portal, cause))
    if go:  # also where no heartbeat tells of it yet: a process says every few seconds what it holds
        asyncio.run(releases.release(loaded.kafka, name, office, portal, cause, reason))
    if as_json:
        print_json({"office": office, "go": go, "held": [_as_dict(one) for one in found]})
    else:
        console.print(_held_view(office, found, go=go))
    if found and not go:
        raise typer.Exit(FINDINGS)


def _held_view(office: str, found: Sequence[Held], *, go: bool) -> RenderableType:
    """What is held, by which process, since when and why."""
    table = Table(title=f"Held at {office}", title_justify="left", box=SIMPLE_HEAD)
    for column in ("portal", "cause", "since", "because of", "process"):
        table.add_column(column)
    for one in found:
        series = one.series
        since = series.since.astimezone().strftime("%d.%m. %H:%M:%S")
        table.add_row(series.portal or "all", series.cause or "all", since, Text(series.reason), one.instance)
    if go:
        done = "Released: its processes read it in `stadtbus.operations` within seconds. What waited is tried again; `stadtbus lag` shows what is held then."
        return Group(*([table] if found else []), Text(done))
    return Group(table, Text("Nothing was written. With --go it is released.")) if found else Text("Nothing is held.")


def _as_dict(one: Held) -> dict[str, Any]:
    """One series for programs."""
    return {"instance": one.instance, "said_at": one.said_at, **one.series.model_dump()}
