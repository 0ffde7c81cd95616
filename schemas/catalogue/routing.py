"""From service and area to the one office, and whether a login is good enough for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from schemas import problems
from schemas.catalogue.expected import Expected
from schemas.catalogue.model import LEVEL_NAMES, Account, City, Offer, Office, Service
from schemas.codelists import SHIPPED, CodeLists
from schemas.errors import Rejected
from schemas.message import Trust


@dataclass(frozen=True, slots=True)
class Route:
    """Where a submission goes: an office of a city that takes the service, on the terms of the offer."""

    city: City
    office_entry: Office
    service: Service
    offer: Offer

    @property
    def office(self) -> str:
        """Full name of the office, for example `muenchen.meldewesen`: that of its topics, its consumer group and its adapter."""
        return f"{self.city.city}.{self.office_entry.id}"

    def check_trust(self, trust: Sequence[Trust]) -> None:
        """Pass if every applicant has logged in with an account and on a level that this office accepts.

        Raises:
            Rejected: account-not-accepted or trust-level-too-low, naming the logins that would do.
        """
        accounts, minimum = " or ".join(self.offer.accounts), self.offer.minimum_level
        for number, one in enumerate(trust, 1):
            place = f"antragsteller[{number}]/vertrauensniveau"
            need = f"{self.service.name} at {self.office} needs level {minimum} ({LEVEL_NAMES[minimum]}) by {accounts}"
            if one.account not in self.offer.accounts:
                raise Rejected(problems.ACCOUNT_NOT_ACCEPTED, f"{need}; this login is by another account", where=f"{place}/konto")
            if one.level < minimum:
                raise Rejected(problems.TRUST_TOO_LOW, f"{need}; this login is level {one.level}", where=f"{place}/niveau")


class Catalogue:
    """All cities of the bus with what they offer. Made by `schemas.catalogue.load`, which refuses entries that break a rule."""

    def __init__(
        self,
        services: Iterable[Service],
        accounts: Iterable[Account],
        cities: Iterable[City],
        lists: CodeLists = SHIPPED,
        pages: Mapping[str, str] | None = None,
    ) -> None:
        self.lists = lists
        self.pages = pages or {}
        """By city the name of its page; empty where a catalogue was not made of pages."""
        self.services = {service.id: service for service in services}
        self.accounts = {account.id: account for account in accounts}
        self.cities = {city.city: city for city in cities}
        self.routes = tuple(self._all_routes())
        self._routes_by_names: dict[tuple[str, str], list[Route]] = {}
        for route in self.routes:
            self._routes_by_names.setdefault((route.service.id, route.city.city), []).append(route)
        self._service_by_key = {key: service for service in self.services.values() for key in service.leika}
        self._city_by_area = {area: city for city in self.cities.values() for area in (city.ars, city.ags)}

    def _all_routes(self) -> Iterable[Route]:
        for city in self.cities.values():
            for office in city.offices:
                for offer in office.services:
                    yield Route(city, office, self.services[offer.service], offer)

    @property
    def offices(self) -> list[str]:
        """Full names of all offices, sorted."""
        return sorted({route.office for route in self.routes})

    def expected(self) -> dict[str, Expected]:
        """What is expected of each office, by its full name."""
        return {f"{city.city}.{office.id}": office.expected for city in self.cities.values() for office in city.offices}

    def routes_of(self, office: str) -> list[Route]:
        """Every route that leads to this office."""
        return [route for route in self.routes if route.office == office]

    def continuing(self, office: str) -> frozenset[str]:
        """Keys of the services whose cases go on after a dead letter at this office."""
        routes = [route for route in self.routes_of(office) if route.offer.after_dead_letter == "continue"]
        return frozenset(key for route in routes for key in route.service.leika)

    def service(self, key: str) -> Service:
        """The service with this LeiKa key.

        Raises:
            Rejected: unknown-service, naming the known keys.
        """
        if key not in self._service_by_key:
            raise Rejected(problems.UNKNOWN_SERVICE, f"known keys: {', '.join(sorted(self._service_by_key))}", where="leistung/code")
        return self._service_by_key[key]

    def city(self, area: str) -> City:
        """The city with this ARS (12 digits) or AGS (8 digits).

        Raises:
            Rejected: unknown-area, naming the known keys.
        """
        if area not in self._city_by_area:
            raise Rejected(problems.UNKNOWN_AREA, f"known areas: {', '.join(sorted(self._city_by_area))}", where="gebiet/code")
        return self._city_by_area[area]

    def route(self, service_key: str, area: str, on: date | None = None) -> Route:
        """The office that takes this service in this area, today (by the clock of this machine) or on another day.

        Raises:
            Rejected: unknown-service, unknown-area or no-route.
        """
        service, city = self.service(service_key), self.city(area)
        day = on or datetime.now(UTC).astimezone().date()
        for route in self._routes_by_names.get((service.id, city.city), ()):
            if route.offer.taken_on(day):
                return route
        offered = sorted(route.city.city for route in self.routes if route.service is service and route.offer.taken_on(day))
        raise Rejected(problems.NO_ROUTE, f"{city.city} does not offer {service.name}; offered in: {', '.join(offered) or 'no city'}")
