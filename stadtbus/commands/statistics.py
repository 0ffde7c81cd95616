"""The command `statistics show`, and its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas import problems
from schemas.errors import CannotTell, UsageError
from stadtbus.commands.operators import City
from stadtbus.commands.terminal import AsJson, console, load_quietly, print_json
from stadtbus.display import ago

if TYPE_CHECKING:
    from consumers.statistics.figures import Figure
    from infra.settings import StoreSettings

statistics_app = typer.Typer(no_args_is_help=True, help="Throughput and delivery times.")


@statistics_app.command("show")
def statistics_show(
    *,
    city: City = None,
    today: Annotated[bool, typer.Option("--today", help="What was taken since midnight, by the clock of this machine.")] = False,
    as_json: AsJson = False,
) -> None:
    """Submissions per city, office, service, portal and hour, with delivery times and sums."""
    from consumers.statistics import facts

    loaded = load_quietly()
    catalogue = loaded.load_catalogue()
    if city is not None and city not in catalogue.cities:
        raise UsageError(problems.OFFICE_UNKNOWN, f"there is no city '{city}'; known: {', '.join(catalogue.cities)}", where="--city")
    if not facts.is_here(loaded.stores):
        raise CannotTell(problems.RECORDS_ELSEWHERE, "there are no statistics", where=loaded.stores.shown("statistics"))
    figures = _figures(loaded.stores, city, since_midnight=today)
    if as_json:
        print_json([asdict(figure) for figure in figures])
    else:
        console.print(_view(figures, {key: one.name for one in catalogue.services.values() for key in one.leika}))


def _figures(stores: StoreSettings, city: str | None, *, since_midnight: bool) -> list[Figure]:
    """Those of one city, or of all; the day is that of this machine."""
    from consumers.statistics import facts
    from consumers.statistics.figures import figures

    store = facts.open_store(stores)
    found = figures(store)
    store.close()
    day = datetime.now().astimezone().date()
    return [one for one in found if city in (None, one.city) and (not since_midnight or one.hour.astimezone().date() == day)]


def _view(figures: Sequence[Figure], services: Mapping[str, str]) -> RenderableType:
    """A table per office with its sum, and the sum of all."""
    if not figures:
        return Text("nothing was counted")
    offices = groupby(figures, key=lambda one: one.office)
    tables = [_statistics_table(office, list(part), services) for office, part in offices]
    total = _sums(figures)
    return Group(
        *tables, Text(f"together: {', '.join(f'{name} {count}' for name, count in zip(_COUNTS, total, strict=True))}", style="bold")
    )


_COUNTS = ("taken", "delivered", "accepted", "rejected")


def _statistics_table(office: str, figures: Sequence[Figure], services: Mapping[str, str]) -> Table:
    """One line per hour, service and portal."""
    table = Table(title=office, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_footer=True)
    sums = [str(count or "") for count in _sums(figures)]
    table.add_column("hour", "sum", no_wrap=True)
    table.add_column("service\nportal", overflow="fold", ratio=1)
    for name, total in zip(_COUNTS, sums, strict=True):
        table.add_column(name, total, justify="right", no_wrap=True)
    table.add_column("median\np95", justify="right", no_wrap=True)
    for one in figures:
        counts = [str(count or "") for count in _sums([one])]
        names = Text(f"{services.get(one.service, one.service)}\n{one.portal}")
        table.add_row(one.hour.astimezone().strftime("%d.%m. %Hh"), names, *counts, f"{ago(one.median_s)}\n{ago(one.p95_s)}")
    return table


def _sums(figures: Sequence[Figure]) -> tuple[int, ...]:
    counts = [(one.accepted, one.delivered, one.confirmed, one.rejected) for one in figures]
    return tuple(map(sum, zip(*counts, strict=True)))
