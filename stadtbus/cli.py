"""The `stadtbus` command. Exit codes: 0 fine, 1 findings, 2 usage or configuration, 3 cannot tell."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
import yaml

from schemas import problems, topics
from schemas.errors import CannotTell, Rejected, UsageError
from stadtbus.commands.adapter import adapter_app
from stadtbus.commands.catalogue import catalogue_app
from stadtbus.commands.deadletters import deadletters_app, offsets_app, outbox_app
from stadtbus.commands.faults import as_ours
from stadtbus.commands.schemas import schemas_app
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load, print_json, print_what_can_be, quiet, tell, to_people
from stadtbus.commands.validate import validate

if TYPE_CHECKING:
    from infra.kafka.differences import Difference
    from stadtbus.settings import Settings

# Each command imports what it needs when it runs: `stadtbus lag` loads no web server, `--help` loads nothing.

PORTAL_TEAMS, OPERATORS, CITY_IT, TRY_IT = "Portal teams", "Operators", "City IT", "Try it"
INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The submission bus of a cooperation of cities: from portal to back office, provably.",
)
run_app = typer.Typer(no_args_is_help=True, help="Run one process until SIGTERM.")
kafka_app = typer.Typer(no_args_is_help=True, help="A real Apache Kafka as local processes.")
topics_app = typer.Typer(no_args_is_help=True, help="The topics of the bus, from the catalogue.")
statistics_app = typer.Typer(no_args_is_help=True, help="Throughput and delivery times.")
config_app = typer.Typer(no_args_is_help=True, help="Settings.")
app.command(rich_help_panel=PORTAL_TEAMS)(validate)
app.add_typer(run_app, name="run", rich_help_panel=CITY_IT)
app.add_typer(kafka_app, name="kafka", rich_help_panel=TRY_IT)
app.add_typer(topics_app, name="topics", rich_help_panel=OPERATORS)
app.add_typer(statistics_app, name="statistics", rich_help_panel=OPERATORS)
app.add_typer(adapter_app, name="adapter", rich_help_panel=CITY_IT)
app.add_typer(config_app, name="config", rich_help_panel=CITY_IT)
app.add_typer(catalogue_app, name="catalogue", rich_help_panel=CITY_IT)
app.add_typer(schemas_app, name="schemas", rich_help_panel=CITY_IT)
app.add_typer(deadletters_app, name="deadletters", rich_help_panel=OPERATORS)
app.add_typer(offsets_app, name="offsets", rich_help_panel=OPERATORS)
app.add_typer(outbox_app, name="outbox", rich_help_panel=OPERATORS)

Port = Annotated[int | None, typer.Option(min=1, max=65_535, help="HTTP port of this process, instead of its usual one.")]
DataFolder = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Folder of the local Kafka; else `kafka` beside the file of --config, else .stadtbus/kafka.", show_default=False
    ),
]


@app.callback()
def _common(
    config: Annotated[Path | None, typer.Option(help="YAML file with settings; the environment wins over it.", show_default=False)] = None,
) -> None:
    if config is not None:
        os.environ["STADTBUS_CONFIG"] = str(config)


# --- try it


@app.command(rich_help_panel=TRY_IT)
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
    from stadtbus.local import demo as demo_module

    plan = demo_module.Plan(submissions, seed, once, as_json, port_offset, keep, os.environ.get("STADTBUS_KAFKA__BOOTSTRAP"))
    quiet()
    raise typer.Exit(asyncio.run(demo_module.run(plan, to_people if as_json else console)))


@kafka_app.command("start")
def kafka_start(
    brokers: Annotated[int, typer.Option(min=1, max=3, help="1, or 3 for a cluster that survives a broker.")] = 1,
    data: DataFolder = None,
    port: Annotated[int, typer.Option(min=1, max=65_000, help="Port of the first broker.")] = 9092,
    as_json: AsJson = False,
) -> None:
    """Start Apache Kafka here and leave it running; data stays between runs."""
    from infra.kafka.local import LocalKafka

    kafka = LocalKafka(_data_folder(data), brokers=brokers, port=port)
    started = kafka.start(outlive=True, say=to_people.print)
    tell(f"bootstrap: {kafka.bootstrap}", {"bootstrap": kafka.bootstrap, "started": started}, as_json=as_json)


@kafka_app.command("stop")
def kafka_stop(data: DataFolder = None, as_json: AsJson = False) -> None:
    """Stop it in good order."""
    from infra.kafka.local import LocalKafka

    stopped = LocalKafka(_data_folder(data)).stop()
    tell(f"stopped {len(stopped)} broker(s)" if stopped else "no broker runs here", {"stopped": stopped}, as_json=as_json)


@kafka_app.command("status")
def kafka_status(data: DataFolder = None, as_json: AsJson = False) -> None:
    """Which brokers run; exit code 1 when one does not answer or none runs."""
    from infra.kafka.local import LocalKafka

    kafka = LocalKafka(_data_folder(data))
    status = kafka.status()
    lines = [
        f"broker {number}: pid {pid}, {'answers' if number in status.answering else 'is silent'}" for number, pid in status.pids.items()
    ]
    lines += [
        f"broker {number}: dead, its process is gone; `stadtbus kafka start`, given as before, starts it again"
        for number in sorted(status.dead)
    ]
    text = (
        "\n".join([*lines, f"logs: {status.logs}"]) if lines else f"no broker runs on {kafka.data}; start one with `stadtbus kafka start`"
    )
    value = {"bootstrap": status.bootstrap, "pids": status.pids, "answering": sorted(status.answering), "dead": sorted(status.dead)}
    tell(text, value, as_json=as_json)
    if not status.pids or status.dead or set(status.pids) - status.answering:
        raise typer.Exit(FINDINGS)


def _data_folder(data: Path | None) -> Path:
    """Where the local Kafka is: as named, else beside the settings, as the demo has it."""
    from stadtbus.settings import CONFIG_VARIABLE

    config = os.environ.get(CONFIG_VARIABLE)
    beside = Path(config).absolute().with_name("kafka") if config else None
    return data or (beside if beside is not None and beside.is_dir() else Path(".stadtbus/kafka"))


# --- city IT


@run_app.command("gateway")
def run_gateway(port: Port = None) -> None:
    """The portals' HTTP API, with relay and status feed."""
    from stadtbus import processes

    _serve("gateway", lambda loaded: processes.run_gateway(loaded, port))


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


