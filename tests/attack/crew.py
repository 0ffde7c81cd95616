"""The callers of a hostile process: bytes on connections of their own, from several addresses of this machine, and what came back to them."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Final

HOST: Final = "127.0.0.1"
SOURCES: Final = (HOST, "127.0.0.2", "127.0.0.3")
"""Where they call from; the first is the address of the honest portal too."""
_AGAIN_S: Final = 1.0
"""After the gateway has ended a connection, or refused one."""
_ANSWER_LIMIT_S: Final = 60.0

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def request(body: bytes, content_type: str, token: str | None, more: str = "") -> bytes:
    """A whole call that submits."""
    login = f"Authorization: Bearer {token}\r\n" if token else ""
    head = f"POST /v1/submissions HTTP/1.1\r\nHost: bus\r\n{login}{more}Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Crew:
    """All callers of one attack on one port."""

    def __init__(self, port: int) -> None:
        self.came_back: Counter[str] = Counter()
        """Answers by status, `closed` for connections that the gateway ended, and `open` for those that have been opened."""
        self._port = port
        self._sources = itertools.cycle(SOURCES)

    async def hold(self, count: int, script: Script) -> None:
        """Keep so many connections, on each of which the script is run; one that ends is opened anew, until cancelled."""
        await asyncio.gather(*(self._hold_one(script) for _ in range(count)))

    async def _hold_one(self, script: Script) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await self._open()
                try:
                    await script(reader, writer)
                finally:
                    writer.transport.abort()
            self.came_back["closed"] += 1
            await asyncio.sleep(_AGAIN_S)

    async def flood(self, requests: Iterator[bytes], callers: int) -> None:
        """As many callers, each of which sends the next request as soon as it has its answer, until cancelled."""
        await asyncio.gather(*(self._call_on(requests) for _ in range(callers)))

    async def steady(self, requests: Iterator[bytes], per_s: float) -> None:
        """So many of these a second, each by a caller of its own, until there are no more or it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for one in requests:
                group.create_task(self._call_on(iter([one])))
                await asyncio.sleep(1 / per_s)
        await asyncio.Event().wait()

    async def _call_on(self, requests: Iterator[bytes]) -> None:
        """Ask one after the other, on one connection as long as the gateway keeps it."""
        for first in requests:
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                reader, writer = await self._open()
                try:
                    for one in itertools.chain([first], requests):
                        async with asyncio.timeout(_ANSWER_LIMIT_S):
                            if not await self._ask(one, reader, writer):
                                break
                finally:
                    writer.transport.abort()
            self.came_back["closed"] += 1

    async def _ask(self, asked: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send one and read the answer; whether the connection stays."""
        writer.write(asked)
        with suppress(ConnectionError):  # the answer may be there all the same
            await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        self.came_back[head[9:12].decode()] += 1
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0))
        return b"connection: close" not in head

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        opened = await asyncio.open_connection(HOST, self._port, local_addr=(next(self._sources), 0))
        self.came_back["open"] += 1
        return opened
