"""Whoever runs the demo hears of each process and of the broker when it dies and comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from schemas import problems
from schemas.errors import CannotTell
from stadtbus.local import system
from stadtbus.local.supervisor import ProcessSpec, Supervisor
from stadtbus.local.system import LocalSystem


async def heard(said: list[str], count: int) -> list[str]:
    """What was said, once it is so much."""
    async with asyncio.timeout(30):
        while len(said) < count:
            await asyncio.sleep(0.02)
    return said[:count]


async def test_a_process_that_ends_is_told(tmp_path: Path) -> None:
    """A process that ends by itself or is killed is started again, and each time it is said, with its log."""
    said: list[str] = []
    supervisor = Supervisor({}, tmp_path, said.append)
    await supervisor.launch([ProcessSpec("one", ("--help",), "http://127.0.0.1:1")])
    (first,) = await heard(said, 1)
    await supervisor.stop()
    assert first == f"one ended with status 0; it is started again, its log is {tmp_path / 'one.log'}"


async def test_a_stopped_process_is_not_told(tmp_path: Path) -> None:
    """What is ended on purpose is no news."""
    said: list[str] = []
    supervisor = Supervisor({}, tmp_path, said.append)
    await supervisor.launch([ProcessSpec("one", ("--help",), "http://127.0.0.1:1")])
    await supervisor.stop()
    assert said == []


async def test_a_dead_broker_is_brought_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's broker is started again when it has died, and both are said; a start that fails is tried again."""
    monkeypatch.setattr(system, "_BROKER_LOOK_S", 0.01)
    said: list[str] = []
    local = LocalSystem(tmp_path / "demo", say=said.append)
    outcomes: list[Exception | None] = [CannotTell(problems.BROKER_FAILED, "x"), None]

    class Broker:
        """Dead until it has been started."""

        bootstrap = "127.0.0.1:9092"
        alive = False

        def pids(self) -> dict[int, int]:
            return {0: 1} if self.alive else {}

        def start_one(self, _: int) -> None:
            if error := outcomes.pop(0):
                raise error
            self.alive = True

    broker: Any = Broker()
    local._kafka = broker
    keeper = asyncio.create_task(local.keep_kafka())
    told = await heard(said, 4)
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    assert ["tried again soon" in told[1], told[3]] == [True, "Kafka answers at 127.0.0.1:9092 again"]
    assert outcomes == []
