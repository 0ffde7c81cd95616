"""Twin of Nürnberg's building office: it keeps each message as it came, by its UUID."""

from __future__ import annotations

from adapters.nuernberg.bau.adapter import REST
from adapters.twins.rest import RestTwin


class NuernbergBauTwin(RestTwin):
    """REST that answers in JSON."""

    rest = REST
    prefix = "B"
