"""Accepts connections at one port. Every one has a place in `connections` from its accept on, so a handshake of TLS counts too."""

from __future__ import annotations

import asyncio
import itertools
import socket
from functools import partial
from typing import Any, Final

import structlog
import uvicorn

from infra.logs import Seldom
from infra.web.certificate import Certificate
from infra.web.connections import Connection, Connections, Limits, peer_of
from infra.web.protocol import StrictProtocol

log = structlog.get_logger()

_SHARE_AT_ONCE: Final = 8
"""Of the places: a connection is read from some four rounds of the loop after its accept."""
_PAUSE_S: Final = 0.1


class Door:
    """One port. uvicorn's server asks it to close, and waits for that."""

    def __init__(
        self, listener: socket.socket, server: uvicorn.Server, config: uvicorn.Config, limits: Limits, certificate: Certificate | None
    ) -> None:
        """`listener` is bound, and listens from now on."""
        self._listener = listener
        self._server = server
        self._config = config
        self._certificate = certificate
        self._connections = Connections(limits)
        self._say = Seldom(log)
        self._coming: set[asyncio.Task[None]] = set()
        listener.settimeout(0)
        listener.listen(config.backlog)
        self._loops = [asyncio.create_task(self._accept()), asyncio.create_task(self._look())]
        if certificate is not None:
            self._loops.append(asyncio.create_task(certificate.keep_fresh()))

    def close(self) -> None:
        """Accept nobody any more; who is connected stays."""
        for task in (*self._loops, *self._coming):
            task.cancel()

    async def wait_closed(self) -> None:
        """Until nothing of it is left but connections."""
        await asyncio.gather(*self._loops, *self._coming, return_exceptions=True)

    async def _accept(self) -> None:
        """A few at a time: many who come keep neither those waiting who are there, nor do they make room for each other before they were heard."""
        loop = asyncio.get_running_loop()
        at_once = max(1, self._connections.limits.connections // _SHARE_AT_ONCE)
        for number in itertools.count(1):
            try:
                caller, address = await loop.sock_accept(self._listener)
            except OSError as error:  # no descriptor is left: the others of the process have taken more than they should
                self._say.warning("accept_waits", error=error.strerror or type(error).__name__)
                self._connections.make_room()
                await asyncio.sleep(_PAUSE_S)
                continue
            self._take(caller, peer_of(address[0]))
            if number % at_once == 0:
                await asyncio.sleep(0)

    def _take(self, caller: socket.socket, peer: str) -> None:
        connection = self._connections.admit(peer)
        if connection is None:
            caller.close()
            return
        task = asyncio.create_task(self._connect(caller, connection))
        connection.close = task.cancel
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def _connect(self, caller: socket.socket, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        state, app_state = self._server.server_state, self._server.lifespan.state
        protocol = partial(StrictProtocol, self._config, state, app_state, loop, self._connections, connection)
        try:
            await loop.connect_accepted_socket(protocol, caller, **self._handshake())
        except OSError:
            self._connections.end(connection, "handshake")
        except asyncio.CancelledError:
            self._connections.left(connection)
            raise

    def _handshake(self) -> dict[str, Any]:
        """What asyncio wants to know of TLS: the context of this moment, and times."""
        if self._certificate is None:
            return {}
        limits = self._connections.limits
        return {"ssl": self._certificate.context, "ssl_handshake_timeout": limits.head_s, "ssl_shutdown_timeout": limits.drain_s}

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._connections.limits.look_s)
            self._connections.look()
