"""An HTTP server that opens and closes its port at will, and the part of a twin that all HTTP protocols share."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import AsyncIterator, Sequence
from hmac import compare_digest
from http import HTTPStatus
from typing import ClassVar, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.logins import basic
from adapters.twins import odd
from adapters.twins.book import Book, Mood
from adapters.twins.twin import Site

BACKLOG: Final = 512
GARBAGE: Final = b"\x00<html>\xff Wartungsarbeiten"
"""Neither XML nor JSON nor UTF-8."""
PAGE: Final = "<!DOCTYPE html><html><body>Wartungsarbeiten</body></html>"
_ENDLESS_PART: Final = b"\x00" * 16_384
_ENDLESS_PAUSE_S: Final = 0.01
TOKEN_LIFE_S: Final = 60
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
        self._server = _server(self._app)
        await self._server.startup(sockets=[self._socket])

    async def close(self) -> None:
        """Close port and connections; answers under way are still sent."""
        if self._server is None or self._socket is None:
            return
        self.closing.set()
        await self._server.shutdown(sockets=[self._socket])
        self._server = self._socket = None


def _server(app: ASGIApp) -> uvicorn.Server:
    """Ready for `startup`: `serve` would take over the signal handlers of the whole process, so its steps are called one by one."""
    config = uvicorn.Config(
        app,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    return server


class Guard:
    """How an HTTP twin knows who comes."""

    routes: Sequence[Route] = ()
    """Beside those of the protocol."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.secret = site.password.get_secret_value()

    def turns_away(self, request: Request) -> bool:
        """Whether the login is not the right one. Asked by the protocol for each request, before anything else."""
        raise NotImplementedError

    def office_settings(self) -> dict[str, object]:
        """What the adapter needs to log in."""
        raise NotImplementedError


class BasicGuard(Guard):
    """HTTP Basic."""

    def turns_away(self, request: Request) -> bool:
        """Whether the login is not the right one."""
        return not compare_digest(request.headers.get("Authorization", ""), basic(self.site.user, self.site.password))

    def office_settings(self) -> dict[str, object]:
        """What the adapter needs to log in."""
        return {"user": self.site.user, "password": self.secret}


class TokenGuard(Guard):
    """A fixed bearer token."""

    def turns_away(self, request: Request) -> bool:
        """Whether the login is not the right one."""
        return not compare_digest(request.headers.get("Authorization", ""), f"Bearer {self.secret}")

    def office_settings(self) -> dict[str, object]:
        """What the adapter needs to log in."""
        return {"token": self.secret}


class ClientGuard(Guard):
    """OAuth 2 client credentials: tokens at `/oauth/token`."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.tokens: dict[str, float] = {}
        """Token -> its end on the monotonic clock."""
        self.routes = (Route("/oauth/token", self._issue, methods=["POST"]),)

    def turns_away(self, request: Request) -> bool:
        """Whether the login is not the right one."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return self.tokens.get(token, 0) < time.monotonic()

    def office_settings(self) -> dict[str, object]:
        """What the adapter needs to log in."""
        return {"client_id": self.site.user, "client_secret": self.secret}

    async def _issue(self, request: Request) -> Response:
        if not compare_digest(request.headers.get("Authorization", ""), basic(self.site.user, self.site.password)):
            return JSONResponse({"error": "invalid_client"}, HTTPStatus.UNAUTHORIZED)
        if await request.body() != b"grant_type=client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, HTTPStatus.BAD_REQUEST)
        token = secrets.token_urlsafe()
        self.tokens[token] = time.monotonic() + TOKEN_LIFE_S
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIFE_S})


class HttpTwin:
    """A book behind an HTTP port. A subclass brings `prefix`, `guard` and the protocol; this holds answers back in the mood `slow`.

    Where one hand-over is treated differently from the rest, the subclass asks for the answers here.
    """

    prefix: ClassVar[str]
    """Of the references."""
    guard: ClassVar[type[Guard]] = BasicGuard

    def __init__(self, site: Site) -> None:
        self.book = Book(self.prefix)
        self.door = self.guard(site)
        self._app = Starlette(routes=[*self.door.routes, *self.routes()])
        self._listener = HttpListener(self._serve, site.host, site.port)
        self.open = self._listener.open
        self.close = self._listener.close

    def routes(self) -> list[Route]:
        """The protocol."""
        raise NotImplementedError

    def office_settings(self) -> dict[str, object]:
        """Settings of the adapter that reaches this twin."""
        return {"url": self.url, **self.door.office_settings()}

    @property
    def url(self) -> str:
        """Where the twin is."""
        return f"http://{self._listener.host}:{self._listener.port}"

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        match self.book.mood:
            case Mood.PAGE:
                await HTMLResponse(PAGE)(scope, receive, send)
            case Mood.LIMITED:
                headers = {"Retry-After": str(round(self.book.temper.delay_s))}
                await Response(status_code=HTTPStatus.TOO_MANY_REQUESTS, headers=headers)(scope, receive, send)
            case Mood.ODD:
                await odd.serve(self._app, scope, receive, send)
            case _:
                await self._serve_as_usual(scope, receive, send)

    async def _serve_as_usual(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_late(message: Message) -> None:
            if message["type"] == "http.response.start" and self.book.mood is Mood.SLOW:
                await self.hold_back()
            await send(message)

        await self._app(scope, receive, send_late)

    async def before_answering(self, mood: Mood) -> None:
        """Where a single hand-over is treated as slow; a whole twin that is slow holds every answer back when it is sent."""
        if mood is not self.book.mood and mood is Mood.SLOW:
            await self.hold_back()

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
