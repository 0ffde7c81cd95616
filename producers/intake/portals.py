"""Who may call: the portals whose pages are in force, and which of them a token stands for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import structlog

from infra import metrics
from producers.portals.register import Register
from producers.portals.tokens import hash_of, today
from producers.settings import PortalSettings, Token
from schemas import problems
from schemas.errors import Rejected
from schemas.findings import Severity
from schemas.message import Authority

log = structlog.get_logger()

_LOOK_S: Final = 1.0
SOON_DAYS: Final = 30
"""From then on it is told that a token ends."""


@dataclass(frozen=True, slots=True)
class Portal:
    """A portal that may call."""

    id: str
    """The name of its page; header of records, label of metrics."""
    settings: PortalSettings

    @property
    def author(self) -> Authority:
        """The portal as author of messages, and as reader of answers."""
        return Authority(key=self.settings.authority, name=self.settings.name)

    @property
    def last_day(self) -> date | None:
        """The last day on which it can call; None without a token."""
        return max((token.valid_to for token in self.settings.tokens), default=None)


class Portals:
    """All portals that may call, in step with their pages while `run` runs."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._told_on: date | None = None
        self._index()

    def _index(self) -> None:
        """Look tokens up by their hashes: no token is compared with another, so nothing can be told from the time that it takes."""
        self.portals = {name: Portal(name, page.settings) for name, page in self._register.pages.items()}
        self._by_hash: dict[str, tuple[Portal, Token]] = {
            token.sha256: (portal, token) for portal in self.portals.values() for token in portal.settings.tokens
        }

    def authenticate(self, authorization: str | None) -> Portal:
        """The portal whose token is in this header `Authorization`. Called once per call, before anything else of it is read.

        Raises:
            Rejected: unauthenticated or token-expired.
        """
        scheme, _, token = (authorization or "").partition(" ")
        found = self._by_hash.get(hash_of(token.strip()))
        if scheme.lower() != "bearer" or found is None:
            detail = "no bearer token" if not token else "no portal has this token"
            raise Rejected(problems.UNAUTHENTICATED, detail, where="Authorization")
        portal, known = found
        if known.valid_to < today():
            ended = Rejected(problems.TOKEN_EXPIRED, f"this token was valid to {known.valid_to}", where="Authorization")
            ended.portal = portal.id
            raise ended
        return portal

    async def run(self) -> None:
        """Follow the folder of the pages, until cancelled."""
        while True:
            if await asyncio.to_thread(self._register.look):
                self._index()
                self._told_on = None
            self._tell_of_tokens()
            await asyncio.sleep(_LOOK_S)

    def check(self) -> str | None:
        """Which pages could not be taken up, and which portals cannot call soon; None where all is well."""
        kept = {Severity.ERROR: "; what was in force before still is", Severity.WARNING: ""}
        flaws = [f"{flaw.spot}: {flaw.detail}{kept[flaw.severity]}" for flaw in self._register.flaws]
        return "; ".join([*flaws, *self._ending()]) or None

    def _ending(self) -> Iterator[str]:
        for portal in self.portals.values():
            days = days_left(portal)
            if days is None:
                yield f"{portal.id} has no token"
            elif days < SOON_DAYS:
                yield f"{portal.id}: its last token {'is valid to' if days >= 0 else 'was valid to'} {portal.last_day}"

    def _tell_of_tokens(self) -> None:
        """Once a day, and after each change: the metric, and a line for each portal that cannot call soon."""
        if self._told_on == today():
            return
        self._told_on = today()
        metrics.PORTAL_TOKEN_DAYS.clear()
        for portal in self.portals.values():
            days = days_left(portal)
            metrics.PORTAL_TOKEN_DAYS.labels(portal.id).set(-1 if days is None else days)
        for text in self._ending():
            log.warning("portal_token_ends", detail=text)


def days_left(portal: Portal) -> int | None:
    """Days from today to the last on which the portal can call; None without a token."""
    return None if portal.last_day is None else (portal.last_day - today()).days
