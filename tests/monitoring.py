"""The programs that the files of infra/monitoring are for, where they are: on the PATH, or beside the Python that runs the tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "infra/monitoring"


def program(name: str) -> str:
    """The path of promtool, amtool or alertmanager; without it the test is skipped and says what to do (CI fetches them, see .ci/run)."""
    found = shutil.which(name, path=str(Path(sys.prefix) / "bin")) or shutil.which(name) or shutil.which(f"prometheus-{name}")
    if found is None:
        pytest.skip(f"{name} is not here: `make monitoring-tools` fetches it")
    return found


def run(name: str, *arguments: str | Path) -> str:
    """What a program says; it has to end with 0."""
    done = subprocess.run([program(name), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
