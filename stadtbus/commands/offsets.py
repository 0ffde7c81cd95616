"""The command `offsets reset`, and its table."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stadtbus.commands.operators import Actor, Go, OfficeArgument, offices_named, open_desk
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load_quietly, print_json
from stadtbus.display import counted

if TYPE_CHECKING:
    from consumers.desk.offsets import PartitionReset

offsets_app = typer.Typer(no_args_is_help=True, help="How far an office has come in its topics.")


@offsets_app.command("reset")
def reset(office: OfficeArgument, *, go: Go = False, actor: Actor = None, as_json: AsJson = False) -> None:
    """Let a stopped adapter go on after offsets-lost, topic-replaced or log-shortened; exit code 1 when there is something to set."""
    loaded = load_quietly()
    desk = open_desk(loaded, actor)
    offices_named(loaded, office)
    resets: list[PartitionReset] = asyncio.run(desk.reset_offsets(office, go=go))
    if as_json:
        print_json({"office": office, "go": go, "partitions": [_as_dict(one) for one in resets]})
    else:
        console.print(_resets_view(office, resets, go=go))
    if not go and any(one.changes for one in resets):
        raise typer.Exit(FINDINGS)


def _resets_view(office: str, resets: Sequence[PartitionReset], *, go: bool) -> RenderableType:
    """Where a group is, and where the ledger knows it was."""
    table = Table(title=f"Offsets of {office}", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("partition", no_wrap=True)
    for name in ("Kafka knows", "the ledger knows", "set to"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("because of")
    for one in resets:
        cells = ("" if value is None else str(value) for value in (one.committed, one.known, one.to if one.changes else None))
        gone = {"lost before they were read": one.lost, "parked, gone from Kafka": one.parked_gone}
        reasons = [one.reason, *(f"{count:,} {what}" for what, count in gone.items() if count)]
        kind = one.partition.topic.rpartition(".")[2]  # the title names the office
        table.add_row(f"{kind}/{one.partition.partition}", *cells, ", ".join(filter(None, reasons)))
    changes = sum(one.changes for one in resets)
    done = f"{counted(changes, 'offset')} set; start the adapter" if go else "Nothing was written. With --go it is done."
    return Group(table, Text(done if changes else "There is nothing to set."))


def _as_dict(one: PartitionReset) -> dict[str, Any]:
    """One partition for programs."""
    where = {"topic": one.partition.topic, "partition": one.partition.partition}
    numbers = {"committed": one.committed, "known": one.known, "to": one.to, "lost": one.lost, "parked_gone": one.parked_gone}
    return where | numbers | {"reason": one.reason or None, "changes": one.changes}
