"""Adapter to the registration office of München: SOAP 1.1, HTTP Basic. Namespace, operations and elements are plausible inventions."""

from __future__ import annotations

from typing import ClassVar

from adapters.logins import BasicSettings
from adapters.protocols.mapped import Mapped
from adapters.protocols.soap import Soap, SoapAdapter


class MuenchenMeldewesen(Mapped, SoapAdapter):
    """Hands registrations of residence (Wohnsitz anmelden) to München."""

    Settings = BasicSettings
    soap: ClassVar = Soap(
        namespace="https://stadtbus.example/twins/muenchen/meldewesen/1",
        create="anmeldungAnlegen",
        search="anmeldungSuchen",
        state="systemstand",
    )
