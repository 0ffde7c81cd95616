"""The local Kafka: it starts, keeps its data, says what is wrong, and never outstays its welcome."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.kafka.jars import jars, java
from infra.kafka.local import LocalKafka
from infra.kafka.local_settings import HOST
from infra.kafka.pids import from_proc, from_ps
from schemas import problems
from schemas.errors import CannotTell, UsageError
from tests.kafka_service import free_port

try:
    java()
except UsageError as error:
    pytest.skip(str(error), allow_module_level=True)


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    """One broker that does not run yet, and is gone after the test."""
    local = LocalKafka(tmp_path, port=free_port(1))
    yield local
    local.stop()


def in_other_process(kafka: LocalKafka, *, outlive: bool, then: str) -> subprocess.Popen[str]:
    """A process that starts this Kafka, says so, and goes on with a statement."""
    program = f"""
        import os, time
        from pathlib import Path
        from infra.kafka.local import LocalKafka
        os.umask(0o077)  # as each command does
        kafka = LocalKafka(Path({str(kafka.data)!r}), port={kafka.bootstrap.rpartition(":")[2]})
        kafka.start(outlive={outlive}, say=lambda text: print(text, flush=True))
        {then}
    """
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)


async def create_topic(bootstrap: str, copies: int) -> None:
    """Create the topic `letters`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("letters", num_partitions=1, replication_factor=copies)])
    await admin.close()


async def write(bootstrap: str, value: bytes) -> None:
    """Put one record there; it is replicated when this returns."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait("letters", value)


async def read(bootstrap: str) -> Any:
    """The first record there."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign([TopicPartition("letters", 0)])
        return (await asyncio.wait_for(consumer.getone(), 10)).value


def test_outlives_its_starter_and_keeps_its_data(kafka: LocalKafka) -> None:
    """A broker started to outlive its starter is seen and stopped from elsewhere, its records are there at the next start, and for nobody else."""
    with in_other_process(kafka, outlive=True, then="") as starter:
        assert starter.wait() == 0
    assert kafka.status().answering == {0}
    asyncio.run(create_topic(kafka.bootstrap, copies=1))
    asyncio.run(write(kafka.bootstrap, b"still here"))
    said: list[str] = []
    assert not kafka.start(outlive=False, say=said.append)
    assert said == [f"Kafka runs already at {kafka.bootstrap}"]
    assert kafka.stop().keys() == {0}
    assert kafka.status().pids == {}
    assert kafka.stop() == {}
    assert [path for path in kafka.data.rglob("*") if path.stat().st_mode & 0o077] == []
    kafka.folder_of(0).chmod(0o755)  # as an earlier version left it
    assert kafka.start(outlive=False, say=said.append)
    assert kafka.folder_of(0).stat().st_mode & 0o077 == 0
    assert asyncio.run(read(kafka.bootstrap)) == b"still here"


def test_gone_with_a_killed_parent(kafka: LocalKafka) -> None:
    """A parent that dies by SIGKILL takes its broker along, and the next start finds the data folder usable."""
    with in_other_process(kafka, outlive=False, then="time.sleep(60)") as parent:
        assert parent.stdout
        while "answers" not in parent.stdout.readline():
            assert parent.poll() is None
        parent.kill()
    deadline = time.monotonic() + 5
    while kafka.status().pids:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert kafka.start(outlive=False, say=print)


def test_failing_start_leaves_nothing(kafka: LocalKafka) -> None:
    """A broker that cannot start is a coded error that names its log; no process, no state and no port stay."""
    broken = kafka.data / "of-1" / "broker-0" / "meta.properties"
    broken.parent.mkdir(parents=True)
    broken.write_text("version=1\ncluster.id=other\nnode.id=7\n", encoding="utf-8")
    with pytest.raises(CannotTell, match=r"log .*broker-0\.log") as caught:
        kafka.start(outlive=True, say=print)
    assert caught.value.problem is problems.BROKER_FAILED
    assert kafka.status().pids == {}
    assert not (kafka.data / "state.json").exists()
    assert not list(ours(kafka))


def ours(kafka: LocalKafka) -> list[str]:
    """The processes that run in a data folder, as brokers and their keepers do, by their folders in /proc."""
    return [str(one) for one in Path("/proc").glob("[0-9]*") if _folder(one) == str(kafka.data)]


def _folder(process: Path) -> str:
    try:
        return str((process / "cwd").readlink())
    except OSError:
        return ""


def test_any_folder_and_any_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the path and the locale, Kafka's data lie in the folder and nowhere beside it, and a broker killed there is told as dead."""
    monkeypatch.setenv("LC_ALL", "C")
    folder = tmp_path / "Büro, Straße 1 = #1: 100% \\n \U0001f68b"
    folder.mkdir()
    kafka = LocalKafka(folder / "kafka", port=free_port(1))
    try:
        kafka.start(outlive=False, say=print)
        assert (set(kafka.status().answering), len(kafka.status().dead), len(ours(kafka))) == ({0}, 0, 2)
        assert (kafka.folder_of(0) / "meta.properties").exists()
        assert list(tmp_path.iterdir()) == [folder]
        kafka.kill(0)
        assert (kafka.status().pids, set(kafka.status().dead)) == ({}, {0})
    finally:
        kafka.stop()
    assert (len(kafka.status().dead), ours(kafka)) == (0, [])


