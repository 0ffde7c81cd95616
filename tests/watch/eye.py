"""Reads the verdicts page of the watch, and keeps every look of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final

import httpx

from consumers.watch import snapshot
from consumers.watch.model import Judgement
from consumers.watch.snapshot import PATH, Snapshot
from tests.faults.world import within

_LOOK_S: Final = 0.2
_LIMIT_S: Final = 30.0


class Eye:
    """What the watch has shown, look by look. `open` once the watch runs, `close` at the end."""

    def __init__(self, url: str) -> None:
        self._url = url + PATH
        self.looks: list[Snapshot] = []
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Read until closed; returns after the first look."""
        self._task = asyncio.create_task(self._read())
        assert await within(_LIMIT_S, lambda: self.looks), "the watch shows no verdicts"

    async def close(self) -> None:
        """Read no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sees(self, name: str, condition: Callable[[Judgement], bool], since: datetime, limit_s: float) -> tuple[int, Snapshot] | None:
        """The number of the look after `since` that shows this consumer so, and the look: 1 for the first one after it, 0 where it is shown
        already. None where it is not shown in time.
        """
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            before = [look for look in self.looks if look.at <= since]
            if before and condition(of(before[-1], name)):
                return 0, before[-1]
            for number, look in enumerate((one for one in self.looks if one.at > since), 1):
                if condition(of(look, name)):
                    return number, look
            await asyncio.sleep(_LOOK_S)
        return None

    async def _read(self) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            while True:
                with suppress(httpx.TransportError, httpx.HTTPStatusError):
                    answer = await http.get(self._url)
                    answer.raise_for_status()
                    look = snapshot.read(answer.content)
                    if not self.looks or look.at > self.looks[-1].at:
                        self.looks.append(look)
                await asyncio.sleep(_LOOK_S)


def of(look: Snapshot, name: str) -> Judgement:
    """What a look says of one consumer."""
    return next(one for one in look.judgements if one.name == name)
