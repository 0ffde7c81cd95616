"""The commands `run gateway|adapter|audit|statistics|watch|twins`: the processes of the bus, each until SIGTERM."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stadtbus.commands.terminal import load

if TYPE_CHECKING:
    from stadtbus.settings import Settings

run_app = typer.Typer(no_args_is_help=True, help="Run one process until SIGTERM.")

Port = Annotated[int | None, typer.Option(min=1, max=65_535, help="HTTP port of this process, instead of its usual one.")]


@run_app.command("gateway")
def run_gateway(
    port: Port = None,
    operator_port: Annotated[int | None, typer.Option(min=1, max=65_535, help="Port of its pages for operators, likewise.")] = None,
) -> None:
    """The portals' HTTP API, with relay and status feed."""
    from stadtbus import processes

    _serve("gateway", lambda loaded: processes.run_gateway(loaded, port, operator_port))


@run_app.command("adapter")
def run_adapter(office: Annotated[str, typer.Argument(help="For example muenchen.meldewesen.")], port: Port = None) -> None:
    """Deliver to one back office."""
    from stadtbus import processes

    _serve(office, lambda loaded: processes.run_adapter(loaded, office, port))


@run_app.command("audit")
def run_audit(port: Port = None) -> None:
    """Record every submission and event once."""
    from stadtbus import processes

    _serve("audit", lambda loaded: processes.run_audit(loaded, port))


@run_app.command("statistics")
def run_statistics(port: Port = None) -> None:
    """Count every submission once."""
    from stadtbus import processes

    _serve("statistics", lambda loaded: processes.run_statistics(loaded, port))


@run_app.command("watch")
def run_watch(port: Port = None) -> None:
    """Judge how each consumer does, every few seconds, and keep what processes and operators say."""
    from stadtbus import processes

    _serve("watch", lambda loaded: processes.run_watch(loaded, port))


@run_app.command("twins")
def run_twins() -> None:
    """Simulated back offices that speak the real protocols."""
    from stadtbus import processes

    _serve("twins", processes.run_twins)


def _serve(process: str, serve: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    """Load the settings, have the process log under its name, and run it until it ends."""
    from infra import logs
    from stadtbus.processes import end_with_parent

    loaded = load()
    logs.configure(loaded.logs, process=process)
    _say_what_is_unsafe(loaded, process)
    end_with_parent()
    asyncio.run(serve(loaded))


def _say_what_is_unsafe(loaded: Settings, process: str) -> None:
    """Once, in the log: what `config check` finds, but for tokens of portals and adapters of other processes."""
    import structlog

    from stadtbus import safety

    for one in safety.look(loaded, [process] if "." in process else []):
        structlog.get_logger().warning(
            "unsafe_setting", rule=one.rule, where=one.where, setting=".".join(map(str, one.path)), next=one.hint
        )
