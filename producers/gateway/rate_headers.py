"""Every answer to a portal says how much it may still send: `RateLimit` and `RateLimit-Policy`, as its route has left them."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RateHeaders:
    """Adds the headers that `request.state.rate_limit` returns when the answer begins; where a route has set none, nobody is known."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""

        async def with_headers(message: Message) -> None:
            rate_limit = scope.get("state", {}).get("rate_limit")
            if rate_limit is not None and message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(rate_limit())
            await send(message)

        await self._app(scope, receive, with_headers)
