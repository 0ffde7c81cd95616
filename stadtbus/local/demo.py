"""The demo: portals send to every office of the catalogue, twins receive, everything in between is real; a screen shows it happen."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import httpx
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from adapters import registry
from consumers.watch import lag
from consumers.watch.lag import GroupLag
from producers.synthetic import messages
from producers.synthetic.messages import Message
from producers.synthetic.portal import SyntheticPortal
from schemas.errors import CannotTell
from schemas.events import State
from stadtbus.display import ago
from stadtbus.local.proof import Proof, Prover
from stadtbus.local.system import LocalSystem

_WAIT_LIMIT_S: Final = 300.0
_REFRESH_S: Final = 0.5
_TRICKLE_S: Final = 2.0
_START: Final = datetime.fromisoformat("2026-01-05T07:30:00.000+01:00")
"""When the applications say that they were made: fixed, so that the same seed gives the same messages."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the user asked for."""

    submissions: int
    seed: int
    once: bool
    as_json: bool
    port_offset: int
    keep: Path | None
    bootstrap: str | None
    """A running Kafka to use instead of a local one."""


async def run(options: DemoOptions, console: Console) -> int:
    """Run the demo; 0 when everything arrived once, 1 when it did not.

    Raises:
        UsageError, CannotTell: when it cannot start.
    """
    _end_on_signals()
    folder = options.keep or Path(".stadtbus/demo")
    began = time.monotonic()
    system = LocalSystem(
        folder, port_offset=options.port_offset, bootstrap=options.bootstrap, say=lambda text: console.print(f"[dim]· {escape(text)}[/]")
    )
    try:
        console.print(f"[bold]Stadtbus demo[/]: everything runs on this machine, in [cyan]{escape(str(folder))}[/]. Ctrl-C ends it.")
        await system.start(fresh=options.keep is None)
        keeper = asyncio.create_task(system.keep_kafka())
        try:
            return await _Run(options, system, console, began).play()
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
    finally:
        console.print("[dim]· stopping all processes[/]")
        await system.stop()


def _end_on_signals() -> None:
    """A closed terminal or a SIGTERM ends the demo as Ctrl-C does: in good order."""
    main = asyncio.current_task()
    assert main is not None  # noqa: S101 - we are in it
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, main.cancel)


