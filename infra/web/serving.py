"""Serving ASGI apps until the process is to end."""

from __future__ import annotations

import errno
import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import uvicorn

from infra.web import descriptors
from infra.web.certificate import Certificate
from infra.web.connections import Limits
from infra.web.door import Door
from infra.web.protocol import StrictProtocol
from schemas import problems
from schemas.errors import UsageError

STOP_TIMEOUT_S: Final = 5
_BACKLOG: Final = 512
_RECEIVE_BUFFER_BYTES: Final = 256 * 1024
"""What the kernel takes for a caller whom nobody reads from; without it that may grow to megabytes each."""
_STARTUP_FAILED: Final = 3
_MOST_CALLERS: Final = 4096
_OPERATORS: Final = 16


@dataclass(frozen=True, slots=True)
class Site:
    """An ASGI app, and where it is served."""

    app: Any
    host: str
    port: int
    public: bool = False
    """For callers of whom nobody knows how many there are."""
    certificate: Certificate | None = None
    """With one it is served with TLS alone."""
    limits: Limits | None = None
    """Others than the usual ones."""


async def serve(*sites: Site) -> None:
    """Serve these until SIGTERM or SIGINT; the lifespan of the first one's app drains before this returns.

    Raises:
        UsageError: port-taken, descriptors-few, or settings-invalid where an address is none of this machine; the lifespan has not begun then.
    """
    descriptor_limit = descriptors.limit()
    with ExitStack() as taken:
        listeners = [taken.enter_context(_bound(site.host, site.port)) for site in sites]
        doors = [
            (listener, _config(site.app), site.limits or _limits(descriptor_limit, public=site.public), site.certificate)
            for site, listener in zip(sites, listeners, strict=True)
        ]
        await _Server(doors).serve(sockets=listeners)


def _limits(descriptor_limit: int, *, public: bool) -> Limits:
    """Callers get half of what this process may open at most: stores, Kafka and workers need the rest. One address gets half of that, so
    that nobody can take it all alone; operators, who come from one machine, get all.
    """
    if not public:
        return Limits(connections=_OPERATORS, per_peer=_OPERATORS)
    callers = min(_MOST_CALLERS, descriptor_limit // 2)
    return Limits(connections=callers, per_peer=callers // 2)


def _config(app: Any) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=StrictProtocol,
        ws="none",
        log_config=None,  # our own format
        access_log=False,  # addresses of callers are personal data
        proxy_headers=False,  # nothing that a caller says of himself is believed
        timeout_keep_alive=int(Limits(0, 0).idle_s),
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
        server_header=False,
        lifespan="on",
    )
    config.load()
    return config


class _Server(uvicorn.Server):
    """uvicorn's, with doors in the place of asyncio's servers."""

    def __init__(self, doors: list[tuple[socket.socket, uvicorn.Config, Limits, Certificate | None]]) -> None:
        super().__init__(doors[0][1])
        self._doors = doors

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - the signature is uvicorn's
        """Begin the lifespan, then listen."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(_STARTUP_FAILED)
        self.servers = [Door(listener, self, config, limits, tls) for listener, config, limits, tls in self._doors]  # type: ignore[misc] # has what is asked of one
        self.started = True


def _bound(host: str, port: int) -> socket.socket:
    """The address, taken; it is listened to when the app works, and refuses until then."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)  # connections inherit both
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
    except OverflowError:
        listener.close()
        raise UsageError(problems.SETTINGS, f"there is no port {port}", where="http.port_offset") from None
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        raise UsageError(
            problems.PORT_TAKEN if taken else problems.SETTINGS,
            f"port {port} on {host}: {error.strerror}",
            where=None if taken else "http.host or http.operator_host",
        ) from None
    return listener
