"""`python -m tests.faults.soak [--minutes 30] [--seed 1] [--rate 125] [--write docs/reliability.md]`: a long run under blows.

Adapters of all three offices, their twins and three brokers; submissions at a steady rate; kills by a schedule that the seed
decides. Only the twins are spared: their book is the truth. Exit code 0: nothing lost, twice or out of order; 1: it is not so.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from schemas.errors import CannotTell, UsageError
from tests.faults import report, schedule
from tests.faults.act import Act
from tests.faults.cpu import CpuTimes
from tests.faults.judge import Figures
from tests.faults.poison import of_flaw, write
from tests.faults.schedule import Blow
from tests.faults.suite import quiet
from tests.faults.world import HTTP_OFFICES, OFFICES, World

FOLDER: Final = Path(".stadtbus/soak")
SFTP_RATE: Final = 5.0
"""Submissions per second to the office that is reached by SFTP; the others share the rest."""
_SAY_S: Final = 10.0
_DRAIN_LIMIT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class SoakOptions:
    """What the user asked for."""

    minutes: float
    seed: int
    rate: float
    write: Path | None

    @property
    def rates(self) -> dict[str, float]:
        """By office."""
        share = (self.rate - SFTP_RATE) / len(HTTP_OFFICES)
        return {office: share if office in HTTP_OFFICES else SFTP_RATE for office in OFFICES}


class Soak:
    """One run."""

    def __init__(self, options: SoakOptions, console: Console) -> None:
        self._options = options
        self._console = console
        self._world = World(FOLDER / "world", processes=OFFICES)
        self._act = Act(self._world, "soak", options.seed)
        self._broker = asyncio.Lock()
        """One broker at a time."""
        self.blows = schedule.draw(options.seed, options.minutes)
        self.cpu = CpuTimes()

    async def run(self) -> Figures:
        """Everything, from the start of the brokers to the figures.

        Raises:
            UsageError, CannotTell: the world does not start.
        """
        self._write_schedule()
        try:
            await self._world.start()
            return await self._act.play(lambda _: self._beat(), _DRAIN_LIMIT_S)
        finally:
            await self._world.stop()
            shutil.rmtree(FOLDER / "logs", ignore_errors=True)
            with suppress(OSError):
                shutil.copytree(self._world.system.folder / "logs", FOLDER / "logs")
            shutil.rmtree(self._world.folder, ignore_errors=True)

    def _write_schedule(self) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        page = FOLDER / f"schedule-{self._options.seed}.txt"
        page.write_text("".join(f"{blow}\n" for blow in self.blows), encoding="utf-8")
        self._console.print(f"seed {self._options.seed}: {schedule.counts(self.blows)}; all of them in {page}", highlight=False)

    async def _beat(self) -> None:
        async with self._act.traffic(self._options.rates, tick_s=0.2), asyncio.TaskGroup() as group:
            saying = group.create_task(self._say())
            began = time.monotonic()
            for blow in self.blows:
                await asyncio.sleep(max(0, began + blow.at_s - time.monotonic()))
                group.create_task(self._strike(blow))
            await asyncio.sleep(max(0, began + self._options.minutes * 60 - time.monotonic()))
            saying.cancel()
        self._console.print("waiting until everything has arrived")

    def _strike(self, blow: Blow) -> Coroutine[None, None, None]:
        kind, _, what = blow.how.partition(":")
        if kind == "mood":
            return self._mood(blow, what)
        if kind == "poison":
            return self._poison(blow, what)
        return self._bounce(blow) if blow.part.startswith("broker") else self._kill(blow)

    async def _kill(self, blow: Blow) -> None:
        self._world.system.kill(blow.part, signal.Signals[blow.how])

    async def _mood(self, blow: Blow, mood: str) -> None:
        system = self._world.system
        await system.set_mood(blow.part, mood, delay_s=4, share=0.3 if mood in ("busy", "flaky") else 1, seed=int(blow.at_s * 10))
        await asyncio.sleep(blow.lasts_s)
        await system.set_mood(blow.part, "ok")

    async def _poison(self, blow: Blow, flaw: str) -> None:
        await write(self._world.kafka, [of_flaw(self._act.forges[blow.part], flaw)], self._act.log)

    async def _bounce(self, blow: Blow) -> None:
        async with self._broker:
            number = int(blow.part.split()[1])
            await self._world.strike(number, signal.Signals[blow.how])
            await asyncio.sleep(blow.lasts_s)
            if blow.how == "SIGSTOP":
                await self._world.strike(number, signal.SIGCONT)
            else:
                await self._world.revive()

    async def _say(self) -> None:
        began, said = time.monotonic(), 0.0
        while True:
            self.cpu.look(self._parts())
            await asyncio.sleep(1)
            if time.monotonic() - said > _SAY_S:
                said = time.monotonic()
                await self._act.checker.follow()
                sent, arrived = len(self._act.log.sent), len(self._act.checker.effects.ids())
                self._console.print(f"{said - began:6.0f} s  {sent} sent, {arrived} arrived, {self.cpu.line()}", highlight=False)

    def _parts(self) -> dict[str, list[int]]:
        children = self._world.system.supervisor.children
        parts = {name: [child.pid] for name, child in children.items() if child.pid is not None}
        return parts | {"brokers": list(self._world.brokers.pids().values()), "harness": [CpuTimes.own_pid()]}


def main() -> int:
    """Run it and show what came of it."""
    options, console = _arguments(), Console(width=None if sys.stdout.isatty() else 160)
    quiet()
    began = time.monotonic()
    try:
        soak, figures = asyncio.run(_run(options, console))
    except (UsageError, CannotTell) as error:
        console.print(error.diagnostics())
        return error.problem.exit_code
    seconds = time.monotonic() - began
    console.print(_table(options, figures))
    if options.write:
        report.write(options.write, "soak", _markdown(options, soak, figures, seconds))
    return 1 if figures.violations else 0


async def _run(options: SoakOptions, console: Console) -> tuple[Soak, Figures]:
    soak = Soak(options, console)
    return soak, await soak.run()


def _cells(figures: Figures) -> dict[str, int]:
    return {
        "sent": figures.sent,
        "delivered": figures.delivered,
        "dead-lettered": figures.deadlettered,
        "lost": figures.lost,
        "twice": figures.duplicated,
        "inverted": figures.inverted,
        "foreign": figures.foreign,
        "stray dead letters": figures.stray,
        "not committed": figures.behind,
    }


def _table(options: SoakOptions, figures: Figures) -> Table:
    table = Table(title=f"Soak of {options.minutes:g} min, seed {options.seed}", title_justify="left")
    for name in _cells(figures):
        table.add_column(name, justify="right")
    table.add_row(*(f"{value:,}" for value in _cells(figures).values()))
    return table


def _markdown(options: SoakOptions, soak: Soak, figures: Figures, seconds: float) -> str:
    command = f"make soak MINUTES={options.minutes:g} SEED={options.seed} RATE={options.rate:g}"
    cells = _cells(figures)
    lines = [
        "## Soak",
        "",
        f"{options.minutes:g} minutes at {options.rate:g} submissions per second under blows that the seed decides: {schedule.counts(soak.blows)}.",
        "All is followed to its end: no submission is left out. Dead letters are poison that was sent on purpose.",
        "",
        *report.facts(command, seconds),
        "",
        report.line(cells),
        report.line(["---:"] * len(cells)),
        report.line(f"{value:,}" for value in cells.values()),
        "",
        f"CPU seconds: {soak.cpu.totals()}.",
    ]
    return "\n".join(lines) + "\n"


def _arguments() -> SoakOptions:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=125, help="submissions per second, all offices together (125)")
    parser.add_argument("--write", type=Path, help="the page whose section is written anew")
    return SoakOptions(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
