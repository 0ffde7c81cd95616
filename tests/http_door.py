"""A server as its processes run it, and callers that write bytes to it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra import logs
from infra.settings import LogSettings
from infra.web.certificate import Certificate
from infra.web.connections import Limits
from infra.web.serving import Site, serve

HOST: Final = "127.0.0.1"
ROOT: Final = Path(__file__).parents[1]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers with how much of a body came; 401 without a login, at once, as our routes do."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": f"{(await receive())['type']}.complete"})
        return
    if scope["path"] == "/slow":
        await _answer(send, 200, b"here", pause_s=2)
    elif scope["path"] == "/large":
        await _answer(send, 200, b"x" * 8_000_000)
    elif scope["method"] == "POST":
        known = any(name == b"authorization" for name, _ in scope["headers"])
        await _answer(send, *((200, b"%d" % await _size(receive)) if known else (401, b"who are you?")))
    else:
        await _answer(send, 200, b"here")


async def _size(receive: Any) -> int:
    size_bytes = 0
    while True:
        message = await receive()
        size_bytes += len(message.get("body", b""))
        if not message.get("more_body"):
            return size_bytes


async def _answer(send: Any, status: int, body: bytes, pause_s: float = 0) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"%d" % len(body))]})
    await asyncio.sleep(pause_s)
    await send({"type": "http.response.body", "body": body})


@dataclass(frozen=True)
class Served:
    """A server in a process of its own."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def connect(self) -> socket.socket:
        """A caller, who waits ten seconds for whatever he waits for."""
        return socket.create_connection((HOST, self.port), timeout=10)

    def ask(self, request: bytes) -> tuple[bytes, bool]:
        """Everything that is answered to these bytes, and whether the connection was closed then."""
        with self.connect() as caller:
            caller.sendall(request)
            caller.settimeout(0.3)
            return everything(caller)

    def works(self) -> bool:
        """Whether a new caller is answered."""
        with self.connect() as caller:
            caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return caller.recv(15).startswith(b"HTTP/1.1 200")


def everything(caller: socket.socket) -> tuple[bytes, bool]:
    """What comes until the connection is closed, or nothing comes for as long as the caller waits."""
    received = b""
    try:
        while part := caller.recv(65_536):
            received += part
    except TimeoutError:
        return received, False
    except ConnectionError:
        pass
    return received, True


def closed_after_s(caller: socket.socket) -> float:
    """How long it takes until the other side closes."""
    began_s = time.monotonic()
    assert everything(caller)[1]
    return time.monotonic() - began_s


@contextmanager
def served(folder: Path, descriptors: int = 1024, tls: tuple[Path, Path] | None = None, **limits: float) -> Iterator[Served]:
    """This module's app with these limits, in a process that may have so many descriptors."""
    with ExitStack() as ended, (folder / "log").open("wb") as log:
        listener = ended.enter_context(socket.socket())
        listener.bind((HOST, 0))
        port = listener.getsockname()[1]
        listener.close()
        files = " ".join(map(str, tls or ()))
        command = f"ulimit -n {descriptors}; exec {sys.executable} -m tests.http_door {port} '{json.dumps(limits)}' {files}"
        process = subprocess.Popen(["bash", "-c", command], stderr=log, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
        ended.callback(process.wait)
        ended.callback(process.terminate)
        _wait_for(port, process)
        yield Served(port, process, folder / "log")


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 20
    while True:
        assert process.poll() is None
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        else:
            return


def main(port: int, limits: dict[str, Any], *tls: str) -> None:
    """Serve until SIGTERM, with the shipped limits where no others are given."""
    logs.configure(LogSettings(), process="door")
    others = Limits(**{"connections": 400, "per_peer": 400} | limits) if limits else None
    certificate = Certificate(*map(Path, tls)) if tls else None
    asyncio.run(serve(Site(app, HOST, port, public=True, limits=others, certificate=certificate)))


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]), *sys.argv[3:])
