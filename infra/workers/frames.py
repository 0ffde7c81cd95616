"""Question and answer in the pipe: a head of fixed size, JSON, and content as it is. Nothing here is ever unpickled.

A worker has read what strangers wrote, so its answer is as foreign as that: of any length, form and content, in pieces, late, or none.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import StringConstraints, TypeAdapter, ValidationError

from schemas.errors import Rejected, StadtbusError, UsageError
from schemas.findings import Finding
from schemas.problems import Problem

_HEAD: Final = struct.Struct("!QBII")
"""Number of the call, kind, bytes of JSON, bytes of content."""
LONGEST_BYTES: Final = 8 << 20
"""Of a frame. A message has a megabyte, and a hundred findings with the longest paths as much."""
_PIECE_BYTES: Final = 1 << 20


class Kind(IntEnum):
    """What a frame is."""

    QUESTION = 0
    """JSON: name and question."""
    RESULT = 1
    REFUSED = 2
    """A `StadtbusError`."""
    FAILED = 3
    """A defect of ours; JSON: class and place."""
    SPENT = 4
    """The memory is used up, and with it the worker."""


class Garbled(Exception):
    """What came is no frame, or not the one that was asked for; the text says why, and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One question or answer."""

    call: int
    kind: Kind
    json: bytes
    content: bytes = b""

    def packed(self) -> bytes:
        """As it stands in the pipe."""
        return _HEAD.pack(self.call, self.kind, len(self.json), len(self.content)) + self.json + self.content


def read(receive: Callable[[int], bytes]) -> Frame:
    """The next frame. `receive` gives up to so many bytes, blocks until there is one, and gives none at the end.

    Raises:
        EOFError: the other side has ended.
        Garbled: it is too long, or of no kind.
    """
    call, kind, json_bytes, content_bytes = _HEAD.unpack(_exactly(_HEAD.size, receive))
    if kind not in list(Kind) or json_bytes + content_bytes > LONGEST_BYTES:
        raise Garbled("an answer of no kind, or longer than any")
    return Frame(call, Kind(kind), _exactly(json_bytes, receive), _exactly(content_bytes, receive))


def _exactly(size: int, receive: Callable[[int], bytes]) -> bytes:
    pieces: list[bytes] = []
    while size:
        piece = receive(min(size, _PIECE_BYTES))
        if not piece:
            raise EOFError
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def before(deadline: float, receive: Callable[[int], bytes], set_timeout: Callable[[float], None]) -> Callable[[int], bytes]:
    """`receive` up to a moment of the monotonic clock, however many pieces come.

    Raises:
        TimeoutError: by the function that it returns.
    """

    def receive_in_time(size: int) -> bytes:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        set_timeout(left_s)
        return receive(size)

    return receive_in_time


# --- refusals

_Short = Annotated[str, StringConstraints(max_length=4000)]


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A `StadtbusError` as JSON."""

    error: Literal["Rejected", "UsageError"]
    problem: Problem
    detail: _Short
    where: _Short | None
    message_id: UUID | None = None
    findings: tuple[Finding, ...] = field(default=())


_REFUSAL: Final = TypeAdapter(_Refusal)


def refusal_of(error: StadtbusError) -> bytes:
    """The JSON of a frame that says this error."""
    if isinstance(error, Rejected):
        told = _Refusal("Rejected", error.problem, error.detail, error.where, error.message_id, tuple(error.findings))
    else:
        told = _Refusal("UsageError", error.problem, error.detail, error.where)
    return _REFUSAL.dump_json(told)


def refused(json: bytes) -> StadtbusError:
    """The error that a frame says.

    Raises:
        Garbled: it says none.
    """
    try:
        told = _REFUSAL.validate_json(json, strict=True)
    except ValidationError:
        raise Garbled("a refusal that is none") from None
    if told.error == "UsageError":
        return UsageError(told.problem, told.detail, where=told.where)
    error = Rejected(told.problem, told.detail, where=told.where)
    error.message_id, error.findings = told.message_id, told.findings
    return error
