"""Calls to the handler that wait for a store or for Kafka: how long they have been under way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_LIMIT_S: Final = 30


class Steps:
    """Calls of `begin` and `settle` under way: the reader goes on while one of them does not come back, so it alone tells too little."""

    def __init__(self) -> None:
        self._began_s: dict[str, float] = {}
        """By name when it began (monotonic, in s)."""

    def __len__(self) -> int:
        """Steps under way."""
        return len(self._began_s)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A step of this name is under way in this block; one of a name at a time."""
        self._began_s[name] = time.monotonic()
        try:
            yield
        finally:
            del self._began_s[name]

    def stuck(self) -> str | None:
        """Which steps have not come back for half a minute, for people: what they wait for does not answer. None where none is."""
        now_s = time.monotonic()
        waits = [f"{step} waits for {now_s - began_s:.0f} s" for step, began_s in self._began_s.items() if now_s - began_s > _LIMIT_S]
        return f"{', '.join(waits)}: the store or Kafka does not answer" if waits else None
