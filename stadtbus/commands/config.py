"""The commands `config show|check`: what is set, and whether it is right."""

from __future__ import annotations

import typer

from stadtbus.commands.terminal import AsJson, load, load_quietly, print_json, tell

config_app = typer.Typer(no_args_is_help=True, help="Settings.")


@config_app.command("show")
def config_show() -> None:
    """The settings in force; secrets are masked."""
    print_json(load().shown())


@config_app.command("check")
def config_check(*, as_json: AsJson = False) -> None:
    """Read settings and catalogue; exit code 2 with the place when something is wrong."""
    from stadtbus import processes

    loaded = load_quietly()
    # A machine has the settings of the adapters that run there, not of all offices in the catalogue.
    offices = sorted(f"{city}.{office}" for city, its_offices in loaded.offices.items() for office in its_offices)
    for office in offices:
        processes.check_office(loaded, office)
    loaded.load_schemas()
    catalogue = loaded.load_catalogue()
    portals: list[str] = []
    if loaded.gateway.portals:
        processes.certificate_of(loaded)
        register = loaded.load_portals(catalogue)
        register.require_right()
        portals = sorted(register.pages)
    known = catalogue.offices
    text = f"settings and catalogue are fine: {len(portals)} portals, adapters of {', '.join(offices) or 'no office'}"
    tell(
        f"{text}; the catalogue has {', '.join(known)}",
        {"portals": portals, "adapters": offices, "catalogue": known},
        as_json=as_json,
    )
