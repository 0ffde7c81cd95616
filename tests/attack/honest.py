"""The honest portal: submits at its own pace, whatever happens around it, and looks for each of its submissions at the back office."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from producers.synthetic.messages import Message
from producers.synthetic.portal import request_of
from stadtbus.local.system import LocalSystem
from tests.attack import portals

PER_S: Final = 10
_CALL_LIMIT_S: Final = 20.0
_DELIVERY_LIMIT_S: Final = 30.0
_LOOK_S: Final = 0.2


@dataclass
class Sent:
    """What it sent in one row."""

    times_s: list[float] = field(default_factory=list)
    accepted: dict[str, set[str]] = field(default_factory=dict)
    """By office, the ids."""
    not_accepted: Counter[str] = field(default_factory=Counter)
    """The others, by status or error."""


class HonestPortal:
    """Made once for all rows, so that no id comes twice. `close` it at the end."""

    def __init__(self, system: LocalSystem, token: str) -> None:
        self._system = system
        self._streams: Mapping[str, Iterator[Message]] = {office: portals.honest(office) for office in portals.OFFICES}
        self._http = httpx.AsyncClient(
            base_url=system.gateway_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=_CALL_LIMIT_S,
            limits=httpx.Limits(max_keepalive_connections=0),  # each call has to find a place of its own
        )

    async def submit(self, offices: Sequence[str], seconds: float) -> Sent:
        """Send to these in turn, as long as that, and wait for all answers."""
        sent, next_s = Sent(), time.monotonic()
        async with asyncio.TaskGroup() as group:
            for office in itertools.islice(itertools.cycle(offices), int(seconds * PER_S)):
                await asyncio.sleep(max(0.0, next_s - time.monotonic()))
                next_s += 1 / PER_S
                group.create_task(self._send(office, next(self._streams[office]), sent))
        return sent

    async def _send(self, office: str, one: Message, sent: Sent) -> None:
        began_s = time.perf_counter()
        try:
            response = await self._http.post("/v1/submissions", **request_of(one))  # type: ignore[arg-type]
            answer = str(response.status_code)
        except httpx.TransportError as error:
            answer = type(error).__name__
        sent.times_s.append(time.perf_counter() - began_s)
        if answer == "202":
            sent.accepted.setdefault(office, set()).add(str(one.message_id))
        else:
            sent.not_accepted[answer] += 1

    async def not_delivered(self, sent: Sent) -> int:
        """How many of what was accepted its back office does not have, when it has all or half a minute is over."""
        until_s = time.monotonic() + _DELIVERY_LIMIT_S
        while True:
            missing = [ids - set(await self._system.held(office)) for office, ids in sent.accepted.items()]
            if not any(missing) or time.monotonic() > until_s:
                return sum(map(len, missing))
            await asyncio.sleep(_LOOK_S)

    async def close(self) -> None:
        """Give connections back."""
        await self._http.aclose()
