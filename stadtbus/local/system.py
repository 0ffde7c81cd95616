"""The whole bus on one machine: Kafka, twins and every process, with a folder of its own. For the demo, fault tests and benchmarks."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from adapters.twins.server import Twins, ports
from adapters.twins.settings import TwinsSettings
from infra.kafka.access_lists import grant
from infra.kafka.admin import count_records, create_topics, missing_topics
from infra.kafka.local import LocalKafka
from infra.kafka.local_security import ADMIN
from infra.kafka.rights import OPERATOR, rights, role_of
from infra.secret_files import with_secrets
from infra.settings import KafkaSettings, StoreSettings
from producers.synthetic.portal import SyntheticPortal
from producers.synthetic.rights import page_of, write_page
from schemas import catalogue, problems, topics
from schemas.catalogue import City, Route
from schemas.errors import StadtbusError, UsageError
from schemas.examination import schema_table
from schemas.message import Authority
from stadtbus.local.supervisor import ProcessSpec, Supervisor
from stadtbus.ports import STATISTICS_PORT, api_port_of, port_of
from stadtbus.settings import CONFIG_VARIABLE, Settings

Logins = Callable[[str], KafkaSettings]
"""How a role of `infra.kafka.rights`, or the admin, gets in to a Kafka that somebody else runs."""
KAFKA_PORT: Final = 9092
_TWINS: Final = TwinsSettings()
_BROKER_LOOK_S: Final = 1.0
_WATCH_INTERVAL_S: Final = 3
"""Who watches the demo sees within seconds what is wrong."""
_SESSION_TIMEOUT_S: Final = 6
"""Short, so that a killed process is missed soon; production keeps the default."""


@dataclass(frozen=True, slots=True)
class PortalEntry:
    """What a city's portal sends to one office: the portal has an entry for each of its routes, and one token."""

    id: str
    author: Authority
    route: Route
    token: str


@dataclass(frozen=True, slots=True)
class Shape:
    """What a system is made of; the demo's without arguments."""

    replication: int = 1
    processes: Sequence[str] | None = None
    """Which of Stadtbus's processes start; None for all."""
    store_url: str | None = None
    """A PostgreSQL for all stores instead of files."""
    office_settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """By office: settings of its adapter beside those that lead to its twin."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of all processes; they go before the file."""


