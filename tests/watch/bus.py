"""The bus that the watch looks at: a real broker, twins, every process of Stadtbus, and what may happen to them."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

import schemas
from consumers.watch import memory
from consumers.watch import store as tables
from consumers.watch.history import History
from infra.kafka.admin import connected
from infra.kafka.clients import connection_options
from infra.kafka.local import LocalKafka
from infra.kafka.local_security import ADMIN
from infra.kafka.local_settings import BROKERS_OFFSET, CONTROLLER_OFFSET, DETOUR_OFFSET, DETOUR_WAY
from infra.kafka.outgoing import Outgoing
from infra.kafka.sender import Sender
from producers.synthetic import messages
from schemas import topics
from schemas.catalogue.expected import ZONE
from schemas.headers import Header
from schemas.heartbeats import INTERVAL_S
from schemas.message import Application
from stadtbus.local.supervisor import ProcessSpec
from stadtbus.local.system import LocalSystem, Shape
from stadtbus.ports import port_of
from stadtbus.settings import CONFIG_VARIABLE
from tests.faults.sends import START, Forge
from tests.faults.world import within
from tests.kafka_service import SYSTEM_PORTS, free_port, free_system_offset
from tests.watch.eye import Eye
from tests.watch.line import Line

OFFICES: Final = ("nuernberg.meldewesen", "muenchen.meldewesen", "muenchen.gewerbe", "augsburg.gewerbe")
UNUSED: Final = "nuernberg.bau"
"""Its adapter is not started."""
_ENVIRONMENT: Final = {
    "STADTBUS_DELIVERY__FIRST_BACKOFF_S": "1",
    "STADTBUS_DELIVERY__LONGEST_BACKOFF_S": "4",
    "STADTBUS_DELIVERY__FIRST_PROBE_S": "0.5",
    "STADTBUS_DELIVERY__LONGEST_PROBE_S": "2",
}
"""Waits after a fault are scaled to seconds; what the watch goes by is not."""
_LIMIT_S: Final = 60.0
_ROOT: Final = Path(__file__).parents[2]


class Bus:
    """Start and stop once. What is broken in between has to be mended by who broke it."""

    def __init__(
        self,
        folder: Path,
        offices: Sequence[str] = OFFICES,
        own: Mapping[str, Mapping[str, str]] | None = None,
        expected: Mapping[str, Any] | None = None,
    ) -> None:
        """`own` has variables of single adapters, `expected` what the catalogue expects of offices."""
        self.folder = folder.absolute()
        port = free_port(1)
        self.brokers = LocalKafka(self.folder / "kafka", brokers=1, port=port, detour=True, secure=True)
        self.line = Line(self.brokers.detour)
        """The watch's way to Kafka; nobody else goes by it."""
        self.pages = self.folder / "catalogue"
        self._own = own or {}
        self._expected = expected or {}
        self.environment = _ENVIRONMENT | {"STADTBUS_CATALOGUE": str(self.pages)}
        processes = ("gateway", *offices, "audit", "statistics")
        slow = {office: {"answer_limit_s": 300} for office in OFFICES if office != "augsburg.gewerbe"}
        self.system = LocalSystem(
            self.folder / "system",
            port_offset=_offset_beside(port),
            logins=self.brokers.settings,
            shape=Shape(1, processes, None, slow, self.environment),
        )
        self.offices = offices
        self.admin = self.brokers.settings(ADMIN).model_copy(update={"replication": 1})
        self.eye = Eye(f"http://127.0.0.1:{port_of(self.system.settings, 'watch')}")
        self._sender = Sender(self.admin, "watch-cases")
        self._seed = 0
        self._forges = {office: Forge(office, 14) for office in OFFICES}

    async def start(self) -> None:
        """Start everything; returns when the watch has looked for the first time."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(Path(schemas.__file__).parent / "cities", self.pages)
        for office, expected in self._expected.items():
            await self.expect(office, expected, restart=False)
        await asyncio.to_thread(self.brokers.start, outlive=False, say=lambda _: None)
        await self.line.open()
        await self.system.start(fresh=False)
        for office, environment in self._own.items():
            if office in self.offices:
                await self.halt(office)
                await self.launch(office, environment)
        await self.launch("watch")
        await self.eye.open()

    async def stop(self) -> None:
        """End everything."""
        await self.eye.close()
        await self._sender.stop()
        await self.system.stop()
        await self.line.close()
        await asyncio.to_thread(self.brokers.kill, 0, signal.SIGKILL)
        await asyncio.to_thread(self.brokers.stop)

    # --- processes

    async def launch(self, process: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a process and wait until it works."""
        await self.begin(process, environment)
        await self.system.supervisor.ready([process])

    async def begin(self, process: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a process, and do not wait."""
        spec = self.system.spec(process)
        more = dict(environment or {})
        if process == "watch":
            more["STADTBUS_KAFKA__BOOTSTRAP"] = self.line.bootstrap
        await self.system.supervisor.launch([replace(spec, environment={**spec.environment, **more})])

    async def halt(self, process: str) -> None:
        """Stop it in good order; it stays away."""
        await self.system.supervisor.stop([process])

    async def kill(self, process: str) -> None:
        """SIGKILL; it stays away until `launch`."""
        child = self.system.supervisor.children.pop(process)
        assert child._keeper is not None
        child._keeper.cancel()
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)

    async def heal(self, process: str) -> None:
        """After a case that has failed: it runs, and its back office is well."""
        if process in self.system.catalogue.offices:
            await self.mood(process, "ok")
        if process not in self.system.supervisor.children and process != UNUSED:
            await self.launch(process)

    async def strike(self, process: str) -> None:
        """SIGKILL; the supervisor starts it again. Returns when it works again."""
        child = self.system.supervisor.children[process]
        ends = child.restarts
        self.system.kill(process)
        await within(_LIMIT_S, lambda: child.restarts > ends)
        await self.system.supervisor.ready([process])

    async def add_second(self, office: str) -> str:
        """A second adapter of an office; its name."""
        port, first = free_port(1), self.system.spec(office)
        name = f"{office}-second"
        spec = ProcessSpec(name, (*first.arguments, "--port", str(port)), f"http://127.0.0.1:{port}/readyz", first.environment)
        await self.system.supervisor.start([spec])
        return name

    async def said(self, process: str, text: str) -> datetime:
        """Wait until a process says this at `/readyz`; when its next heartbeat is on Kafka at the latest."""
        url = f"http://127.0.0.1:{port_of(self.system.settings, process)}/readyz"

        async def says() -> bool:
            async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
                return text in (await http.get(url)).text

        assert await within(_LIMIT_S, says), f"{process} does not say '{text}'"
        await asyncio.sleep(INTERVAL_S)
        return datetime.now(UTC)

    async def command(self, *arguments: str, until_s: float | None = None) -> tuple[int, str, str]:
        """Run a `stadtbus` command as an operator does, on a screen of 80x24: its exit code, output and errors. One that goes on until it is
        told to end is told so after `until_s`.
        """
        own = self.system.spec(arguments[-1]).environment if arguments[0] == "run" else {}
        screen = {CONFIG_VARIABLE: str(self.system.config), "COLUMNS": "80", "LINES": "24"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "stadtbus", *arguments,
            stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=os.environ | self.environment | dict(own) | screen, cwd=_ROOT,
        )  # fmt: skip
        if until_s is not None:
            await asyncio.sleep(until_s)
            process.send_signal(signal.SIGINT if arguments[0] != "run" else signal.SIGTERM)
        output, errors = await process.communicate()
        return process.returncode or 0, output.decode(), errors.decode()

    async def operate(self, *arguments: str) -> None:
        """A command that has to succeed, or to find something."""
        code, said, errors = await self.command(*arguments)
        assert code in (0, 1), f"stadtbus {' '.join(arguments)}: {code}: {said}{errors}"

    async def open_letters(self, office: str) -> list[tuple[str, str]]:
        """Of each open dead letter the submission (empty where its record does not say) and the fingerprint of its cause."""
        _, said, _ = await self.command("deadletters", "list", office, "--json")
        causes = [(cause["fingerprint"], one) for cause in json.loads(said) for one in cause["dead_letters"]]
        return [(one["submission"] or "", fingerprint) for fingerprint, one in causes if one["state"] == "open"]

    async def discard_all(self, office: str) -> None:
        """End all dead letters of an office."""
        for fingerprint in {cause for _, cause in await self.open_letters(office)}:
            await self.operate("deadletters", "discard", office, "--fingerprint", fingerprint, "--reason", "poison", "--go")

    # --- submissions

    async def send(self, office: str, count: int, *, portal: str = "portal-faults") -> None:
        """So many submissions, each of a case of its own, straight to the topic."""
        records = []
        for _ in range(count):
            record = self._forges[office].make_for(self._forges[office].uuid())[1]
            headers = [(name, portal.encode() if name == Header.PORTAL.value else text) for name, text in record.headers]
            records.append(record._replace(headers=headers))
        await self._sender.send_all(records)

    async def write(self, office: str, value: bytes) -> None:
        """Something that is no submission."""
        await self._sender.send_all([Outgoing(topics.submissions(office), b"key", value, [])])

    async def submit(self, office: str, count: int) -> list[Application]:
        """So many submissions at the gateway, as a portal sends them."""
        (entry,) = [one for one in self.system.portals if one.route.office == office]
        portal = self.system.portal(entry)
        self._seed += 1
        made = list(itertools.islice(messages.applications(entry.route, entry.author, seed=self._seed, start=START), count))
        await portal.send_all(made)
        assert not portal.book.rejected
        await portal.close()
        return made

    async def mood(self, office: str, mood: str, **more: float) -> None:
        """Tell the back office of an office how to behave."""
        await self.system.set_mood(office, mood, **more)

    async def effects(self, office: str) -> int:
        """How many submissions its back office holds."""
        return (await self.system.effects())[office]

    # --- Kafka

    async def waits_for_empty(self, group: str) -> datetime:
        """Wait until a group has no members: of a killed process when its session has timed out."""

        async def is_empty() -> bool:
            async with connected(self.admin) as admin:
                ((_, _, state, *_),) = (await admin.describe_consumer_groups([group]))[0].groups
            return bool(state in ("Empty", "Dead"))

        assert await within(_LIMIT_S, is_empty), f"{group} still has members"
        return datetime.now(UTC)

    async def lag(self, group: str) -> int:
        """How many records of its office a group has not committed."""
        names = [TopicPartition(topics.submissions(group), number) for number in range(topics.PARTITIONS)]
        async with AIOKafkaConsumer(**connection_options(self.admin)) as consumer:
            ends = await consumer.end_offsets(names)
        async with connected(self.admin) as admin:
            done = await admin.list_consumer_group_offsets(group, partitions=names)
        return sum(end - max(0, done[one].offset if one in done else 0) for one, end in ends.items())

    async def delete_records(self, office: str) -> None:
        """Everything in the topic of an office, as retention does."""
        names = [TopicPartition(topics.submissions(office), number) for number in range(topics.PARTITIONS)]
        async with AIOKafkaConsumer(**connection_options(self.admin)) as consumer:
            ends = await consumer.end_offsets(names)
        async with connected(self.admin) as admin:
            await admin.delete_records({one: RecordsToDelete(end) for one, end in ends.items() if end})

    @asynccontextmanager
    async def stranger(self, group: str) -> AsyncIterator[AIOKafkaConsumer]:
        """A foreign program in a group, as a console consumer of somebody who took the wrong name; it commits nothing by itself."""
        consumer = AIOKafkaConsumer(
            topics.submissions(group),
            topics.retry(group),
            **connection_options(self.admin),
            group_id=group,
            enable_auto_commit=False,
            session_timeout_ms=6000,
            partition_assignment_strategy=(RangePartitionAssignor,),
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    @asynccontextmanager
    async def open_transaction(self, office: str) -> AsyncIterator[None]:
        """A foreign transaction on the topic of an office, which is given up at the end."""
        async with AIOKafkaProducer(
            **connection_options(self.admin), transactional_id="foreign", transaction_timeout_ms=600_000
        ) as producer:
            await producer.begin_transaction()
            for number in range(topics.PARTITIONS):
                await producer.send_and_wait(topics.submissions(office), b"foreign", partition=number)
            try:
                yield
            finally:
                await producer.abort_transaction()

    async def set_size_limit(self, office: str, size_bytes: int) -> None:
        """How large a record may be in the topic of an office."""
        from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType  # noqa: PLC0415 - for one case

        resource = ConfigResource(ConfigResourceType.TOPIC, topics.submissions(office), {"max.message.bytes": str(size_bytes)})
        async with connected(self.admin) as admin:
            await admin.alter_configs([resource])

    # --- what the city expects, and what the watch remembers

    async def remember_weeks(self, office: str, gap_s: float) -> None:
        """Put two weeks into the memory of the watch, which does not run: as if the longest gap on such a day had been this."""
        store = tables.open_store(self.system.stores)
        try:
            known = (await History(store).load()).consumers[office]
            now = datetime.now(UTC)
            weeks = {(now - timedelta(weeks=back)).astimezone(ZONE).date(): gap_s for back in (1, 2)}
            learnt = replace(known, arrivals=replace(known.arrivals, last_at=now, longest_s=weeks))
            table = tables.metadata.tables["watch_memory"]
            change = table.update().where(table.c.consumer == office).values(value=memory.dump(learnt))
            await store.write(lambda connection: connection.execute(change))
        finally:
            store.close()

    async def expect(self, office: str, expected: Mapping[str, Any] | None, *, restart: bool = True) -> None:
        """Change what the catalogue expects of an office, and restart who reads that: its adapter and the watch."""
        city, _, name = office.partition(".")
        page = self.pages / f"{city}.yaml"
        content = yaml.safe_load(page.read_text(encoding="utf-8"))
        (entry,) = [one for one in content["offices"] if one["id"] == name]
        entry.pop("expected", None)
        if expected:
            entry["expected"] = dict(expected)
        page.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
        if restart:
            for process in (office, "watch"):
                await self.halt(process)
                await self.launch(process)


def _offset_beside(kafka_port: int) -> int:
    """A port offset for the system, whose ports are none of those that the broker will take."""
    taken = {kafka_port + more for more in (0, DETOUR_OFFSET, DETOUR_WAY, BROKERS_OFFSET, CONTROLLER_OFFSET)}
    while True:
        offset = free_system_offset()
        if taken.isdisjoint(port + offset for port in SYSTEM_PORTS):
            return offset
