"""A worker that was taken over, with the attacker's code in it: under the real lock it gets at nothing, and its answers do nothing."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from structlog.testing import capture_logs

from infra.process_pool import ProcessPool
from infra.workers.fork_server import CallLimits
from schemas.errors import Rejected
from tests import hostile_calls as calls

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the bare system calls have other numbers elsewhere")

CANARY: Final = "Kanarienvogel"
REFUSED: Final = os.strerror(1)
NO_MORE_FILES: Final = os.strerror(24)
DENIED: Final = os.strerror(13)


@asynccontextmanager
async def hostile(prepare: Callable[[], None] = calls.with_all, time_s: float = 5) -> AsyncIterator[ProcessPool]:
    """A pool with one worker, which runs what it is told."""
    pool = ProcessPool(prepare, [calls.RUN], CallLimits(time_s=time_s), size=1)
    try:
        yield pool
    finally:
        await asyncio.to_thread(pool.close)


async def run(pool: ProcessPool, code: str, call: int = 1) -> str:
    """What the code tells."""
    return (await pool.run(calls.RUN, code.encode(), call))[0]


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What an attacker tries, as expressions; files, sockets and processes are there to be got at."""
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "settings.yaml").write_text(CANARY, encoding="ascii")
    settings, box, parent = str(folder / "settings.yaml"), str(folder / "outbox.sqlite"), os.getpid()
    return {
        "read the settings": f"open({settings!r}).read()",
        "write the outbox": f"open({box!r}, 'w')",
        "make a file": f"os.mknod({box!r})",
        "list a folder": f"os.listdir({str(folder)!r})",
        "delete a file": f"os.unlink({settings!r})",
        "read its own environment": "open('/proc/self/environ').read()",
        "read the gateway's environment": f"open('/proc/{parent}/environ').read()",
        "write the gateway's memory": f"open('/proc/{parent}/mem', 'r+b')",
        "make a socket": "socket.socket()",
        "make a datagram socket": "socket.socket(type=socket.SOCK_DGRAM)",
        "make a local socket": "socket.socket(socket.AF_UNIX)",
        "make a pair of sockets": "socket.socketpair()",
        "signal the gateway": f"os.kill({parent}, 0)",
        "signal its own parent": "os.kill(os.getppid(), 0)",
        "fork": "os.fork()",
        "run a program": "subprocess.run(['/bin/true'])",
        "become a program": "os.execv('/bin/true', ['true'])",
        "move its limit of processor time": "resource.setrlimit(resource.RLIMIT_CPU, (-1, -1))",
        "move the gateway's limits": f"resource.prlimit({parent}, resource.RLIMIT_NOFILE, (0, 0))",
        "ignore the limit of processor time": "signal.signal(signal.SIGXCPU, signal.SIG_IGN)",
        "make a pipe": "os.pipe()",
        "make a file in memory": "os.memfd_create('x')",
    }


BARE: Final = {
    "open": 2, "connect": 42, "sendto": 44, "sendmsg": 46, "bind": 49, "clone": 56, "execve": 59, "kill": 62, "ptrace": 101, "prctl": 157,
    "tkill": 200, "io_submit": 209, "openat": 257, "unshare": 272, "tgkill": 234, "perf_event_open": 298, "prlimit64": 302,
    "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321, "execveat": 322, "io_uring_setup": 425, "pidfd_open": 434, "clone3": 435,
    "openat2": 437, "pidfd_getfd": 438, "process_madvise": 440, "x32 open": 0x40000002,
}  # fmt: skip


async def test_nothing_of_the_machine_is_within_reach(attempts: dict[str, str]) -> None:
    """Neither files nor network, neither processes nor signals nor limits, whatever is tried; also not by bare system calls."""
    async with hostile() as pool:
        code = f"told = json.dumps({{name: tried(lambda: eval(text)) for name, text in {attempts!r}.items()}})"
        told = json.loads(await run(pool, code))
        bare = json.loads(await run(pool, f"told = json.dumps({{name: system_call(number) for name, number in {BARE!r}.items()}})"))
    assert {name: one for name, one in told.items() if one not in (REFUSED, "not allowed to raise maximum limit")} == {}
    assert {name: one for name, one in bare.items() if one != REFUSED} == {}


