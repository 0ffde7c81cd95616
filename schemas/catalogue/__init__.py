"""The catalogue: which city offers which service at which office, and how sure it wants to be of the applicant.

One YAML page per city, which that city owns, beside `services.yaml` and `accounts.yaml`, which the cities share. Cities of installed
packages come in by the entry-point group `stadtbus.cities`. Routing happens once, at intake, from here. Matching is exact on 14 digits
of the LeiKa key and on the 12 digits of the ARS (or the 8 of the AGS). docs/catalogue.md explains the pages.
"""

from __future__ import annotations

from pathlib import Path

from schemas import problems
from schemas.catalogue import pages, rules
from schemas.catalogue.model import LEVEL_NAMES, Account, City, FieldSpec, Offer, Office, Service
from schemas.catalogue.pages import Pages
from schemas.catalogue.routing import Catalogue, Route
from schemas.codelists import SHIPPED, CodeLists
from schemas.errors import UsageError
from schemas.findings import Severity

__all__ = [
    "LEVEL_NAMES",
    "Account",
    "Catalogue",
    "City",
    "FieldSpec",
    "Offer",
    "Office",
    "Route",
    "Service",
    "build",
    "load",
]


def load(folder: Path | None = None, lists: CodeLists = SHIPPED) -> Catalogue:
    """The catalogue in a folder of YAML pages; without one, that of the package and of the cities installed beside it.

    It is held against these code lists, and so are the messages that it routes.

    Raises:
        UsageError: catalogue-invalid, naming page and line; plug-in-broken, naming the distribution.
    """
    return build(pages.read(pages.sources(folder), lists))


def build(read: Pages) -> Catalogue:
    """The catalogue of these pages.

    Raises:
        UsageError: catalogue-invalid, naming page and line of the first flaw that is an error.
    """
    for flaw in rules.flaws(read):
        if flaw.severity is Severity.ERROR:
            raise UsageError(problems.CATALOGUE, f"{flaw.rule}: {flaw.detail}", where=str(flaw.spot))
    return Catalogue(
        [placed.entry for placed in read.services],
        [placed.entry for placed in read.accounts],
        [placed.entry for placed in read.cities],
        read.lists,
        {placed.entry.city: placed.place.source.name for placed in read.cities},
    )
