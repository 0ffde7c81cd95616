"""Wall clocks of processes, moved while they run; see `clock.c`."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Final

_SOURCE: Final = Path(__file__).with_name("clock.c")


def compiler() -> str | None:
    """The C compiler of this machine; None where it has none."""
    return shutil.which("cc")


class WallClock:
    """A clock that processes started with its environment go by."""

    def __init__(self, folder: Path) -> None:
        self._library = folder / "clock.so"
        self._file = folder / "clock"
        self._file.write_bytes(bytes(8))

    def environment(self) -> dict[str, str]:
        """What a process has to be started with."""
        found = compiler()
        assert found is not None, "the caller looks for a compiler"
        subprocess.run([found, "-shared", "-fPIC", "-O1", "-o", self._library, _SOURCE], check=True)
        return {"LD_PRELOAD": str(self._library), "WALL_CLOCK": str(self._file)}

    def set(self, ahead_s: int) -> None:
        """Let it be so many seconds ahead. The file is written in its place: processes have it mapped."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", ahead_s))
