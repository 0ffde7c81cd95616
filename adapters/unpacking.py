"""The body of an answer unpacked, no further than a limit: a kilobyte can unpack to a megabyte, and one chunk of it to a gigabyte."""

from __future__ import annotations

import zlib
from typing import Final

PACKINGS: Final = ("gzip", "deflate")
"""What we ask for (RFC 9110, 8.4.1)."""
_HEAD_BYTES: Final = 2
_ANY: Final = zlib.MAX_WBITS | 32
"""With the head of gzip or zlib, whichever it is."""


class TooLong(Exception):
    """The body is longer than the limit."""


class Unpacking:
    """One body, packed as its `Content-Encoding` says; what is packed in another way stays as it is."""

    def __init__(self, encoding: str, limit_bytes: int) -> None:
        self._packed = encoding.strip().lower().removeprefix("x-") in PACKINGS
        self._unpack = zlib.decompressobj(_ANY)
        self._limit = limit_bytes
        self._body = bytearray()
        self._head = b""
        """The first two bytes: by then a head of gzip or zlib is known for what it is."""

    def add(self, part: bytes) -> None:
        """The next part, as it came. Unpacks a byte more than the limit at most.

        Raises:
            TooLong: there is more than the limit.
            zlib.error: it is not packed as it says.
        """
        self._body += self._unpacked(part) if self._packed else part
        if len(self._body) > self._limit:
            raise TooLong

    def body(self) -> bytes:
        """All that has come."""
        return bytes(self._body)

    def _unpacked(self, part: bytes) -> bytes:
        room = self._limit + 1 - len(self._body)
        try:
            unpacked = self._unpack.decompress(part, room)
        except zlib.error:
            if len(self._head) == _HEAD_BYTES:
                raise
            self._unpack = zlib.decompressobj(-zlib.MAX_WBITS)  # "deflate" without a head, as some servers write it
            unpacked = self._unpack.decompress(self._head + part, room)
        self._head += part[: _HEAD_BYTES - len(self._head)]
        return unpacked
