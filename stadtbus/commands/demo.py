"""The command `demo`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from stadtbus.commands.terminal import AsJson, console, load_quietly, to_people


def demo(
    *,
    submissions: Annotated[int, typer.Option(min=3, max=1_000_000, help="How many the three portals send together.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed sends the same applications.")] = 1,
    once: Annotated[bool, typer.Option("--once", help="End after the summary.")] = False,
    as_json: AsJson = False,
    port_offset: Annotated[int, typer.Option(min=0, max=50_000, help="Moves all ports.")] = 0,
    keep: Annotated[Path | None, typer.Option(help="Keep all data in this new folder.", show_default=False)] = None,
) -> None:
    """Three portals, a real Kafka and three back offices on this machine."""
    from stadtbus.local.demo import DemoOptions, run
    from stadtbus.settings import load

    kafka = load().kafka if os.environ.get("STADTBUS_KAFKA__BOOTSTRAP") else None
    options = DemoOptions(submissions, seed, once, as_json, port_offset, keep, kafka)
    load_quietly()
    raise typer.Exit(asyncio.run(run(options, to_people if as_json else console)))
