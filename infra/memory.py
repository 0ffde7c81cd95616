"""How the C library keeps memory that was freed."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

_MIB: Final = 1024 * 1024
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
"""As in glibc's malloc.h; see mallopt(3)."""


def keep_freed() -> None:
    """Let freed memory be used again, instead of giving it back to the kernel and asking for it anew.

    Records come and go by megabytes. By itself glibc moves its thresholds while it watches them, and now and then settles where
    each record costs two page faults, a tenth of the time; with fixed ones memory is also flat over a long backlog. Other
    C libraries and systems are left as they are, and so is what an operator has set for malloc.
    """
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        mallopt(_TRIM_THRESHOLD, 64 * _MIB)
        mallopt(_MMAP_THRESHOLD, 32 * _MIB)
