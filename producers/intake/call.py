"""A portal's call, and its body as far as that is read without looking inside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from schemas import problems, xml
from schemas.errors import Rejected

_XML_TYPES: Final = ("application/xml", "text/xml")
_JSON_TYPE: Final = "application/json"
_BODY_LIMIT_S: Final = 30
_DRAIN_LIMIT_BYTES: Final = 16 * xml.MAX_SIZE_BYTES


@dataclass(frozen=True, slots=True)
class Call:
    """A call with the body still to be read. Names of `headers` are found in upper and lower case."""

    headers: Mapping[str, str]
    body: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a call, which is a message or a form."""

    content: bytes
    is_form: bool


async def receive(call: Call) -> Body:
    """The body of a call, up to the limits of size and time.

    Raises:
        Rejected: unsupported-media-type, message-too-large or body-too-slow.
        ClientDisconnect: the caller went away.
    """
    content = await _read_body(call)
    kind = call.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in (*_XML_TYPES, _JSON_TYPE):
        raise Rejected(problems.MEDIA_TYPE, "this is neither XML nor JSON", where="Content-Type")
    return Body(content, kind == _JSON_TYPE)


async def _read_body(call: Call) -> bytes:
    """A little more than the limit is read and thrown away, so that the caller gets to see the answer."""
    if call.headers.get("Content-Encoding", "").lower() not in ("", "identity"):
        raise Rejected(problems.MEDIA_TYPE, "the body is compressed", where="Content-Encoding")
    chunks: list[bytes] = []
    size_bytes = 0
    try:
        async with asyncio.timeout(_BODY_LIMIT_S):
            async for chunk in call.body:
                size_bytes += len(chunk)
                if size_bytes <= xml.MAX_SIZE_BYTES:
                    chunks.append(chunk)
                elif size_bytes > _DRAIN_LIMIT_BYTES:
                    break
    except TimeoutError:
        raise Rejected(problems.TOO_SLOW, f"the limit is {_BODY_LIMIT_S} s", where="body") from None
    if size_bytes > xml.MAX_SIZE_BYTES:
        raise Rejected(problems.TOO_LARGE, f"the limit is {xml.MAX_SIZE_BYTES} bytes", where="body")
    return b"".join(chunks)