class _Run:
    """One run, from the first submission to the summary."""

    def __init__(self, options: DemoOptions, system: LocalSystem, console: Console, began: float) -> None:
        self._options = options
        self._system = system
        self._console = console
        self._began = began
        self._portals = [system.portal(entry) for entry in system.portals]
        self._streams = [messages.messages(entry.route, entry.author, seed=options.seed, start=_START) for entry in system.portals]
        self._prover = Prover(system, self._portals)
        share, rest = divmod(options.submissions, len(self._portals))
        self._shares = [share + (number < rest) for number in range(len(self._portals))]
        self._lags: dict[str, GroupLag] = {}
        self._effects: dict[str, int] = {}
        self._confirmed: set[UUID] = set()

    async def play(self) -> int:
        try:
            with Live(self._screen(), console=self._console, refresh_per_second=4, transient=True) as live:
                watch = asyncio.create_task(self._watch(live))
                began_sending = time.monotonic()
                await self._send()
                proof = await self._prover.wait(_WAIT_LIMIT_S)
                seconds = time.monotonic() - began_sending
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
            self._report(proof, seconds)
            if not self._options.once:
                await self._trickle()
            return 0 if proof.complete and not proof.rejected else 1
        finally:
            self._prover.close()
            await asyncio.gather(*(portal.close() for portal in self._portals))

    async def _send(self) -> None:
        work = zip(self._portals, self._streams, self._shares, strict=True)
        async with asyncio.TaskGroup() as group:
            for portal, stream, share in work:
                group.create_task(portal.send_all(itertools.islice(stream, share)))

    async def _trickle(self) -> None:
        """Go on, a submission now and then, until the user ends it."""
        self._console.print(f"Going on with one submission every {_TRICKLE_S:.0f} s. [bold]Ctrl-C ends the demo.[/]")
        turns: Iterator[tuple[SyntheticPortal, Iterator[Message]]] = itertools.cycle(zip(self._portals, self._streams, strict=True))
        with Live(self._screen(), console=self._console, refresh_per_second=4, transient=True) as live:
            watch = asyncio.create_task(self._watch(live))
            try:
                for portal, stream in turns:
                    await portal.send(next(stream))
                    await asyncio.sleep(_TRICKLE_S)
            finally:
                watch.cancel()

    async def _watch(self, live: Live) -> None:
        while True:
            with suppress(CannotTell, httpx.TransportError):  # the screen shows what it knew last
                self._effects = await self._system.effects()
                self._confirmed = await self._prover.told(State.ACCEPTED)
                self._lags = {one.group: one for one in await lag.of_offices(self._system.kafka, self._system.catalogue.offices)}
            live.update(self._screen())
            await asyncio.sleep(_REFRESH_S)

    def _screen(self) -> RenderableType:
        table = Table(box=None, padding=(0, 1), collapse_padding=True, pad_edge=False, header_style="dim")
        for name in ("back office", "", "submitted", "delivered", "accepted", "lag", "waits", "up"):
            table.add_column(name, justify="left" if name in ("back office", "") else "right", no_wrap=True)
        for office in self._system.catalogue.offices:
            table.add_row(f"[bold]{office}[/]", *self._figures(office))
        accepted = sum(len(portal.book.accepted) for portal in self._portals)
        total = Text(f"{accepted} submitted, {sum(self._effects.values())} delivered, {time.monotonic() - self._began:.0f} s", style="dim")
        return Panel(Group(table, Text(), total), title="portals → gateway → Kafka → adapters → back offices", title_align="left")

    def _figures(self, office: str) -> list[RenderableType]:
        """The line of an office."""
        ways = [(portal, share) for portal, share in zip(self._portals, self._shares, strict=True) if portal.office == office]
        submitted = set().union(*(portal.book.accepted for portal, _ in ways))
        delivered = self._effects.get(office, 0)
        total = max(sum(share for _, share in ways), len(submitted), 1)
        bar = ProgressBar(total=total, completed=min(delivered, total), width=8, complete_style="cyan", finished_style="green")
        accepted = str(len(submitted & self._confirmed)) if registry.answers_later(office) else ""
        counts = (str(len(submitted)), str(delivered), accepted)
        waiting, now = self._lags.get(office), datetime.now().astimezone()
        lags = ("", "", "") if waiting is None else (str(waiting.behind), ago(waiting.oldest_age_s(now)), str(waiting.members))
        return [bar, *counts, *lags]

    def _report(self, proof: Proof, seconds: float) -> None:
        if self._options.as_json:
            print(json.dumps(proof.as_dict(seconds), indent=2, ensure_ascii=False))  # noqa: T201 - this is the output
            return
        self._console.print(summary(proof, seconds))
        if self._options.once:
            self._console.print("To look around while it runs, start it without --once.")
        else:
            self._show_next_steps()

    def _show_next_steps(self) -> None:
        """Commands to paste into a second terminal; long ones stay on one line, so that they can be."""
        command, entry = f"{_short(Path(sys.argv[0]))} --config {_short(self._system.config)}", self._system.portals[0]
        mood = f"{self._system.twins_url}/twins/{entry.route.office}/mood"
        example = min(self._portals[0].book.accepted, default="ID")
        rows = [
            ("what waits where", f"{command} lag"),
            ("the way of one submission", f"{command} trace {example}"),
            ("throughput", f"{command} statistics show"),
            ("what a back office holds", f"curl -s {self._system.twins_url}/twins/{entry.route.office}/received"),
            ("send it away (back with ok; also slow, refuse, fail)", f"""curl -X PUT {mood} -d '{{"mood": "away"}}'"""),
            (f"ask as its portal, {entry.author.name} ({entry.author.key} as autor)", f"export TOKEN={entry.token}"),
            ("", f"""curl -s -H "Authorization: Bearer $TOKEN" {self._system.gateway_url}/v1/submissions/{example}"""),
        ]
        self._console.print("[bold]Where to look next[/], from another terminal in this folder:")
        for what, line in rows:
            if what:
                self._console.print(f"  [dim]{what}[/]")
            self._console.print(Text(f"    {line}", style="cyan"), soft_wrap=True)


def _short(path: Path) -> str:
    """As the user would type it."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


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
    return Group(table, verdict, facts, Text())