@pytest.mark.parametrize("offset", [0, 50], ids=["client", "controller"])
def test_taken_port(kafka: LocalKafka, offset: int) -> None:
    """A port that another program holds is a coded error that names it, before anything starts."""
    port = int(kafka.bootstrap.rpartition(":")[2]) + offset
    with socket.create_server((HOST, port)), pytest.raises(UsageError, match=str(port)) as caught:
        kafka.start(outlive=False, say=print)
    assert caught.value.problem is problems.PORT_TAKEN
    assert not ours(kafka)


def test_recycled_pid_is_left_alone(kafka: LocalKafka) -> None:
    """A pid in the state file that belongs to another process by now is neither reported nor signalled."""
    (kafka.data / "state.json").write_text(
        f'{{"bootstrap": "{kafka.bootstrap}", "brokers": {{"0": {{"pid": {os.getpid()}, "started": "1"}}}}}}', encoding="utf-8"
    )
    assert kafka.status().pids == {}
    assert kafka.stop() == {}


@pytest.mark.parametrize("look", [from_proc, from_ps])
def test_start_time_of_a_process(look: Callable[[int], tuple[str, str]]) -> None:
    """Both ways to ask the system know a process by its start time, its remains as such, and nothing of one that is gone."""
    with subprocess.Popen(["sleep", "60"]) as process:
        state, began = look(process.pid)
        assert state in "SRD"
        assert began
        process.kill()
        while look(process.pid)[0] != "Z":
            time.sleep(0.01)
    assert look(process.pid) == ("", "")


@pytest.mark.parametrize(
    ("version", "said"), [("11.0.2", "is version 11.0.2"), ("1.8.0_392", "is version 1.8.0_392"), (None, "no java in")]
)
def test_missing_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None, said: str) -> None:
    """Without a Java that is new enough the error says what was found and how to go on."""
    if version:
        fake = tmp_path / "java"
        fake.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2019-01-15' >&2\n", encoding="utf-8")
        fake.chmod(0o755)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=said) as caught:
        java()
    assert caught.value.problem is problems.JAVA_MISSING
    assert "apt-get install" in caught.value.diagnostics()


def test_missing_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maven is asked for only where the jars were never fetched."""
    there = jars(print)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert jars(print) == there
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        jars(print)
    assert caught.value.problem is problems.MAVEN_MISSING
    assert "apt-get install maven" in caught.value.diagnostics()


@pytest.mark.parametrize("change", ["changed", "added", "missing"])
def test_jars_that_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """A jar that is not byte for byte the one that was checked in, one more, or one less: nothing of it runs, and it is named."""
    folder = tmp_path / "stadtbus" / jars(print).name
    folder.mkdir(parents=True)
    for jar in jars(print).iterdir():
        (folder / jar.name).symlink_to(jar)
    victim = folder / "log4j-core-2.25.4.jar"
    named = victim.with_name("evil.jar") if change == "added" else victim
    if change != "added":
        victim.unlink()
    if change != "missing":
        named.write_bytes(b"PK")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UsageError, match=named.name) as caught:
        jars(print)
    assert caught.value.problem == problems.JARS_UNKNOWN


def test_failing_maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fetch that fails names its log and leaves no folder behind."""
    fake = tmp_path / "mvn"
    fake.write_text("#!/bin/sh\necho no route to host\nexit 1\n", encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UsageError, match=r"maven\.log") as caught:
        jars(print)
    assert caught.value.problem is problems.MAVEN_FAILED
    assert (tmp_path / "stadtbus" / "maven.log").read_text(encoding="utf-8") == "no route to host\n"
    assert not [path for path in (tmp_path / "stadtbus").iterdir() if path.is_dir()]


def test_three_brokers_lose_one(cluster: Callable[[], LocalKafka]) -> None:
    """A cluster of three takes records while one broker is dead, and that one comes back."""
    kafka = cluster()
    assert kafka.status().answering == {0, 1, 2}
    asyncio.run(create_topic(kafka.bootstrap, copies=3))
    kafka.kill(1, signal.SIGKILL)
    asyncio.run(write(kafka.bootstrap, b"two of three"))
    assert kafka.status().answering == {0, 2}
    kafka.start_one(1)
    assert kafka.status().answering == {0, 1, 2}


def test_ports_that_are_closed_in_a_moment_are_waited_for(kafka: LocalKafka) -> None:
    """Of a broker that was killed a moment ago the ports may still be open: that ends no start. One that stays taken does."""
    port = int(kafka.bootstrap.rpartition(":")[2])
    with socket.create_server((HOST, port)) as taken:
        threading.Timer(0.5, taken.close).start()
        kafka._check_ports([0])
    with socket.create_server((HOST, port)), pytest.raises(UsageError, match=str(port)):
        kafka._check_ports([0])
