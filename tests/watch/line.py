"""The line between the watch and its broker, which can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from infra.kafka.local_settings import HOST


class Line:
    """Passes on what clients and broker say, byte by byte, until it is cut."""

    def __init__(self, ports: Mapping[int, int]) -> None:
        """Where clients come, and where the broker listens for them."""
        self._ports = ports
        self._servers: list[asyncio.Server] = []
        self._ways: set[asyncio.Task[None]] = set()
        self._is_cut = False

    @property
    def bootstrap(self) -> str:
        """For clients that go by this line."""
        return ",".join(f"{HOST}:{port}" for port in self._ports)

    async def open(self) -> None:
        """Listen."""
        for port, way in self._ports.items():
            self._servers.append(await asyncio.start_server(partial(self._serve, way), HOST, port))

    async def close(self) -> None:
        """End all connections, and listen no more."""
        for server in self._servers:
            server.close()
        await self.cut()

    async def cut(self) -> None:
        """End all connections; new ones end at once."""
        self._is_cut = True
        for way in list(self._ways):
            way.cancel()
        await asyncio.gather(*self._ways, return_exceptions=True)

    def mend(self) -> None:
        """Connections are passed on again."""
        self._is_cut = False

    async def _serve(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._ways.add(task)
        writers = [writer]
        try:
            if not self._is_cut:
                other_reader, other_writer = await asyncio.open_connection(HOST, port)
                writers.append(other_writer)
                ways = [asyncio.create_task(_pass_on(reader, other_writer)), asyncio.create_task(_pass_on(other_reader, writer))]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
        except OSError:
            pass
        finally:
            self._ways.discard(task)
            for one in writers:
                one.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while content := await reader.read(65536):
            writer.write(content)
            await writer.drain()
