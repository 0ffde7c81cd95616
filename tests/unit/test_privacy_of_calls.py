"""What a caller writes around a message leaves no trace: a real gateway, real sockets, everything that it writes and shows."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import pytest

from producers.synthetic.rights import write_page
from tests.calls import VALID, VALID_JSON
from tests.gateway import PORTALS, TOKENS
from tests.http_door import everything
from tests.kafka_service import free_port

ROOT: Final = Path(__file__).parents[2]
CANARY: Final = "zqkanari"
LIMIT_S: Final = 30
LOGIN: Final = f"Authorization: Bearer {TOKENS['portal']}\r\n"
CALLS: Final = {
    "name of a header": ("POST /v1/submissions", f"X-{CANARY}: 1\r\n", VALID),
    "value of a header": ("POST /v1/submissions", f"X-A: {CANARY}\r\nCookie: {CANARY}={CANARY}\r\nUser-Agent: {CANARY}\r\n", VALID),
    "forwarded": ("POST /v1/submissions", f"Forwarded: for={CANARY}\r\nX-Forwarded-For: {CANARY}\r\nReferer: {CANARY}\r\n", VALID),
    "host": ("POST /v1/submissions", f"X-Forwarded-Host: {CANARY}\r\n", VALID),
    "query": (f"POST /v1/submissions?{CANARY}={CANARY}", "", VALID),
    "path": (f"POST /v1/{CANARY}", "", VALID),
    "path of a status": (f"GET /v1/submissions/{CANARY}", "", b""),
    "method": (f"{CANARY.upper()} /v1/submissions", "", b""),
    "version": (f"GET / HTTP/{CANARY}\r\nX: 1", "", b""),
    "trace": ("POST /v1/submissions", f"traceparent: 00-{CANARY}-1-01\r\ntracestate: {CANARY}=1\r\nbaggage: {CANARY}={CANARY}\r\n", VALID),
    "type": ("POST /v1/submissions", f"Content-Type: application/{CANARY}\r\n", VALID),
    "parameter of a type": ("POST /v1/submissions", f"Content-Type: application/json; {CANARY}={CANARY}\r\n", VALID_JSON),
    "coding": ("POST /v1/submissions", f"Content-Encoding: {CANARY}\r\n", VALID),
    "accepted types": ("POST /v1/submissions", f"Accept: application/{CANARY}\r\nAccept-Language: {CANARY}\r\n", VALID),
    "what is declared": (
        "POST /v1/submissions",
        f"Stadtbus-Case: {CANARY}\r\nStadtbus-Trust: {CANARY}\r\nStadtbus-Service: {CANARY}\r\n",
        VALID,
    ),
    "member of a form": (
        "POST /v1/submissions",
        "Content-Type: application/json\r\n",
        VALID_JSON[:-1] + f', "{CANARY}": "{CANARY}"}}'.encode(),
    ),
    "broken form": ("POST /v1/submissions", "Content-Type: application/json\r\n", f'{{"{CANARY}": {CANARY}'.encode()),
    "broken header": ("POST /v1/submissions", f"{CANARY} {CANARY}\r\n", VALID),
    "scheme of a login": ("GET /v1/submissions/1", f"Authorization: {CANARY} {CANARY}\r\n", b""),
}
"""Request line, headers and body of calls; a login is added where none is there."""


@dataclass
class Running:
    """A gateway without Kafka, and what was answered to it."""

    folder: Path
    api: int
    operators: int
    answers: dict[str, bytes] = field(default_factory=dict)

    def send(self, name: str) -> None:
        """One call, by a connection of its own."""
        line, headers, body = CALLS[name]
        version = "" if "HTTP/" in line else " HTTP/1.1"
        login = "" if "Authorization" in headers else LOGIN
        kind = "" if "Content-Type" in headers or not body else "Content-Type: application/xml\r\n"
        head = f"{line}{version}\r\nHost: x\r\nConnection: close\r\n{login}{kind}{headers}Content-Length: {len(body)}\r\n\r\n"
        with closing(_connected(self.api)) as caller:
            caller.sendall(head.encode() + body)
            self.answers[name] = everything(caller)[0]

    def columns(self) -> str:
        """Every column of the outbox but the content."""
        with closing(sqlite3.connect(self.folder / "stores/outbox.sqlite")) as connection:
            names = [row[1] for row in connection.execute("PRAGMA table_info(submission)") if row[1] != "content"]
            return str(connection.execute(f"SELECT {', '.join(names)} FROM submission").fetchall())  # noqa: S608 - names of columns


def _connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One gateway for all calls; it has ended when its log is read."""
    folder = tmp_path_factory.mktemp("gateway")
    for name, settings in PORTALS.items():
        write_page(folder / "portals", name, settings)
    gateway = Running(folder, free_port(1), free_port(1))
    environment = os.environ | {
        "STADTBUS_GATEWAY__PORTALS": str(folder / "portals"),
        "STADTBUS_STORES__FOLDER": str(folder / "stores"),
        "STADTBUS_KAFKA__BOOTSTRAP": f"127.0.0.1:{free_port(1)}",
        "STADTBUS_LOGS__LEVEL": "debug",
    }
    call = [sys.executable, "-m", "stadtbus", "run", "gateway", "--port", str(gateway.api), "--operator-port", str(gateway.operators)]
    with (folder / "log").open("wb") as log, subprocess.Popen(call, env=environment, cwd=ROOT, stderr=log, stdout=log) as process:
        try:
            _wait_for(gateway.operators)
            yield gateway
        finally:
            process.terminate()
            process.wait(LIMIT_S)


def _wait_for(port: int) -> None:
    end_s = time.monotonic() + LIMIT_S
    while True:
        try:
            _connected(port).close()
        except OSError:
            assert time.monotonic() < end_s
            time.sleep(0.1)
        else:
            return


@pytest.mark.parametrize("name", CALLS)
def test_an_answer_tells_nothing_back(running: Running, name: str) -> None:
    """Whatever the call is: it is answered without a word of the caller's own; only of a form names of members are told."""
    running.send(name)
    assert running.answers[name].startswith(b"HTTP/1.1 ")
    assert (CANARY in running.answers[name].decode().lower()) == (name == "member of a form")


def test_nothing_stays(running: Running) -> None:
    """After all of them: not in the log, not in figures and health, and of the outbox not in any column beside the content."""
    assert len(running.answers) == len(CALLS)
    taken = [name for name, answer in running.answers.items() if answer.startswith(b"HTTP/1.1 202")]
    assert {"name of a header", "query", "trace", "parameter of a type"} <= set(taken)
    pages = [httpx.get(f"http://127.0.0.1:{running.operators}{path}").text for path in ("/metrics", "/readyz", "/livez")]
    log = (running.folder / "log").read_text("utf-8")
    assert '"event": "security"' in log
    assert [place for place in (log, running.columns(), *pages) if CANARY in place.lower()] == []
