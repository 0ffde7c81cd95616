"""HTTP/1.1 of uvicorn on llhttp, with the limits of `connections` and the strictness of `strictness`.

uvicorn takes such a class by its setting `http`; its version is pinned, and tests with real sockets hold what is relied on here.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from infra.web.connections import Connection, Connections, count_closed
from infra.web.strictness import require_strict
from schemas import problems
from schemas.errors import Rejected

_LENGTHS: Final = (b"content-length", b"transfer-encoding")
_MOST_QUEUED: Final = 8
_FRAMING_BYTES: Final = 64 * 1024
_FRAMING_RATIO: Final = 8
"""Chunks of one byte each cost five bytes around it; more than that is no body any more."""


class Answering:
    """The transport as the one who answers has it: closing waits for what the caller is still sending."""

    def __init__(self, protocol: StrictProtocol) -> None:
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        """Send."""
        self._protocol.transport.write(data)

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._protocol.transport.is_closing()

    def close(self) -> None:
        """The answer is complete, and the last one."""
        self._protocol.close_after_answer()


class StrictProtocol(HttpToolsProtocol):
    """One connection. What it may take of time and room is counted in `connections`."""

    def __init__(
        self, config: Config, state: ServerState, app_state: dict[str, Any], loop: asyncio.AbstractEventLoop,
        connections: Connections, connection: Connection,
    ) -> None:  # fmt: skip
        super().__init__(config, state, app_state, loop)
        self._connections = connections
        self._connection = connection
        self._answering = Answering(self)
        self._fault: Rejected | None = None
        self._in_head = self._in_body = self._deaf = False
        self._began_now = self._is_upgrade = self._is_repeated = False
        self._keep_alive = True
        self._head_bytes = self._body_bytes = self._raw_bytes = self._thrown_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Called once the handshake is done, where there is one."""
        super().connection_made(transport)
        self._connection.close = transport.abort

    def connection_lost(self, exc: Exception | None) -> None:
        """Called at its end, whoever has ended it."""
        self._connections.left(self._connection)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Called with what has come. Reads it strictly; whatever breaks a rule is answered, and ends the connection."""
        if self._deaf:
            self._throw_away(len(data))
            return
        self._unset_keepalive_if_required()
        try:
            self._read(data)
        except Rejected as error:
            self._refuse(error)
        except httptools.HttpParserError:
            self._refuse(self._fault or Rejected(problems.MALFORMED))

    def _read(self, data: bytes) -> None:
        quiet = not (self._in_head or self._in_body)
        if quiet and data[:1] in b"\r\n":  # one empty line may come before a request (RFC 9112, 2.2)
            data = data.removeprefix(b"\r\n")
            if data[:1] in (b"\r", b"\n"):
                raise Rejected(problems.MALFORMED, "a request begins with its method", where="request line")
        self._began_now = False
        self._feed(data)
        if self._in_head and (quiet or not self._began_now):  # else an unknown part of it is of the body before
            self._head_bytes += len(data)
            if self._head_bytes > self._connections.limits.head_bytes:
                raise Rejected(problems.HEADER_TOO_LARGE, f"the limit is {self._connections.limits.head_bytes} bytes", where="headers")
        elif self._in_body:
            self._raw_bytes += len(data)
            if self._raw_bytes > _FRAMING_BYTES + _FRAMING_RATIO * self._body_bytes:
                raise Rejected(problems.MALFORMED, "more is around the chunks than in them", where="body")

    def _feed(self, data: bytes) -> None:
        """An upgrade that is asked for is not done (RFC 9110, 7.8); Java's client asks for one with each first request. The parser takes what
        follows for another protocol then, so another one reads the body, and goes on from there.
        """
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                if self._in_body:
                    self._read_body_anew()

    def _read_body_anew(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self._is_upgrade, self._is_repeated = False, True
        length = b"".join(b"%s: %s\r\n" % header for header in self.headers if header[0] in _LENGTHS)
        self.parser.feed_data(b"POST / HTTP/1.1\r\n" + length + b"\r\n")
        self._is_repeated = False

    # --- what the parser says; what is raised here comes back as an error of the parser

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if self._is_repeated:
            return
        super().on_message_begin()
        self._in_head = self._began_now = True
        self._head_bytes = 0
        if not self._is_answering():
            self._connections.begins(self._connection)

    def on_url(self, url: bytes) -> None:
        """A part of the address."""
        if not self._is_repeated:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header. Behind the body it would be a header all the same to whoever asks later, so it is none there."""
        if self._is_repeated:
            return
        if self._in_body:
            self._fault = Rejected(problems.MALFORMED, "headers behind the body are not taken", where="body")
            raise self._fault
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """All headers. An answer that does not wait for the body is the last one of this connection."""
        if self._is_repeated:
            return
        self._in_head = False
        try:
            require_strict(self.parser.get_http_version(), self.url, self.headers, self._connections.limits.head_bytes)
        except Rejected as error:
            self._fault = error
            raise
        if len(self.pipeline) >= _MOST_QUEUED:
            self._fault = Rejected(problems.MALFORMED, f"more than {_MOST_QUEUED} requests wait for their answers", where="connection")
            raise self._fault
        super().on_headers_complete()
        self._in_body = True
        self._is_upgrade = self.parser.should_upgrade() and any(name in _LENGTHS for name, _ in self.headers)
        self._body_bytes = self._raw_bytes = 0
        self.cycle.transport = self._answering  # type: ignore[assignment] # it has what a cycle uses
        self._keep_alive, self.cycle.keep_alive = self.cycle.keep_alive, False
        self._connections.has_head(self._connection)

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete, unless the parser thinks of its body as another protocol."""
        if self._is_upgrade:
            return
        self._in_body = False
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keep_alive
        self._connections.has_request(self._connection)
        super().on_message_complete()

    # --- what the one who answers says

    def on_response_complete(self) -> None:
        """An answer is written."""
        super().on_response_complete()
        if not self.flow.write_paused:
            self._answered()

    def close_after_answer(self) -> None:
        """The answer is written, and the last one. A close with something unread would take it from the caller."""
        if self._in_body:
            self._drain()
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        """The caller does not read."""
        super().pause_writing()
        self._connections.writes(self._connection, blocked=True)

    def resume_writing(self) -> None:
        """The caller reads again."""
        super().resume_writing()
        self._connections.writes(self._connection, blocked=False)
        if not self._is_answering():
            self._answered()

    def _answered(self) -> None:
        if not self._deaf and not self.pipeline:
            self._connections.answered(self._connection)

    def shutdown(self) -> None:
        """The process ends: what is being answered is the last request."""
        self._keep_alive = False
        super().shutdown()

    # --- the end

    def _refuse(self, error: Rejected) -> None:
        """Answer, unless another answer is under way, and hear no more."""
        count_closed(error.problem.code)
        under_way = self._is_answering()
        if under_way and not self._in_body:  # a request before this one is being answered: that is the last answer
            self._deaf, self.cycle.keep_alive = True, False
            return
        if under_way:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not self.pipeline and not (under_way and self.cycle.response_started):
            self.transport.write(_answer(error))
        self._drain()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _drain(self) -> None:
        self._deaf = True
        self._connections.drains(self._connection)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()

    def _throw_away(self, size_bytes: int) -> None:
        self._thrown_bytes += size_bytes
        if self._thrown_bytes > self._connections.limits.drain_bytes:
            self._connections.end(self._connection, "drain")


def _answer(error: Rejected) -> bytes:
    body = json.dumps(error.as_dict(), ensure_ascii=False).encode()
    head = b"content-type: application/problem+json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
    return STATUS_LINE[error.problem.status] + head + body
