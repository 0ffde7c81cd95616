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
