"""`stadtbus adapter list`: which office has an adapter, and which package brings it."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from adapters import registry
from schemas.catalogue import Catalogue


def known(catalogue: Catalogue) -> list[dict[str, Any]]:
    """Every office that is in the catalogue or has an adapter, in order."""
    packages, twins = _packages(registry.ADAPTERS), _packages(registry.TWINS)
    return [
        {
            "office": office,
            "adapter": office in packages,
            "package": ", ".join(packages.get(office, ())),
            "packages": sorted({*packages.get(office, ()), *twins.get(office, ())}),
            "twin": office in twins,
            "services": [route.service.id for route in catalogue.routes_of(office)],
        }
        for office in sorted({*catalogue.offices, *packages})
    ]


def _packages(group: str) -> dict[str, list[str]]:
    """The packages that have an adapter or a twin for an office: there should be one."""
    found: dict[str, list[str]] = {}
    for entry in entry_points(group=group):
        found.setdefault(entry.name, []).append(entry.dist.name if entry.dist else entry.value)
    return found
