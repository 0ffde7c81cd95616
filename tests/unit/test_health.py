"""Health pages: what takes a process out of service, and what is only told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from infra.health import Health, pages


async def page(health: Health, path: str) -> tuple[int, str]:
    """Status and text of a page."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await dict(pages(health))[path](None, None, send)
    return sent[0]["status"], sent[1]["body"].decode()


@pytest.mark.parametrize(
    ("ready", "degraded", "expected"),
    [
        ([None], [None], (200, "ok\n")),
        (["gone"], [None], (503, "ready0: gone\n")),
        ([None], ["behind"], (200, "degraded0: behind\n")),
        ([None, "gone"], ["behind", None], (503, "ready1: gone\ndegraded0: behind\n")),
    ],
)
async def test_what_does_not_stop_the_work_is_told_all_the_same(
    ready: Sequence[str | None], degraded: Sequence[str | None], expected: tuple[int, str]
) -> None:
    """/readyz names everything that is not fine; only what keeps the process from its work makes it 503, and /livez knows neither."""

    def checks(name: str, findings: Sequence[str | None]) -> dict[str, Any]:
        return {f"{name}{number}": lambda finding=finding: finding for number, finding in enumerate(findings)}

    health = Health(ready=checks("ready", ready), degraded=checks("degraded", degraded))
    assert await page(health, "/readyz") == expected
    assert await page(health, "/livez") == (200, "ok\n")
