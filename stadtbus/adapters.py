"""What is known about adapters and can be found out about one: its mapping, its samples, and whether it keeps its promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from typing import Any

from adapters import conformance, registry
from adapters.conformance import CHECKS, Verdict
from adapters.mapping import Mapping, lint, samples
from adapters.protocols import mapped
from schemas.catalogue import Catalogue
from schemas.catalogue.pages import Flaw


@dataclass(frozen=True, slots=True)
class Report:
    """What came of looking at one adapter."""

    office: str
    flaws: tuple[Flaw, ...]
    """Of its mapping."""
    differing: tuple[str, ...]
    """Recorded samples of which something else comes than was recorded."""
    verdicts: tuple[Verdict, ...]
    """Of the conformance suite; none where the mapping has flaws, because those come first."""

    @property
    def broken(self) -> list[Verdict]:
        """Promises that it does not keep."""
        return [verdict for verdict in self.verdicts if verdict.broken]

    @property
    def fine(self) -> bool:
        """Whether there is nothing to mend."""
        return not (self.flaws or self.differing or self.broken)

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "office": self.office,
            "fine": self.fine,
            "flaws": [flaw.as_dict() for flaw in self.flaws],
            "differing": list(self.differing),
            "checks": [asdict(verdict) for verdict in self.verdicts],
        }


def known(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Every office that is in the catalogue or has an adapter, in order."""
    packages = {entry.name: entry.dist.name if entry.dist else "" for entry in entry_points(group=registry.ADAPTERS)}
    twins = registry.names(registry.TWINS)
    return [
        {
            "office": office,
            "adapter": office in packages,
            "package": packages.get(office, ""),
            "twin": office in twins,
            "services": [route.service.id for route in catalogue.routes_of(office)],
        }
        for office in sorted({*catalogue.offices, *packages})
    ]


async def check(office: str, catalogue: Catalogue, step: Callable[[str], None]) -> Report:
    """Look at the mapping, then at the recorded samples, then run the conformance suite; `step` hears of each before it runs.

    Raises:
        UsageError: office-unknown, plug-in-broken, samples-missing.
    """
    path = mapped.page_of(office)
    if path is None:  # it translates without one
        return Report(office, (), (), await _verdicts(office, step))
    step("the mapping")
    flaws = lint.check(path, [route.service for route in catalogue.routes_of(office)])
    if flaws:
        return Report(office, tuple(flaws), (), ())
    differing = tuple(sample.name for sample in samples.differing(Mapping.load(path), path.with_name("samples")))
    return Report(office, (), differing, await _verdicts(office, step))


async def _verdicts(office: str, step: Callable[[str], None]) -> tuple[Verdict, ...]:
    verdicts: list[Verdict] = []
    for one in CHECKS:
        step(conformance.title(one))
        verdicts.append(await conformance.run(one, office))
    return tuple(verdicts)
