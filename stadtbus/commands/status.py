"""The command `status`: one page for whoever is on call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from stadtbus.commands.operators import City, offices_named
from stadtbus.commands.terminal import FINDINGS, AsJson, Watch, console, load_quietly, print_json, watched

if TYPE_CHECKING:
    from consumers.watch.model import Judgement
    from stadtbus.overview import Overview
    from stadtbus.settings import Settings

_CANNOT_TELL: Final = 3
_SMALLEST: Final = 24


def status(
    *,
    city: City = None,
    watch: Watch = False,
    as_json: AsJson = False,
) -> None:
    """How the whole bus does, on one page: what is wrong, since when, whose fault it is, what to do; then a line for each part and each office.

    Asks the watch, and looks itself where none answers. Exit code 1 where a person has to act, 3 where that cannot be told.
    """
    loaded = load_for(city)
    if watch:
        watched(lambda: _page(loaded, city))
        return
    seen, judgements = asyncio.run(look(loaded, city))
    now = datetime.now(UTC)
    if as_json:
        from stadtbus.commands import verdict_views as show

        print_json(show.overview_as_dict(seen, judgements, now))
    else:
        console.print(page_view(seen, judgements, now, console))
    leave(seen, judgements)


def load_for(city: str | None) -> Settings:
    """The settings in force, for a command that may be about one city.

    Raises:
        UsageError: settings-invalid; office-unknown where there is no such city.
    """
    loaded = load_quietly()
    if city is not None:
        offices_named(loaded, None, city)
    return loaded


async def look(loaded: Settings, city: str | None) -> tuple[Overview, list[Judgement]]:
    """How the bus does, and what `of_city` has of its judgements. Raises as `overview.look`."""
    from stadtbus import overview

    seen = await overview.look(loaded)
    return seen, of_city(seen.judgements(), city)


def of_city(judgements: Sequence[Judgement], city: str | None) -> list[Judgement]:
    """Those of one city, and those that serve all cities; in the order of the page."""
    from stadtbus.commands import verdict_views as show

    return [one for one in show.in_order(judgements) if city is None or one.city in ("", city)]


def leave(seen: Overview, judgements: Sequence[Judgement]) -> None:
    """End the command with the exit code that its docstring promises."""
    from consumers.watch.model import exit_code

    code = exit_code(judgements)
    if seen.snapshot.kafka_fault and code != FINDINGS:
        code = _CANNOT_TELL
    if code:
        raise typer.Exit(code)


async def _page(loaded: Settings, city: str | None) -> RenderableType:
    return page_view(*await look(loaded, city), datetime.now(UTC), console)


def page_view(seen: Overview, judgements: Sequence[Judgement], now: datetime, page: Console) -> RenderableType:
    """The page: as many of the sentences as fit below the table on this terminal, the gravest first, and one at least."""
    from stadtbus.commands import verdict_views as show

    above = [show.head_view(seen, now), _table(seen, judgements, now)]
    room = max(_SMALLEST, page.height) - 2 - _lines(Group(*above), page)
    groups = show.gravest_first(judgements)
    below: list[RenderableType] = []
    for group in groups:
        sentence = show.sentence_view(group, now)
        if below and _lines(Group(*below, sentence), page) > room - (group is not groups[-1]):
            break
        below.append(sentence)
    if left := groups[len(below) :]:
        names = ", ".join(group[0].name for group in left)
        below.append(Text(f"and {len(left)} more ({names}): `stadtbus lag` has all", style="dim"))
    return Group(*above, *(below or [Text("Nothing asks for a person.", style="green")]), *show.said_here_view(seen, 5))


def _lines(view: RenderableType, page: Console) -> int:
    return len(page.render_lines(view, page.options))


def _table(seen: Overview, judgements: Sequence[Judgement], now: datetime) -> Table:
    """A line each: the gateway and who records, then the offices."""
    from consumers.watch.observed import Kind
    from stadtbus.commands import verdict_views as show

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=False, overflow="fold")
    table.add_column("verdict", ratio=1, overflow="fold")
    for name in ("since", "wait", "old", "park", "dead", "today", "up"):
        table.add_column(name, justify="right", no_wrap=True)
    for number, one in enumerate(judgements):
        office = one.kind is Kind.OFFICE
        if number and office and judgements[number - 1].kind is not Kind.OFFICE:
            table.add_row()
        today = "" if not office else "?" if seen.delivered_today is None else str(seen.delivered_today.get(one.name, 0))
        aside = (show.counted_or(one.parked), show.counted_or(one.dead_letters)) if office else ("", "")
        figures = (show.clock(one.since, now), show.waits(one), show.short_age(one.oldest_at, now), *aside, today, str(one.processes))
        table.add_row(one.name, show.short_cause(one), *figures, style=show.style_of(one))
    return table
