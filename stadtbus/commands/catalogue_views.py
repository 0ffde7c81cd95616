"""How findings in the catalogue, the reasons of a route and the services are shown to people, and given to programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Column, Table

from schemas.catalogue import LEVEL_NAMES, Catalogue, FieldSpec, Offer, Route, Service
from schemas.findings import Flaw, Spot


def flaw_lines(flaws: Iterable[Flaw]) -> Iterable[str]:
    """A line for each, and the hint once after those that break the same rule one after the other."""
    hint = None
    for flaw in flaws:
        if hint not in (None, flaw.hint):
            yield f"  next: {hint}"
        yield f"{flaw.spot.page}:{flaw.spot.line}: {flaw.severity}: {flaw.detail} ({flaw.rule})"
        hint = flaw.hint
    if hint is not None:
        yield f"  next: {hint}"


def explanation(route: Route, place: Spot, logins: Iterable[Mapping[str, Any]]) -> str:
    """Why a submission goes where it goes, and what it has to bring: a fact per line."""
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


def explanation_as_dict(route: Route, place: Spot, logins: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The same for programs."""
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


def services_table(known: Catalogue) -> Table:
    """Services by city: the office that takes each, and the level it wants."""
    table = Table(Column("service", no_wrap=True), *known.cities, box=None, caption="office (minimum level of trust)")
    for service in known.services.values():
        table.add_row(service.id, *(_cell(known, service, city) for city in known.cities))
    return table


def _cell(known: Catalogue, service: Service, city: str) -> str:
    routes = [route for route in known.routes if (route.service, route.city.city) == (service, city)]
    return "\n".join(f"{route.office_entry.id} ({route.offer.minimum_level})" for route in routes) or "-"


def route_as_dict(route: Route) -> dict[str, Any]:
    """Where one service of one city goes, for programs."""
    return {
        "service": route.service.id,
        "city": route.city.city,
        "office": route.office,
        "minimum_level": route.offer.minimum_level,
        "accounts": route.offer.accounts,
    }
