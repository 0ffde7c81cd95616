"""The bus that is attacked: one secured broker, a gateway with 200 open files at most, three offices and their twins, as processes."""

from __future__ import annotations

import asyncio
import json
import resource
import secrets
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from stadtbus.local.system import LocalSystem, Shape
from tests.attack import portals
from tests.attack.honest import HonestPortal
from tests.attack.judge import Figures
from tests.attack.rows import Row
from tests.kafka_service import free_system_offset

SECONDS: Final = 12.0
"""How long each attack lasts."""
DESCRIPTORS: Final = 200
_OUTBOX_BYTES: Final = 64 * 1024 * 1024
"""So small that a share of it is full within an attack."""
_ENVIRONMENT: Final = {
    "STADTBUS_GATEWAY__OUTBOX_LIMIT_BYTES": str(_OUTBOX_BYTES),
    "STADTBUS_DELIVERY__FIRST_PROBE_S": "0.5",
    "STADTBUS_DELIVERY__LONGEST_PROBE_S": "2",
}
_SHAPE: Final = Shape(processes=("gateway", *portals.OFFICES, "audit"), environment=_ENVIRONMENT)
_ROOT: Final = Path(__file__).parents[2]


class Siege:
    """`start` once, then one row after the other, then `stop`, also where `start` raised."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._system = LocalSystem(self._folder / "system", port_offset=free_system_offset(), shape=_SHAPE)
        self._tokens = {author: secrets.token_urlsafe(32) for author in (portals.HONEST, portals.HOSTILE)}
        self._honest = HonestPortal(self._system, self._tokens[portals.HONEST])

    async def start(self) -> None:
        """Start everything; the first submissions are answered when this returns.

        Raises:
            UsageError, CannotTell: as `LocalSystem.start`.
        """
        shutil.rmtree(self._folder, ignore_errors=True)
        await self._system.start(fresh=False)
        portals.write_pages(self._system.folder / "portals", self._tokens)
        await self._restart_gateway()
        await self._honest.not_delivered(await self._honest.submit(portals.OFFICES, 3))

    async def _restart_gateway(self) -> None:
        """With few descriptors, as under `ulimit -n 200`: the limit is set before the new process has read it."""
        supervisor = self._system.supervisor
        await supervisor.stop(["gateway"])
        await supervisor.launch([self._system.spec("gateway")])
        resource.prlimit(self._gateway, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        await supervisor.ready(["gateway"])

    async def stop(self) -> None:
        """End what was started; the folder with the logs stays."""
        await self._honest.close()
        await self._system.stop()

    async def run(self, row: Row) -> Figures:
        """Attack, submit meanwhile, and compare."""
        restarts, log_bytes = self._restarts(), self._log_bytes()
        self._begin_peak()
        before = processor_ns(self._system)
        async with self._mood(row), self._attack(row) as came_back:
            sent = await self._honest.submit(row.offices, SECONDS)
        not_delivered = await self._honest.not_delivered(sent)
        failure = came_back.pop("failed", None)
        return Figures(
            times_s=sent.times_s,
            not_accepted=sent.not_accepted,
            not_delivered=not_delivered,
            restarts=self._restarts() - restarts,
            log_bytes=self._log_bytes() - log_bytes,
            memory_mib=self._peak_mib(),
            starved=starved(before, processor_ns(self._system)),
            came_back=came_back,
            attacked=row.attack is not None,
            failure=None if failure is None else "the attack failed",
        )

    @asynccontextmanager
    async def _mood(self, row: Row) -> AsyncIterator[None]:
        if row.mood is None:
            yield
            return
        office, mood = row.mood
        await self._system.set_mood(office, mood, share=portals.SHARE)
        yield
        await self._system.set_mood(office, "ok")

    @asynccontextmanager
    async def _attack(self, row: Row) -> AsyncIterator[dict[str, int]]:
        """While the hostile process attacks; what came back to it is there when the block has ended."""
        came_back: dict[str, int] = {}
        if row.attack is None:
            yield came_back
            return
        process = await self._hostile(row.attack)
        try:
            yield came_back
        finally:
            told, _ = await process.communicate(b"")  # which ends its input
        came_back |= json.loads(told) if process.returncode == 0 else {"failed": 1}

    async def _hostile(self, attack: str) -> Process:
        """A process that has begun to attack, and does until its input ends."""
        with (self._folder / "hostile.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.attack.hostile", stdin=PIPE, stdout=PIPE, stderr=log, cwd=_ROOT, start_new_session=True
            )  # fmt: skip
        assert process.stdin
        assert process.stdout
        orders = {"attack": attack, "port": int(self._system.gateway_url.rpartition(":")[2]), "token": self._tokens[portals.HOSTILE]}
        process.stdin.write(f"{json.dumps(orders)}\n".encode())
        await process.stdout.readline()
        return process

    @property
    def _gateway(self) -> int:
        pid = self._system.supervisor.children["gateway"].pid
        assert pid is not None
        return pid

    def _restarts(self) -> int:
        return sum(child.restarts for child in self._system.supervisor.children.values())

    def _log_bytes(self) -> int:
        """Of all processes of the bus; twins are none."""
        return sum(path.stat().st_size for path in (self._system.folder / "logs").glob("*.log") if path.stem != "twins")

    def _begin_peak(self) -> None:
        """What the gateway held before counts no longer."""
        Path(f"/proc/{self._gateway}/clear_refs").write_text("5", encoding="ascii")

    def _peak_mib(self) -> float:
        status = Path(f"/proc/{self._gateway}/status").read_text(encoding="utf-8")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def processor_ns(system: LocalSystem) -> tuple[int, int]:
    """How long the gateway's loop has had the processor, and how long it has waited for it."""
    pid = system.supervisor.children["gateway"].pid
    has, waited, _ = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()
    return int(has), int(waited)


def starved(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Of the time in which the gateway's loop wanted the processor, the part in which others had it."""
    has, waited = (later - earlier for earlier, later in zip(before, after, strict=True))
    return waited / max(1, has + waited)
