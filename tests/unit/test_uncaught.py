"""Whatever a library or the system raises: a command ends with a coded error, and never with the exit code of findings."""

from __future__ import annotations

import errno
import socket
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaConnectionError, KafkaTimeoutError

from infra.kafka.client_errors import in_our_words
from infra.settings import KafkaSettings
from producers.synthetic.rights import write_page
from schemas.errors import CannotTell
from tests.command_line import Command
from tests.gateway import PORTALS


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
        write_page(tmp_path / "portals", "p", PORTALS["portal"])
        monkeypatch.setenv("STADTBUS_GATEWAY__PORTALS", str(tmp_path / "portals"))
        code, _, error = stadtbus("run", process)
    assert (code, "port-taken" in error, "twins.control_port" in error) == (2, True, True)


@pytest.mark.parametrize(
    ("raised", "code"),
    [(KafkaConnectionError(), "kafka-unreachable"), (TimeoutError(), "kafka-unreachable"), (KafkaTimeoutError(), "kafka-failed")],
)
async def test_kafka_speaks_in_our_words(raised: Exception, code: str) -> None:
    """What Kafka's client raises to whoever looks from outside has a code."""
    with pytest.raises(CannotTell) as error:
        async with in_our_words(KafkaSettings(bootstrap="127.0.0.1:1")):
            raise raised
    assert error.value.problem.code == code
