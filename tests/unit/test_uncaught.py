"""Whatever a library or the system raises: a command ends with a coded error, and never with the exit code of findings."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaConnectionError, KafkaTimeoutError

from infra.kafka.client_errors import in_our_words
from infra.settings import KafkaSettings
from schemas.errors import CannotTell
from tests.command_line import Command


def full() -> sa.exc.OperationalError:
    """As SQLite raises it when its disk is full, with a statement that quotes a row."""
    cause = sqlite3.OperationalError("database or disk is full: Maier")
    cause.sqlite_errorname = "SQLITE_FULL"
    return sa.exc.OperationalError("INSERT Maier", {}, cause)


@pytest.mark.parametrize(
    ("raised", "code", "exit_code", "named"),
    [
        pytest.param(PermissionError(errno.EACCES, "Permission denied", "/srv/bus"), "path-unusable", 2, "/srv/bus", id="no rights"),
        pytest.param(OSError(errno.EROFS, "Read-only file system", "/srv/bus"), "path-unusable", 2, "/srv/bus", id="read only"),
        pytest.param(NotADirectoryError(errno.ENOTDIR, "Not a directory", "a/b"), "path-unusable", 2, "a/b", id="file for a folder"),
        pytest.param(OSError(errno.ENOSPC, "No space left on device"), "system-refuses", 3, "No space left", id="disk full"),
        pytest.param(OSError(errno.EMFILE, "Too many open files"), "system-refuses", 3, "Too many open files", id="files"),
        pytest.param(OSError(errno.EADDRINUSE, "Address already in use"), "port-taken", 2, "already in use", id="port"),
        pytest.param(KafkaTimeoutError(), "kafka-failed", 3, "KafkaTimeoutError", id="Kafka's own time-out"),
        pytest.param(GroupCoordinatorNotAvailableError(), "kafka-failed", 3, "GroupCoordinatorNotAvailable", id="no coordinator"),
        pytest.param(TimeoutError(), "kafka-failed", 3, "in time", id="time-out"),
        pytest.param(full(), "store-failed", 3, "SQLITE_FULL", id="store"),
        pytest.param(KeyError("Maier"), "command-broken", 3, "KeyError", id="a mistake of ours"),
    ],
)
def test_no_crash_ends_with_the_code_of_findings(
    stadtbus: Command, monkeypatch: pytest.MonkeyPatch, raised: Exception, code: str, exit_code: int, named: str
) -> None:
    """Whatever comes out of a command has a code, says what to do, quotes no value, and is exit code 2 or 3."""

    def fail() -> None:
        raise raised

    monkeypatch.setattr("stadtbus.settings.load", fail)
    ended, output, error = stadtbus("lag")
    assert (ended, output, f"({code})" in error, "next:" in error, "Maier" in error) == (exit_code, "", True, True, False)
    assert named in " ".join(error.split())


@pytest.mark.parametrize("command", [["kafka", "start", "--data", "file"], ["demo", "--keep", "file/demo"], ["run", "twins"]])
def test_a_file_where_a_folder_has_to_be(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str]) -> None:
    """A path that cannot be used is named with a code, exit code 2, and no traceback."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("STADTBUS_TWINS__FOLDER", str(tmp_path / "file" / "twins"))
    code, _, error = stadtbus(*command)
    assert (code, "path-unusable" in error, "Traceback" in error) == (2, True, False)
    assert str(tmp_path / "file") in error


