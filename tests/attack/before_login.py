"""Attacks of those whom nobody knows, and of those who know how to begin a call and do not end it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Final

from tests.attack.crew import Crew, Script, request

_HALF: Final = b"POST /v1/submissions HTTP/1.1\r\nHost: bus\r\nX: "
_DRIP_S: Final = 0.5
_CHUNK: Final = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"


async def idle(crew: Crew, count: int) -> None:
    """Connections with half a request on each, of which nothing more comes (S1)."""

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_HALF)
        await reader.read()

    await crew.hold(count, wait)


async def slow_headers(crew: Crew, count: int) -> None:
    """Headers that come byte by byte."""
    await crew.hold(count, _dripping(_HALF))


async def slow_bodies(crew: Crew, count: int, token: str) -> None:
    """Bodies that come byte by byte, every other behind a token."""
    whole = request(b" " * 900_000, "application/xml", token)
    known = _dripping(whole[: whole.index(b"\r\n\r\n") + 4])
    unknown = _dripping(b"POST /v1/submissions HTTP/1.1\r\nHost: bus\r\nContent-Length: 900000\r\n\r\n")
    await asyncio.gather(crew.hold(count // 2, known), crew.hold(count // 2, unknown))


async def endless_bodies(crew: Crew, count: int, token: str | None) -> None:
    """Bodies in chunks without end, as fast as they are taken (S16)."""
    login = f"Authorization: Bearer {token}\r\nContent-Type: application/xml\r\n" if token else ""
    head = f"POST /v1/submissions HTTP/1.1\r\nHost: bus\r\n{login}Transfer-Encoding: chunked\r\n\r\n".encode()

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(_CHUNK)
            await writer.drain()

    await crew.hold(count, pour)


async def guesses(crew: Crew, callers: int) -> None:
    """Logins with tokens that nobody has, each another one (S21)."""

    def calls() -> Iterator[bytes]:
        for number in itertools.count():
            yield request(b"<a/>", "application/xml", f"{number:040}")

    await crew.flood(calls(), callers)


def _dripping(head: bytes) -> Script:
    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.transport.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(_DRIP_S)

    return drip
