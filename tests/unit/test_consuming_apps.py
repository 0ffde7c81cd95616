"""The consuming processes as apps: what becomes of one whose work cannot begin."""

from __future__ import annotations

import asyncio

import pytest

from consumers.app import audit_app
from consumers.audit import tables
from infra.settings import KafkaSettings, StoreSettings
from schemas import problems
from schemas.errors import CannotTell


async def test_work_that_cannot_begin_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    """An app whose store does not open says why, and its heartbeats end with it."""

    def fail(_: StoreSettings) -> None:
        raise CannotTell(problems.STORE_UNREACHABLE, "store 'audit'")

    monkeypatch.setattr(tables, "open_store", fail)
    app = audit_app(KafkaSettings(bootstrap="127.0.0.1:1"), StoreSettings(), [], 8082)
    with pytest.raises(CannotTell, match="store-unreachable"):
        async with app.start_lifespan_context():
            pytest.fail("it has begun")
    assert asyncio.all_tasks() == {asyncio.current_task()}
