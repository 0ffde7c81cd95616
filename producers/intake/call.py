"""A portal's call, and its body as far as that is read without looking inside."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from starlette.requests import ClientDisconnect

from infra.shares import Shares
from schemas import problems, xml
from schemas.errors import Rejected

_XML_TYPES: Final = ("application/xml", "text/xml")
_JSON_TYPE: Final = "application/json"
_BODY_LIMIT_S: Final = 30
_CALL_BYTES: Final = 64 * 1024
"""What a call takes of the memory for bodies before the first byte of its own: what the server keeps of it."""

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Call:
    """A call with the body still to be read. Names of `headers` are found in upper and lower case."""

    headers: Mapping[str, str]
    body: AsyncIterator[bytes]
    hung_up: Callable[[], Awaitable[object]]
    """Returns when the caller has gone; asked after the body was read."""


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a call, which is a message or a form."""

    content: bytes
    is_form: bool


class Held:
    """What one call holds of the memory for the bodies of all, which everybody has a share of (`infra.shares`)."""

    def __init__(self, memory: Shares, portal: str) -> None:
        self._memory = memory
        self._portal = portal
        self.size_bytes = 0
        self.read_bytes = 0
        """What was read of its body, also what was thrown away."""

    def add(self, size_bytes: int) -> None:
        """Hold so much more.

        Raises:
            Rejected: portal-busy.
        """
        if not self._memory.take(self._portal, size_bytes):
            raise Rejected(problems.PORTAL_BUSY, f"{self._memory.held(self._portal)} bytes of this portal are being read")
        self.size_bytes += size_bytes


@contextlib.contextmanager
def held(memory: Shares, portal: str) -> Iterator[Held]:
    """What a call of this portal holds until it is answered.

    Raises:
        Rejected: portal-busy.
    """
    one = Held(memory, portal)
    try:
        one.add(_CALL_BYTES)
        yield one
    finally:
        memory.give_back(portal, one.size_bytes)


async def while_connected(call: Call, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """What the work returns; it is cancelled when the caller goes. Called after the body was read.

    Raises:
        ClientDisconnect: the caller went away.
        Exception: what the work raises.
    """
    doing, leaving = asyncio.ensure_future(work), asyncio.ensure_future(call.hung_up())
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        raise ClientDisconnect
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.wait({doing, leaving})


async def receive(call: Call, held: Held) -> Body:
    """The body of a call, up to the limits of size and time, and to what its portal may hold.

    Raises:
        Rejected: unsupported-media-type, message-too-large, body-too-slow or portal-busy.
        ClientDisconnect: the caller went away.
    """
    content = await _read_body(call, held)
    kind = call.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in (*_XML_TYPES, _JSON_TYPE):
        raise Rejected(problems.MEDIA_TYPE, "this is neither XML nor JSON", where="Content-Type")
    return Body(content, kind == _JSON_TYPE)


async def _read_body(call: Call, held: Held) -> bytes:
    """What comes beyond the limit is not read here; the server throws a little of it away, so that the caller gets to see the answer."""
    if call.headers.get("Content-Encoding", "").lower() not in ("", "identity"):
        raise Rejected(problems.MEDIA_TYPE, "the body is compressed", where="Content-Encoding")
    chunks: list[bytes] = []
    size_bytes = 0
    try:
        async with asyncio.timeout(_BODY_LIMIT_S):
            async for chunk in call.body:
                size_bytes = held.read_bytes = size_bytes + len(chunk)
                if size_bytes > xml.MAX_SIZE_BYTES:
                    break
                held.add(len(chunk))
                chunks.append(chunk)
    except TimeoutError:
        raise Rejected(problems.TOO_SLOW, f"the limit is {_BODY_LIMIT_S} s", where="body") from None
    if size_bytes > xml.MAX_SIZE_BYTES:
        raise Rejected(problems.TOO_LARGE, f"the limit is {xml.MAX_SIZE_BYTES} bytes", where="body")
    return b"".join(chunks)
