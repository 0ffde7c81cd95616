"""`/.well-known/security.txt` (RFC 9116): whom to tell about a hole in this bus. The operator names the contact; without one there is no page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import Request
from fastapi.responses import PlainTextResponse

PATH: Final = "/.well-known/security.txt"
_GOOD_FOR: Final = timedelta(days=90)


def security_page(contact: str) -> Callable[[Request], Awaitable[PlainTextResponse]]:
    """The page; it is made anew for each who asks, so its end is never near."""

    async def page(_: Request) -> PlainTextResponse:
        expires = (datetime.now(UTC) + _GOOD_FOR).strftime("%Y-%m-%dT%H:%M:%SZ")
        return PlainTextResponse(f"Contact: {contact}\nExpires: {expires}\nPreferred-Languages: de, en\n")

    return page
