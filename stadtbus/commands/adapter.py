"""City IT's commands `adapter list|new|check|try|record|diff`: connecting an office, and being sure that it is right."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer

from stadtbus.commands.terminal import FINDINGS, AsJson, console, load_quietly, print_json, tell, to_people

adapter_app = typer.Typer(no_args_is_help=True, help="Adapters to back offices: make, try, check.")

ALL: Final = "all"
Office = Annotated[str, typer.Argument(metavar="CITY.OFFICE", help="For example regensburg.gewerbe.")]


@adapter_app.command("list")
def list_adapters(*, as_json: AsJson = False) -> None:
    """Offices with an adapter, and the package that it comes from; exit code 1 when an office of the catalogue has none, or one has two."""
    from stadtbus.adapter_tools.listing import known
    from stadtbus.commands import adapter_views as show

    rows = known(load_quietly().load_catalogue())
    if as_json:
        print_json(rows)
    else:
        console.print(show.known_view(rows))
    if any(not row["adapter"] or len(row["packages"]) > 1 for row in rows):
        raise typer.Exit(FINDINGS)


@adapter_app.command("check")
def check_adapter(office: Annotated[str, typer.Argument(metavar="CITY.OFFICE|all")], *, as_json: AsJson = False) -> None:
    """Look at mapping and samples of an adapter, then run the conformance suite on it, against its twin; exit code 1 for findings."""
    from adapters import registry
    from adapters.conformance import CHECKS
    from stadtbus.adapter_tools.check import AdapterReport, check
    from stadtbus.commands import adapter_views as show

    catalogue, reports = load_quietly().load_catalogue(), list[AdapterReport]()
    for one in registry.names() if office == ALL else [office]:
        with show.progress(to_people, one, 1 + len(CHECKS)) as step:
            reports.append(asyncio.run(check(one, catalogue, step)))
    if as_json:
        print_json([report.as_dict() for report in reports])
    else:
        console.print(show.reports_view(reports))
    if not all(report.fine for report in reports):
        raise typer.Exit(FINDINGS)


@adapter_app.command("new")
def new_adapter(
    office: Office,
    *,
    protocol: Annotated[str, typer.Option(help="What the back office speaks: rest, soap, sftp or file.")],
    service: Annotated[str, typer.Option(help="The service that it takes, as `stadtbus catalogue show` names it.")] = "gewerbe-anmelden",
    ags: Annotated[str | None, typer.Option(help="Key of a city that is new in the catalogue, 8 digits.", show_default=False)] = None,
    name: Annotated[str | None, typer.Option(help="Name of a city that is new in the catalogue.", show_default=False)] = None,
    folder: Annotated[Path, typer.Option(help="Where the folder of the package is made.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Write the package of a new adapter that works at once: mapping, twin, samples and tests are in it, for a city to change."""
    from stadtbus.adapter_tools import new

    wish = new.Wish(office, protocol, service, ags, name)
    made = new.write(wish, load_quietly().load_catalogue(), folder)
    edit = [f"next: {made.to_add}"] if made.to_add else []
    next_steps = f"next: pip install --no-build-isolation -e {made.folder} && stadtbus adapter check {office}"
    tell("\n".join([*map(str, made.files), *edit, next_steps]), made.as_dict(), as_json=as_json)


@adapter_app.command("try")
def try_adapter(
    file: Annotated[Path, typer.Argument(help="A message.")],
    *,
    adapter: Annotated[str, typer.Option(metavar="CITY.OFFICE", help="The adapter that translates it.")],
    html: Annotated[Path | None, typer.Option(help="Write the page to this file too.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Show a message beside what the adapter makes of it, and mark values that do not get there. It prints what is in the message.

    Exit code 1 when values are left out or the adapter refuses the message.
    """
    from stadtbus.adapter_tools import trial
    from stadtbus.commands import adapter_views as show

    load_quietly()
    outcome = asyncio.run(trial.translate(adapter, file))
    if html is not None:
        _write(html, show.as_html(show.trial_view(outcome)))
    if as_json:
        print_json(outcome.as_dict())
    else:
        console.print(show.trial_view(outcome))
    if outcome.refused or outcome.unmapped:
        raise typer.Exit(FINDINGS)


def _write(path: Path, text: str) -> None:
    from schemas import problems
    from schemas.errors import UsageError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(problems.FILE_UNWRITABLE, error.strerror or "", where=str(path)) from None


@adapter_app.command("record")
def record_samples(office: Office, *, as_json: AsJson = False) -> None:
    """Write anew what the mapping makes of the recorded samples; look at it with `git diff` before you keep it.

    A sample that is refused is recorded as `NAME.refused.txt`, with the reason. Exit code 1 when a refusal is new, or a file is no message.
    """
    from stadtbus.adapter_tools.record import record

    load_quietly()
    found = record(office)
    written = [str(one.written) for one in found if one.written]
    wrong = {str(one.sample): one.wrong for one in found if one.wrong}
    lines = [*written, *(f"{sample}: {what}" for sample, what in wrong.items())]
    tell("\n".join(lines), {"written": written, "wrong": wrong}, as_json=as_json)
    if wrong:
        raise typer.Exit(FINDINGS)


@adapter_app.command("diff")
def diff_mapping(
    office: Office,
    *,
    against: Annotated[Path, typer.Option(metavar="OLD_MAPPING", help="An earlier mapping.yaml.")],
    as_json: AsJson = False,
) -> None:
    """What a changed mapping changes on the recorded samples; exit code 1 when it changes anything."""
    from stadtbus.adapter_tools.diff import diff
    from stadtbus.commands import adapter_views as show

    load_quietly()
    found = diff(office, against)
    if as_json:
        print_json([{"sample": one.sample, "diff": one.lines} for one in found])
    else:
        console.print(show.diffs_view(found))
    if any(one.lines for one in found):
        raise typer.Exit(FINDINGS)
