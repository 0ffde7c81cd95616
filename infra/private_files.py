"""Files of the bus are for the user that it runs as, and for nobody else on the machine: they hold contents, and what leads to them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger()

_OTHERS: Final = 0o077
"""Also the umask of every command (`stadtbus.cli.main`), so that what it and its children write is private from the first moment."""


def open_to_others(path: Path) -> int:
    """The rights that group and others have, 0 for none; of a link those of where it leads.

    Raises:
        OSError: there is no such file.
    """
    return stat.S_IMODE(path.stat().st_mode) & _OTHERS


def keep_private(paths: Iterable[Path]) -> None:
    """Take away what rights group and others have to files of ours, which an earlier version or a copy left so, and log it.

    Called with names that nobody else gives, before the files are opened. What belongs to another user is logged and left; links are left.
    """
    for path in paths:
        if path.is_symlink() or not path.exists() or not (mode := open_to_others(path)):
            continue
        ours = path.stat().st_uid == os.geteuid()
        if ours:
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
        log.warning("file_was_open" if ours else "file_is_open", path=path.name, mode=f"{mode:03o}")
