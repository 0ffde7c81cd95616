"""The catalogue: which city offers which service at which office, and how sure it wants to be of the applicant.

One YAML file per city, which that city owns, beside `services.yaml`, which the cities share. Routing happens once, at intake,
from here. Matching is exact on 14 digits of the LeiKa key and on the 12 digits of the ARS (or the 8 of the AGS).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from schemas import errors
from schemas.errors import Rejected, UsageError
from schemas.message import Trust

LEVEL_NAMES: Final = {1: "Basisregistrierung", 2: "normal", 3: "substanziell", 4: "hoch"}
"""Vertrauensniveaus of OZG and eIDAS by their STORK QAA number."""

EntryT = TypeVar("EntryT", bound="_Entry")
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,39}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Service(_Entry):
    """A service (Leistung) with every LeiKa key it is known by; the first is the one we write."""

    id: Name
    name: str
    leika: tuple[Annotated[str, StringConstraints(pattern=r"^99\d{12}$")], ...] = Field(min_length=1)
    form: str
    fields: dict[str, str]


class Offer(_Entry):
    """A service that an office takes, with the city's own minimum of trust and the accounts it accepts."""

    service: Name
    minimum_level: Annotated[int, Field(ge=1, le=4)]
    accounts: tuple[Name, ...] = Field(min_length=1)
    after_dead_letter: Literal["hold", "continue"] = "hold"
    """Whether later submissions of a case wait for its dead letter."""


class Office(_Entry):
    """One back office of one city. `authority` is its key in DVDV, as `leser/kennung` has it."""

    id: Name
    name: str
    authority: Annotated[str, StringConstraints(pattern=r"^[a-z]{3}:\d+$")]
    services: tuple[Offer, ...] = Field(min_length=1)


class City(_Entry):
    """One city with its area keys and offices."""

    city: Name
    name: str
    ags: Annotated[str, StringConstraints(pattern=r"^\d{8}$")]
    ars: Annotated[str, StringConstraints(pattern=r"^\d{12}$")]
    offices: tuple[Office, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """Where a submission goes. `office` is the full name, for example `muenchen.meldewesen`."""

    city: City
    office_entry: Office
    service: Service
    offer: Offer

    @property
    def office(self) -> str:
        """The name of topic, group and adapter."""
        return f"{self.city.city}.{self.office_entry.id}"

    def check_trust(self, trust: Sequence[Trust]) -> None:
        """Every applicant has to come with a login that this office accepts.

        Raises:
            Rejected: trust-level-too-low, naming the logins that would do.
        """
        for one in trust:
            if one.level < self.offer.minimum_level or one.account not in self.offer.accounts:
                need = f"level {self.offer.minimum_level} ({LEVEL_NAMES[self.offer.minimum_level]}) by {' or '.join(self.offer.accounts)}"
                raise Rejected(errors.TRUST_TOO_LOW, f"{self.service.name} at {self.office} needs {need}; this login is level {one.level}")


class Catalogue:
    """All cities of the bus."""

    def __init__(self, services: Iterable[Service], cities: Iterable[City]) -> None:
        self.services = {service.id: service for service in services}
        self.cities = {city.city: city for city in cities}
        self._service_by_key = {key: service for service in self.services.values() for key in service.leika}
        self._city_by_area = {area: city for city in self.cities.values() for area in (city.ars, city.ags)}
        self._routes = {(route.service.id, route.city.city): route for route in self._all_routes()}

    def _all_routes(self) -> Iterable[Route]:
        for city in self.cities.values():
            for office in city.offices:
                for offer in office.services:
                    yield Route(city, office, self.services[offer.service], offer)

    @property
    def offices(self) -> list[str]:
        """Full names of all offices, sorted."""
        return sorted({route.office for route in self._routes.values()})

    def routes_of(self, office: str) -> list[Route]:
        """Every route that leads to this office."""
        return [route for route in self._routes.values() if route.office == office]

    def continuing(self, office: str) -> frozenset[str]:
        """Keys of the services whose cases go on after a dead letter at this office."""
        routes = [route for route in self.routes_of(office) if route.offer.after_dead_letter == "continue"]
        return frozenset(key for route in routes for key in route.service.leika)

    def route(self, service_key: str, area: str) -> Route:
        """The office that takes this service in this area.

        Raises:
            Rejected: unknown-service, unknown-area or no-route.
        """
        service = self._service_by_key.get(service_key)
        if service is None:
            raise Rejected(errors.UNKNOWN_SERVICE, f"known keys: {', '.join(sorted(self._service_by_key))}", where="leistung/code")
        city = self._city_by_area.get(area)
        if city is None:
            raise Rejected(errors.UNKNOWN_AREA, f"known areas: {', '.join(sorted(self._city_by_area))}", where="gebiet/code")
        route = self._routes.get((service.id, city.city))
        if route is None:
            offered = sorted(name for service_id, name in self._routes if service_id == service.id)
            raise Rejected(errors.NO_ROUTE, f"{city.city} does not offer {service.name}; offered in: {', '.join(offered) or 'no city'}")
        return route


def load(folder: Path | None = None) -> Catalogue:
    """The catalogue in a folder of YAML files; without one, the catalogue of the package.

    Raises:
        UsageError: settings-invalid, naming file and field.
    """
    source: Traversable = folder if folder is not None else files("schemas").joinpath("cities")
    if not source.is_dir():
        raise UsageError(errors.SETTINGS, "there is no such folder", where=f"catalogue: {source}")
    pages = {page.name: page for page in source.iterdir() if page.name.endswith(".yaml")}
    if "services.yaml" not in pages:
        raise UsageError(errors.SETTINGS, "the catalogue has no services.yaml", where=str(source))
    services = [_load(Service, entry, "services.yaml") for entry in _list(pages.pop("services.yaml"))]
    cities = [_load(City, _yaml(page), name) for name, page in sorted(pages.items())]
    _check(services, cities)
    return Catalogue(services, cities)


def _yaml(page: Traversable) -> object:
    try:
        return yaml.safe_load(page.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UsageError(errors.SETTINGS, f"not YAML: {error}", where=page.name) from None


def _list(page: Traversable) -> list[object]:
    entries = _yaml(page)
    if not isinstance(entries, list):
        raise UsageError(errors.SETTINGS, "a list of services is expected", where=page.name)
    return entries


def _load(model: type[EntryT], entry: object, page: str) -> EntryT:
    try:
        return model.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(errors.SETTINGS, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", where=page) from None


def _check(services: Sequence[Service], cities: Sequence[City]) -> None:
    """What a single file cannot show: services that nobody defined, and two offices for the same service."""
    known = {service.id for service in services}
    for city in cities:
        offered = [offer.service for office in city.offices for offer in office.services]
        for service in offered:
            if service not in known:
                raise UsageError(errors.SETTINGS, f"service '{service}' is not in services.yaml", where=f"{city.city}.yaml")
            if offered.count(service) > 1:
                raise UsageError(errors.SETTINGS, f"two offices offer '{service}'", where=f"{city.city}.yaml")
