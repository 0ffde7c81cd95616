"""The pages of a consuming process: health, metrics, and the AsyncAPI document of the whole bus."""

from __future__ import annotations

import json
from importlib.metadata import version

from infra import health
from infra.health import Health, HealthPage
from schemas import asyncapi


def pages(checks: Health) -> list[tuple[str, HealthPage]]:
    """By their paths. FastStream's own AsyncAPI would know only what its broker in this process does."""
    document = json.dumps(asyncapi.document(version("stadtbus")), ensure_ascii=False).encode()
    return [*health.pages(checks), ("/asyncapi", HealthPage(lambda: (200, "application/json", document)))]
