"""The demo: portals send to every office of the catalogue, twins receive, everything in between is real; a screen shows it happen."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from infra.settings import KafkaSettings
from producers.synthetic import messages
from stadtbus.local.proof import Proof, Prover
from stadtbus.local.screen import Screen, summary
from stadtbus.local.system import LocalSystem, Logins, Shape

_WAIT_LIMIT_S: Final = 300.0
_TRICKLE_S: Final = 2.0
_SHAPE: Final = Shape(environment={"STADTBUS_GATEWAY__PROBE_INTERVAL_S": "5"})
"""Who kills something here does not want to wait five minutes for a probe to miss it."""
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
    kafka: KafkaSettings | None
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
        folder,
        port_offset=options.port_offset,
        logins=_logins(options.kafka),
        shape=_SHAPE,
        say=lambda text: console.print(f"[dim]· {escape(text)}[/]"),
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


def _logins(kafka: KafkaSettings | None) -> Logins | None:
    """To a running Kafka all processes have the login that was named."""
    return None if kafka is None else lambda _: kafka


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
        self._portals = [system.portal(entry) for entry in system.portals]
        self._streams = [messages.messages(entry.route, entry.author, seed=options.seed, start=_START) for entry in system.portals]
        share, rest = divmod(options.submissions, len(self._portals))
        self._shares = [(portal, share + (number < rest)) for number, portal in enumerate(self._portals)]
        self._prover = Prover(system, self._portals)
        self._screen = Screen(system, self._prover, self._shares, began)

    async def play(self) -> int:
        """Send, wait until all has arrived, and tell; 0 when it has, and nothing was refused."""
        try:
            async with self._screen.shown(self._console):
                began_sending = time.monotonic()
                await self._send()
                proof = await self._prover.wait(_WAIT_LIMIT_S)
                seconds = time.monotonic() - began_sending
            self._report(proof, seconds)
            if not self._options.once:
                await self._trickle()
            return 0 if proof.complete and not proof.rejected else 1
        finally:
            self._prover.close()
            await asyncio.gather(*(portal.close() for portal in self._portals))

    async def _send(self) -> None:
        async with asyncio.TaskGroup() as group:
            for (portal, share), stream in zip(self._shares, self._streams, strict=True):
                group.create_task(portal.send_all(itertools.islice(stream, share)))

    async def _trickle(self) -> None:
        """Go on, a submission now and then, until the user ends it."""
        self._console.print(f"Going on with one submission every {_TRICKLE_S:.0f} s. [bold]Ctrl-C ends the demo.[/]")
        async with self._screen.shown(self._console):
            for portal, stream in itertools.cycle(zip(self._portals, self._streams, strict=True)):
                await portal.send(next(stream))
                await asyncio.sleep(_TRICKLE_S)

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
            ("how all of it does, and what to do", f"{command} status --watch"),
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
