"""Memory that is freed stays with the process."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from typing import Final

import pytest

from infra import memory

BATCHES: Final = """
import resource, sys
from infra import memory
memory.keep_freed()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def batch():
    return [bytes(bytearray(3_600)) for _ in range(2_000)], bytes(bytearray(8_000_000))
batch()
before = faults()
for _ in range(10):
    batch()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_batches_after_the_first_ask_for_no_memory() -> None:
    """Ten batches like the one before them, of 7 MB in records and 8 MB at once, cost less than one page fault in a hundred pages."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    ran = subprocess.run([sys.executable, "-c", BATCHES], capture_output=True, text=True, check=True, env=environment)
    assert int(ran.stdout) < 10 * 15_000_000 / 4096 / 100


@pytest.mark.parametrize("name", ["linux", "darwin"])
def test_other_systems_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Where the C library has no such setting, or the system is another, nothing happens and nothing is raised."""
    monkeypatch.setattr(sys, "platform", name)
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    memory.keep_freed()
