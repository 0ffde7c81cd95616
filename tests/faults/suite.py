"""Runs scenarios one after the other on one world; after a run that was not clean the next one gets a new world."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import sqlalchemy as sa
import structlog
from rich.console import Console

from tests import postgresql
from tests.faults import clock
from tests.faults.act import Act, NotHit
from tests.faults.report import Result
from tests.faults.scenarios import Scenario
from tests.faults.world import World

_RUN_LIMIT_S: Final = 240.0
_WAIT_LIMIT_S: Final = 60.0


def quiet() -> None:
    """Clients complain about broken brokers; here that is no news."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def missing(need: str) -> str | None:
    """Why a scenario cannot run here; None where it can."""
    if need == "postgresql" and postgresql.programs() is None:
        return "PostgreSQL is not installed"
    if need == "compiler" and clock.compiler() is None:
        return "there is no C compiler for the clock"
    return None


class Suite:
    """One run of the suite. Logs of runs that were not clean stay in the folder."""

    def __init__(self, console: Console, folder: Path) -> None:
        self.results: list[Result] = []
        self._console = console
        self._folder = folder
        self._world: World | None = None
        self._on_postgresql = False
        self._server: sa.URL | None = None
        self._servers = ExitStack()

    async def run(self, scenarios: Sequence[Scenario], seeds: Sequence[int]) -> float:
        """Run all; the seconds it took.

        Raises:
            UsageError, CannotTell: the world does not start.
        """
        began = time.monotonic()
        shutil.rmtree(self._folder, ignore_errors=True)
        try:
            for scenario, seed in _in_order(scenarios, seeds):
                await self._run_one(scenario, seed)
        finally:
            await self._end_world()
            self._servers.close()
        return time.monotonic() - began

    async def _run_one(self, scenario: Scenario, seed: int) -> None:
        if why := missing(scenario.needs):
            self._note(Result(scenario, seed, skipped=why))
            return
        world = await self._world_for(scenario)
        began = time.monotonic()
        try:
            async with asyncio.timeout(_RUN_LIMIT_S):
                await world.healthy()
                await world.ready()
                began = time.monotonic()
                figures = await Act(world, scenario.row, seed).play(scenario.run, _WAIT_LIMIT_S)
            result = Result(scenario, seed, time.monotonic() - began, figures)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # somebody ends the suite; else a client has let go of what it had cancelled
                raise
            result = Result(scenario, seed, time.monotonic() - began, failure=_in_short(error))
            (self._folder / f"{scenario.row}-{seed}.txt").write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        self._note(result)
        if not result.clean:
            await self._end_world(keep_as=f"{scenario.row}-{seed}")

    def _note(self, result: Result) -> None:
        self.results.append(result)
        colour = "green" if result.clean else "bold red"
        self._console.print(
            f"{result.scenario.row:>4} seed {result.seed}  {result.seconds:5.1f} s  [{colour}]{result.verdict}[/]{result.more}",
            highlight=False,
        )

    async def _world_for(self, scenario: Scenario) -> World:
        on_postgresql = scenario.needs == "postgresql"
        if self._world is not None and on_postgresql != self._on_postgresql:
            await self._end_world()
        if self._world is None:
            self._on_postgresql = on_postgresql
            self._world = World(self._folder / "world", store_url=self._database() if on_postgresql else None)
            try:
                await self._world.start()
            except BaseException:
                await self._end_world(keep_as="start")
                raise
        return self._world

    def _database(self) -> str:
        programs = postgresql.programs()
        assert programs is not None
        self._server = self._server or self._servers.enter_context(postgresql.served(programs))
        return postgresql.new_database(self._server).render_as_string(hide_password=False)

    async def _end_world(self, keep_as: str | None = None) -> None:
        world, self._world = self._world, None
        if world is None:
            return
        await world.stop()
        if keep_as:
            kept = self._folder / "not-clean" / keep_as
            for part in ("system/logs", "kafka/logs"):
                with suppress(OSError):
                    shutil.copytree(world.folder / part, kept / part)
        shutil.rmtree(world.folder, ignore_errors=True)


def _in_short(error: BaseException) -> str:
    """What went wrong first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) if isinstance(error, NotHit) else f"{type(error).__name__}: {error}"


def _in_order(scenarios: Sequence[Scenario], seeds: Sequence[int]) -> Iterator[tuple[Scenario, int]]:
    """Those on PostgreSQL last, so that the world changes once."""
    for scenario in sorted(scenarios, key=lambda one: one.needs == "postgresql"):
        for seed in seeds:
            yield scenario, seed
