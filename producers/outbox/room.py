"""Whether the outbox has room for one more: of its rows and bytes everybody has a share (docs/decisions/0023)."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from producers.outbox import usage
from producers.outbox.usage import Used
from schemas import problems
from schemas.errors import Rejected

_AGE_S: Final = 1.0
"""So old may be what is known of the use; another process may write there as well."""
_now: Final = time.monotonic


class Stock:
    """So many rows or bytes, shared by offices and portals. An office that has less than what is free may get more; at an office, a portal
    that has less than half of what the office may still get; in all, a portal that has less than what is free. So an office that is down
    comes to half of all, a portal alone to a quarter at one office and half in all, and whoever comes then, wherever to, finds room.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._free = limit
        self._portals: Counter[str] = Counter()
        self._offices: Counter[str] = Counter()
        self._both: Counter[tuple[str, str]] = Counter()

    def has_room(self, portal: str, office: str, amount: int) -> bool:
        """Whether this portal may have so much at this office."""
        left_to_office = self._free - self._offices[office]
        mine = self._both[portal, office]
        return amount <= self._free and self._portals[portal] < self._free and 2 * mine < left_to_office

    def add(self, portal: str, office: str, amount: int) -> None:
        """So much more is used."""
        self._free -= amount
        self._portals[portal] += amount
        self._offices[office] += amount
        self._both[portal, office] += amount


@dataclass(frozen=True, slots=True)
class Limits:
    """What the outbox may hold in all, and how much of its disk stays free."""

    rows: int
    size_bytes: int
    free_bytes: int


class Room:
    """Asked in the store's writing thread, for each submission that is new; it counts on its own what was taken since it last read.

    What is told as full is read again first, so it is true; what was taken and undone is in the way until then.
    """

    def __init__(self, limits: Limits, folder: Path | None) -> None:
        """`folder` is where the outbox lies, None where it is on no disk of this machine."""
        self._limits = limits
        self._folder = folder
        self._fill([])
        self._read_at_s = float("-inf")

    def take(self, connection: sa.Connection, more: Used) -> None:
        """So much is going to be used.

        Raises:
            Rejected: intake-full.
        """
        if (finding := self.check()) is not None:
            raise Rejected(problems.INTAKE_FULL, finding)
        if _now() - self._read_at_s > _AGE_S or not self._fits(more):
            self._fill(usage.read(connection))
        if not self._fits(more):
            raise Rejected(problems.INTAKE_FULL, f"as much of this portal as there is room for waits for {more.office}")
        self._add(more)

    def check(self) -> str | None:
        """What closes intake for all, for the page of readiness: too little of the disk is free. May be called from any thread."""
        if self._folder is None:
            return None
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError:
            return None  # the folder is gone: the store tells it
        if free >= self._limits.free_bytes:
            return None
        return f"{free >> 20} MiB of the disk are free; nothing is accepted below {self._limits.free_bytes >> 20} MiB"

    def _fits(self, more: Used) -> bool:
        return self._rows.has_room(more.portal, more.office, more.pending) and self._bytes.has_room(
            more.portal, more.office, more.size_bytes
        )

    def _fill(self, used: Iterable[Used]) -> None:
        self._rows, self._bytes = Stock(self._limits.rows), Stock(self._limits.size_bytes)
        self._read_at_s = _now()
        for one in used:
            self._add(one)

    def _add(self, more: Used) -> None:
        self._rows.add(more.portal, more.office, more.pending)
        self._bytes.add(more.portal, more.office, more.size_bytes)
