"""What faults happen to: three real brokers, the twins, and Stadtbus's processes, all on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import DeleteGroupsRequest
from aiokafka.protocol.metadata import MetadataRequest

from infra.crashpoints import VARIABLE as CRASH_AT
from infra.kafka.admin import connected
from infra.kafka.local import LocalKafka
from infra.kafka.local_settings import HOST
from infra.kafka.login import login_options
from infra.settings import KafkaSettings
from schemas import topics
from stadtbus.local.supervisor import Child, ProcessSpec
from stadtbus.local.system import LocalSystem, Shape
from stadtbus.settings import CONFIG_VARIABLE
from tests.faults.detour import Detour
from tests.kafka_service import free_port, free_system_offset

BROKERS: Final = 3
OFFICES: Final = ("augsburg.gewerbe", "muenchen.meldewesen", "nuernberg.meldewesen")
HTTP_OFFICES: Final = OFFICES[1:]
ANSWER_LIMIT_S: Final = 3.0
"""How long adapters wait for their back office here; production waits ten times as long."""
SESSION_TIMEOUT_S: Final = 6.0
_LOOK_S: Final = 0.1
_LIMIT_S: Final = 60.0
_OFFICE_SETTINGS: Final[Mapping[str, Mapping[str, object]]] = {
    "augsburg.gewerbe": {"answer_limit_s": ANSWER_LIMIT_S, "ack_poll_s": 0.1, "upload_limit_s": ANSWER_LIMIT_S, "connect_limit_s": 2},
    "muenchen.meldewesen": {"answer_limit_s": ANSWER_LIMIT_S, "connect_limit_s": 2},
    "nuernberg.meldewesen": {"answer_limit_s": ANSWER_LIMIT_S, "connect_limit_s": 2},
}
_ENVIRONMENT: Final = {
    "STADTBUS_KAFKA__SESSION_TIMEOUT_S": str(SESSION_TIMEOUT_S),
    "STADTBUS_DELIVERY__FIRST_BACKOFF_S": "0.5",
    "STADTBUS_DELIVERY__LONGEST_BACKOFF_S": "2",
    "STADTBUS_DELIVERY__DELAYED_RETRIES": "100",
    "STADTBUS_DELIVERY__FIRST_PROBE_S": "0.5",
    "STADTBUS_DELIVERY__LONGEST_PROBE_S": "2",
}
"""Waits are scaled to seconds; what a back office cannot take is tried for as long as a fault lasts."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition as the cluster sees it."""

    topic: str
    number: int
    leader: int
    in_sync: frozenset[int]


