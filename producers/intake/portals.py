"""Who may call: the portals of the settings, and which of them a token stands for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from producers.settings import PortalSettings
from schemas import problems
from schemas.errors import Rejected
from schemas.message import Authority


@dataclass(frozen=True, slots=True)
class Portal:
    """A portal that may call."""

    id: str
    """Its key in the settings; header of records, label of metrics."""
    settings: PortalSettings

    @property
    def author(self) -> Authority:
        """The portal as author of messages, and as reader of answers."""
        return Authority(key=self.settings.authority, name=self.settings.name)


class Portals:
    """All portals that may call."""

    def __init__(self, settings: Mapping[str, PortalSettings]) -> None:
        self._by_hash = {one.token_sha256: Portal(portal_id, one) for portal_id, one in settings.items()}

    def authenticate(self, authorization: str | None) -> Portal:
        """The portal whose token is in this header `Authorization`. Called once per call, before anything else of it is read.

        Tokens are long and random, so a plain hash is enough to look them up.

        Raises:
            Rejected: unauthenticated.
        """
        scheme, _, token = (authorization or "").partition(" ")
        portal = self._by_hash.get(hashlib.sha256(token.strip().encode()).hexdigest())
        if scheme.lower() != "bearer" or portal is None:
            detail = "no bearer token" if not token else "no portal has this token"
            raise Rejected(problems.UNAUTHENTICATED, detail, where="Authorization")
        return portal
