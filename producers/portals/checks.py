"""What has to hold in the page of a portal beyond its shape: nothing is another portal's, and the names are those of the catalogue.

A name that the catalogue does not have grants nothing. It is a warning, because pages of cities change without those of portals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from producers.portals.pages import PortalPage
from schemas.catalogue import Catalogue
from schemas.findings import Flaw, Severity, Spot


def flaws(page: PortalPage, others: Iterable[PortalPage], catalogue: Catalogue) -> list[Flaw]:
    """Everything that is wrong with a page, held against the catalogue and the pages that are in force beside it."""
    return [*_rights(page, catalogue), *_accounts(page, catalogue), *_tokens(page), *_shared(page, list(others))]


def _rights(page: PortalPage, catalogue: Catalogue) -> Iterator[Flaw]:
    places = {*catalogue.offices, *catalogue.cities}
    namespaces = {namespace for route in catalogue.routes for namespace in route.office_entry.namespaces}
    for number, right in enumerate(page.settings.rights):
        for key, named, known, hint in (
            ("to", right.to, places, "write an office or a city of the catalogue: `stadtbus catalogue show` lists them"),
            ("services", right.services, catalogue.services.keys(), "write the id of a service of services.yaml"),
            ("namespaces", right.namespaces, namespaces, "write a namespace that an office takes, as its city's page has it"),
        ):
            for index, name in enumerate(named):
                if name not in known:
                    yield _warning(f"{key}-unknown", page.at("rights", number, key, index), f"the catalogue has no '{name}'", hint)


def _accounts(page: PortalPage, catalogue: Catalogue) -> Iterator[Flaw]:
    for name, level in page.settings.accounts.items():
        spot = page.at("accounts", name)
        if name not in catalogue.accounts:
            yield _warning("account-unknown", spot, f"the catalogue has no account '{name}'", "write the id of an account of accounts.yaml")
        elif level > (highest := max(catalogue.accounts[name].levels)):
            yield _warning("level-unreachable", spot, f"no login by {name} is above level {highest}", f"write {highest} or less")


def _warning(rule: str, spot: Spot, detail: str, hint: str) -> Flaw:
    return Flaw(rule, spot, detail, hint, Severity.WARNING)


def _tokens(page: PortalPage) -> Iterator[Flaw]:
    hashes = [token.sha256 for token in page.settings.tokens]
    for number, one in enumerate(hashes):
        if one in hashes[:number]:
            yield Flaw("token-shared", page.at("tokens", number), "the token stands there twice", "keep one of the two")


def _shared(page: PortalPage, others: list[PortalPage]) -> Iterator[Flaw]:
    owners = {token.sha256: other for other in others for token in other.settings.tokens}
    for number, token in enumerate(page.settings.tokens):
        if token.sha256 in owners:
            detail = f"{owners[token.sha256].id} has this token as well"
            hint = "end it at both, and draw one for each with `stadtbus portals token`"
            yield Flaw("token-shared", page.at("tokens", number), detail, hint)
    for other in others:
        if other.settings.authority == page.settings.authority:
            detail = f"'{page.settings.authority}' is the authority of {other.id} already"
            yield Flaw("authority-shared", page.at("authority"), detail, "an authority belongs to one portal; correct one of the two")