async def test_nothing_was_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable but the time zone, no open file or connection but the pipe, no memory of the gateway."""
    monkeypatch.setenv("STADTBUS_STORES__URL", CANARY)
    monkeypatch.setenv("TZ", "Europe/Berlin")
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        ours.set_inheritable(True)
        async with hostile() as pool:
            environment = json.loads(await run(pool, "told = json.dumps(dict(os.environ))"))
            found = "[one for one in range(1024) if system_call(5, one, ctypes.addressof(room)) == 'returned 0']"
            descriptors = json.loads(await run(pool, f"room = ctypes.create_string_buffer(512); told = json.dumps({found})"))
            empty = await run(pool, "told = [os.read(one, 1) for one in (0, 1, 2)]")
            loaded = await run(
                pool, "import sys; told = [one for one in sys.modules if one.startswith(('producers', 'pytest', 'sqlalchemy'))]"
            )
    assert set(environment) - {"LC_CTYPE"} == {"TZ"}
    assert descriptors == [0, 1, 2, calls.PIPE]
    assert empty == str([b""] * 3)
    assert loaded == "[]"


# --- its answers


def frame(text: str, call: str = "call", kind: str = "Kind.RESULT") -> str:
    """Code that writes one frame by itself, and then says nothing more."""
    return f"os.write(PIPE, Frame({call}, {kind}, {text}).packed()); time.sleep(60)"


PICKLE: Final = "b'cposix\\nsystem\\n(S\"touch {marker}\"\\ntR.'"
REFUSAL: Final = """b'{{"error":"{error}","problem":"{problem}","detail":"x","where":null}}'"""
ANSWERS: Final = {
    "a pickle": f"os.write(PIPE, {PICKLE}); time.sleep(60)",
    "a pickle of multiprocessing": f"os.write(PIPE, len({PICKLE}).to_bytes(4, 'big') + {PICKLE}); time.sleep(60)",
    "a pickle in a frame": frame(PICKLE),
    "a pickle as a defect": frame(PICKLE, kind="Kind.FAILED"),
    "another type": frame("b'[1, 2]'"),
    "no JSON": frame("b'\\xff{{'"),
    "endlessly nested": frame("b'[' * 1_000_000"),
    "longer than any": "os.write(PIPE, frames._HEAD.pack(call, 1, 1 << 31, 1 << 31)); time.sleep(60)",
    "no kind": "os.write(PIPE, frames._HEAD.pack(call, 77, 0, 0)); time.sleep(60)",
    "the answer to another call": frame("b'\"x\"'", call="call + 1"),
    "a refusal of somebody else": frame(REFUSAL.format(error="Rejected", problem="unauthenticated"), kind="Kind.REFUSED"),
    "a refusal that there is not": frame(REFUSAL.format(error="Rejected", problem="all-is-well"), kind="Kind.REFUSED"),
    "an error of settings": frame(REFUSAL.format(error="UsageError", problem="not-well-formed"), kind="Kind.REFUSED"),
    "a question": frame("b'\"x\"'", kind="Kind.QUESTION"),
    "half an answer, then the end": "os.write(PIPE, Frame(call, Kind.RESULT, b'\"x\"').packed()[:-1]); os._exit(0)",
    "half an answer, then silence": "os.write(PIPE, Frame(call, Kind.RESULT, b'\"x\"').packed()[:-1]); time.sleep(60)",
    "an answer that drips": "[(os.write(PIPE, b'\\0'), time.sleep(0.3)) for _ in range(1000)]",
    "nothing": "time.sleep(60)",
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_answer_does_nothing(answer: str, tmp_path: Path) -> None:
    """Whatever comes back, the call is refused, nothing of it is run, believed or told, and the next call has another worker."""
    marker = tmp_path / "marker"
    async with hostile(time_s=1.5) as pool:
        before = await run(pool, "told = os.getpid()", 1)
        with capture_logs() as told, pytest.raises((Rejected, RuntimeError)) as error:
            await run(pool, ANSWERS[answer].replace("{marker}", str(marker)).replace("{{", "{").replace("}}", "}"), 2)
        if answer not in ("a pickle as a defect", "a question"):
            assert isinstance(error.value, Rejected)
            assert error.value.problem.code in ("message-too-complex", "reading-stalled")
            assert await run(pool, "told = os.getpid()", 1) != before
    assert not marker.exists()
    assert "touch" not in f"{error.value} {told}"


async def test_what_nobody_asked_for_costs_the_worker_its_life() -> None:
    """A second answer, ready for the next question, is no answer to it."""
    async with hostile() as pool:
        one = "Frame(call, Kind.RESULT, b'\"mine\"').packed() + Frame(call + 1, Kind.RESULT, b'\"yours\"').packed()"
        assert await run(pool, f"os.write(PIPE, {one})", 1) == "mine"
        assert await run(pool, "told = 'true'", 1) == "true"


async def test_a_flood_fills_nothing() -> None:
    """A worker that never stops writing is not read beyond its frame, and waits for the end."""
    async with hostile(time_s=1.5) as pool:
        with pytest.raises(Rejected):
            await run(pool, "while True: os.write(PIPE, bytes(1 << 20))", 1)
        assert await run(pool, "told = 'true'", 1) == "true"


# --- where a measure is missing


@pytest.mark.parametrize(
    ("measure", "read", "connect"),
    [
        ("seccomp", REFUSED, REFUSED),
        ("limits", NO_MORE_FILES, NO_MORE_FILES),
        ("Landlock", DENIED, DENIED),
        ("none", "done: Kanarienvogel", os.strerror(111)),
    ],
)
async def test_each_measure_holds_alone(measure: str, read: str, connect: str, attempts: dict[str, str]) -> None:
    """With one measure files and network are out of reach; without any the worker works all the same, and it is said what is missing."""
    async with hostile(calls.ONLY[measure]) as pool:
        told = await run(pool, f"told = tried(lambda: {attempts['read the settings']})")
        with socket.socket() as nobody:  # bound and not listening: whoever gets so far is turned away
            nobody.bind(("127.0.0.1", 0))
            dialled = await run(pool, f"told = tried(lambda: socket.socket().connect({nobody.getsockname()!r}))")
        assert pool.measures is not None
        assert all(one in (pool.lacking() or "") for one in pool.measures.missing)
        assert set(pool.measures.in_force) == {"no_new_privs", measure} - {"none"}
        assert set(pool.measures.missing) == {"Landlock", "limits", "seccomp"} - {measure}
    assert (told, dialled) == (read, connect)
