"""The command `lag`, and its table."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas import problems
from schemas.errors import CannotTell
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load_quietly, print_json, to_people
from stadtbus.display import ago, printable

if TYPE_CHECKING:
    from stadtbus.verdicts import LagVerdict


def lag(*, as_json: AsJson = False) -> None:
    """What was accepted and is not delivered, per office, and why: from Kafka, the outbox, and what each process says of itself.

    Exit code 1 when an office, or whoever records, does not work, when something waits for long, or was lost; 3 when that cannot be told: of
    Kafka, or of what waits in the outbox.
    """
    from stadtbus import observations, verdicts

    loaded = load_quietly()
    observed = asyncio.run(observations.observe(loaded))
    now = datetime.now(UTC)
    judged = verdicts.judge(observed, loaded.load_catalogue().offices, now)
    well = all(one.well for one in judged)
    if observed.kafka_fault is not None and well:  # that nothing is known to be wrong says nothing then
        raise observed.kafka_fault
    if as_json:
        print_json([one.as_dict(now) for one in judged])
    else:
        console.print(_lag_view(judged, now))
    if observed.kafka_fault is not None:
        to_people.print(observed.kafka_fault.diagnostics(), markup=False, highlight=False, soft_wrap=True)
    if not well:
        raise typer.Exit(FINDINGS)
    if not all(one.known for one in judged):
        raise CannotTell(problems.OUTBOX_ELSEWHERE, "whether something waits there nobody tells", where=loaded.stores.shown("outbox"))


def _lag_view(verdicts: Sequence[LagVerdict], now: datetime) -> RenderableType:
    """A line for the gateway, each office and each recorder; below them, what those that do not work say of themselves."""
    from stadtbus.readiness import GATEWAY

    table = Table(title="Accepted and not delivered", title_justify="left", box=SIMPLE_HEAD)
    for name in ("", "waits", "oldest waits", "parked", "lost", "state"):
        table.add_column(name, justify="left" if name in ("", "state") else "right", no_wrap=True)
    for one in verdicts:
        oldest_at = one.oldest_at()
        oldest = "" if oldest_at is None else ago(max(0.0, (now - oldest_at).total_seconds()))
        waits = str(one.waits) if one.lag and one.lag.offsets else f"{one.waits} + ?" if one.waits else "?"
        parked = str(one.lag.parked or "") if one.lag else ""
        table.add_row(one.name, "" if one.name == GATEWAY else waits, oldest, parked, str(one.lost or ""), one.state, style=_style(one))
    return Group(table, _notes([one for one in verdicts if not one.well or one.name == GATEWAY]))


def _notes(verdicts: Sequence[LagVerdict]) -> Table:
    """What each says of itself, its name beside the first line."""
    notes = Table.grid(padding=(0, 1), pad_edge=True)
    notes.add_column(no_wrap=True)
    notes.add_column(overflow="fold")
    for one in verdicts:
        for number, text in enumerate(one.reasons):
            notes.add_row(one.name if number == 0 else "", Text(printable(text)), style="bold red" if not one.well else "dim")
    return notes


def _style(one: LagVerdict) -> str:
    return "bold red" if not one.well else "yellow" if one.waits or (one.lag and one.lag.parked) else ""
