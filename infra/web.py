"""How processes serve HTTP."""

from __future__ import annotations

import errno
import socket
from typing import Any

import uvicorn

from schemas import problems
from schemas.errors import UsageError

STOP_TIMEOUT_S = 5


async def serve(app: Any, host: str, port: int) -> None:
    """Serve an ASGI app until SIGTERM or SIGINT; its lifespan drains before this returns.

    Raises:
        UsageError: port-taken, or settings-invalid where the address is none of this machine; the lifespan has not begun then.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,  # our own format
        access_log=False,  # addresses of callers are personal data
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
        server_header=False,
        lifespan="on",
    )
    with _bound(host, port) as listener:
        await uvicorn.Server(config).serve(sockets=[listener])


def _bound(host: str, port: int) -> socket.socket:
    """The address, taken; it is listened to when the app works, and refuses until then."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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
            where=None if taken else "http.host",
        ) from None
    return listener
