"""Where an address leads, as far as it says so itself: nothing is looked up."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether what is sent to this host name or address stays on this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def require_safe(url: str, *, no_url: str, in_clear_text: str) -> str:
    """This URL, if it is https, or http to this machine, and names neither user nor password. What stands there may be a password, so the URL is not quoted.

    Raises:
        ValueError: it is none, or names a user (`no_url`); it is not encrypted on its way (`in_clear_text`).
    """
    parts = urlsplit(url)
    if parts.username is not None or not parts.hostname:
        raise ValueError(no_url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError(in_clear_text)
    return url