def test_kafka_without_a_home(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user without a home folder is told where Kafka's jars can go instead."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def nowhere(_: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", classmethod(nowhere))
    monkeypatch.setattr("infra.kafka.local.java", lambda: Path("/bin/true"))
    code, _, error = stadtbus("kafka", "start", "--data", str(tmp_path / "kafka"), "--port", "29092")
    assert (code, "XDG_CACHE_HOME" in error) == (2, True)


@pytest.mark.parametrize(
    "bootstrap", ["127.0.0.1:abc", "127.0.0.1:0", "127.0.0.1:70000", "kafka-1:9092,", "http://kafka:9092", "a b:9092", "u:hush@k:9092", ""]
)
@pytest.mark.parametrize("command", [["config", "check"], ["lag"], ["run", "audit"]])
def test_addresses_of_brokers_are_checked(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, bootstrap: str, command: list[str]) -> None:
    """What is no address of a broker is a wrong setting, named before anybody connects; its text is not quoted."""
    monkeypatch.setenv("STADTBUS_KAFKA__BOOTSTRAP", bootstrap)
    code, _, error = stadtbus(*command)
    assert (code, "kafka.bootstrap" in error, "hush" in error) == (2, True, False)


@pytest.mark.parametrize(
    "bootstrap", ["kafka", "kafka-1:9092,kafka-2:9092", "[::1]:9092", "10.0.0.1:9092, 10.0.0.2:9092", "büro.example:1"]
)
def test_addresses_that_are_right(bootstrap: str) -> None:
    """Names, numbers, IPv6 in brackets, several, with or without a port."""
    assert KafkaSettings(bootstrap=bootstrap).bootstrap == bootstrap


@pytest.mark.parametrize("process", ["gateway", "twins"])
def test_taken_port_of_a_process_is_named(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, process: str) -> None:
    """A process whose port is taken ends with `port-taken`, and is told an option or setting that it has."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        monkeypatch.setenv("STADTBUS_GATEWAY__PORT", port)
        monkeypatch.setenv("STADTBUS_TWINS__CONTROL_PORT", port)
        monkeypatch.setenv("STADTBUS_TWINS__FIRST_PORT", "0")
        monkeypatch.setenv("STADTBUS_STORES__FOLDER", str(tmp_path / "stores"))
        monkeypatch.setenv("STADTBUS_PORTALS__P__NAME", "P")
        monkeypatch.setenv("STADTBUS_PORTALS__P__AUTHORITY", "kop:09162000")
        monkeypatch.setenv("STADTBUS_PORTALS__P__TOKEN_SHA256", "0" * 64)
        code, _, error = stadtbus("run", process)
    assert (code, "port-taken" in error, "twins.control_port" in error) == (2, True, True)


SECRETS = [
    "postgresql+psycopg://bus:hush@db/bus",
    "postgresql+psycopg://bus:hu%73h@/bus?host=db-1:5432&host=db-2:5432&target_session_attrs=read-write",
    "postgresql+psycopg://bus:a/b:c?hush@db/bus",
    "postgresql+psycopg:///bus?host=db&user=bus&password=hush",
    "postgresql+psycopg://db/bus?sslmode=require&sslpassword=hush&p%61ssword=hush",
    "postgresql+psycopg://db/bus?application_name=bus;password=hush",
]


@pytest.mark.parametrize("url", SECRETS)
def test_a_database_password_is_never_shown(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """In whatever form a URL of a database carries a password, neither `config show` nor an error prints it."""
    monkeypatch.setenv("STADTBUS_STORES__URL", url)
    code, output, error = stadtbus("config", "show")
    assert (code, '"url": "' in output) == (0, True)
    code, *more = stadtbus("trace", "3f2b6c1e-9d0a-4c55-8b1e-0f7a5d2c9e11")
    said = "".join((output, error, *more))
    assert (code in (2, 3), [secret for secret in ("hush", "hu%73h", "a/b", "b:c") if secret in said]) == (True, [])


@pytest.mark.parametrize("url", ["bus:hush@db/bus", "mysql://bus:hush@db/bus", "postgresql+psycopg://bus:hush@db:abc/bus", "", "hush"])
def test_what_is_no_url_of_a_postgresql(stadtbus: Command, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """It is a wrong setting, told before anything connects, and not quoted."""
    monkeypatch.setenv("STADTBUS_STORES__URL", url)
    for command in (["config", "show"], ["trace", "3f2b6c1e-9d0a-4c55-8b1e-0f7a5d2c9e11"], ["config", "check"]):
        code, output, error = stadtbus(*command)
        assert (code, output, "stores.url" in error, "hush" in error) == (2, "", True, False)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"- a\n- b\n", "names with values"),
        (b"just text", "names with values"),
        (b"\xff\xfe", "not"),
        (b"a: " + b"[" * 3_000, "nested too deeply"),
    ],
    ids=["list", "text", "bytes", "deep"],
)
def test_files_that_are_no_settings(stadtbus: Command, tmp_path: Path, content: bytes, said: str) -> None:
    """Whatever the file holds, it is named, in our words."""
    (tmp_path / "c.yaml").write_bytes(content)
    code, output, error = stadtbus("--config", "c.yaml", "config", "check")
    assert (code, output, "settings-invalid" in error, "c.yaml" in error, said in error) == (2, "", True, True, True)


@pytest.mark.parametrize("state", ["{broken", "[]", "{}", '{"brokers": {"0": {}}}'])
@pytest.mark.parametrize("command", ["status", "stop", "start"])
def test_a_broken_note_of_brokers(stadtbus: Command, tmp_path: Path, command: str, state: str) -> None:
    """Who runs cannot be told from a broken file; it is named, and nothing is started or ended by guess."""
    (tmp_path / "state.json").write_text(state, encoding="utf-8")
    code, _, error = stadtbus("kafka", command, "--data", str(tmp_path))
    assert (code, "path-unusable" in error, str(tmp_path / "state.json") in error) == (2, True, True)


@pytest.mark.parametrize(
    "command", [["kafka", "start", "--port", "99999"], ["run", "audit", "--port", "0"], ["run", "audit", "--port", "70000"]]
)
def test_ports_that_there_are_not(stadtbus: Command, command: list[str]) -> None:
    """A number that is no port is a wrong call."""
    assert stadtbus(*command)[0] == 2


def test_harmless_parts_of_a_database_url_are_shown(stadtbus: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Host, user, database and TLS mode are what one looks for."""
    monkeypatch.setenv("STADTBUS_STORES__URL", "postgresql+psycopg://bus:hush@db:5432/bus?sslmode=require&options=x")
    _, output, _ = stadtbus("config", "show")
    assert "postgresql+psycopg://bus:***@db:5432/bus?sslmode=require&options=***" in output


@pytest.mark.parametrize("command", [["config", "show"], ["--help"], ["config", "check"], ["catalogue", "check"]])
def test_output_that_takes_ascii_only(tmp_path: Path, command: list[str]) -> None:
    """Where a terminal or pipe takes ASCII only, letters beyond it are escaped; nothing fails, and JSON stays what it was."""
    (tmp_path / "c.yaml").write_text("portals: {p: {name: Büro, authority: 'kop:1', token_sha256: '" + "0" * 64 + "'}}", encoding="utf-8")
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[2])}
    call = [sys.executable, "-m", "stadtbus", "--config", str(tmp_path / "c.yaml"), *command]
    done = subprocess.run(call, capture_output=True, env=environment, cwd=tmp_path, check=False)
    assert (done.returncode, b"Traceback" in done.stderr, (done.stdout + done.stderr).isascii()) == (0, False, True)


@pytest.mark.parametrize(
    ("raised", "code"),
    [(KafkaConnectionError(), "kafka-unreachable"), (TimeoutError(), "kafka-unreachable"), (KafkaTimeoutError(), "kafka-failed")],
)
def test_kafka_speaks_in_our_words(raised: Exception, code: str) -> None:
    """What Kafka's client raises to whoever looks from outside has a code."""
    with pytest.raises(CannotTell) as error, in_our_words(KafkaSettings()):
        raise raised
    assert error.value.problem.code == code


def test_log_lines_are_not_among_the_output(stadtbus: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command prints its result; what parts of the bus log meanwhile would make `--json` unreadable."""

    async def noisy(*_: object) -> list[object]:
        structlog.get_logger().warning("topic_differs", topic="x")
        logging.getLogger("aiokafka").error("x")
        return []

    monkeypatch.setattr("infra.kafka.admin.missing_topics", noisy)
    monkeypatch.setattr("infra.kafka.differences.find", noisy)
    try:
        assert stadtbus("topics", "plan", "--json") == (0, '{\n  "missing": [],\n  "differences": []\n}\n', "")
    finally:
        structlog.reset_defaults()
