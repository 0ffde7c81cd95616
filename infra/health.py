"""Liveness and readiness. Ready means that work gets done, not that a broker answers; alive means that the loop moves."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.routing import Route

from schemas.heartbeats import Vitals

Check = Callable[[], str | None]
"""None when all is well, else what is not, in a line for people without personal data.

Called in the event loop at each request of a page and each heartbeat, so it answers at once, from what is known; what it raises makes the page fail.
"""


@dataclass
class Health:
    """Named checks of one process. They are asked in its event loop, at each call of its pages and for each heartbeat: none may block or raise."""

    ready: dict[str, Check] = field(default_factory=dict)
    alive: dict[str, Check] = field(default_factory=dict)
    degraded: dict[str, Check] = field(default_factory=dict)
    """Told at `/readyz` too, with status 200: the process does its work, and a person has to know."""
    facts: dict[str, Check] = field(default_factory=dict)
    """Told there as well, and no fault."""
    vitals: Callable[[], Vitals] = Vitals
    """What the process does at the moment, for its heartbeats. Called in the event loop every few seconds; must not block."""

    def findings(self, checks: dict[str, Check]) -> dict[str, str]:
        """What those of these checks say that are not fine, by their names."""
        return {name: finding for name, check in checks.items() if (finding := check()) is not None}


class Progress:
    """When a loop last moved, by the monotonic clock."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._last = time.monotonic()
        self.last_at = datetime.now(UTC)

    def moved(self) -> None:
        """Called by the loop in each round."""
        self._last = time.monotonic()
        self.last_at = datetime.now(UTC)

    def check(self) -> str | None:
        """How long the loop has not moved, where that is longer than its limit; else None."""
        age_s = time.monotonic() - self._last
        return None if age_s <= self._limit_s else f"no progress for {age_s:.0f} s"


_TEXT: Final = "text/plain; charset=utf-8"
LIVE: Final = "/livez"

Send = Callable[[dict[str, object]], Awaitable[None]]


class HealthPage:
    """An ASGI page, made anew at each call: FastStream and Starlette both serve it."""

    def __init__(self, make: Callable[[], tuple[int, str, bytes]]) -> None:
        self._make = make

    async def __call__(self, _scope: object, _receive: object, send: Send) -> None:
        """Answer with status, content type and body."""
        status, content_type, body = self._make()
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", content_type.encode())]})
        await send({"type": "http.response.body", "body": body})


def live_page(health: Health) -> HealthPage:
    """`/livez` for everybody: whether the process lives, and no word more."""
    return HealthPage(lambda: (503, _TEXT, b"not well\n") if health.findings(health.alive) else (200, _TEXT, b"ok\n"))


def operator_app(health: Health) -> Starlette:
    """The pages as an app of their own, for a process that serves others at another port."""
    app = Starlette(routes=[Route(path, page) for path, page in pages(health)])
    app.router.redirect_slashes = False
    return app


def pages(health: Health) -> list[tuple[str, HealthPage]]:
    """`/livez`, `/readyz` and `/metrics`."""

    def checked(checks: dict[str, Check], told: dict[str, Check]) -> tuple[int, str, bytes]:
        findings = health.findings(checks)
        text = "".join(f"{name}: {finding}\n" for name, finding in (findings | health.findings(told)).items()) or "ok\n"
        return (503 if findings else 200), _TEXT, text.encode()

    return [
        (LIVE, HealthPage(lambda: checked(health.alive, {}))),
        ("/readyz", HealthPage(lambda: checked(health.ready, health.degraded | health.facts))),
        ("/metrics", HealthPage(lambda: (200, CONTENT_TYPE_LATEST, generate_latest()))),
    ]
