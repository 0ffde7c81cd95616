"""Registration office of Nürnberg: REST and JSON with OAuth 2 client credentials."""

from adapters.nuernberg.meldewesen.adapter import NuernbergMeldewesen

__all__ = ["NuernbergMeldewesen"]
