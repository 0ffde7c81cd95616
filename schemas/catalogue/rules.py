"""What has to hold in the catalogue beyond the shape of its pages. Each rule has a name, a hint and a function that finds breaches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, combinations, pairwise
from typing import Final

from schemas.catalogue.model import LEVEL_NAMES, Offer
from schemas.catalogue.pages import Location, Pages
from schemas.findings import Flaw, Severity, Spot
from schemas.yamllines import PathStep

Found = Iterator[tuple[Spot, str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `find` yields where the pages break it and how. A flaw that is a warning is shown and stops nothing."""

    name: str
    find: Callable[[Pages], Found]
    hint: str
    severity: Severity = Severity.ERROR

    def flaws(self, pages: Pages) -> Iterator[Flaw]:
        """A flaw for each place that breaks it."""
        for spot, detail in self.find(pages):
            yield Flaw(self.name, spot, detail, self.hint, self.severity)


def flaws(pages: Pages) -> list[Flaw]:
    """All flaws, by page and line. Where an entry cannot be read only those of reading: the rules would miss the entry everywhere."""
    found = pages.flaws or [flaw for rule in RULES for flaw in rule.flaws(pages)]
    return sorted(found, key=lambda flaw: (flaw.spot.page, flaw.spot.line))


# --- walking


@dataclass(frozen=True, slots=True)
class Offered:
    """An offer with the names of its city and office."""

    city: str
    office: str
    offer: Offer
    place: Location
    steps: tuple[PathStep, ...]

    def at(self, *steps: PathStep) -> Spot:
        """Page and line of the offer, or of what these steps lead to inside it."""
        return self.place.at(*self.steps, *steps)


def offers(pages: Pages) -> Iterator[Offered]:
    """What all offices offer, in the order of the pages."""
    for city in pages.cities:
        for number, office in enumerate(city.entry.offices):
            for index, offer in enumerate(office.services):
                yield Offered(city.entry.city, office.id, offer, city.place, ("offices", number, "services", index))


def _by_service(pages: Pages) -> Iterable[list[Offered]]:
    """The offers, in groups of the same city and service."""
    grouped: dict[tuple[str, str], list[Offered]] = {}
    for one in offers(pages):
        grouped.setdefault((one.city, one.offer.service), []).append(one)
    return grouped.values()


def _repeated(named: Iterable[tuple[str, Spot]], what: str) -> Found:
    """A place for every name that stood on a page before."""
    first: dict[str, Spot] = {}
    for name, spot in named:
        before = first.setdefault(name, spot)
        if before is not spot:
            yield spot, f"{what} '{name}' stands in {before} as well"


# --- the rules


def _unknown_services(pages: Pages) -> Found:
    known = {service.entry.id for service in pages.services}
    named = [(one.offer.service, one.at("service")) for one in offers(pages)]
    named += [(name, city.place.at("promised", index)) for city in pages.cities for index, name in enumerate(city.entry.promised)]
    for name, spot in named:
        if name not in known:
            yield spot, f"service '{name}' is not in services.yaml"


def _unknown_accounts(pages: Pages) -> Found:
    known = {account.entry.id for account in pages.accounts}
    for one in offers(pages):
        for name in one.offer.accounts:
            if name not in known:
                yield one.at("accounts"), f"account '{name}' is not in accounts.yaml"


def _unreachable_levels(pages: Pages) -> Found:
    highest = {account.entry.id: max(account.entry.levels) for account in pages.accounts}
    for one in offers(pages):
        if all(highest.get(name, 4) < one.offer.minimum_level for name in one.offer.accounts):
            level = f"level {one.offer.minimum_level} ({LEVEL_NAMES[one.offer.minimum_level]})"
            yield one.at("minimum_level"), f"no login by {' or '.join(one.offer.accounts)} reaches {level}"


def _overlaps(pages: Pages) -> Found:
    for one, other in chain.from_iterable(combinations(offered, 2) for offered in _by_service(pages)):
        if one.offer.overlaps(other.offer):
            both = f"by {one.office}" if one.office == other.office else f"by {one.office} and {other.office}"
            yield other.at("service"), f"'{one.offer.service}' is taken {both} on the same days"


def _gaps(pages: Pages) -> Found:
    for offered in _by_service(pages):
        in_time = sorted(offered, key=lambda one: one.offer.first_day)
        for before, after in pairwise(in_time):
            if after.offer.first_day - before.offer.last_day > timedelta(days=1):
                yield (
                    after.at("valid_from"),
                    f"nobody takes '{after.offer.service}' between {before.offer.last_day} and {after.offer.first_day}",
                )


def _missing_routes(pages: Pages) -> Found:
    offered = {(one.city, one.offer.service) for one in offers(pages)}
    for city in pages.cities:
        for index, name in enumerate(city.entry.promised):
            if (city.entry.city, name) not in offered:
                yield city.place.at("promised", index), f"{city.entry.city} has promised '{name}', and none of its offices takes it"


def _not_offered(pages: Pages) -> Found:
    offered = {one.offer.service for one in offers(pages)}
    for service in pages.services:
        if service.entry.id not in offered:
            yield service.place.at("id"), f"no office takes '{service.entry.id}'"


