"""Adapter to the registration office of Nürnberg: REST and JSON, OAuth 2. Paths and JSON are plausible inventions."""

from __future__ import annotations

from typing import ClassVar

from adapters.logins import ClientSettings
from adapters.protocols.mapped import Mapped
from adapters.protocols.rest import Rest, RestAdapter


class NuernbergMeldewesen(Mapped, RestAdapter):
    """Hands registrations of residence (Wohnsitz anmelden) to Nürnberg."""

    Settings = ClientSettings
    rest: ClassVar = Rest(collection="v1/anmeldungen", state="v1/system")
