"""Building office of Nürnberg: REST; takes genuine XBau messages unchanged."""

from adapters.nuernberg.bau.adapter import NuernbergBau

__all__ = ["NuernbergBau"]
