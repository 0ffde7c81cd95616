"""What a process logs: one JSON object a line, and no text of an exception."""

from __future__ import annotations

import json
import subprocess
import sys

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
