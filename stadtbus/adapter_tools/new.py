"""`stadtbus adapter new`: the package of an adapter that works at once, from the files in `stadtbus/adapter_tools/templates`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from itertools import islice
from pathlib import Path
from string import Template
from typing import Any, Final

import yaml

from adapters import registry
from adapters.mapping import Mapping, page, samples
from adapters.protocols.mapped import MAPPING
from producers.synthetic import messages
from schemas import message, problems
from schemas.catalogue import Catalogue, City, FieldSpec, Service
from schemas.errors import UsageError
from schemas.message import Authority

_CSV: Final = '{format: csv, separator: ";", encoding: UTF-8, join: " / "}'
PROTOCOLS: Final = {
    "rest": "{format: json}",
    "soap": "{format: xml, root: 'n:antragAnlegen', namespaces: {n: $namespace}}",
    "sftp": _CSV,
    "file": _CSV,
}
"""What a back office may speak, and the `target` of the mapping that is written for it."""
SAMPLES: Final = 6
_UMLAUTS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_START: Final = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,39}\.[a-z][a-z0-9-]{1,39}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What `stadtbus adapter new` is asked for. `ags` and `city_name` are for a city that the catalogue does not have."""

    office: str
    protocol: str
    service: str
    ags: str | None
    city_name: str | None

    @property
    def city(self) -> str:
        """The part before the dot."""
        return self.office.partition(".")[0]

    @property
    def slug(self) -> str:
        """Name of the folder, and in that of the package."""
        return self.office.replace(".", "-")


@dataclass(frozen=True, slots=True)
class NewPackage:
    """The package of an adapter that has been written: its folder and files, and what is still to be added to pages of the catalogue."""

    folder: Path
    files: tuple[Path, ...]
    to_add: str = ""
    """What has to be added to the page of the city by hand, where the catalogue has the city already: that page is not ours to change."""

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {"folder": str(self.folder), "files": [str(file) for file in self.files], "to_add": self.to_add}


def write(wish: Wish, catalogue: Catalogue, parent: Path) -> NewPackage:
    """Write the package of an adapter into a new folder.

    Raises:
        UsageError: adapter-wish-invalid, folder-exists; then nothing is written. file-unwritable.
    """
    _check(wish, catalogue)
    folder = parent / wish.slug
    if folder.exists():
        raise UsageError(problems.FOLDER_EXISTS, f"there is a '{folder}' already", where=str(folder))
    values = _values(wish, catalogue)
    try:
        for path, content in _pages(wish, catalogue, values):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    except OSError as error:
        raise UsageError(problems.FILE_UNWRITABLE, error.strerror or "", where=str(folder)) from None
    package = folder / values["module"]
    samples.record(Mapping.load(package / MAPPING), package / "samples")
    to_add = (
        "" if wish.office in catalogue.offices or wish.city not in catalogue.cities else to_add_for(wish.office, wish.service, catalogue)
    )
    return NewPackage(folder, tuple(sorted(path for path in folder.rglob("*") if path.is_file())), to_add)


def to_add_for(office: str, service: str, catalogue: Catalogue) -> str:
    """What to write into which page, so that a city of the catalogue has one more office."""
    city = office.partition(".")[0]
    values = _values(Wish(office, "rest", service, None, None), catalogue)
    lines = _fill("common/city.yaml", values).decode().partition("offices:\n")[2].rstrip()
    return (
        f"add these lines under 'offices:' in the page of {city}, {catalogue.pages.get(city, 'city.yaml')}, with the name and the authority "
        f"that the office has; `stadtbus catalogue check` looks at it. A city has one page: it stays with the package that has it.\n{lines}"
    )


def _check(wish: Wish, catalogue: Catalogue) -> None:
    if not _NAME.fullmatch(wish.office):
        raise _wrong(f"'{wish.office}' is not CITY.OFFICE, 2 to 40 small letters, digits and '-' each, for example regensburg.gewerbe")
    if wish.protocol not in PROTOCOLS:
        raise _wrong(f"the protocols are {', '.join(PROTOCOLS)}, not '{wish.protocol}'")
    if wish.service not in catalogue.services:
        raise _wrong(f"the catalogue has no service '{wish.service}'; it has: {', '.join(catalogue.services)}")
    if wish.office in registry.names():
        raise _wrong(f"'{wish.office}' has an adapter already: `stadtbus adapter list` says from which package")
    if wish.city not in catalogue.cities and not (wish.city_name and re.fullmatch(r"\d{8}", wish.ags or "")):
        raise _wrong(f"'{wish.city}' is not in the catalogue: say --name and --ags (8 digits), for example --ags 09362000")
    other = next((city for city in catalogue.cities.values() if city.ags == wish.ags and city.city != wish.city), None)
    if other is not None:
        raise _wrong(f"the AGS {wish.ags} is that of {other.name}, which the catalogue calls '{other.city}'")


