"""The `stadtbus` command: which commands there are, in which group, and what ends a command that raises.

Exit codes: 0 fine, 1 findings, 2 usage or configuration, 3 cannot tell.
Each command imports what it needs when it runs: `stadtbus lag` loads no web server, `--help` loads nothing.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from stadtbus.commands.adapter import adapter_app
from stadtbus.commands.cases import cases_app
from stadtbus.commands.catalogue import catalogue_app
from stadtbus.commands.config import config_app
from stadtbus.commands.deadletters import deadletters_app
from stadtbus.commands.demo import demo
from stadtbus.commands.find import find
from stadtbus.commands.kafka import kafka_app
from stadtbus.commands.lag import lag
from stadtbus.commands.office import office_app
from stadtbus.commands.offsets import offsets_app
from stadtbus.commands.operations import operations_app
from stadtbus.commands.outbox import outbox_app
from stadtbus.commands.portals import portals_app, refuse_token
from stadtbus.commands.processes import processes
from stadtbus.commands.run import run_app
from stadtbus.commands.schemas import schemas_app
from stadtbus.commands.statistics import statistics_app
from stadtbus.commands.status import status
from stadtbus.commands.terminal import print_what_can_be, to_people
from stadtbus.commands.topics import topics_app
from stadtbus.commands.trace import trace
from stadtbus.commands.validate import validate
from stadtbus.uncaught import as_ours

PORTAL_TEAMS, OPERATORS, CITY_IT, TRY_IT = "Portal teams", "Operators", "City IT", "Try it"
INTERRUPTED: Final = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The submission bus of a cooperation of cities: from portal to back office, provably.",
)
app.command(rich_help_panel=PORTAL_TEAMS)(validate)
app.command(rich_help_panel=TRY_IT)(demo)
app.command("token", hidden=True, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(refuse_token)
app.command(rich_help_panel=OPERATORS)(status)
app.command(rich_help_panel=OPERATORS)(lag)
app.command(rich_help_panel=OPERATORS)(find)
app.command(rich_help_panel=OPERATORS)(trace)
app.command(rich_help_panel=OPERATORS)(processes)
app.add_typer(run_app, name="run", rich_help_panel=CITY_IT)
app.add_typer(kafka_app, name="kafka", rich_help_panel=TRY_IT)
app.add_typer(topics_app, name="topics", rich_help_panel=OPERATORS)
app.add_typer(statistics_app, name="statistics", rich_help_panel=OPERATORS)
app.add_typer(adapter_app, name="adapter", rich_help_panel=CITY_IT)
app.add_typer(config_app, name="config", rich_help_panel=CITY_IT)
app.add_typer(portals_app, name="portals", rich_help_panel=OPERATORS)
app.add_typer(catalogue_app, name="catalogue", rich_help_panel=CITY_IT)
app.add_typer(schemas_app, name="schemas", rich_help_panel=CITY_IT)
app.add_typer(deadletters_app, name="deadletters", rich_help_panel=OPERATORS)
app.add_typer(office_app, name="office", rich_help_panel=OPERATORS)
app.add_typer(offsets_app, name="offsets", rich_help_panel=OPERATORS)
app.add_typer(cases_app, name="cases", rich_help_panel=OPERATORS)
app.add_typer(operations_app, name="operations", rich_help_panel=OPERATORS)
app.add_typer(outbox_app, name="outbox", rich_help_panel=OPERATORS)


@app.callback()
def _common(
    config: Annotated[Path | None, typer.Option(help="YAML file with settings; the environment wins over it.", show_default=False)] = None,
) -> None:
    if config is not None:
        os.environ["STADTBUS_CONFIG"] = str(config)


def main() -> NoReturn:
    """Run the command; every error says what is wrong, where, and what to do next, and none ends with the exit code of findings."""
    os.umask(0o077)  # what this process and its children write holds contents and secrets, and is for this user (`infra.private_files`)
    print_what_can_be()
    try:
        app()
    except (KeyboardInterrupt, asyncio.CancelledError):
        to_people.print("stopped")
        sys.exit(INTERRUPTED)
    except Exception as raised:  # noqa: BLE001 - all that libraries raise ends here
        error = as_ours(raised)
        to_people.print("[bold red]error:[/] ", end="")
        to_people.print(error.diagnostics(), markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.problem.exit_code)
    sys.exit(0)
