"""What a process logs: one JSON object a line, and no text of an exception."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import pytest
import structlog

from infra.logs import Seldom

PROGRAM = """
import logging, structlog
from infra import logs
from infra.settings import LogSettings

logs.configure(LogSettings(), process="test")
try:
    raise ValueError("Kanarienvogel")
except ValueError:
    structlog.get_logger().warning("delivery_failed", exc_info=True, attempt=2)
    logging.getLogger("aiokafka").exception("library said")
logging.getLogger("aiokafka").info("chatter")
structlog.get_logger().debug("detail")
"""


UNHANDLED = """
import asyncio, gc, logging, sys, threading, warnings
from infra import logs
from infra.settings import LogSettings

logs.configure(LogSettings(), process="test")
TOLD = "Kanarienvogel"

def fail(*_):
    raise ValueError(TOLD)

class Ended:
    __del__ = fail

class Protocol(asyncio.Protocol):
    data_received = fail

async def failing():
    fail()

async def main():
    loop = asyncio.get_running_loop()
    asyncio.create_task(failing())
    loop.call_soon(fail, TOLD)
    loop.create_future().set_exception(ValueError(TOLD))
    server = await loop.create_server(Protocol, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(TOLD.encode())
    await asyncio.sleep(0.1)
    loop.call_exception_handler({"message": "own words", "exception": ValueError(TOLD), "protocol": TOLD})
    writer.close()
    server.close()
    gc.collect()
    Ended()

asyncio.run(main())
thread = threading.Thread(target=fail)
thread.start()
thread.join()
warnings.warn(TOLD)
logging.getLogger("library").error("it said %s", ValueError(TOLD))
"""


def test_what_nobody_caught_tells_no_text() -> None:
    """Whatever of Python tells of an exception, in a task, callback, protocol, thread or finaliser: its class is logged, and no argument or text."""
    done = subprocess.run([sys.executable, "-c", UNHANDLED], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["event"] for line in lines} == {
        "Task exception was never retrieved",
        "Exception in callback fail() at <string>:9",
        "Future exception was never retrieved",
        "Fatal error: protocol.data_received() call failed.",
        "own words",
        "exception_ignored",
        "thread_failed",
        "python_warns",
        "it said ValueError",
    }
    assert {line.get("error") for line in lines} == {"ValueError", "UserWarning", None}
    assert "Kanarienvogel" not in done.stderr + done.stdout


def test_lines_are_json_and_tell_no_texts() -> None:
    """Our events and those of libraries come in one form; exceptions are named by class only; what is below the level stays out."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    ours, theirs = (json.loads(line) for line in done.stderr.splitlines())
    assert (ours["event"], ours["error"], ours["attempt"], ours["process"]) == ("delivery_failed", "ValueError", 2, "test")
    assert (theirs["event"], theirs["error"], theirs["logger"]) == ("library said", "ValueError", "aiokafka")
    assert "Kanarienvogel" not in done.stderr


FLOOD = """
import logging, structlog
from infra import logs
from infra.settings import LogSettings

now_s = 0.0
logs.time.monotonic = lambda: now_s
logs.configure(LogSettings(), process="test")
for second in range(60):
    now_s = float(second)
    for number in range(100):
        logging.getLogger("aiokafka").error("Unable connect to node with id %s: %s", number, "x" * number)
        logging.getLogger("asyncio").error("accept failed")
    structlog.get_logger().warning("relay_waits")
logging.getLogger("uvicorn").error("heard all the same")
"""


def test_a_library_that_repeats_itself_is_heard_now_and_then() -> None:
    """Of 12,000 lines of two libraries in a minute 15 of each are written; one says how many were left out. Ours all come, and others'."""
    done = subprocess.run([sys.executable, "-c", FLOOD], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    counts = Counter(line.get("logger", line["event"]) for line in lines)
    assert counts == {"aiokafka": 15, "asyncio": 15, "relay_waits": 60, "uvicorn": 1}
    assert sum("(left out before: " in line["event"] for line in lines) == 10


def test_what_goes_on_for_long_is_said_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand tries of one kind are one line, another kind has its own, and after half a minute it is said again."""
    now_s = [0.0]
    monkeypatch.setattr("infra.logs.time", SimpleNamespace(monotonic=lambda: now_s[0]))
    with structlog.testing.capture_logs() as logs:
        seldom = Seldom(structlog.get_logger())
        for _ in range(1_000):
            seldom.warning("send_waits", error="kafka-unreachable")
        seldom.warning("send_waits", error="other")
        now_s[0] += 30
        seldom.warning("send_waits", error="kafka-unreachable")
    assert [line["error"] for line in logs] == ["kafka-unreachable", "other", "kafka-unreachable"]