class LocalSystem:
    """Everything that runs, as processes of this one.

    `start` once and then `stop` once, also where `start` raised; `kill` in between as often as wanted. What is asked of the twins
    (`effects`, `held`, `effects_since`, `set_mood`) needs them started, and raises `httpx.TransportError` where they do not answer.
    `say` is called with each line for the user, in the event loop and, while Kafka starts, in a thread; it must not block.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port_offset: int = 0,
        logins: Logins | None = None,
        shape: Shape | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._shape = shape or Shape()
        self.folder = folder.absolute()
        self.config = self.folder / "stadtbus.yaml"
        self.catalogue = catalogue.load()
        self._say = say
        self._offset = port_offset
        self._kafka = None if logins else LocalKafka(self.folder / "kafka", brokers=1, port=KAFKA_PORT + port_offset, secure=True)
        self._logins = logins or (self._kafka.settings if self._kafka else lambda _: KafkaSettings())
        self.kafka = self._kafka_settings(OPERATOR)
        self.stores = StoreSettings(folder=self.folder / "stores", url=self._shape.store_url)
        self._twins = self._twins_settings()
        self._schemas = self.folder / "schemas"
        self._portals_folder = self.folder / "portals"
        self.portals = [entry for city in self.catalogue.cities.values() for entry in self._entries(city)]
        self.settings = Settings.model_validate(self._settings_without_offices())
        self.supervisor = Supervisor({CONFIG_VARIABLE: str(self.config), **self._shape.environment}, self.folder / "logs", say)
        self._http = httpx.AsyncClient(timeout=10)
        self._started = ExitStack()

    def _kafka_settings(self, role: str) -> KafkaSettings:
        update = {"replication": self._shape.replication, "session_timeout_s": _SESSION_TIMEOUT_S}
        return self._logins(role).model_copy(update=update)

    def login(self, role: str) -> KafkaSettings:
        """How a role gets in, or the admin, where the brokers know them apart."""
        return self._logins(role)

    def _login_of(self, process: str) -> dict[str, str]:
        """The variables that make a process log in as its role; the file of settings has the operator's login."""
        kafka = self._logins(role_of(process))
        if kafka.user is None or kafka.password_file is None:
            return {}
        return {"STADTBUS_KAFKA__USER": kafka.user, "STADTBUS_KAFKA__PASSWORD_FILE": str(kafka.password_file)}

    def _twins_settings(self) -> TwinsSettings:
        return TwinsSettings(
            control_port=_TWINS.control_port + self._offset,
            first_port=_TWINS.first_port + self._offset,
            password=secrets.token_urlsafe(16),
            folder=self.folder / "twins",
        )

    def _entries(self, city: City) -> list[PortalEntry]:
        """An entry for each route of a city whose adapter runs."""
        author, token = Authority(key=f"kop:{city.ags}", name=f"Portal {city.name}"), secrets.token_urlsafe(32)
        routes = [route for office in city.offices for route in self.catalogue.routes_of(f"{city.city}.{office.id}")]
        return [PortalEntry(f"portal-{city.city}", author, route, token) for route in routes if self._runs(route.office)]

    def _runs(self, process: str) -> bool:
        return self._shape.processes is None or process in self._shape.processes

    def _offices(self) -> dict[str, dict[str, Any]]:
        """The adapters' settings by city and office, as the twins give them; the twins make their SSH host key for that."""
        offices: dict[str, dict[str, Any]] = {}
        for office, settings in Twins(self._twins).office_settings().items():
            city, _, name = office.partition(".")
            offices.setdefault(city, {})[name] = settings | dict(self._shape.office_settings.get(office, {}))
        return offices

    def _ports(self) -> dict[str, int]:
        """Adapters close behind the other processes, so that one offset moves the whole system into a small range."""
        return {office: STATISTICS_PORT + number for number, office in enumerate(self.catalogue.offices, 1)}

    def _settings_without_offices(self) -> dict[str, Any]:
        return {
            "kafka": with_secrets(self.kafka),
            "stores": with_secrets(self.stores),
            "logs": {"level": "info"},
            "http": {"port_offset": self._offset, "ports": self._ports()},
            "schemas": {"folder": str(self._schemas)},
            "gateway": {"portals": str(self._portals_folder)},
            "watch": {"interval_s": _WATCH_INTERVAL_S},
            "twins": with_secrets(self._twins),
        }

    @property
    def gateway_url(self) -> str:
        """Where portals submit."""
        return f"http://127.0.0.1:{api_port_of(self.settings)}"

    @property
    def twins_url(self) -> str:
        """Where the twins show what they hold."""
        return f"http://127.0.0.1:{self._twins.control_port}"

    @property
    def processes(self) -> list[str]:
        """Names of the processes that may be killed: all of Stadtbus, not Kafka and not the twins."""
        return [spec.name for spec in self._specs()]

    def _specs(self) -> list[ProcessSpec]:
        every = ["gateway", *self.catalogue.offices, "audit", "statistics", "watch"]
        return [self.spec(name) for name in every if self._runs(name)]

    def spec(self, name: str) -> ProcessSpec:
        """How to start one process by its name: an office stands for its adapter."""
        arguments = ("adapter", name) if name in self.catalogue.offices else (name,)
        return ProcessSpec(name, ("run", *arguments), f"http://127.0.0.1:{port_of(self.settings, name)}/readyz", self._login_of(name))

    async def start(self, *, fresh: bool) -> None:
        """Start Kafka, create topics, start twins and processes; returns when all work.

        With `fresh`, what the folder holds is deleted, now and by `stop`.

        Raises:
            UsageError: java-missing, maven-missing, port-taken, folder-in-use, earlier-run.
            CannotTell: broker-failed, kafka-unreachable, process-failed.
        """
        self._check_ports()
        self._take_folder(fresh=fresh)
        self._write_schemas()
        self._write_portals()
        self._write_config()
        if self._kafka is not None:
            self._started.callback(self._kafka.stop)
            await asyncio.to_thread(self._kafka.start, outlive=False, say=self._say)
        self._say("creating topics")
        if (admin := self._logins(ADMIN)).user == ADMIN:  # a local one, with users of ours
            await grant(admin, rights(self.catalogue.offices))
        wanted = topics.all_topics(self.catalogue.offices)
        await create_topics(self.kafka, await missing_topics(self.kafka, wanted))
        if await count_records(self.kafka, [topics.submissions(office) for office in self.catalogue.offices]):
            raise UsageError(problems.EARLIER_RUN, "this Kafka holds submissions already", where=self.kafka.bootstrap)
        self._say("starting the twins of the back offices")
        await self.supervisor.start([ProcessSpec("twins", ("run", "twins"), f"{self.twins_url}/readyz")])
        self._say(f"starting {', '.join(self.processes)}")
        await self.supervisor.start(self._specs())

    async def stop(self) -> None:
        """End what was started, in order: processes, then Kafka."""
        await self.supervisor.stop()
        await self._http.aclose()
        await asyncio.to_thread(self._started.close)

    def kill(self, process: str, sig: signal.Signals = signal.SIGKILL) -> None:
        """Send a process a signal, if it runs; if it ends by it, the supervisor starts it again after half a second."""
        pid = self.supervisor.children[process].pid
        if pid is not None:
            with suppress(ProcessLookupError):  # it died in this very moment
                os.kill(pid, sig)

    async def keep_kafka(self) -> None:
        """Start the broker again whenever it has ended, until cancelled; returns at once where Kafka is somebody else's."""
        while self._kafka is not None:
            await asyncio.sleep(_BROKER_LOOK_S)
            if await asyncio.to_thread(self._kafka.pids):
                continue
            self._say("the Kafka broker has ended; it is started again, submissions wait in the outbox meanwhile")
            try:
                await asyncio.to_thread(self._kafka.start_one, 0)
                self._say(f"Kafka answers at {self._kafka.bootstrap} again")
            except StadtbusError as error:
                self._say(f"{error}; tried again soon")

    def portal(self, entry: PortalEntry) -> SyntheticPortal:
        """A client that speaks for this portal."""
        return SyntheticPortal(entry.id, entry.route.office, self.gateway_url, entry.token)

    async def effects(self) -> dict[str, int]:
        """How many effects each twin holds, by office."""
        answer = await self._http.get(f"{self.twins_url}/twins")
        return {office: int(state["effects"]) for office, state in answer.json().items()}

    async def set_mood(self, office: str, mood: str, **more: float) -> None:
        """Tell a twin how to behave from now on; moods, and what more they take, are those of `adapters.twins.control`."""
        answer = await self._http.put(f"{self.twins_url}/twins/{office}/mood", json={"mood": mood} | more)
        answer.raise_for_status()

    async def held(self, office: str) -> list[str]:
        """Submission ids of all effects a twin holds; one that is there twice is here twice."""
        return [submission for submission, _ in await self.effects_since(office, 0)]

    async def effects_since(self, office: str, first: int) -> list[tuple[str, float]]:
        """Effects of a twin in order, from this one on (0 for all): submission id and Unix time."""
        answer = await self._http.get(f"{self.twins_url}/twins/{office}/effects", params={"first": first})
        return [(submission, float(at)) for submission, at in map(str.split, answer.text.splitlines())]

    def _take_folder(self, *, fresh: bool) -> None:
        """Make the folder, and lock it against another system. The lock stands beside it, because the folder may be deleted.

        Raises:
            UsageError: folder-in-use, earlier-run.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        lock = self._started.enter_context(self.folder.with_name(f"{self.folder.name}.lock").open("a"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(problems.FOLDER_IN_USE, str(self.folder)) from None
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
            self._started.callback(shutil.rmtree, self.folder, ignore_errors=True)
        if self.config.exists():
            raise UsageError(problems.EARLIER_RUN, f"{self.folder} holds the data of an earlier run", where=str(self.config))
        self.folder.mkdir(parents=True, exist_ok=True)

    def _write_schemas(self) -> None:
        """Write a schema table whose rows, one per genuine message that offices take, have no schema set: none is shipped with the bus."""
        offices = [office for city in self.catalogue.cities.values() for office in city.offices]
        namespaces = sorted({namespace for office in offices for namespace in getattr(office, "namespaces", ())})
        for namespace in namespaces:
            self._say(f"no schema set for {namespace}: of these messages the header is checked, not the body")
        self._schemas.mkdir(exist_ok=True)
        rows = [{"name": namespace, "namespace": namespace, "schema": "none"} for namespace in namespaces]
        (self._schemas / schema_table.PAGE).write_text(yaml.safe_dump(rows), encoding="utf-8")

    def _write_portals(self) -> None:
        """Write the page of each portal, which may send what its routes take."""
        by_id = {entry.id: entry for entry in self.portals}
        for name, entry in by_id.items():
            routes = [one.route for one in self.portals if one.id == name]
            write_page(self._portals_folder, name, page_of(entry.author, entry.token, routes, self.catalogue))

    def _write_config(self) -> None:
        """Write the settings file that all processes read, for its owner only: it holds the twins' secrets."""
        configuration = self._settings_without_offices() | {"offices": self._offices()}
        self.settings = Settings.model_validate(configuration)
        self.config.touch(mode=0o600)
        self.config.write_text(yaml.safe_dump(configuration, allow_unicode=True, sort_keys=False), encoding="utf-8")

    def _check_ports(self) -> None:
        """Find a port that is taken before anything starts.

        Raises:
            UsageError: port-taken.
        """
        wanted = {"portals": api_port_of(self.settings)} | {name: port_of(self.settings, name) for name in self.processes}
        wanted |= {f"twin {office}": port for office, port in ports(self._twins).items()} | {"twins": self._twins.control_port}
        for name, port in wanted.items():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    raise UsageError(problems.PORT_TAKEN, f"port {port} on 127.0.0.1, needed by {name}") from None
