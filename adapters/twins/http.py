"""An HTTP server that opens and closes its port at will, and the part of a twin that all HTTP protocols share."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Final

import uvicorn
from pydantic import SecretStr
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.twins.book import Book, Mood

BACKLOG: Final = 512
GARBAGE: Final = b"\x00<html>\xff Wartungsarbeiten"
"""Neither XML nor JSON nor UTF-8."""
_ENDLESS_PART: Final = b"\x00" * 16_384
_ENDLESS_PAUSE_S: Final = 0.01
KEEP_ALIVE_S: Final = 30
"""Longer than httpx keeps idle connections (5 s), so that no request meets a connection that is just being closed."""


class HttpListener:
    """Serves one ASGI app on one port inside the running event loop. It can be opened again after `close`."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        self.host = host
        self.port = port
        """0 stands for any free port until the first `open`."""
        self.closing = asyncio.Event()
        self._app = app
        self._server: uvicorn.Server | None = None
        self._socket: socket.socket | None = None

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        self.closing.clear()
        self._socket = socket.create_server((self.host, self.port), backlog=BACKLOG)
        # Connections inherit it. asyncio sets it only where the socket names its protocol, and this one does not.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
        )
        config.load()
        self._server = uvicorn.Server(config)
        # `serve` would take over the signal handlers of the whole process, so its steps are called one by one.
        self._server.lifespan = config.lifespan_class(config)
        await self._server.startup(sockets=[self._socket])

    async def close(self) -> None:
        """Close port and connections; answers under way are still sent."""
        if self._server is None or self._socket is None:
            return
        self.closing.set()
        await self._server.shutdown(sockets=[self._socket])
        self._server = self._socket = None


class HttpTwin:
    """A book behind an HTTP port. A subclass brings the protocol; this holds answers back in the mood `slow`.

    Where one hand-over is treated differently from the rest, the subclass asks for the answers here.
    """

    def __init__(self, book: Book, app: ASGIApp, host: str, port: int) -> None:
        self.book = book
        self._app = app
        self._listener = HttpListener(self._serve, host, port)
        self.open = self._listener.open
        self.close = self._listener.close

    @property
    def url(self) -> str:
        """Where the twin is."""
        return f"http://{self._listener.host}:{self._listener.port}"

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_late(message: Message) -> None:
            if message["type"] == "http.response.start" and self.book.mood is Mood.SLOW:
                await self.hold_back()
            await send(message)

        await self._app(scope, receive, send_late)

    async def hold_back(self) -> None:
        """Wait as long as the mood says, or until the port closes."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._listener.closing.wait(), self.book.temper.delay_s)

    def strange_answer(self, mood: Mood) -> Response | None:
        """What a twin answers that does not keep to its protocol; None in every other mood."""
        if mood is Mood.GARBAGE:
            return Response(GARBAGE)
        return StreamingResponse(self._endless()) if mood is Mood.ENDLESS else None

    async def _endless(self) -> AsyncIterator[bytes]:
        while not self._listener.closing.is_set():
            yield _ENDLESS_PART
            await asyncio.sleep(_ENDLESS_PAUSE_S)


def basic(user: str, password: SecretStr) -> str:
    """The header `Authorization` of HTTP Basic (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password.get_secret_value()}".encode()).decode()
