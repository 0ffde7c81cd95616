"""What is known about adapters and can be found out about one: its mapping, its samples, and whether it keeps its promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from typing import Any

from adapters import conformance, registry
from adapters.conformance import CHECKS, Verdict
from schemas.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Report:
    """What came of looking at one adapter."""

    office: str
    verdicts: tuple[Verdict, ...]

    @property
    def broken(self) -> list[Verdict]:
        """Promises that it does not keep."""
        return [verdict for verdict in self.verdicts if verdict.broken]

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {"office": self.office, "kept": not self.broken, "checks": [asdict(verdict) for verdict in self.verdicts]}


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


async def check(office: str, step: Callable[[str], None]) -> Report:
    """Run all checks; `step` hears of each before it runs.

    Raises:
        UsageError: office-unknown, plug-in-broken, samples-missing.
    """
    verdicts: list[Verdict] = []
    for one in CHECKS:
        step(conformance.title(one))
        verdicts.append(await conformance.run(one, office))
    return Report(office, tuple(verdicts))
