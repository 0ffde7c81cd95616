"""The commands `config show|check`: what is set, and whether it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from stadtbus.commands.terminal import FINDINGS, AsJson, load, load_quietly, print_json, tell

if TYPE_CHECKING:
    from stadtbus.safety import Unsafe

config_app = typer.Typer(no_args_is_help=True, help="Settings.")


@config_app.command("show")
def config_show() -> None:
    """The settings in force; secrets are masked."""
    print_json(load().shown())


@config_app.command("check")
def config_check(*, as_json: AsJson = False) -> None:
    """Read settings, catalogue and pages of portals: exit code 2 with the place when something is wrong, 1 when something is not safe."""
    from stadtbus import processes, safety

    loaded = load_quietly()
    # A machine has the settings of the adapters that run there, not of all offices in the catalogue.
    offices = sorted(f"{city}.{office}" for city, its_offices in loaded.offices.items() for office in its_offices)
    for office in offices:
        processes.check_office(loaded, office)
    loaded.load_schemas()
    catalogue = loaded.load_catalogue()
    register = None
    if loaded.gateway.portals:
        processes.certificate_of(loaded)
        register = loaded.load_portals(catalogue)
        register.require_right()
        processes.check_identity(loaded, catalogue)
    _tell(sorted(register.pages) if register else [], offices, catalogue.offices, safety.look(loaded, offices, register), as_json=as_json)


def _tell(portals: list[str], offices: list[str], known: list[str], unsafe: list[Unsafe], *, as_json: bool) -> None:
    how = "valid, and not safe" if unsafe else "fine"
    text = f"settings and catalogue are {how}: {len(portals)} portals, adapters of {', '.join(offices) or 'no office'}"
    tell(
        "\n".join([*map(_line, unsafe), f"{text}; the catalogue has {', '.join(known)}"]),
        {"portals": portals, "adapters": offices, "catalogue": known, "unsafe": [one.as_dict() for one in unsafe]},
        as_json=as_json,
    )
    if unsafe:
        raise typer.Exit(FINDINGS)


def _line(one: Unsafe) -> str:
    setting = ".".join(map(str, one.path))
    return f"{one.where}: {setting and f'{setting}: '}{one.detail} ({one.rule})\n    {one.hint}"