def _wrong(detail: str) -> UsageError:
    return UsageError(problems.ADAPTER_WISH, detail)


def _values(wish: Wish, catalogue: Catalogue) -> dict[str, str]:
    """What stands for the names in the templates."""
    city, _, office_id = wish.office.partition(".")
    module = re.sub(r"[^a-z0-9]", "_", wish.office)
    namespace = f"https://{city}.example/{office_id}/1"
    target = PROTOCOLS[wish.protocol]
    return _of_the_page(wish, catalogue) | {
        "office": wish.office,
        "slug": wish.slug,
        "module": module,
        "class_name": "".join(part.title() for part in module.split("_")),
        "base": wish.service if wish.service in page.bases() else "antragsteller",
        "target": target.replace("$namespace", namespace),
        "document": "".join(_document(catalogue.services[wish.service], table=target is _CSV)),
        "prefix": "".join(part[0].upper() for part in wish.office.split(".")),
        "namespace": namespace,
        "city_entry": "" if city in catalogue.cities else f'\n[project.entry-points."stadtbus.cities"]\n"{city}" = "{module}"\n',
    }


def _of_the_page(wish: Wish, catalogue: Catalogue) -> dict[str, str]:
    """What the page of the city says, or would say; logins and level are those with which another office offers the service."""
    city = catalogue.cities.get(wish.city)
    offers = (route.offer for office in catalogue.offices for route in catalogue.routes_of(office) if route.service.id == wish.service)
    offer = next(offers, None)
    ags = city.ags if city else wish.ags or ""
    return {
        "city": wish.city,
        "city_name": city.name if city else wish.city_name or "",
        "ags": ags,
        "ars": city.ars if city else f"{ags[:5]}0000000",
        "office_id": wish.office.partition(".")[2],
        "service": wish.service,
        "service_name": catalogue.services[wish.service].name,
        "minimum_level": str(offer.minimum_level if offer else 3),
        "accounts": ", ".join(offer.accounts if offer else ("bundid",)),
    }


def _document(service: Service, *, table: bool) -> Iterator[str]:
    """The lines of the mapping that its base does not have."""
    if service.id not in page.bases():
        yield from map(_of_field, service.fields)
    elif table:  # where a name can stand once only, that of the dwelling or the business is not that of the applicant
        branch = "wohnung" if service.id == "wohnsitz-anmelden" else "betrieb"
        yield f"  {branch}:\n    fields:\n"
        yield from (f"      {name}: {{name: {branch}_{name}}}\n" for name in ("strasse", "hausnummer", "postleitzahl", "ort"))
    else:
        yield "  {}\n"


def _of_field(field: FieldSpec) -> str:
    """The line of the mapping for a field of the form, under the name that people give it."""
    name = re.sub(r"[^a-z0-9]+", "_", field.name.lower().translate(_UMLAUTS)).strip("_")
    more = "".join(f", {key}: true" for key, said in (("required", field.required), ("many", field.many)) if said)
    return f"  formular_{name}: {{value: feld('{field.id}'){more}}}\n"


def _pages(wish: Wish, catalogue: Catalogue, values: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    """Every file of the package: path in its folder, and content."""
    module = values["module"]
    yield "pyproject.toml", _fill("common/pyproject.toml", values)
    yield f"{module}/__init__.py", _fill("common/module.py", values)
    yield f"{module}/adapter.py", _fill(f"{wish.protocol}/adapter.py", values)
    yield f"{module}/twin.py", _fill(f"{wish.protocol}/twin.py", values)
    yield f"{module}/{MAPPING}", _fill("common/mapping.yaml", values)
    if wish.city not in catalogue.cities:
        yield f"{module}/city.yaml", _fill("common/city.yaml", values)
    for number, sample in enumerate(_samples(values, catalogue), start=1):
        yield f"{module}/samples/{number:02}.xml", sample
    yield "tests/test_adapter.py", _fill("common/test_adapter.py", values)


def _fill(template: str, values: dict[str, str]) -> bytes:
    text = files("stadtbus.adapter_tools").joinpath("templates", f"{template}.in").read_text(encoding="utf-8")
    return Template(text).substitute(values).encode()


def _samples(values: dict[str, str], catalogue: Catalogue) -> Iterator[bytes]:
    """Applications that a portal of the city could send; the same each time."""
    city = City.model_validate(yaml.safe_load(_fill("common/city.yaml", values)))
    (route,) = Catalogue(catalogue.services.values(), catalogue.accounts.values(), [city]).routes
    author = Authority(key=f"kop:{values['ags']}", name=f"Portal {values['city_name']}")
    applications = messages.applications(route, author, seed=1, start=_START)
    return (message.write(application) for application in islice(applications, SAMPLES))
