"""The pages of the catalogue: where they lie, and what they say, each entry with the place that it stands at.

Reading goes on behind what cannot be read, so that all flaws are told at once; `schemas.catalogue.rules` looks at the entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Generic, TypeVar

from pydantic import ValidationError

from schemas import problems, validation_errors, yamllines
from schemas.catalogue.model import Account, City, Service
from schemas.codelists import SHIPPED, CodeLists
from schemas.errors import UsageError
from schemas.findings import Flaw, Spot
from schemas.yamllines import NotYaml, PathStep, YamlPage

CITIES: Final = "stadtbus.cities"
"""Entry-point group: name = city, value = a module that lies beside `city.yaml` or whose package holds it."""

SERVICES: Final = "services.yaml"
ACCOUNTS: Final = "accounts.yaml"
_SHARED: Final = frozenset((SERVICES, ACCOUNTS))

EntryT = TypeVar("EntryT", Service, Account, City)


@dataclass(frozen=True, slots=True)
class PageSource:
    """One page as bytes; `name` is what people call it, `city` what the entry point says that it is."""

    name: str
    content: bytes
    city: str | None = None


@dataclass(frozen=True, slots=True)
class Location:
    """Where an entry stands: its page, and the steps to it."""

    source: PageSource
    page: YamlPage
    path: tuple[PathStep, ...] = ()

    def at(self, *steps: PathStep) -> Spot:
        """Page and line of the entry, or of what these steps lead to inside it."""
        return Spot(self.source.name, self.page.line_of((*self.path, *steps)))


@dataclass(frozen=True, slots=True)
class Placed(Generic[EntryT]):
    """An entry with its location."""

    entry: EntryT
    place: Location


@dataclass(slots=True)
class Pages:
    """All entries that could be read, the flaws of those that could not, and the code lists that the entries are held against."""

    services: list[Placed[Service]] = field(default_factory=list)
    accounts: list[Placed[Account]] = field(default_factory=list)
    cities: list[Placed[City]] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    lists: CodeLists = SHIPPED


# --- where pages lie


def sources(folder: Path | None = None) -> list[PageSource]:
    """The pages in a folder; without one, those of the package and of the cities that are installed beside it.

    A folder needs `services.yaml`; `accounts.yaml` may be missing, then that of the package counts.

    Raises:
        UsageError: catalogue-invalid, naming the folder; plug-in-broken, naming the distribution.
    """
    packaged = files("schemas").joinpath("cities")
    if folder is None:
        return [*_of_folder(packaged), *installed()]
    if not folder.is_dir():
        raise UsageError(problems.CATALOGUE, "there is no such folder", where=f"catalogue: {folder}")
    found = _of_folder(folder)
    names = {source.name for source in found}
    if SERVICES not in names:
        raise UsageError(problems.CATALOGUE, f"the catalogue has no {SERVICES}", where=str(folder))
    return found if ACCOUNTS in names else [*found, PageSource(ACCOUNTS, packaged.joinpath(ACCOUNTS).read_bytes())]


def _of_folder(folder: Traversable) -> list[PageSource]:
    pages = sorted((page for page in folder.iterdir() if page.name.endswith(".yaml")), key=lambda page: page.name)
    return [PageSource(page.name, page.read_bytes()) for page in pages]


def installed() -> list[PageSource]:
    """The pages of cities from other packages, by the entry-point group `stadtbus.cities`.

    Raises:
        UsageError: plug-in-broken, naming the distribution.
    """
    return [_of_package(entry) for entry in sorted(entry_points(group=CITIES))]


def _of_package(entry: EntryPoint) -> PageSource:
    """The page beside the module, which is found and not imported: the gateway needs no code of adapters."""
    distribution = entry.dist.name if entry.dist else entry.value
    try:
        spec = find_spec(entry.module)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"there is no module {entry.module}")
        page = Path(spec.origin).with_name("city.yaml")
        return PageSource(f"{distribution}: city.yaml", page.read_bytes(), city=entry.name)
    except (ImportError, OSError) as error:
        raise UsageError(problems.PLUG_IN_BROKEN, f"the city '{entry.name}' cannot be read: {error}", where=distribution) from None


def merged(found: Iterable[PageSource], given: Iterable[Path]) -> list[PageSource]:
    """The pages, where each given file takes the place of the page that is about the same.

    Raises:
        UsageError: catalogue-invalid, naming a file that cannot be read.
    """
    new = [_of_file(path) for path in given]
    replaced = {_subject(source) for source in new}
    return [*(source for source in found if _subject(source) not in replaced), *new]


def _of_file(path: Path) -> PageSource:
    try:
        return PageSource(path.name if path.name in _SHARED else str(path), path.read_bytes())
    except OSError as error:
        raise UsageError(problems.CATALOGUE, f"cannot be read: {error.strerror}", where=str(path)) from None


def _subject(source: PageSource) -> str:
    """What a page is about: a city, or what the cities share."""
    if source.name in _SHARED:
        return source.name
    try:
        return str(yamllines.load(source.content.decode()).value["city"])
    except (NotYaml, UnicodeDecodeError, TypeError, KeyError):
        return source.name


# --- reading


def read(found: Iterable[PageSource], lists: CodeLists = SHIPPED) -> Pages:
    """The entries of all pages, to be held against these code lists. Never raises: what cannot be read is a flaw."""
    pages = Pages(lists=lists)
    for source in found:
        try:
            page = yamllines.load(source.content.decode())
        except NotYaml as error:
            pages.flaws.append(_misshapen(Spot(source.name, error.line), str(error)))
        except UnicodeDecodeError as error:
            line = source.content.count(b"\n", 0, error.start) + 1
            pages.flaws.append(_misshapen(Spot(source.name, line), "not UTF-8"))
        else:
            _read_page(pages, source, page)
    return pages


def _read_page(pages: Pages, source: PageSource, page: YamlPage) -> None:
    if source.name == SERVICES:
        pages.services += _read_list(Service, source, page, pages.flaws)
    elif source.name == ACCOUNTS:
        pages.accounts += _read_list(Account, source, page, pages.flaws)
    else:
        pages.cities += _read_entry(City, page.value, Location(source, page), pages.flaws)


def _read_list(model: type[EntryT], source: PageSource, page: YamlPage, flaws: list[Flaw]) -> Iterator[Placed[EntryT]]:
    if not isinstance(page.value, list):
        flaws.append(_misshapen(Spot(source.name, 1), "a list is expected"))
        return
    for index, value in enumerate(page.value):
        yield from _read_entry(model, value, Location(source, page, (index,)), flaws)


def _read_entry(model: type[EntryT], value: object, place: Location, flaws: list[Flaw]) -> list[Placed[EntryT]]:
    try:
        return [Placed(model.model_validate(value), place)]
    except ValidationError as error:
        flaws += [_misshapen(place.at(*fault.path), str(fault)) for fault in validation_errors.sentences(error, model)]
        return []


def _misshapen(spot: Spot, detail: str) -> Flaw:
    hint = "docs/catalogue.md shows each key of the page; keys and dates of codes and examples are text: write them in quotes"
    return Flaw("shape", spot, detail, hint)
