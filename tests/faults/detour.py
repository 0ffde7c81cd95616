"""A bad line between clients and brokers: slow, breaking in the middle of a record, or deaf to acknowledgements."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from infra.kafka.local_settings import HOST

_PRODUCE: Final = 0
"""The API key of Kafka's produce request."""
_SIZE_BYTES: Final = 4

_Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_See = Callable[[bytes, asyncio.StreamWriter, bytes], bool]
"""Looks at a message; False when it does not arrive."""


@dataclass
class Weather:
    """What happens on the line from now on."""

    delay_s: float = 0
    """How long everything takes, each way."""
    stall_share: float = 0
    """The part of messages that is lost once and comes after TCP has sent it again."""
    stall_s: float = 0.3
    break_share: float = 0
    """The part of produce requests in whose middle the connection is reset."""
    swallow: int = 0
    """How many acknowledgements of produce requests still get lost after the broker has written the records."""
    hang: bool = False
    """After a lost acknowledgement the connection stays open and silent; else it is reset."""


class Detour:
    """Listens where the brokers of a `LocalKafka` with detour send their clients, and passes on what they say."""

    def __init__(self, ports: Mapping[int, int]) -> None:
        self.weather = Weather()
        self.broken = 0
        """Produce requests that were cut."""
        self.swallowed = 0
        """Acknowledgements that got lost."""
        self._ports = ports
        self._servers: list[asyncio.Server] = []
        self._lines: set[asyncio.Task[None]] = set()
        self.chance = random.Random(0)

    @property
    def bootstrap(self) -> str:
        """Addresses for clients that go by the detour."""
        return ",".join(f"{HOST}:{port}" for port in self._ports)

    async def open(self) -> None:
        """Listen."""
        for port, way in self._ports.items():
            self._servers.append(await asyncio.start_server(self._serve(way), HOST, port))

    async def close(self) -> None:
        """End all connections."""
        for server in self._servers:
            server.close()
        for line in list(self._lines):
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    def _serve(self, way: int) -> _Serve:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._lines.add(task)
            try:
                await _Line(self, reader, writer).run(way)
            finally:
                self._lines.discard(task)

        return serve


class _Line:
    """One connection of a client with its broker."""

    def __init__(self, detour: Detour, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._detour = detour
        self._client = (reader, writer)
        self._produces: set[bytes] = set()
        """Correlation ids of produce requests under way."""

    async def run(self, way: int) -> None:
        writers = [self._client[1]]
        try:
            broker_reader, broker_writer = await asyncio.open_connection(HOST, way)
            writers.append(broker_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(self._client[0], broker_writer, self._request))
                group.create_task(self._pass_on(broker_reader, self._client[1], self._answer))
        except* (OSError, asyncio.IncompleteReadError, _Cut):
            pass
        finally:
            for writer in writers:
                writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, see: _See) -> None:
        """Each message keeps its place and comes as late as the weather says; many are on the way at a time."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            group.create_task(_arrive(under_way, writer))
            while True:
                size = await reader.readexactly(_SIZE_BYTES)
                message = await reader.readexactly(int.from_bytes(size, "big"))
                if see(message, writer, size):
                    under_way.put_nowait((asyncio.get_running_loop().time() + self._delay_s(), size + message))

    def _delay_s(self) -> float:
        weather = self._detour.weather
        stalled = self._detour.chance.random() < weather.stall_share
        return weather.delay_s + (weather.stall_s if stalled else 0)

    def _request(self, message: bytes, writer: asyncio.StreamWriter, size: bytes) -> bool:
        if int.from_bytes(message[:2], "big") != _PRODUCE:
            return True
        if self._detour.chance.random() < self._detour.weather.break_share:
            self._detour.broken += 1
            with suppress(ConnectionError):
                writer.write(size + message[: len(message) // 2])
            raise _Cut
        self._produces.add(message[4:8])
        return True

    def _answer(self, message: bytes, _writer: asyncio.StreamWriter, _size: bytes) -> bool:
        correlation, weather = message[:4], self._detour.weather
        if correlation not in self._produces:
            return True
        self._produces.discard(correlation)
        if weather.swallow <= 0:
            return True
        weather.swallow -= 1
        self._detour.swallowed += 1
        if not weather.hang:
            raise _Cut
        return False


class _Cut(Exception):
    """The connection ends here."""


async def _arrive(under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    while True:
        due, message = await under_way.get()
        await asyncio.sleep(max(0, due - asyncio.get_running_loop().time()))
        writer.write(message)
        await writer.drain()
