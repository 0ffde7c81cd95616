"""The commands `catalogue check|explain|show`: is it right, where does a submission go and why, who offers what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from schemas import problems
from schemas.errors import Rejected, UsageError
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load, print_json, tell

if TYPE_CHECKING:
    from schemas.catalogue import Account, City, Service
    from schemas.catalogue.pages import Pages
    from schemas.findings import Flaw
    from schemas.problems import Problem

catalogue_app = typer.Typer(no_args_is_help=True, help="Which city offers which service, at which office, for which logins.")

Files = Annotated[
    list[Path] | None,
    typer.Argument(help="Pages that take the place of those in force; without any, what is in force.", show_default=False),
]
EntryT = TypeVar("EntryT", "Service", "City")


@catalogue_app.command("check")
def check(files: Files = None, *, as_json: AsJson = False) -> None:
    """Every finding with page, line and hint; exit code 1 when one is an error."""
    from schemas.catalogue import pages, rules
    from schemas.findings import Severity
    from stadtbus.commands.catalogue_views import flaw_lines

    loaded = load()
    read = pages.read(pages.merged(pages.sources(loaded.catalogue), files or ()), loaded.load_codelists())
    flaws = [*rules.flaws(read), *_other_names(read)]
    wrong = sum(flaw.severity is Severity.ERROR for flaw in flaws)
    counts = {
        "services": len(read.services),
        "cities": len(read.cities),
        "offices": sum(len(city.entry.offices) for city in read.cities),
        "errors": wrong,
        "warnings": len(flaws) - wrong,
    }
    lines = [*flaw_lines(flaws), ", ".join(f"{number} {name}" for name, number in counts.items())]
    tell("\n".join(lines), counts | {"findings": [flaw.as_dict() for flaw in flaws]}, as_json=as_json)
    if wrong:
        raise typer.Exit(FINDINGS)


def _other_names(read: Pages) -> Iterable[Flaw]:
    """Offices without an adapter in a city that has adapters for offices which the page does not name: the two may mean the same."""
    from adapters import registry
    from schemas.findings import Flaw, Severity

    adapters = registry.names()
    for city in read.cities:
        named = {f"{city.entry.city}.{office.id}": number for number, office in enumerate(city.entry.offices)}
        unnamed = [one for one in adapters if one.startswith(f"{city.entry.city}.") and one not in named]
        for office, number in named.items():
            if office not in adapters and unnamed:
                detail = f"'{office}' has no adapter, and '{unnamed[0]}' has one and is not in the page"
                hint = "if the same office is meant, give it the same name in the page and in the package of its adapter"
                yield Flaw("office-name", city.place.at("offices", number, "id"), detail, hint, Severity.WARNING)


@catalogue_app.command("explain")
def explain(
    *,
    service: Annotated[str, typer.Option(help="LeiKa key (14 digits) or id of the service.")],
    area: Annotated[str, typer.Option("--ars", help="ARS (12 digits), AGS (8 digits) or id of the city.")],
    as_json: AsJson = False,
) -> None:
    """Which office takes this service in this area and why, and what it wants; exit code 1 when none does."""
    from schemas import catalogue
    from schemas.catalogue import pages, rules
    from stadtbus.commands.catalogue_views import explanation, explanation_as_dict

    loaded = load()
    read = pages.read(pages.sources(loaded.catalogue), loaded.load_codelists())
    known = catalogue.build(read)
    services = {name: one for one in known.services.values() for name in (one.id, *one.leika)}
    cities = {name: one for one in known.cities.values() for name in (one.city, one.ars, one.ags)}
    wanted, city = _pick(services, service, problems.UNKNOWN_SERVICE, "--service"), _pick(cities, area, problems.UNKNOWN_AREA, "--ars")
    try:
        route = known.route(wanted.leika[0], city.ars)
    except Rejected as refused:
        tell(refused.diagnostics(), refused.as_dict(), as_json=as_json)
        raise typer.Exit(FINDINGS) from None
    place = next(one.at("service") for one in rules.offers(read) if one.offer is route.offer)
    logins = [_login(known.accounts[name], route.offer.minimum_level) for name in route.offer.accounts]
    tell(explanation(route, place, logins), explanation_as_dict(route, place, logins), as_json=as_json)


def _pick(entries: Mapping[str, EntryT], wanted: str, problem: Problem, option: str) -> EntryT:
    """The entry of this name.

    Raises:
        UsageError: naming the entries that come near, else all.
    """
    if wanted in entries:
        return entries[wanted]
    near = get_close_matches(wanted.lower(), entries, n=3)
    listed = ", ".join(f"{name} ({entries[name].name})" for name in near or entries)
    digits = f" ({len(wanted)} digits)" if wanted.isdigit() else ""
    raise UsageError(problem, f"'{wanted}'{digits} is not known; {'nearest' if near else 'known'}: {listed}", where=option)


def _login(account: Account, minimum_level: int) -> dict[str, Any]:
    """An account and those of its levels that are high enough."""
    return {"id": account.id, "name": account.name, "levels": [level for level in account.levels if level >= minimum_level]}


@catalogue_app.command("show")
def show(*, as_json: AsJson = False) -> None:
    """Services by city: the office that takes each, and the level it wants."""
    from stadtbus.commands.catalogue_views import route_as_dict, services_table

    known = load().load_catalogue()
    if as_json:
        print_json([route_as_dict(route) for route in known.routes])
    else:
        console.print(services_table(known))