class World:
    """Start and stop once; what is broken in between has to be healed by who broke it."""

    def __init__(self, folder: Path, *, store_url: str | None = None, processes: Sequence[str] = ("gateway", *OFFICES)) -> None:
        self.folder = folder.absolute()
        self.brokers = LocalKafka(self.folder / "kafka", brokers=BROKERS, port=free_port(BROKERS), detour=True, secure=True)
        self.detour = Detour(self.brokers.detour)
        shape = Shape(BROKERS, processes, store_url, _OFFICE_SETTINGS, _ENVIRONMENT)
        self.system = LocalSystem(
            self.folder / "system", port_offset=free_system_offset(), logins=self.brokers.settings, shape=shape
        )  # fmt: skip
        self.kafka = self.system.kafka
        self.detoured = self.kafka.model_copy(update={"bootstrap": self.detour.bootstrap})
        """Settings for clients that reach Kafka by the detour."""

    async def start(self) -> None:
        """Start everything."""
        shutil.rmtree(self.folder, ignore_errors=True)
        await asyncio.to_thread(self.brokers.start, outlive=False, say=lambda _: None)
        await self.detour.open()
        await self.system.start(fresh=False)

    async def stop(self) -> None:
        """End everything; brokers at once, because nobody reads their data again."""
        await self.system.stop()
        await self.detour.close()
        for number in self.brokers.pids():
            await self.strike(number)
        await asyncio.to_thread(self.brokers.stop)

    # --- brokers

    async def strike(self, broker: int, sig: signal.Signals = signal.SIGKILL) -> None:
        """Send a broker a signal; returns when it is dead, except after SIGSTOP and SIGCONT."""
        await asyncio.to_thread(self.brokers.kill, broker, sig)

    async def revive(self) -> None:
        """Start the brokers that are dead; returns when they are back in the cluster."""
        await asyncio.to_thread(self.brokers.start, outlive=False, say=lambda _: None)

    async def partitions(self, *, without: int | None = None) -> list[Partition]:
        """The submissions topics, as the first broker that answers sees them."""
        for number in range(BROKERS):
            if number != without and (seen := await self._ask(number)):
                return seen
        return []

    async def leader(self, office: str, number: int, *, without: int | None = None) -> int | None:
        """The leader of one partition; None while nobody knows one."""
        topic = topics.submissions(office)
        found = [one.leader for one in await self.partitions(without=without) if (one.topic, one.number) == (topic, number)]
        return found[0] if found and found[0] >= 0 else None

    async def moved(self, office: str, number: int, old: int) -> bool:
        """Wait until the partition has another leader; False when it does not get one."""

        async def has_moved() -> bool:
            return await self.leader(office, number, without=old) not in (None, old)

        return await within(_LIMIT_S, has_moved)

    async def healthy(self) -> bool:
        """Wait until every partition has all its copies in sync."""

        async def whole() -> bool:
            seen = await self.partitions()
            return bool(seen) and all(len(one.in_sync) == BROKERS for one in seen)

        return await within(_LIMIT_S, whole)

    def controller(self) -> int:
        """The broker that leads the controllers, as the one that stays knows it best."""
        states = [self.brokers.folder_of(number) / "__cluster_metadata-0" / "quorum-state" for number in range(BROKERS)]
        newest = max((json.loads(path.read_text(encoding="utf-8")) for path in states), key=lambda state: state["leaderEpoch"])
        return int(newest["leaderId"])

    async def _ask(self, broker: int) -> list[Partition]:
        connection = None
        try:
            async with asyncio.timeout(2):
                connection = await create_conn(HOST, self.brokers.port_of(broker), **login_options(self.kafka))
                answer = await connection.send(MetadataRequest(None))
        except (KafkaError, OSError):
            return []
        finally:
            if connection:
                connection.close()
        return [_partition(topic["topic"], one) for topic in _submissions(answer) for one in topic["partitions"]]

    # --- processes

    async def ready(self) -> None:
        """Wait until all processes that should run work, and twins are in good mood."""
        await self.system.supervisor.ready(self.system.processes)
        for office in OFFICES:
            await self.system.set_mood(office, "ok")

    def process_id(self, process: str) -> int | None:
        """Its process id; None while it does not run."""
        return self.system.supervisor.children[process].pid

    def restarts(self, process: str) -> int:
        """How often it ended and was begun again."""
        return self.system.supervisor.children[process].restarts

    def log_of(self, process: str) -> Path:
        """The file with the log of a process."""
        return self.system.folder / "logs" / f"{process}.log"

    async def restart(self, process: str, environment: Mapping[str, str]) -> None:
        """Restart a process with these variables; the start after this one goes without them."""
        child, ends = await self._end(process, environment)
        await within(_LIMIT_S, lambda: child.restarts > ends)
        await self.system.supervisor.ready([process])

    async def crash(self, process: str, label: str, passes: int, limit_s: float) -> bool:
        """Let it end itself by SIGKILL at a place in its code; False when it did not get there in time."""
        child, ends = await self._end(process, {CRASH_AT: f"{label}:{passes}"})
        return await within(limit_s, lambda: child.restarts >= ends + 2)  # ours, and its own: it may come before it is ready

    async def _end(self, process: str, environment: Mapping[str, str]) -> tuple[Child, int]:
        """SIGTERM, with the variables of the next start; the process, and how often it had ended before."""
        child = self.system.supervisor.children[process]
        await within(_LIMIT_S, lambda: child.pid is not None)
        child.next_environment, ends = environment, child.restarts
        self.system.kill(process, signal.SIGTERM)
        return child, ends

    async def halt(self, process: str) -> None:
        """Stop it in good order; it stays away."""
        await self.system.supervisor.stop([process])

    async def launch(self, process: str) -> None:
        """Start it again after `halt`, without waiting for it to work."""
        await self.system.supervisor.launch([self.system.spec(process)])

    async def add_second(self, office: str, environment: Mapping[str, str] | None = None) -> str:
        """A second adapter process of an office; its name."""
        first = self.system.spec(office)
        port = free_port(1)
        name = f"{office}-second"
        second = ProcessSpec(name, (*first.arguments, "--port", str(port)), f"http://{HOST}:{port}/readyz", first.environment)
        await self.system.supervisor.launch([second], environment)
        await self.system.supervisor.ready([name])
        return name

    async def command(self, *arguments: str, environment: Mapping[str, str] = MappingProxyType({})) -> int:
        """Run a `stadtbus` command as an operator does; its exit code. `environment` is for it alone."""
        environment = os.environ | _ENVIRONMENT | {CONFIG_VARIABLE: str(self.system.config)} | dict(environment)
        command = [sys.executable, "-m", "stadtbus", *arguments]
        with (self.folder / "commands.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=log, stderr=log, env=environment)
            return await process.wait()

    def memory_mib(self, process: str) -> float:
        """The resident memory of a process."""
        status = Path(f"/proc/{self.process_id(process)}/status").read_text(encoding="utf-8")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def pause(self, process: str) -> None:
        """Stop a process by SIGSTOP: for it no time passes."""
        self.system.kill(process, signal.SIGSTOP)

    def resume(self, process: str) -> None:
        """Let it go on by SIGCONT."""
        self.system.kill(process, signal.SIGCONT)


def _submissions(answer: Any) -> list[dict[str, Any]]:
    return [topic for topic in answer.to_object()["topics"] if topic["topic"].endswith(".submissions")]


def _partition(topic: str, seen: Mapping[str, Any]) -> Partition:
    return Partition(topic, seen["partition"], seen["leader"], frozenset(seen["isr"]))


async def within(limit_s: float, condition: Callable[[], Any]) -> bool:
    """Wait until the condition, which may be a coroutine function, holds; False when it does not in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            while True:
                result = condition()
                if await result if asyncio.iscoroutine(result) else result:
                    return True
                await asyncio.sleep(_LOOK_S)
    return False


async def forget_group(kafka: KafkaSettings, group: str) -> None:
    """Delete a group without members, and its committed offsets with it."""
    async with connected(kafka) as admin:
        answer = await admin._send_request(DeleteGroupsRequest([group]), await admin.find_coordinator(group))
    ((_, code),) = [one[:2] for one in answer.results]
    assert code == 0, f"Kafka does not delete the group: {code}"


def tear(path: Path) -> None:
    """Leave half a record at the end of a file, as a power cut does with what was not flushed."""
    with path.open("ab") as file:
        file.write(b"\0\0\0\0\0\0\0\x2a\0\0\x10\0" + os.urandom(40))
