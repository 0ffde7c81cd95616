"""Who is connected, for how long, and who has to go. Pure but for the clock and the metrics: sockets are `door`'s."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

from infra import metrics, security_events
from infra.security_events import Kind

_SITE_BITS: Final = 64
"""Of an IPv6 address: whoever has one has all below the same /64."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What callers may take of one port before anybody knows who they are. Times in seconds."""

    connections: int
    """In all. Beyond it the one that has waited longest without a complete request makes room."""
    per_peer: int
    """From one address, or one /64 of IPv6; beyond it another one of the same makes room."""
    head_s: float = 10
    """From the connect, or the first byte of a later request, to the end of the headers; a handshake of TLS included."""
    idle_s: float = 30
    """Between an answer and the next request; longer than common clients keep a connection that they may use again."""
    body_s: float = 60
    """From the headers to the end of the body; a route may be stricter."""
    write_s: float = 30
    """That an answer waits for a caller who does not read."""
    drain_s: float = 3
    """That a caller may go on sending after an answer that did not wait for the body."""
    drain_bytes: int = 512 * 1024
    """And how much of it is thrown away before the connection is closed."""
    head_bytes: int = 16 * 1024
    """Request line and headers."""
    look_s: float = 0.25
    """How often times are looked at."""


class Phase(StrEnum):
    """What a connection is at; also the reason where it is closed for taking too long with it."""

    HEAD = "head"
    IDLE = "idle"
    BODY = "body"
    ANSWER = "answer"
    WRITE = "write"
    DRAIN = "drain"


class Connection:
    """One connection, from its accept to its end."""

    __slots__ = ("close", "peer", "phase", "until_s")

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.phase = Phase.HEAD
        self.until_s = math.inf
        self.close: Callable[[], Any] = lambda: None
        """Ends it at once. Set by whoever holds its socket."""


def peer_of(host: str) -> str:
    """Whom connections are counted for: an address, of IPv6 the /64 that it is in."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(int(address) >> _SITE_BITS)
    return str(address)


def count_closed(reason: str) -> None:
    """Count a connection that we close before its caller does; but for one that was only idle it is a security event."""
    metrics.CONNECTIONS_CLOSED.labels(reason).inc()
    if reason != Phase.IDLE:
        security_events.note(Kind.HTTP_REFUSED, reason)


class Connections:
    """The connections of one port. Waiting are those whose turn it is: they have not sent a complete request since they came or since their last
    answer, or do not read the answer.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._open: set[Connection] = set()
        self._of_peer: Counter[str] = Counter()
        self._waiting: dict[Connection, None] = {}
        """The one that has waited longest comes first."""
        self._waiting_of_peer: dict[str, dict[Connection, None]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, peer: str) -> Connection | None:
        """A place for who has just connected. Closes another one that waits, where there is none; without such a one the answer is None."""
        if self._of_peer[peer] >= self.limits.per_peer:
            has_room = self.make_room(self._waiting_of_peer.get(peer, {}))
        else:
            has_room = len(self._open) < self.limits.connections or self.make_room(self._waiting)
        if not has_room:
            count_closed("full")
            return None
        connection = Connection(peer)
        self._open.add(connection)
        self._of_peer[peer] += 1
        self._wait(connection, Phase.HEAD, self.limits.head_s)
        return connection

    def make_room(self, among: dict[Connection, None] | None = None) -> bool:
        """Close the one that has waited longest, among these or all. False where nobody waits."""
        victim = next(iter(self._waiting if among is None else among), None)
        if victim is not None:
            self.end(victim, "crowded")
        return victim is not None

    def end(self, connection: Connection, reason: str) -> None:
        """Close a connection at once, and count why. The other side is not told."""
        if connection in self._open:
            count_closed(reason)
            self.left(connection)
            connection.close()

    def left(self, connection: Connection) -> None:
        """It is closed. May be said twice."""
        if connection in self._open:
            self._open.remove(connection)
            self._stop_waiting(connection)
            self._of_peer[connection.peer] -= 1
            if not self._of_peer[connection.peer]:
                del self._of_peer[connection.peer]

    def look(self) -> None:
        """Close whoever has taken too long."""
        now_s = time.monotonic()
        for connection in [one for one in self._open if one.until_s < now_s]:
            self.end(connection, connection.phase)

    # --- what happens to one, told by its protocol; never after `left`

    def begins(self, connection: Connection) -> None:
        """The first byte of a request is there: it now waits as long as others that have just come."""
        self._stop_waiting(connection)
        self._wait(connection, Phase.HEAD, self.limits.head_s)

    def has_head(self, connection: Connection) -> None:
        """The headers are complete."""
        self._time(connection, Phase.BODY, self.limits.body_s)

    def has_request(self, connection: Connection) -> None:
        """The request is complete, and being answered: from now on it is our turn."""
        self._stop_waiting(connection)
        self._time(connection, Phase.ANSWER, math.inf)

    def answered(self, connection: Connection) -> None:
        """The answer is written, as far as the caller reads it; another request may come."""
        self._wait(connection, Phase.IDLE, self.limits.idle_s)

    def drains(self, connection: Connection) -> None:
        """The answer is written, and what the caller still sends is thrown away."""
        self._wait(connection, Phase.DRAIN, self.limits.drain_s)

    def writes(self, connection: Connection, *, blocked: bool) -> None:
        """The caller does not read what is written, so that it is his turn; or does again."""
        if blocked and connection.phase is Phase.ANSWER:
            self._wait(connection, Phase.WRITE, self.limits.write_s)
        elif not blocked and connection.phase is Phase.WRITE:
            self.has_request(connection)

    def _wait(self, connection: Connection, phase: Phase, seconds: float) -> None:
        if connection in self._open:
            self._time(connection, phase, seconds)
            self._waiting[connection] = None
            self._waiting_of_peer.setdefault(connection.peer, {})[connection] = None

    def _stop_waiting(self, connection: Connection) -> None:
        if connection in self._waiting:
            del self._waiting[connection]
            of_peer = self._waiting_of_peer[connection.peer]
            del of_peer[connection]
            if not of_peer:
                del self._waiting_of_peer[connection.peer]

    @staticmethod
    def _time(connection: Connection, phase: Phase, seconds: float) -> None:
        connection.phase, connection.until_s = phase, time.monotonic() + seconds
