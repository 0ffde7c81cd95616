"""The gateway as it runs, without Kafka: what portals reach, what operators reach, and neither keeps the other out."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests import certificates
from tests.calls import VALID
from tests.gateway import PORTALS, TOKENS, XML, register_of
from tests.kafka_service import free_port

ROOT = Path(__file__).parents[2]
HALF = b"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nX: "


@dataclass(frozen=True)
class Running:
    """A gateway in a process of its own that may have 200 files open."""

    port: int
    operator_port: int
    log: Path
    process: subprocess.Popen[bytes]

    def get(self, port: int, path: str) -> httpx.Response:
        """Ask for a page."""
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10)

    def submit(self, trust: ssl.SSLContext | None = None) -> int:
        """Hand in a message, in clear text or with trust in a certificate; the status."""
        headers = {"Authorization": f"Bearer {TOKENS['portal']}", "Content-Type": XML}
        url = f"{'http' if trust is None else 'https'}://127.0.0.1:{self.port}/v1/submissions"
        return httpx.post(url, content=VALID, headers=headers, timeout=5, verify=trust or True).status_code


@contextlib.contextmanager
def started(folder: Path, **more: str) -> Iterator[Running]:
    """It has started when this returns; `more` are variables of its environment."""
    port, operator_port = free_port(1), free_port(1)
    register_of(folder / "portals", PORTALS)
    environment = os.environ | {
        "STADTBUS_GATEWAY__PORTALS": str(folder / "portals"),
        "STADTBUS_STORES__FOLDER": str(folder / "stores"),
        "STADTBUS_KAFKA__BOOTSTRAP": f"127.0.0.1:{free_port(1)}",
    }
    command = f"ulimit -n 200; exec {sys.executable} -m stadtbus run gateway --port {port} --operator-port {operator_port}"
    with (folder / "log").open("wb") as log, contextlib.ExitStack() as ended:
        process = subprocess.Popen(["bash", "-c", command], stderr=log, cwd=ROOT, env=environment | more)
        ended.callback(process.wait, 20)
        ended.callback(process.terminate)
        one = Running(port, operator_port, folder / "log", process)
        _wait_for(one)
        yield one


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for most tests."""
    with started(tmp_path_factory.mktemp("gateway")) as one:
        yield one


def _wait_for(running: Running) -> None:
    deadline_s = time.monotonic() + 60
    while True:
        assert running.process.poll() is None, running.log.read_text()
        with contextlib.suppress(httpx.HTTPError):
            if running.get(running.operator_port, "/livez").is_success:
                return
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


def test_portals_do_not_see_what_operators_see(running: Running) -> None:
    """Health and metrics are at the operators' port, submissions at the portals'; both say that the process lives, to portals no more."""
    codes = {
        (port, path): running.get(port, path).status_code
        for port in (running.port, running.operator_port)
        for path in ("/readyz", "/metrics", "/asyncapi", "/openapi.json", "/metrics/")
    }
    assert {path for (port, path), status in codes.items() if port == running.port and status != 404} == {"/openapi.json"}
    assert {path for (port, path), status in codes.items() if port == running.operator_port and status != 404} == {"/readyz", "/metrics"}
    assert running.get(running.port, "/livez").text == "ok\n"
    assert running.get(running.operator_port, "/livez").text == "ok\n"


def test_idle_callers_stop_neither_portals_nor_operators(running: Running) -> None:
    """300 half requests under 200 open files: submissions are accepted, operators are answered, and the log grows by less than 100 KB."""
    assert running.submit() == 202
    before_bytes = running.log.stat().st_size
    with contextlib.ExitStack() as open_ones:
        for _ in range(300):
            caller = open_ones.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=10))
            caller.sendall(HALF)
        assert [running.submit() for _ in range(5)] == [202] * 5
        assert running.get(running.operator_port, "/readyz").status_code == 200
        figures = running.get(running.operator_port, "/metrics").text
    assert 'stadtbus_connections_closed_total{reason="crowded"}' in figures
    assert running.log.stat().st_size - before_bytes < 100_000


def test_idle_operators_stop_nobody(running: Running) -> None:
    """The operators' port has places of its own, and keeps to them."""
    with contextlib.ExitStack() as open_ones:
        for _ in range(60):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", running.operator_port), timeout=10))
        assert running.get(running.operator_port, "/readyz").status_code == 200
        assert running.submit() == 202
        assert len(list(Path(f"/proc/{running.process.pid}/fd").iterdir())) < 150


def test_two_logins_are_none(running: Running) -> None:
    """Of two `Authorization` headers none counts: 400, and the connection is closed."""
    headers = [("Authorization", f"Bearer {TOKENS['portal']}"), ("Authorization", f"Bearer {TOKENS['other']}")]
    answer = httpx.get(f"http://127.0.0.1:{running.port}/v1/submissions/x", headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["code"], answer.headers["Connection"]) == (400, "request-malformed", "close")


def test_a_slash_too_many_leads_nowhere(running: Running) -> None:
    """No redirect: behind TLS it would lead to clear text, and to a host that the caller names."""
    answer = httpx.post(f"http://127.0.0.1:{running.port}/v1/submissions/", headers={"Host": "evil.example"}, timeout=10)
    assert (answer.status_code, "Location" in answer.headers, "evil" in answer.text) == (404, False, False)


@pytest.mark.parametrize("token", ["", f"Authorization: Bearer {TOKENS['portal']}\r\nContent-Type: application/xml\r\n"])
def test_a_body_without_end_ends(running: Running, token: str) -> None:
    """Without a token after the answer, with one behind the limit of a message: a few megabytes at most, of which the kernels hold the most."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        caller.sendall(f"POST /v1/submissions HTTP/1.1\r\nHost: x\r\n{token}Transfer-Encoding: chunked\r\n\r\n".encode())
        sent_bytes = 0
        with contextlib.suppress(ConnectionError):
            while sent_bytes < 100_000_000:
                caller.sendall(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
                sent_bytes += 0x4000
    assert sent_bytes < 3_000_000


def test_a_message_too_large_is_answered(running: Running) -> None:
    """Who sends twice the limit in one go gets to read 413."""
    headers = {"Authorization": f"Bearer {TOKENS['portal']}", "Content-Type": XML}
    answer = httpx.post(f"http://127.0.0.1:{running.port}/v1/submissions", content=b"x" * 2_000_000, headers=headers, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (413, "message-too-large")


def test_portals_call_by_tls_and_certificates_change(tmp_path: Path) -> None:
    """Without a restart: new files are served, files that do not fit are told at the operators' port, and submissions are accepted all the time."""
    files = certificates.write(tmp_path, "served")
    variables = dict(zip(("STADTBUS_HTTP__TLS__CERTIFICATE", "STADTBUS_HTTP__TLS__KEY"), map(str, files), strict=True))
    with started(tmp_path, **variables) as running:
        new = certificates.write(tmp_path, "new")
        for source, target in zip(new, files, strict=True):
            shutil.copy(source, target)
        trust = ssl.create_default_context(cafile=new[0])
        _until(lambda: running.submit(trust) == 202)
        shutil.copy(certificates.write(tmp_path, "another")[1], files[1])
        _until(lambda: "certificate: the files have changed" in running.get(running.operator_port, "/readyz").text)
        assert running.submit(trust) == 202


def _until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 15
    while True:
        with contextlib.suppress(httpx.ConnectError):  # the certificate is another one
            if is_so():
                return
        assert time.monotonic() < deadline_s
        time.sleep(0.2)
