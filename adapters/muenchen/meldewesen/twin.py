"""Twin of München's registration office."""

from __future__ import annotations

from adapters.muenchen.meldewesen.adapter import MuenchenMeldewesen
from adapters.twins.soap import SoapTwin


class MuenchenMeldewesenTwin(SoapTwin):
    """`anmeldungAnlegen` makes an entry each time it is called."""

    prefix = "M"
    soap = MuenchenMeldewesen.soap
