"""What the page of a synthetic portal says: rights to what its routes take, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import yaml

from producers.portals.tokens import hash_of, today
from producers.settings import PortalSettings, Right, Token
from schemas.catalogue import Catalogue, Route
from schemas.message import Authority


def page_of(author: Authority, token: str, routes: Sequence[Route], catalogue: Catalogue) -> PortalSettings:
    """A page with a token that is good for a year, and the right to send what the offices of these routes take, by the accounts they accept."""
    accounts = {account for route in routes for account in route.offer.accounts}
    return PortalSettings(
        name=author.name,
        authority=author.key,
        rights=tuple(map(_right, routes)),
        accounts={account: max(catalogue.accounts[account].levels) for account in sorted(accounts)},
        tokens=(Token(sha256=hash_of(token), drawn_on=today(), drawn_by="synthetic", valid_to=today() + timedelta(days=365)),),
    )


def _right(route: Route) -> Right:
    office = route.office_entry
    return Right(to=(route.office,), services=(route.service.id,), messages=office.messages, namespaces=office.namespaces)


def write_page(folder: Path, portal_id: str, page: PortalSettings) -> None:
    """Write the page of a portal into a folder, which is made if it is not there. Blocks."""
    folder.mkdir(exist_ok=True)
    text = yaml.safe_dump(page.model_dump(mode="json"), allow_unicode=True, sort_keys=False)
    (folder / f"{portal_id}.yaml").write_text(text, encoding="utf-8")
