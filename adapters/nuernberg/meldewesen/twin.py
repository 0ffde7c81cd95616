"""Twin of Nürnberg's registration office."""

from __future__ import annotations

from adapters.nuernberg.meldewesen.adapter import NuernbergMeldewesen
from adapters.twins.http import ClientGuard
from adapters.twins.rest import RestTwin


class NuernbergMeldewesenTwin(RestTwin):
    """OAuth 2 client credentials, and one entry per idempotency key."""

    prefix = "N"
    guard = ClientGuard
    rest = NuernbergMeldewesen.rest
