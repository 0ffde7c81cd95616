"""How processes serve HTTP."""

from __future__ import annotations

from typing import Any

import uvicorn

STOP_TIMEOUT_S = 5


async def serve(app: Any, host: str, port: int) -> None:
    """Serve an ASGI app until SIGTERM or SIGINT; its lifespan drains before this returns."""
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
    await uvicorn.Server(config).serve()
