"""Starts processes, waits until they are ready, begins them again when they die, and ends them in good order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from schemas import problems
from schemas.errors import CannotTell
from stadtbus.processes import SUPERVISED_VARIABLE

_READY_LIMIT_S: Final = 90.0
_LOOK_S: Final = 0.1
_STOP_LIMIT_S: Final = 30.0
_RESTART_PAUSE_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process: the arguments of `stadtbus`, and the page that answers 200 when it works."""

    name: str
    arguments: tuple[str, ...]
    ready_url: str
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of this process alone."""


class Child:
    """One process that is kept running: whenever it ends, it is started again, until `stop`.

    `start` and `stop` once each. `say` is called in the event loop with a line for the user each time it has ended.
    """

    def __init__(self, spec: ProcessSpec, environment: dict[str, str], logs: Path, say: Callable[[str], None] = lambda _: None) -> None:
        self.spec = spec
        self._say = say
        self.log = logs / f"{spec.name}.log"
        self.restarts = 0
        # The file says everything: what the user has set for other commands must not reach these processes.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("STADTBUS_")}
        self._environment = inherited | environment | dict(spec.environment) | {SUPERVISED_VARIABLE: "1"}
        self.next_environment: Mapping[str, str] = {}
        """Variables for the next start alone; the start after it goes without them."""
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    async def start(self) -> None:
        """Start the process and keep it running from now on; does not wait until it works.

        Raises:
            OSError: its log cannot be written; then nothing runs.
        """
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep())

    async def ready(self, http: httpx.AsyncClient) -> None:
        """Return when the process works, which is when its page answers 200.

        Raises:
            CannotTell: process-failed, with its log: it has ended three times meanwhile, or does not work after 90 s. It is kept running.
        """
        before = self.restarts
        try:
            async with asyncio.timeout(_READY_LIMIT_S):
                while not await _answers(http, self.spec.ready_url):
                    if self.restarts > before + 2:
                        raise CannotTell(problems.PROCESS_FAILED, f"{self.spec.name} ends by itself; log: {self.log}")
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise CannotTell(
                problems.PROCESS_FAILED, f"{self.spec.name} is not ready after {_READY_LIMIT_S:.0f} s; log: {self.log}"
            ) from None

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if it still runs 30 s later; returns when it has ended."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_LIMIT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _spawn(self) -> None:
        environment, self.next_environment = self._environment | dict(self.next_environment), {}
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C is for the supervisor, which ends its children in order.
            # The pipe on its input tells the child when the supervisor is gone.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "stadtbus", *self.spec.arguments,
                stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log, env=environment, start_new_session=True,
            )  # fmt: skip

    async def _keep(self) -> None:
        while self._process is not None:
            status = await self._process.wait()
            self.restarts += 1
            end = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
            self._say(f"{self.spec.name} {end}; it is started again, its log is {self.log}")
            await asyncio.sleep(_RESTART_PAUSE_S)
            await self._spawn()


class Supervisor:
    """Several processes, by name, each with a log of its own. Whoever starts them has to `stop` them, also after a start that failed."""

    def __init__(self, environment: dict[str, str], logs: Path, say: Callable[[str], None] = lambda _: None) -> None:
        """`say` hears of each process that ended by itself or was killed."""
        self._environment = environment
        self._say = say
        self._logs = logs
        self.children: dict[str, Child] = {}

    async def start(self, specs: Sequence[ProcessSpec]) -> None:
        """Start these together and return when all work.

        Raises:
            CannotTell: process-failed; those that work keep running.
        """
        await self.launch(specs)
        await self.ready([spec.name for spec in specs])

    async def launch(self, specs: Sequence[ProcessSpec], environment: Mapping[str, str] | None = None) -> None:
        """Start these together and return without waiting until they work; `environment` is for this start of them alone."""
        self._logs.mkdir(parents=True, exist_ok=True)
        started = [Child(spec, self._environment, self._logs, self._say) for spec in specs]
        self.children |= {child.spec.name: child for child in started}
        for child in started:
            child.next_environment = environment or {}
        await asyncio.gather(*(child.start() for child in started))

    async def ready(self, names: Sequence[str]) -> None:
        """Return when these work.

        Raises:
            CannotTell: process-failed.
        """
        async with httpx.AsyncClient(timeout=2) as http:
            await asyncio.gather(*(self.children[name].ready(http) for name in names))

    async def stop(self, names: Sequence[str] | None = None) -> None:
        """End these, or all, together: SIGTERM, and SIGKILL for one that runs 30 s later. They are forgotten then."""
        ending = [self.children.pop(name) for name in (names if names is not None else list(self.children))]
        await asyncio.gather(*(child.stop() for child in ending))


async def _answers(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
