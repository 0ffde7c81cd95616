"""What a portal has a right to, as its page says; asked in the gateway's process of what a worker has read.

A worker that was taken over by a message can say of it what it likes, and still gets no further than the portal may send. A refusal names the
right that is missing in words of the catalogue, which is public, and says nothing of other portals.
"""

from __future__ import annotations

from collections.abc import Iterable

from producers.intake import declaration
from producers.intake.metadata import Metadata
from producers.settings import PortalSettings, Right
from schemas import problems
from schemas.errors import Rejected
from schemas.message import Trust


def require_granted(portal_id: str, page: PortalSettings, known: Metadata, service: str) -> None:
    """Pass if this portal may send this message, of the service with this id, and vouch for each of its logins.

    Raises:
        Rejected: right-missing or trust-not-granted, naming what is missing.
    """
    missing = _missing(page.rights, known, service)
    if missing:
        raise Rejected(
            problems.RIGHT_MISSING, f"{portal_id} may not send {missing}", where="leistung" if known.own else declaration.SERVICE
        )
    if known.test and not page.test:
        raise Rejected(problems.RIGHT_MISSING, f"{portal_id} may not send test messages", where="@test")
    for number, one in enumerate(known.trust, 1):
        _require_vouching(portal_id, page, one, f"antragsteller[{number}]/vertrauensniveau" if known.own else declaration.TRUST)


def _missing(rights: Iterable[Right], known: Metadata, service: str) -> str | None:
    """What no right covers, in words; None where one covers all."""
    city = known.office.partition(".")[0]
    there = [right for right in rights if known.office in right.to or city in right.to]
    if not there:
        return f"to {known.office}"
    of_service = [right for right in there if service in right.services]
    if not of_service:
        return f"{service} to {known.office}"
    kind = known.type if known.own else known.namespace
    if not any(kind in (right.messages if known.own else right.namespaces) for right in of_service):
        return f"{kind} of {service} to {known.office}"
    return None


def _require_vouching(portal_id: str, page: PortalSettings, login: Trust, where: str) -> None:
    highest = page.accounts.get(login.account)
    if highest is None:
        raise Rejected(problems.TRUST_NOT_GRANTED, f"{portal_id} may not vouch for logins by {login.account}", where=where)
    if login.level > highest:
        detail = f"{portal_id} may vouch for logins by {login.account} up to level {highest}, not {login.level}"
        raise Rejected(problems.TRUST_NOT_GRANTED, detail, where=where)
