"""Registration office of München: SOAP 1.1 over HTTP."""

from adapters.muenchen.meldewesen.adapter import MuenchenMeldewesen

__all__ = ["MuenchenMeldewesen"]
