"""The commands `catalogue check|explain|show`: is it right, where does a submission go and why, who offers what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.table import Column, Table

from adapters import registry
from schemas import catalogue, problems
from schemas.catalogue import LEVEL_NAMES, Account, Catalogue, City, FieldSpec, Offer, Route, Service, pages, rules
from schemas.catalogue.pages import Pages
from schemas.errors import Rejected, UsageError
from schemas.findings import Flaw, Severity, Spot
from schemas.problems import Problem
from stadtbus.commands.terminal import FINDINGS, AsJson, console, load, print_json, tell

catalogue_app = typer.Typer(no_args_is_help=True, help="Which city offers which service, at which office, for which logins.")

EntryT = TypeVar("EntryT", Service, City)


# --- check


@catalogue_app.command("check")
def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Pages that take the place of those in force; without any, what is in force.", show_default=False),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Every finding with page, line and hint; exit code 1 when one is an error."""
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
    lines = [*_lines(flaws), ", ".join(f"{number} {name}" for name, number in counts.items())]
    tell("\n".join(lines), counts | {"findings": [flaw.as_dict() for flaw in flaws]}, as_json=as_json)
    if wrong:
        raise typer.Exit(FINDINGS)


def _other_names(read: Pages) -> Iterable[Flaw]:
    """Offices without an adapter in a city that has adapters for offices which the page does not name: the two may mean the same."""
    adapters = registry.names()
    for city in read.cities:
        named = {f"{city.entry.city}.{office.id}": number for number, office in enumerate(city.entry.offices)}
        unnamed = [one for one in adapters if one.startswith(f"{city.entry.city}.") and one not in named]
        for office, number in named.items():
            if office not in adapters and unnamed:
                detail = f"'{office}' has no adapter, and '{unnamed[0]}' has one and is not in the page"
                hint = "if the same office is meant, give it the same name in the page and in the package of its adapter"
                yield Flaw("office-name", city.place.at("offices", number, "id"), detail, hint, Severity.WARNING)


def _lines(flaws: Iterable[Flaw]) -> Iterable[str]:
    """A line for each, and the hint once after those that break the same rule one after the other."""
    hint = None
    for flaw in flaws:
        if hint not in (None, flaw.hint):
            yield f"  next: {hint}"
        yield f"{flaw.spot.page}:{flaw.spot.line}: {flaw.severity}: {flaw.detail} ({flaw.rule})"
        hint = flaw.hint
    if hint is not None:
        yield f"  next: {hint}"


# --- explain


@catalogue_app.command("explain")
def explain(
    *,
    service: Annotated[str, typer.Option(help="LeiKa key (14 digits) or id of the service.")],
    area: Annotated[str, typer.Option("--ars", help="ARS (12 digits), AGS (8 digits) or id of the city.")],
    as_json: AsJson = False,
) -> None:
    """Which office takes this service in this area and why, and what it wants; exit code 1 when none does."""
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
    tell(_explanation(route, place, logins), _explanation_as_dict(route, place, logins), as_json=as_json)


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


def _explanation(route: Route, place: Spot, logins: Iterable[Mapping[str, Any]]) -> str:
    offer, office, city = route.offer, route.office_entry, route.city
    facts = {
        "service": f"{route.service.name} ({route.service.id}), LeiKa {' or '.join(route.service.leika)}",
        "area": f"{city.name} ({city.city}), ARS {city.ars}, AGS {city.ags}",
        "office": f"{route.office}: {office.name}, authority {office.authority}",
        "because": f"{place} gives the service to this office, {_days(offer)}",
        "trust": f"level {offer.minimum_level} ({LEVEL_NAMES[offer.minimum_level]}) or higher, for each applicant",
        "login": "; ".join(f"{one['name']} ({one['id']}) at level {' or '.join(map(str, one['levels'])) or 'none'}" for one in logins),
        "messages": ", ".join(office.messages) or "none of ours",
        "genuine": ", ".join(office.namespaces) or "none",
        "form": "\n          ".join([route.service.form, *map(_field, route.service.fields)]),
    }
    return "\n".join(f"{name:9} {fact}" for name, fact in facts.items())


def _field(spec: FieldSpec) -> str:
    """What a portal has to know of a field: the gateway holds every form against it."""
    often = f"{'required' if spec.required else 'may be left out'}{', several values' if spec.many else ''}"
    kind = f"one of {', '.join(spec.codes)}" if spec.codes else spec.kind
    datatype = f", datatype {spec.datatype}" if spec.kind == "text" else ""
    return f"{spec.id} {spec.name}: {kind}{datatype}; {often}"


def _days(offer: Offer) -> str:
    bounds = [f"from {offer.valid_from}" if offer.valid_from else "", f"to {offer.valid_to}" if offer.valid_to else ""]
    return " ".join(bound for bound in bounds if bound) or "without end"


def _explanation_as_dict(route: Route, place: Spot, logins: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    offer, office = route.offer, route.office_entry
    return {
        "service": route.service.id,
        "leika": route.service.leika,
        "city": route.city.city,
        "ars": route.city.ars,
        "ags": route.city.ags,
        "office": route.office,
        "authority": office.authority,
        "page": place.page,
        "line": place.line,
        "minimum_level": offer.minimum_level,
        "logins": list(logins),
        "messages": office.messages,
        "namespaces": office.namespaces,
        "valid_from": offer.valid_from,
        "valid_to": offer.valid_to,
        "form": route.service.form,
        "fields": [field.model_dump(mode="json") for field in route.service.fields],
    }


# --- show


@catalogue_app.command("show")
def show(*, as_json: AsJson = False) -> None:
    """Services by city: the office that takes each, and the level it wants."""
    known = load().load_catalogue()
    if as_json:
        print_json([_route_as_dict(route) for route in known.routes])
        return
    table = Table(Column("service", no_wrap=True), *known.cities, box=None, caption="office (minimum level of trust)")
    for service in known.services.values():
        table.add_row(service.id, *(_cell(known, service, city) for city in known.cities))
    console.print(table)


def _cell(known: Catalogue, service: Service, city: str) -> str:
    routes = [route for route in known.routes if (route.service, route.city.city) == (service, city)]
    return "\n".join(f"{route.office_entry.id} ({route.offer.minimum_level})" for route in routes) or "-"


def _route_as_dict(route: Route) -> dict[str, Any]:
    return {
        "service": route.service.id,
        "city": route.city.city,
        "office": route.office,
        "minimum_level": route.offer.minimum_level,
        "accounts": route.offer.accounts,
    }
