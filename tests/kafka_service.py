"""Where the Kafka of the tests comes from: the environment, else a container, else local processes."""

from __future__ import annotations

import asyncio
import atexit
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from infra.kafka.jars import java, kafka_version
from infra.kafka.local import LocalKafka, views
from infra.kafka.local_settings import BROKERS_OFFSET, CONTROLLER_OFFSET, DETOUR_OFFSET, DETOUR_WAY, HOST, cluster_settings
from infra.settings import KafkaSettings
from schemas.errors import UsageError
from stadtbus.local.system import Logins

GIVEN = "STADTBUS_KAFKA__BOOTSTRAP"
IN_CONTAINER = {
    "process.roles": "broker,controller",
    "node.id": 0,
    "listeners": "CLIENT://:9092,CONTROLLER://:9093",
    "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "CLIENT",
    "controller.listener.names": "CONTROLLER",
    "controller.quorum.voters": "0@localhost:9093",
}
SYSTEM_PORTS: tuple[int, ...] = (*range(8080, 8095), 9092, 9108, 9142, *range(9180, 9195))
SHARE, SPAN = 2_000, 1_200
"""How many ports a run of tests has, and how far those of one system or cluster lie apart at most."""


def is_secure() -> bool:
    """Whether the tests run on brokers with TLS, users and rights; `KAFKA=plain make test` has them run on plain ones."""
    return os.environ.get("KAFKA", "secure") != "plain" and GIVEN not in os.environ and _has_java()


def description() -> str:
    """Which Kafka will serve, in a line for the head of the test report."""
    if given := os.environ.get(GIVEN):
        return f"{given} ({GIVEN})"
    if is_secure():
        return f"local process (Apache Kafka {kafka_version()}, secure; KAFKA=plain for one without)"
    if engine_answers():
        return f"container (Apache Kafka {kafka_version()})"
    if not _has_java():
        return "none, tests that need one are skipped (no Java, and no Docker engine answers)"
    return f"local process (Apache Kafka {kafka_version()}, plain)"


def _has_java() -> bool:
    try:
        java()
    except UsageError:
        return False
    return True


@contextmanager
def served() -> Iterator[Logins]:
    """A Kafka for as long as the block lasts, by how one gets in. Raises UsageError where none can be had."""
    if given := os.environ.get(GIVEN):
        yield lambda _: KafkaSettings(bootstrap=given)
    elif engine_answers() and not is_secure():
        with _container() as bootstrap:
            yield lambda _: KafkaSettings(bootstrap=bootstrap)
    else:
        with tempfile.TemporaryDirectory(prefix="stadtbus-kafka-") as data:
            kafka = LocalKafka(Path(data), port=free_port(1), secure=is_secure())
            kafka.start(outlive=False, say=print)
            try:
                yield kafka.settings
            finally:
                kafka.stop()


@contextmanager
def _container() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - slow to import, seldom needed

    port = free_port(1)
    container = DockerContainer(f"apache/kafka:{kafka_version()}").with_bind_ports(9092, port)
    bootstrap = f"{container.get_container_host_ip()}:{port}"
    for name, value in (cluster_settings(1) | IN_CONTAINER | {"advertised.listeners": f"CLIENT://{bootstrap}"}).items():
        container.with_env("KAFKA_" + name.upper().replace(".", "_"), str(value))
    with container:
        deadline = time.monotonic() + 60
        while not all(asyncio.run(views([bootstrap], KafkaSettings()))):
            assert time.monotonic() < deadline, container.get_logs()
            time.sleep(0.2)
        yield bootstrap


@cache
def engine_answers() -> bool:
    """Whether a Docker engine can run containers here."""
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "version"], capture_output=True, check=False).returncode == 0


def free_port(brokers: int) -> int:
    """A port for `LocalKafka` of this size: it and all those that follow from it are free."""
    while True:
        port = random.choice(_ports())
        if all(
            _is_free(port + n + offset)
            for n in range(brokers)
            for offset in (0, DETOUR_OFFSET, DETOUR_WAY, BROKERS_OFFSET, CONTROLLER_OFFSET)
        ):
            return port


def free_system_offset() -> int:
    """A port offset at which a whole `LocalSystem` finds its ports free."""
    while True:
        offset = random.choice(_ports()) - SYSTEM_PORTS[0]
        if all(_is_free(port + offset) for port in SYSTEM_PORTS):
            return offset


@cache
def _ports() -> range:
    """Ports to begin at, which no other run of tests on this machine takes: a run holds its share as long as it lasts.

    Below 32768, where no outgoing connection takes one meanwhile.
    """
    shares = [range(first, first + SHARE) for first in range(20000, 32000, SHARE)]
    random.shuffle(shares)
    for share in shares:
        holder = socket.socket()
        try:
            holder.bind((HOST, share[-1]))
        except OSError:
            holder.close()
            continue
        atexit.register(holder.close)
        return share[: SHARE - SPAN]
    raise RuntimeError("other runs of the tests hold all ports from 20000 to 32000")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0
