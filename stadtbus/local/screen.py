"""What the demo shows: a table that moves while submissions travel, and the summary at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import httpx
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from adapters import registry
from consumers.watch import words
from consumers.watch.model import Attention, Judgement
from producers.synthetic.portal import SyntheticPortal
from schemas.errors import CannotTell
from schemas.events import State
from stadtbus import overview
from stadtbus.display import ago
from stadtbus.local.proof import Proof, Prover
from stadtbus.local.system import LocalSystem

_REFRESH_S: Final = 0.5


class Screen:
    """A line per back office: how many were submitted there, delivered and accepted, what waits, and the verdict of the watch."""

    def __init__(self, system: LocalSystem, prover: Prover, shares: Sequence[tuple[SyntheticPortal, int]], began: float) -> None:
        """`shares` are the portals, each with how many it is to send; `began` is the `time.monotonic()` from which seconds are counted."""
        self._system = system
        self._prover = prover
        self._shares = shares
        self._began = began
        self._verdicts: dict[str, Judgement] = {}
        self._effects: dict[str, int] = {}
        self._confirmed: set[UUID] = set()

    @asynccontextmanager
    async def shown(self, console: Console) -> AsyncIterator[None]:
        """The table stands on the console and moves until the block ends."""
        with Live(self._table(), console=console, refresh_per_second=4, transient=True) as live:
            refresh = asyncio.create_task(self._refresh(live))
            try:
                yield
            finally:
                refresh.cancel()
                await asyncio.gather(refresh, return_exceptions=True)

    async def _refresh(self, live: Live) -> None:
        while True:
            with suppress(CannotTell, httpx.TransportError):  # the screen shows what it knew last
                self._effects = await self._system.effects()
                self._confirmed = await self._prover.told(State.ACCEPTED)
                found, _ = await overview.ask_watch(overview.watch_address(self._system.settings))
                self._verdicts = {one.name: one for one in found.judgements} if found else {}
            live.update(self._table())
            await asyncio.sleep(_REFRESH_S)

    def _table(self) -> RenderableType:
        table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False, header_style="dim")
        for name in ("back office", "", "submitted", "delivered", "accepted", "waits", "oldest", "verdict"):
            table.add_column(name, justify="left" if name in ("back office", "", "verdict") else "right", no_wrap=True)
        for office in self._system.catalogue.offices:
            table.add_row(f"[bold]{office}[/]", *self._figures(office))
        accepted = sum(len(portal.book.accepted) for portal, _ in self._shares)
        total = Text(f"{accepted} submitted, {sum(self._effects.values())} delivered, {time.monotonic() - self._began:.0f} s", style="dim")
        return Panel(Group(table, Text(), total), title="portals → gateway → Kafka → adapters → back offices", title_align="left")

    def _figures(self, office: str) -> list[RenderableType]:
        """The line of an office."""
        ways = [(portal, share) for portal, share in self._shares if portal.office == office]
        submitted = set().union(*(portal.book.accepted for portal, _ in ways))
        delivered = self._effects.get(office, 0)
        total = max(sum(share for _, share in ways), len(submitted), 1)
        bar = ProgressBar(total=total, completed=min(delivered, total), width=8, complete_style="cyan", finished_style="green")
        accepted = str(len(submitted & self._confirmed)) if registry.answers_later(office) else ""
        counts = (str(len(submitted)), str(delivered), accepted)
        return [bar, *counts, *self._verdict(office)]

    def _verdict(self, office: str) -> list[RenderableType]:
        """What the watch said of an office last: how many wait, since when, and how it does."""
        one = self._verdicts.get(office)
        if one is None:
            return ["", "", ""]
        oldest_s = None if one.oldest_at is None else max(0.0, (datetime.now(UTC) - one.oldest_at).total_seconds())
        style = "" if one.attention is Attention.NONE else "bold red"
        return ["?" if one.waiting is None else str(one.waiting), ago(oldest_s), Text(words.verdict(one), style)]


def summary(proof: Proof, seconds: float) -> RenderableType:
    """The end of a run, for people."""
    table = Table(title="What portals sent, and what back offices hold", title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.pad_edge, table.collapse_padding = False, True
    for name in ("back office", "submitted", "delivered", "accepted", "lost", "twice", "foreign"):
        table.add_column(name, justify="left" if name == "back office" else "right", no_wrap=True)
    for office, one in proof.offices.items():
        confirmed = "" if one.confirmed is None else one.confirmed
        table.add_row(office, *map(str, (one.accepted, one.delivered, confirmed, one.lost, one.duplicated, one.foreign)))
    verdict = (
        Text("Everything arrived, once, at the right office.", "green")
        if proof.complete
        else Text("Not everything is as it must be.", "bold red")
    )
    facts = Text(
        f"audit: {proof.audit_submissions} submissions, {'agrees' if proof.audit_verified else 'DISAGREES'} with the portals' lists · "
        f"statistics: {proof.statistics_submissions}, {'agree' if proof.statistics_verified else 'DISAGREE'} · "
        f"refused at the door: {proof.rejected} · dead letters: {proof.deadlettered} · {seconds:.1f} s",
        "dim",
    )
    later = Text("accepted: decided by the back office after the delivery; the others accept by taking it.", "dim")
    return Group(table, later, verdict, facts, Text())
