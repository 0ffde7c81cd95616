"""How processes serve HTTP."""

from __future__ import annotations

from typing import Any

import uvicorn
from pydantic import BaseModel, ConfigDict, Field

STOP_TIMEOUT_S = 5


class HttpSettings(BaseModel):
    """Where processes listen. Loopback unless told otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port_offset: int = Field(default=0, ge=0, le=50_000)
    """Moves every port."""


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
