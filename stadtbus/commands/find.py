"""The command `find`, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from schemas import problems
from schemas.errors import Rejected
from schemas.events import State
from stadtbus.commands.operators import WANTED_HELP, Since, Until, instant_of, offices_named, say_misheard
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load_quietly, print_json, to_people
from stadtbus.display import ago, printable

if TYPE_CHECKING:
    from stadtbus.tracing import Trace


def find(
    wanted: Annotated[str | None, typer.Argument(metavar="[ID|CODE|CASE|NUMBER]", help=WANTED_HELP, show_default=False)] = None,
    *,
    office: Annotated[str | None, typer.Option(help="Sent to this office.", show_default=False)] = None,
    portal: Annotated[str | None, typer.Option(help="Sent by this portal.", show_default=False)] = None,
    state: Annotated[State | None, typer.Option(help="In this state now; `submitted` until something else is told.")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="The last so many.")] = 15,
    as_json: AsJson = False,
) -> None:
    """Submissions by what is known of them, the last accepted on top: a line each; `trace` shows one. Nothing personal.

    Asks the audit and the outbox, so that what was accepted a moment ago is found too. Exit code 1 when there is none, 3 when neither is here.
    """
    from schemas import search
    from stadtbus.tracing import Tracer

    loaded = load_quietly()
    if office is not None:
        offices_named(loaded, office)
    named = None if wanted is None else search.parse(wanted)
    narrowed = search.Search(
        office=office, portal=portal, state=state, since=instant_of(since, "--since"), until=instant_of(until, "--until")
    )
    with closing(Tracer(loaded)) as tracer:
        found, more, misheard = tracer.find_named(wanted or "", named, limit, narrowed)
        places = tracer.places()
    if as_json:
        print_json([_as_dict(one, exact=not misheard) for one in found])
    elif found:
        console.print(_view(found, datetime.now(UTC)))
    if misheard:
        say_misheard(wanted or "", len(found))
    if more:
        to_people.print(f"the last {limit}; there are more: --limit, --office, --portal, --state, --since, --until")
    if not found:
        to_people.print(Rejected(problems.NOBODY_KNOWS, where=places).diagnostics(), markup=False, soft_wrap=True)
        raise typer.Exit(FINDINGS)


def _view(found: Sequence[Trace], now: datetime) -> Table:
    from stadtbus.tracing import NOT_YET

    table = Table(box=SIMPLE_HEAD, padding=0)
    for name in ("accepted", "code", "id", "office", "state", "for"):
        table.add_column(name, no_wrap=name != "office", justify="right" if name == "for" else "left", overflow="fold")
    for one in found:
        accepted = one.steps[0].at.astimezone().strftime("%d.%m. %H:%M")
        age = ago(max(0.0, (now - one.last.at).total_seconds()))
        table.add_row(
            accepted,
            one.hotline_code,
            str(one.submission)[:8],
            Text(printable(one.last.office)),
            "in the outbox" if one.last.what == NOT_YET else one.last.what,
            age,
        )
    return table


def _as_dict(one: Trace, *, exact: bool) -> dict[str, Any]:
    """One submission for programs."""
    return {
        "submission": one.submission,
        "hotline_code": one.hotline_code,
        "office": one.last.office,
        "portal": one.portal,
        "state": one.state,
        "step": one.last.what,
        "reference": one.reference,
        "accepted_at": one.steps[0].at,
        "since": one.last.at,
        "exact": exact,
    }
