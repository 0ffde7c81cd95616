"""Apache Kafka as local processes, for the demo, for tests and for small trials: one broker, or a cluster of three.

    <data>/state.json             who runs: pid and start time of each broker
    <data>/logs/broker-0.log      what a broker printed, all runs one after the other
    <data>/of-1/, <data>/of-3/    what the cluster of one and the cluster of three keep; they share nothing
    <data>/of-1-secure/, ...      the same of secure ones, with their certificates and passwords in `security/`

Brokers run in the data folder, and all that they are told lies below it: whatever its own path has in it (blanks, umlauts, commas, `#`) never gets
into a file or a list of Kafka's, where it would mean something else. Everything listens on 127.0.0.1. Functions block and start an event loop of their own: from async code call them through `asyncio.to_thread`.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from infra.kafka.jars import jars, java, locked, of_java
from infra.kafka.local_security import ADMIN, BROKER, LocalSecurity, write_private
from infra.kafka.local_settings import BROKERS_OFFSET, CONTROLLER_OFFSET, DETOUR_OFFSET, DETOUR_WAY, HOST, broker_settings, secured
from infra.kafka.login import hang_up, login_options
from infra.kafka.pids import send, started, wait_for_end
from infra.private_files import keep_private
from infra.settings import KafkaSettings
from schemas import problems
from schemas.errors import CannotTell, UsageError

READY_LIMIT: Final = 60.0  # seconds; on two cores one broker takes 3, the first start of three takes 10
STOP_LIMIT: Final = 20.0  # seconds from SIGTERM to SIGKILL
POLL: Final = 0.1  # seconds between two looks
PORT_PATIENCE: Final = 3.0  # seconds; what was just killed closes its ports a moment after it is gone
ANSWER_LIMIT: Final = 5.0  # seconds for one question to a broker
JVM: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # small and quick to start; nobody measures throughput here

# The shell that keeps one broker: starts it, tells its pid, waits for a line. A line lets the broker go on alone. The end of the pipe
# without one means that whoever started it is gone, SIGKILL included, and the shell ends its process group: the broker and itself.
# The kernel's parent-death signal would not do: it fires when the starting thread ends, and Linux alone has it.
# SIGKILL is fair: the log survives it, and the next start finds the ports free.
KEEPER: Final = '"$@" </dev/null >&2 & echo $!; read -r _ || kill -KILL 0'


@dataclass(frozen=True, slots=True)
class Status:
    """What runs on a data folder. `pids` has the brokers with a live process, `answering` those that clients can use, `dead` those that were
    started, not stopped, and have no process any more.
    """

    bootstrap: str
    pids: dict[int, int]
    answering: frozenset[int]
    dead: frozenset[int]
    logs: Path


class LocalKafka:
    """One local Kafka: its data folder, 1 or 3 brokers, and the port of broker 0 (broker n has `port + n`).

    Brokers are controllers too; as such they listen on `port + 50 + n`. Data stays between runs, per size of the cluster.
    With a `detour`, clients may be led through somebody who listens on `port + 20 + n` and passes on to `port + 10 + n`.
    A `secure` one speaks TLS and knows its users (`local_security`, `rights`); its brokers speak with one another on `port + 30 + n`.
    """

    def __init__(self, data: Path, brokers: int = 1, port: int = 9092, *, detour: bool = False, secure: bool = False) -> None:
        """Starts nothing.

        Raises:
            UsageError: settings-invalid, where it is neither 1 broker nor 3.
        """
        if brokers not in (1, 3):
            raise UsageError(problems.SETTINGS, f"a local Kafka has 1 or 3 brokers, not {brokers}")
        self.data = data.absolute()
        self.logs = self.data / "logs"
        self._home = self.data / (f"of-{brokers}-secure" if secure else f"of-{brokers}")
        self._state = self.data / "state.json"
        self._numbers = range(brokers)
        self._port = port
        self._detour = detour
        self._keepers: dict[int, subprocess.Popen[str]] = {}
        self.security = LocalSecurity(self._home / "security", self.bootstrap, brokers) if secure else None

    @property
    def bootstrap(self) -> str:
        """Addresses for clients, comma separated."""
        return ",".join(self._addresses(self._numbers))

    @property
    def detour(self) -> dict[int, int]:
        """Ports of the detour: where clients come -> where the broker listens for them."""
        return {self._port + DETOUR_WAY + number: self._port + DETOUR_OFFSET + number for number in self._numbers if self._detour}

    def port_of(self, number: int) -> int:
        """Where clients find a broker."""
        return self._port + number

    def folder_of(self, number: int) -> Path:
        """Where a broker keeps its data."""
        return self._home / f"broker-{number}"

    def _addresses(self, numbers: Collection[int]) -> list[str]:
        return [f"{HOST}:{self.port_of(number)}" for number in numbers]

    def settings(self, user: str) -> KafkaSettings:
        """How a role of `rights`, or `local_security.ADMIN`, gets in; without security all are the same."""
        return self.security.settings(user) if self.security else KafkaSettings(bootstrap=self.bootstrap, replication=len(self._numbers))

    def _views(self, numbers: Collection[int]) -> list[frozenset[int]]:
        """As `views`, of these brokers, whatever certificates they show to clients."""
        if self.security is None:
            return asyncio.run(views(self._addresses(numbers), KafkaSettings()))
        addresses = [f"{HOST}:{self.port_of(number) + BROKERS_OFFSET}" for number in numbers]
        return asyncio.run(views(addresses, self.security.of_brokers(addresses[0])))

    def start(self, *, outlive: bool, say: Callable[[str], None]) -> bool:
        """Start the brokers that do not run, and return when clients can work; False when all ran already.

        With `outlive` they go on after this process. Without it they end with this object at the latest, however this process ends.
        When the start fails, the brokers it started are gone.

        Raises:
            UsageError: java-missing, maven-missing, maven-failed, port-taken; settings-invalid when a Kafka of another shape runs there.
            CannotTell: broker-failed.

        """
        with locked(self.data / "lock"):
            running = self._running()
            if running and self._shape() != {name: self._read().get(name, False) for name in self._shape()}:
                raise UsageError(
                    problems.SETTINGS, f"{self.data} is in use by another Kafka, at {self._read()['bootstrap']}; stop it first"
                )
            missing = [n for n in self._numbers if n not in running]
            if not missing:
                say(f"Kafka runs already at {self.bootstrap}")
                return False
            self._launch(missing, say)
            if outlive:
                self._release(missing, alive=True)
        say(f"Kafka answers at {self.bootstrap}")
        return True

    def stop(self) -> dict[int, int]:
        """Stop the brokers that run on the data folder, whoever started them and with whatever shape; the pids of those that ran."""
        with locked(self.data / "lock"):
            pids = self._running()
            for pid in pids.values():
                send(pid, signal.SIGTERM)
                send(pid, signal.SIGCONT)  # one that a test has halted has to wake up for its end
            wait_for_end(pids.values(), STOP_LIMIT)
            self._release(list(self._keepers), alive=True)
            self._forget()
        return pids

    def status(self) -> Status:
        """What runs on the data folder and whether it answers."""
        state = self._read()
        pids = _alive(state)
        bootstrap = state.get("bootstrap", self.bootstrap)
        port = int(bootstrap.partition(",")[0].rpartition(":")[2])
        there = LocalKafka(self.data, bootstrap.count(",") + 1, port, secure=state.get("secure", False))
        known = there._views(pids)
        answering = frozenset(number for number, view in zip(pids, known, strict=True) if number in view)
        return Status(bootstrap, pids, answering, frozenset(map(int, state["brokers"])) - pids.keys(), self.logs)

    def pids(self) -> dict[int, int]:
        """The brokers with a live process, without asking whether they answer."""
        return self._running()

    def start_one(self, number: int) -> None:
        """Start one broker again after `kill`; returns when it is back in the cluster. It ends with this object.

        Raises:
            UsageError: as `start`.
            CannotTell: as `start`.

        """
        with locked(self.data / "lock"):
            self._launch([number], lambda _: None)

    def kill(self, number: int, sig: signal.Signals = signal.SIGKILL) -> None:
        """Send a broker that runs a signal; returns when it is dead, except after SIGSTOP and SIGCONT."""
        pid = self._running()[number]
        os.kill(pid, sig)
        if sig not in (signal.SIGSTOP, signal.SIGCONT):
            wait_for_end([pid], STOP_LIMIT)

    def _launch(self, numbers: list[int], say: Callable[[str], None]) -> None:
        command = [str(java()), *JVM, f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties').as_uri()}"]
        self._check_ports(numbers)
        command += ["-cp", f"{jars(say)}/*"]
        self.logs.mkdir(exist_ok=True)
        keep_private([self.logs, self._home, *map(self.folder_of, numbers)])
        try:
            for number in numbers:
                self._write_settings(number)
                self._format(number, command)
            for number in numbers:
                self._spawn(number, command)
            self._wait_until_ready(numbers)
        except BaseException:
            self._release(numbers, alive=False)
            self._forget()
            raise

    def _check_ports(self, numbers: list[int]) -> None:
        """Of a broker that was just killed the ports are closed a moment after it is gone, so they are waited for."""
        more = [(self._detour, DETOUR_OFFSET), (self.security is not None, BROKERS_OFFSET)]
        offsets = [0, CONTROLLER_OFFSET, *(offset for wanted, offset in more if wanted)]
        deadline_s = time.monotonic() + PORT_PATIENCE
        for port in (self._port + number + offset for number in numbers for offset in offsets):
            while (error := _refusal_of(port)) is not None:
                if time.monotonic() > deadline_s:
                    raise UsageError(problems.PORT_TAKEN, f"port {port} on {HOST}, needed by the local Kafka: {error}")
                time.sleep(POLL)

    def _write_settings(self, number: int) -> None:
        folder = self._below(self.folder_of(number))
        settings = broker_settings(number, self._numbers, self._port, folder, detour=self._detour)
        self._home.mkdir(exist_ok=True)
        if self.security is not None:
            self.security.make()
            address = f"{HOST}:{self.port_of(number) + BROKERS_OFFSET}"
            settings = secured(settings, address, self._below(self.security.folder), (f"CN={BROKER}", ADMIN))
        self._settings(number).write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="ascii")

    def _below(self, path: Path) -> str:
        return str(path.relative_to(self.data))

    def _settings(self, number: int) -> Path:
        return self._home / f"broker-{number}.properties"

    def _log(self, number: int) -> Path:
        return self.logs / f"broker-{number}.log"

    def _format(self, number: int, command: list[str]) -> None:
        if (self.folder_of(number) / "meta.properties").exists():
            return
        tool = [*command, "kafka.tools.StorageTool", "format", "--cluster-id", self._cluster_id(), "--config"]
        tool.append(self._below(self._settings(number)))
        if self.security is not None:
            users = self.security.folder / "format.arguments"
            write_private(users, "\n".join(self.security.format_arguments()).encode())
            tool.append(f"@{self._below(users)}")
        with self._log(number).open("ab") as log:
            done = subprocess.run(  # noqa: S603 - our own command
                tool, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False, cwd=self.data, env=of_java()
            )
        if done.returncode:
            raise self._failed(number, "could not format its folder")

    def _cluster_id(self) -> str:
        """One id for all brokers, kept apart from them: a format that broke off goes on with the same."""
        file = self._home / "cluster-id"
        if not file.exists():
            file.write_text(secrets.token_hex(11), encoding="utf-8")  # as long as Kafka's own; those may begin with "-", like an option
        return file.read_text(encoding="utf-8")

    def _spawn(self, number: int, command: list[str]) -> None:
        broker = [*command, "kafka.Kafka", self._below(self._settings(number))]
        with self._log(number).open("ab") as log:
            keeper = subprocess.Popen(  # noqa: S603 - our own command
                ["/bin/sh", "-c", KEEPER, "keeper", *broker],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self.data,
                env=of_java(),
                start_new_session=True,  # Ctrl-C at the terminal is for us; we then stop the brokers in order
            )
        self._release([number], alive=True)  # the keeper of a broker that was killed
        self._keepers[number] = keeper
        assert keeper.stdout  # noqa: S101 - it is a pipe
        self._remember(number, int(keeper.stdout.readline()))

    def _release(self, numbers: Collection[int], *, alive: bool) -> None:
        """Part from brokers that this object started: they go on alone, or are gone when this returns."""
        for number in numbers:
            if keeper := self._keepers.pop(number, None):
                keeper.communicate("go on alone\n" if alive else "")
        if not alive:
            wait_for_end([pid for number, pid in self._running().items() if number in numbers], STOP_LIMIT)

    def _wait_until_ready(self, numbers: list[int]) -> None:
        deadline = time.monotonic() + READY_LIMIT
        while not all(view.issuperset(numbers) for view in self._views(numbers)):
            for number in sorted(set(numbers) - self._running().keys()):
                raise self._failed(number, "ended while it started")
            if time.monotonic() > deadline:
                raise self._failed(numbers[0], f"was not ready after {READY_LIMIT:.0f} s")
            time.sleep(POLL)

    def _failed(self, number: int, what: str) -> CannotTell:
        log = self._log(number)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        telling = [line for line in lines if line and not line[0].isspace()]  # a stack trace is indented
        last = telling[-1] if telling else "nothing"
        return CannotTell(problems.BROKER_FAILED, f"broker {number} {what}; log {log} ends with: {last}", where=str(log))

    def _read(self) -> dict[str, Any]:
        state: dict[str, Any] = {"brokers": {}}
        with suppress(FileNotFoundError):
            try:
                state = json.loads(self._state.read_text(encoding="utf-8"))
                _alive(state)
            except (ValueError, TypeError, KeyError, AttributeError):
                what = "this does not say which brokers run: if none does, remove it"
                raise UsageError(problems.PATH_UNUSABLE, what, where=str(self._state)) from None
        return state

    def _remember(self, number: int, pid: int) -> None:
        brokers = self._read()["brokers"] | {str(number): {"pid": pid, "started": started(pid)}}
        draft = self._state.with_suffix(".new")
        draft.write_text(json.dumps({**self._shape(), "brokers": brokers}), encoding="utf-8")
        draft.replace(self._state)

    def _shape(self) -> dict[str, Any]:
        return {"bootstrap": self.bootstrap, "secure": self.security is not None}

    def _forget(self) -> None:
        if not self._running():
            self._state.unlink(missing_ok=True)

    def _running(self) -> dict[int, int]:
        return _alive(self._read())


def _refusal_of(port: int) -> str | None:
    """Why nobody can listen there; None where it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Kafka does: connections that just closed are no hindrance
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.strerror or type(error).__name__
    return None


def _alive(state: dict[str, Any]) -> dict[int, int]:
    """Brokers with a live process, and its pid. A pid that somebody else has by now does not count."""
    return {int(number): one["pid"] for number, one in state["brokers"].items() if started(one["pid"]) == one["started"] != ""}


async def views(addresses: Collection[str], settings: KafkaSettings) -> list[frozenset[int]]:
    """For each address in turn: the brokers that the broker there knows as usable; none when it does not answer. `settings` say how to get in."""
    return await asyncio.gather(*(_view(address, login_options(settings)) for address in addresses))


async def _view(address: str, options: dict[str, Any]) -> frozenset[int]:
    # One connection instead of a client: to a client a broker that is not up yet is an error that it logs.
    host, _, port = address.partition(":")
    connection = None
    try:
        async with asyncio.timeout(ANSWER_LIMIT):
            connection = await create_conn(host, int(port), **options)
            metadata = await connection.send(MetadataRequest([]))
    except (KafkaError, OSError):
        return frozenset()
    finally:
        if connection:
            await hang_up(connection)
    return frozenset(broker[0] for broker in metadata.brokers)
