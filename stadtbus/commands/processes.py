"""The command `processes`, and its table."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.errors import StadtbusError
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load_quietly, print_json, to_people
from stadtbus.display import ago, printable

if TYPE_CHECKING:
    from schemas.heartbeats import Heartbeat
    from stadtbus.readiness import Readiness
    from stadtbus.settings import Settings

_ANSWER_S: Final = 2.0
_HEARD_S: Final = 30.0
"""Six heartbeats; what said nothing for longer is not taken to run."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the bus: what answers at its address on this machine, and what the heartbeats say of it, wherever it runs."""

    name: str
    port: int
    answer: Readiness
    instances: Sequence[Heartbeat]

    def running(self, now: datetime) -> list[Heartbeat]:
        """The instances that have said something of late, and did not say that they end."""
        return [one for one in self.instances if not one.stopping and now - one.at < timedelta(seconds=_HEARD_S)]

    def state(self, now: datetime) -> str:
        """`works`, `works, but` (see below), `not ready`, `runs elsewhere`, or `not found`."""
        if self.answer.status is None:
            return "runs elsewhere" if self.running(now) else "not found"
        return "works" if self.answer.well else "works, but" if self.answer.status < 400 else "not ready"  # noqa: PLR2004 - HTTP

    def well(self, now: datetime) -> bool:
        """It runs, here or elsewhere, and works as far as can be told."""
        return self.state(now) not in ("not ready", "not found")


def processes(*, as_json: AsJson = False) -> None:
    """Every process of the bus: at which port its pages for operators are, whether it works, since when it runs, and in which version.

    Asks each at its port on this machine, and the heartbeats of all. Exit code 1 where one is not found, or does not work, or where two have
    the same port.
    """
    from stadtbus import ports

    loaded = load_quietly()
    by_name, silent = asyncio.run(_look(loaded, ports.operator_ports(loaded)))
    now = datetime.now(UTC)
    shared = ports.shared((one.name, one.port) for one in by_name if one.answer.status is not None or not one.running(now))
    if as_json:
        print_json([_as_dict(one, now) for one in by_name])
    else:
        console.print(_view(by_name, now))
    for port, names in shared.items():
        to_people.print(f"{', '.join(names)} have the same port, {port}: set http.ports.{names[-1]} to a free one, or run them on machines of their own")  # fmt: skip
    broken = shared or any(one.answer.status is not None and not one.well(now) for one in by_name)
    missing = not all(one.well(now) for one in by_name)
    if silent is not None and missing and not broken:  # who is not found here may run elsewhere, and nobody says
        raise silent
    if silent is not None:
        to_people.print(silent.diagnostics(), markup=False, highlight=False, soft_wrap=True)
    if broken or missing:
        raise typer.Exit(FINDINGS)


async def _look(loaded: Settings, ports: Mapping[str, int]) -> tuple[list[Process], StadtbusError | None]:
    """All processes; without the heartbeats where Kafka does not give them, and why."""
    import httpx

    from infra.kafka.last_said import last_said
    from stadtbus import readiness

    said: list[Heartbeat] = []
    silent = None
    async with httpx.AsyncClient(timeout=_ANSWER_S, trust_env=False) as http:
        answers = await asyncio.gather(*(readiness.ask(http, readiness.address_of(loaded, process)) for process in ports))
    try:
        said = await last_said(loaded.kafka)
    except StadtbusError as error:
        silent = error
    instances = {name: sorted((one for one in said if _name(one) == name), key=lambda one: one.instance) for name in ports}
    return [Process(name, port, answer, instances[name]) for (name, port), answer in zip(ports.items(), answers, strict=True)], silent


def _name(said: Heartbeat) -> str:
    return said.office or said.process.value


def _view(by_name: Sequence[Process], now: datetime) -> RenderableType:
    """A line per process, one more for each other instance; below, what those say of themselves that have something to say."""
    table = Table(box=SIMPLE_HEAD, padding=0)
    for name in ("process", "port", "state", "runs for", "version", "where"):
        table.add_column(name, justify="right" if name == "port" else "left", no_wrap=name != "where", overflow="fold")
    notes: list[RenderableType] = []
    for one in by_name:
        style = "" if one.well(now) else "bold red"
        for number, said in enumerate(one.running(now) or [None]):
            first = (one.name, str(one.port), one.state(now)) if number == 0 else ("", "", "")
            facts = (
                ("", "", "")
                if said is None
                else (ago(max(0.0, (now - said.started_at).total_seconds())), said.version, said.instance.partition("@")[2])
            )
            table.add_row(*first, *facts, style=style)
        if one.answer.status is not None and not one.answer.well:
            notes.append(Text(f"{one.name}: {printable(one.answer.text)}", style=style or "dim"))
    return Group(table, *notes)


def _as_dict(one: Process, now: datetime) -> dict[str, Any]:
    """One process for programs."""
    return {
        "process": one.name,
        "port": one.port,
        "address": one.answer.address,
        "state": one.state(now),
        "said": one.answer.text.splitlines() if one.answer.status is not None and one.answer.text != "ok" else [],
        "instances": [
            {name: getattr(said, name) for name in ("instance", "at", "started_at", "version", "stopping")} for said in one.instances
        ],
    }