@run_app.command("twins")
def run_twins() -> None:
    """Simulated back offices that speak the real protocols."""
    from stadtbus import processes

    _serve("twins", processes.run_twins)


@config_app.command("show")
def config_show() -> None:
    """The settings in force; secrets are masked."""
    print_json(load().shown())


@config_app.command("check")
def config_check(*, as_json: AsJson = False) -> None:
    """Read settings and catalogue; exit code 2 with the place when something is wrong."""
    from stadtbus import processes

    loaded = load()
    # A machine has the settings of the adapters that run there, not of all offices in the catalogue.
    offices = sorted(f"{city}.{office}" for city, its_offices in loaded.offices.items() for office in its_offices)
    for office in offices:
        processes.check_office(loaded, office)
    loaded.load_schemas()
    known = loaded.load_catalogue().offices
    text = f"settings and catalogue are fine: {len(loaded.portals)} portals, adapters of {', '.join(offices) or 'no office'}"
    tell(
        f"{text}; the catalogue has {', '.join(known)}",
        {"portals": sorted(loaded.portals), "adapters": offices, "catalogue": known},
        as_json=as_json,
    )


@app.command(rich_help_panel=CITY_IT)
def token(
    portal: Annotated[str, typer.Argument(help="Id of the portal, for example portal-muenchen.")],
    authority: Annotated[str, typer.Option(help="Its key in DVDV, for example kop:09162000.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Draw a token for a portal: the token goes to the portal, the entry into the settings."""
    drawn = secrets.token_urlsafe(32)
    entry = {"name": portal, "authority": authority, "token_sha256": hashlib.sha256(drawn.encode()).hexdigest()}
    if as_json:
        print_json({"token": drawn, "portals": {portal: entry}})
        return
    to_people.print("Give this token to the portal; it is not stored anywhere:")
    print(drawn)  # noqa: T201 - for a pipe
    to_people.print("\nAdd this to the settings of the gateway:")
    to_people.print(yaml.safe_dump({"portals": {portal: entry}}, sort_keys=False), markup=False, highlight=False, soft_wrap=True)


# --- operators


@app.command(rich_help_panel=OPERATORS)
def lag(*, as_json: AsJson = False) -> None:
    """What was accepted and is not delivered, per office, and why: from Kafka, the outbox, and what each process says of itself.

    Exit code 1 when an office, or whoever records, does not work, when something waits for long, or was lost; 3 when nothing can be told.
    """
    from stadtbus import standing
    from stadtbus.commands import views

    loaded = quiet()
    seen = asyncio.run(standing.look(loaded))
    now = datetime.now(UTC)
    standings = standing.judge(seen, loaded.load_catalogue().offices, now)
    well = all(one.well for one in standings)
    if seen.kafka is not None and well:  # that nothing is known to be wrong says nothing then
        raise seen.kafka
    if as_json:
        print_json([one.as_dict(now) for one in standings])
    else:
        console.print(views.lag_view(standings, now))
    if seen.kafka is not None:
        to_people.print(seen.kafka.diagnostics(), markup=False, highlight=False, soft_wrap=True)
    if not well:
        raise typer.Exit(FINDINGS)


@app.command(rich_help_panel=OPERATORS)
def trace(
    wanted: Annotated[str, typer.Argument(metavar="ID|CODE|CASE", help="Id or hotline code of the submission, or id of a case.")],
    *,
    as_json: AsJson = False,
) -> None:
    """The way of a submission with times, or of all of a case, from audit and outbox; where it waits, since when and why.

    Exit code 1 when nobody knows it, 3 when neither audit nor outbox is here.
    """
    from stadtbus.commands import views
    from stadtbus.tracing import Records, meant

    one_or_more = meant(wanted)
    records = Records(quiet())
    try:
        traces = asyncio.run(records.with_reasons(records.find(one_or_more)))
        places = records.places()
    finally:
        records.close()
    if as_json:
        about = [(one, step) for one in traces for step in one.steps]
        print_json([asdict(step) | {"submission": one.submission, "hotline_code": one.hotline_code} for one, step in about])
    for one in traces if not as_json else ():
        console.print(views.trace_table(one, datetime.now(UTC)))
    if not traces:
        to_people.print(Rejected(problems.NOBODY_KNOWS, where=places).diagnostics(), markup=False, soft_wrap=True)
        raise typer.Exit(FINDINGS)


@statistics_app.command("show")
def statistics_show(
    *,
    city: Annotated[str | None, typer.Option(help="The offices of one city.", show_default=False)] = None,
    today: Annotated[bool, typer.Option("--today", help="What was taken since midnight, by the clock of this machine.")] = False,
    as_json: AsJson = False,
) -> None:
    """Submissions per city, office, service, portal and hour, with delivery times and sums."""
    from consumers.statistics import facts
    from stadtbus.commands import views

    loaded = quiet()
    catalogue = loaded.load_catalogue()
    if city is not None and city not in catalogue.cities:
        raise UsageError(problems.OFFICE_UNKNOWN, f"there is no city '{city}'; known: {', '.join(catalogue.cities)}", where="--city")
    if not facts.is_here(loaded.stores):
        raise CannotTell(problems.RECORDS_ELSEWHERE, "there are no statistics", where=loaded.stores.shown("statistics"))
    store = facts.open_store(loaded.stores)
    day = datetime.now().astimezone().date()
    figures = [
        one for one in facts.figures(store) if city in (None, one.city) and (not today or one.hour.astimezone().date() == day)
    ]  # fmt: skip
    store.close()
    if as_json:
        print_json([asdict(figure) for figure in figures])
    else:
        console.print(views.statistics_view(figures, {key: one.name for one in catalogue.services.values() for key in one.leika}))


@topics_app.command("plan")
def topics_plan(*, as_json: AsJson = False) -> None:
    """Which topics are missing or differ from what they have to be, setting by setting; exit code 1 when there are any."""
    loaded = quiet()
    missing, differences = _topics_now(loaded)
    lines = [f"+ {one.name}  key: {one.key}; {one.partitions} partitions; kept {one.retention_ms // topics.DAY_MS} days" for one in missing]
    text = "\n".join([*lines, *map(_difference, differences)]) or "all topics exist and are as they have to be"
    tell(text, {"missing": [one.name for one in missing], "differences": [asdict(one) for one in differences]}, as_json=as_json)
    if missing or differences:
        raise typer.Exit(FINDINGS)


@topics_app.command("apply")
def topics_apply(*, as_json: AsJson = False) -> None:
    """Create missing topics and mend what differs; exit code 1 when something differs that is not mended here, with the reason."""
    from infra.kafka.admin import create_topics
    from infra.kafka.differences import mend

    loaded = quiet()
    missing, differences = _topics_now(loaded)
    asyncio.run(create_topics(loaded.kafka, missing))
    if loaded.kafka.replication == 1 and missing:
        to_people.print("[bold yellow]kafka.replication is 1: one broken disk loses submissions. Production needs 3.[/]")
    mended = asyncio.run(mend(loaded.kafka, differences))
    left = [one for one in differences if one not in mended]
    text = "\n".join([
        *([f"created {len(missing)} topics"] if missing else []),
        *(f"mended {_difference(one)}" for one in mended),
        *map(_difference, left),
    ])  # fmt: skip
    value = {"created": [one.name for one in missing], "mended": [asdict(one) for one in mended], "left": [asdict(one) for one in left]}
    tell(text or "all topics exist and are as they have to be", value, as_json=as_json)
    if left:
        raise typer.Exit(FINDINGS)


def _difference(one: Difference) -> str:
    why = "" if one.why_not is None else f"  not mended by apply: {one.why_not}"
    return f"~ {one.topic}  {one.setting}: {one.found}, has to be {one.wanted}{why}"


def _topics_now(loaded: Settings) -> tuple[list[topics.Topic], list[Difference]]:
    """Topics that are missing, and how the others differ."""
    from infra.kafka.admin import missing_topics
    from infra.kafka.differences import find

    wanted = topics.all_topics(loaded.load_catalogue().offices)
    return asyncio.run(missing_topics(loaded.kafka, wanted)), asyncio.run(find(loaded.kafka, wanted))


# --- common


def _serve(process: str, serve: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    from infra import logs
    from stadtbus.processes import end_with_parent

    loaded = load()
    logs.configure(loaded.logs, process=process)
    end_with_parent()
    asyncio.run(serve(loaded))


def main() -> NoReturn:
    """Run the command; every error says what is wrong, where, and what to do next, and none ends with the exit code of findings."""
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