def _area_keys(pages: Pages) -> Found:
    for city in pages.cities:
        ags, ars = city.entry.ags, city.entry.ars
        if ags.endswith("000") and ars != f"{ags[:5]}0000000":
            yield city.place.at("ars"), f"of a kreisfreie Stadt with the AGS {ags} the ARS is {ags[:5]}0000000, not {ars}"
        elif (ags[:5], ags[5:]) != (ars[:5], ars[9:]):
            yield city.place.at("ars"), f"AGS {ags} and ARS {ars} differ in district or municipality"


def _authority_prefixes(pages: Pages) -> Found:
    known = pages.lists.prefixes
    for city in pages.cities:
        for index, office in enumerate(city.entry.offices):
            prefix = office.authority.partition(":")[0]
            if prefix not in known.codes:
                detail = f"the prefix '{prefix}' is none of the {len(known.codes)} of {known}"
                yield city.place.at("offices", index, "authority"), detail


def _portals_as_offices(pages: Pages) -> Found:
    names = pages.lists.prefixes.codes
    for city in pages.cities:
        for index, office in enumerate(city.entry.offices):
            prefix = office.authority.partition(":")[0]
            if names.get(prefix, "").lower().endswith("portal"):
                yield city.place.at("offices", index, "authority"), f"the prefix '{prefix}' stands for {names[prefix]}, not for an office"


def _shared_authorities(pages: Pages) -> Found:
    first: dict[str, str] = {}
    for city in pages.cities:
        for index, office in enumerate(city.entry.offices):
            other = first.setdefault(office.authority, city.entry.city)
            if other != city.entry.city:
                yield city.place.at("offices", index, "authority"), f"'{office.authority}' is an authority of {other} already"


def _repeated_services(pages: Pages) -> Found:
    return _repeated(((service.entry.id, service.place.at("id")) for service in pages.services), "the service")


def _repeated_accounts(pages: Pages) -> Found:
    return _repeated(((account.entry.id, account.place.at("id")) for account in pages.accounts), "the account")


def _repeated_cities(pages: Pages) -> Found:
    return _repeated(((city.entry.city, city.place.at("city")) for city in pages.cities), "the city")


def _repeated_offices(pages: Pages) -> Found:
    for city in pages.cities:
        offices = enumerate(city.entry.offices)
        yield from _repeated(((office.id, city.place.at("offices", index, "id")) for index, office in offices), "the office")


def _repeated_areas(pages: Pages) -> Found:
    keys = [(key, city.place.at(name)) for city in pages.cities for name, key in (("ags", city.entry.ags), ("ars", city.entry.ars))]
    return _repeated(keys, "the area key")


def _repeated_keys(pages: Pages) -> Found:
    keys = [(key, service.place.at("leika", index)) for service in pages.services for index, key in enumerate(service.entry.leika)]
    return _repeated(keys, "the LeiKa key")


def _repeated_fields(pages: Pages) -> Found:
    for service in pages.services:
        fields = enumerate(service.entry.fields)
        yield from _repeated(((field.id, service.place.at("fields", index)) for index, field in fields), "the field")


def _other_names(pages: Pages) -> Found:
    for city in pages.cities:
        promised = city.place.source.city
        if promised is not None and promised != city.entry.city:
            yield city.place.at("city"), f"the entry point is named '{promised}', the page '{city.entry.city}'"


RULES: Final[Sequence[Rule]] = (
    Rule("service-unknown", _unknown_services, "write the id of a service of services.yaml, or add the service there"),
    Rule("account-unknown", _unknown_accounts, "write the id of an account of accounts.yaml, or add the account there"),
    Rule("level-unreachable", _unreachable_levels, "lower minimum_level, or accept an account whose logins reach it"),
    Rule("routes-overlap", _overlaps, "let one office take the service, or give both offers days (valid_from, valid_to) that do not meet"),
    Rule("route-gap", _gaps, "let the earlier offer end the day before the later one begins", Severity.WARNING),
    Rule("route-missing", _missing_routes, "add the service to an office of the city, or take back the promise"),
    Rule("not-offered", _not_offered, "nothing to do: submissions for it are refused until an office takes it", Severity.WARNING),
    Rule("area-keys", _area_keys, "look both keys up in the list of the statistical office; both are text in quotes"),
    Rule(
        "authority-prefix",
        _authority_prefixes,
        "write the key under which the office is registered in DVDV; docs/reference/rules.md has the prefixes, the folder "
        "`schemas.codelists` takes a newer list",
    ),
    Rule("authority-portal", _portals_as_offices, "write the key of the office, unless a portal is meant", Severity.WARNING),
    Rule("authority-shared", _shared_authorities, "an authority belongs to one city; correct one of the two"),
    Rule("service-twice", _repeated_services, "keep one of the two"),
    Rule("account-twice", _repeated_accounts, "keep one of the two"),
    Rule("city-twice", _repeated_cities, "a city has one page: remove one, or uninstall the package that brings it"),
    Rule("office-twice", _repeated_offices, "give each office of a city an id of its own"),
    Rule("area-twice", _repeated_areas, "an area belongs to one city; correct one of the two"),
    Rule("leika-twice", _repeated_keys, "a key leads to one service; remove it from the other"),
    Rule("field-twice", _repeated_fields, "a form has each field once"),
    Rule("city-name", _other_names, "give the entry point the name that `city:` has"),
)
