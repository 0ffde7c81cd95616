"""The command `operations list`, and its table."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.operations import OperatorAction
from stadtbus.commands.operators import Since, instant_of, offices_named
from stadtbus.commands.terminal import AsJson, console, load_quietly, print_json
from stadtbus.display import instant, printable

if TYPE_CHECKING:
    from schemas.operations import Operation

operations_app = typer.Typer(no_args_is_help=True, help="Who did what to submissions and offices.")


@operations_app.command("list")
def operations_list(
    *,
    office: Annotated[str | None, typer.Option(help="What was done at this office.", show_default=False)] = None,
    actor: Annotated[str | None, typer.Option(help="What this person did.", show_default=False)] = None,
    action: Annotated[OperatorAction | None, typer.Option(help="Only this kind.", show_default=False)] = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, help="The last so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """What operators have done, the last on top: when, who, what, where and why. As long as `stadtbus.operations` keeps it."""
    from consumers.desk.operations import read_back

    loaded = load_quietly()
    if office is not None:
        offices_named(loaded, office)
    begin = instant_of(since, "--since")
    read = asyncio.run(read_back(loaded.kafka))
    found = [(instant(record.timestamp), one) for record, one in read if one is not None]
    wanted = [
        (at, one)
        for at, one in found
        if office in (None, one.office) and actor in (None, one.actor) and action in (None, one.action) and (begin is None or at >= begin)
    ]
    last = wanted[: -limit - 1 : -1]
    if as_json:
        print_json([{"written_at": at} | one.model_dump(exclude_none=True) for at, one in last])
    else:
        console.print(_view(last, left=len(wanted) - len(last), unread=len(read) - len(found)))


def _view(last: Sequence[tuple[datetime, Operation]], *, left: int, unread: int) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, padding=0)
    for name in ("when", "who", "what", "where"):
        table.add_column(name, no_wrap=name in ("when", "what"), overflow="fold")
    table.add_column("about, and why", ratio=1, overflow="fold")
    for at, one in last:
        about = "\n".join(part for part in (_about(one), one.reason and f"“{one.reason}”") if part)
        table.add_row(at.astimezone().strftime("%d.%m. %H:%M:%S"), one.actor, one.action, one.office, Text(printable(about)))
    notes = [f"and {left:,} before: --limit, --since"] if left else []
    notes += [f"{unread} cannot be read by this version"] if unread else []
    return Group(table, *(Text(note, style="dim") for note in notes)) if last or notes else Text("nothing")


def _about(one: Operation) -> str:
    """What it was done to, in the words of the command that did it."""
    named: dict[str, Any] = {
        "submission": one.submission,
        "cause": one.fingerprint,
        "portal": one.portal,
        "case": one.case,
        "reference": one.reference,
        "number": one.count,
        "offsets": one.offsets and ", ".join(f"{place} to {offset}" for place, offset in one.offsets.items()),
        "place": one.place if one.submission is None else None,
    }
    return ", ".join(f"{name} {value}" for name, value in named.items() if value is not None)
