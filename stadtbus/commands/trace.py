"""The command `trace`: what a caller is told of a submission, and its way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from consumers.watch.words import Language
from schemas import problems
from schemas.errors import Rejected
from stadtbus.commands.operators import WANTED_HELP, say_misheard
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load_quietly, print_json, to_people
from stadtbus.display import ago, facts_view, printable

if TYPE_CHECKING:
    from consumers.watch.model import Judgement
    from schemas.catalogue import Catalogue
    from stadtbus.caller import OfficeShown
    from stadtbus.settings import Settings
    from stadtbus.tracing import Trace, Tracer

_MOST: Final = 20


def trace(
    wanted: Annotated[str, typer.Argument(metavar="ID|CODE|CASE|NUMBER", help=WANTED_HELP)],
    *,
    lang: Annotated[Language, typer.Option(help="In which the answer for the caller is.")] = Language.EN,
    as_json: AsJson = False,
) -> None:
    """Where a submission is, or each of a case: since when, who has it, what happens next, to be told to a caller; and its way with times.

    Takes what `find` takes, asks audit and outbox, and shows nothing personal. Exit code 1 when nobody knows it, 3 when neither is here.
    """
    from schemas import search
    from stadtbus.tracing import Tracer

    named, loaded = search.parse(wanted), load_quietly()
    with closing(Tracer(loaded)) as tracer:
        found, more, misheard = tracer.find_named(wanted, named, _MOST)
        traces, judged = asyncio.run(_with_reasons(tracer, found[::-1], loaded))
        places = tracer.places()
    if as_json:
        print_json([step for one in traces for step in _steps_as_dicts(one, exact=not misheard)])
    else:
        known = loaded.load_catalogue()
        for one in traces:
            _show(one, _shown_office(known, one.last.office), lang, judged)
    if misheard:
        say_misheard(wanted, len(traces))
    if more:
        to_people.print(f"the last {_MOST}; there are more: give more of the id, or `stadtbus find`")
    if not traces:
        to_people.print(Rejected(problems.NOBODY_KNOWS, where=places).diagnostics(), markup=False, soft_wrap=True)
        raise typer.Exit(FINDINGS)


async def _with_reasons(tracer: Tracer, traces: Sequence[Trace], loaded: Settings) -> tuple[list[Trace], Mapping[str, Judgement]]:
    """The same with why they wait, and what the watch says of each part now; nothing where no watch answers."""
    from stadtbus import overview

    told, (found, _) = await asyncio.gather(tracer.with_reasons(traces), overview.ask_watch(overview.watch_address(loaded)))
    return told, {one.name: one for one in found.judgements} if found else {}


def _show(trace: Trace, office: OfficeShown, lang: Language, judged: Mapping[str, Judgement]) -> None:
    from stadtbus.caller import answer
    from stadtbus.readiness import GATEWAY
    from stadtbus.tracing import NOT_YET

    now = datetime.now(UTC)
    told = answer(trace, office, lang, now, judged.get(GATEWAY if trace.last.what == NOT_YET else trace.last.office))
    console.print(facts_view(told.title, told.lines))
    console.print(_trace_table(trace, now))


def _shown_office(known: Catalogue, office: str) -> OfficeShown:
    """By the name that its city's page gives it; one that has left the catalogue by its own."""
    from adapters import registry
    from stadtbus.caller import OfficeShown

    city, _, id_ = office.partition(".")
    names = (
        [f"{one.name} ({known.cities[city].name})" for one in known.cities[city].offices if one.id == id_] if city in known.cities else []
    )
    return OfficeShown(names[0], registry.answers_later(office)) if names else OfficeShown(office, decides_later=False)


def _steps_as_dicts(trace: Trace, *, exact: bool) -> list[dict[str, Any]]:
    """The steps of one submission for programs; each names the submission, because a case has several."""
    one = {"submission": trace.submission, "hotline_code": trace.hotline_code, "exact": exact}
    return [asdict(step) | one for step in trace.steps]


def _trace_table(trace: Trace, now: datetime) -> Table:
    """The way of one submission, with the time since the step before; of one that waits, how long it has waited."""
    from stadtbus.tracing import WAITS

    table = Table(title=f"Its way: {trace.submission}", title_justify="left", box=SIMPLE_HEAD)
    for name in ("step", "at", "after", "where"):
        table.add_column(name, justify="right" if name == "after" else "left", no_wrap=name != "where", overflow="fold")
    before = None
    for step in trace.steps:
        waits = step.what == WAITS
        if waits:
            after = f"for {ago((now - step.at).total_seconds())}"
        else:
            after = f"+{ago((step.at - before).total_seconds())}" if before is not None else ""
        at = step.at.astimezone().strftime("%d.%m.%Y %H:%M:%S.%f")[:-3]
        table.add_row(step.what, at, after, Text(printable(step.where)), style="yellow" if waits else "")
        before = step.at
    return table
