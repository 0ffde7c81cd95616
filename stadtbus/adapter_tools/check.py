"""`stadtbus adapter check`: the mapping of an adapter, its recorded samples, and whether it keeps its promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from adapters import conformance, registry
from adapters.conformance import CHECKS, CheckResult
from adapters.mapping import Mapping, lint, page, proofread, samples
from adapters.protocols import mapped
from adapters.protocols.drop import Drop
from schemas.catalogue import Catalogue, Office
from schemas.findings import Flaw, Spot
from stadtbus.adapter_tools import new


@dataclass(frozen=True, slots=True)
class AdapterReport:
    """What was found at one adapter."""

    office: str
    flaws: tuple[Flaw, ...]
    """Flaws of its mapping, or of its place in the catalogue."""
    differing: tuple[str, ...]
    """Names of samples from which the mapping makes something else than was recorded."""
    verdicts: tuple[CheckResult, ...]
    """What the checks of the conformance suite found; empty where there are flaws, because those have to be mended first."""

    @property
    def broken(self) -> list[CheckResult]:
        """Promises that it does not keep."""
        return [verdict for verdict in self.verdicts if verdict.broken]

    @property
    def fine(self) -> bool:
        """Whether there is nothing to mend."""
        return not (self.flaws or self.differing or self.broken)

    def as_dict(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "office": self.office,
            "fine": self.fine,
            "flaws": [flaw.as_dict() for flaw in self.flaws],
            "differing": list(self.differing),
            "checks": [asdict(verdict) for verdict in self.verdicts],
        }


async def check(office: str, catalogue: Catalogue, step: Callable[[str], None]) -> AdapterReport:
    """Look at the mapping, then at the recorded samples, then run the conformance suite; `step` hears of each before it runs.

    Raises:
        UsageError: office-unknown, plug-in-broken, samples-missing.
    """
    path = mapped.page_of(office)
    if office not in catalogue.offices:
        return AdapterReport(office, (_not_in_catalogue(office, path, catalogue),), (), ())
    if path is None:  # it translates without one
        return AdapterReport(office, (), (), await _verdicts(office, step))
    step("the mapping")
    routes = catalogue.routes_of(office)
    flaws = lint.check(path, [route.service for route in routes]) or list(
        _disagreements(office, Mapping.load(path), routes[0].office_entry)
    )
    if flaws:
        return AdapterReport(office, tuple(flaws), (), ())
    differing = tuple(sample.name for sample in samples.differing(Mapping.load(path), path.with_name("samples")))
    return AdapterReport(office, (), differing, await _verdicts(office, step))


def _not_in_catalogue(office: str, path: Path | None, catalogue: Catalogue) -> Flaw:
    """The first thing to mend: without it there is no service that a mapping could be held against."""
    city = office.partition(".")[0]
    if city not in catalogue.cities:
        hint = "install the package that has the page of the city (entry point stadtbus.cities), or write one: docs/catalogue.md."
        return Flaw("catalogue", Spot("catalogue", 1), f"the city '{city}' is not in the catalogue", hint)
    without = [one for one in catalogue.offices if one.startswith(f"{city}.") and one not in registry.names()]
    meant = f"; '{without[0]}' is, and has no adapter: if the same is meant, give both the same name" if without else ""
    hint = new.to_add_for(office, _service(path, catalogue), catalogue)
    return Flaw("catalogue", Spot(catalogue.pages.get(city, "city.yaml"), 1), f"'{office}' is not in the catalogue{meant}", hint)


def _service(path: Path | None, catalogue: Catalogue) -> str:
    """The service of a mapping, by its base; the first of the catalogue where none can be told."""
    bases = (Path(name).stem for name, _ in page.read(path).sources[1:]) if path else iter(())
    return next((base for base in bases if base in catalogue.services), next(iter(catalogue.services)))


def _disagreements(office: str, mapping: Mapping, entry: Office) -> Iterator[Flaw]:
    """Where mapping, page of the city and adapter say different things of the same."""
    for message in sorted({*entry.messages} - {*mapping.spec.messages}):
        detail = f"the page of the city takes '{message}', and this mapping refuses it: each would be a dead letter"
        yield proofread.flaw(mapping, "messages", detail, "messages")
    suffix = getattr(registry.adapter_class(office), "drop", Drop("")).suffix
    if suffix in _SUFFIXES and suffix != f".{mapping.suffix}":
        detail = f"the adapter writes files '*{suffix}', and the format of this mapping is '{mapping.spec.target.format}'"
        yield proofread.flaw(mapping, "suffix", detail, "target", "format")


_SUFFIXES: Final = (".xml", ".json", ".csv")
"""Those that mean a format; others, such as `.txt` or `.dat`, may hold anything."""


async def _verdicts(office: str, step: Callable[[str], None]) -> tuple[CheckResult, ...]:
    verdicts: list[CheckResult] = []
    for one in CHECKS:
        step(conformance.title(one))
        verdicts.append(await conformance.run(one, office))
    return tuple(verdicts)
