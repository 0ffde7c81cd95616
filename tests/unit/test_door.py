"""The door with real sockets and a real process: nobody who takes his time, or takes too much, keeps others out."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.web.connections import peer_of
from tests.http_door import Served, closed_after_s, everything, served

HALF = b"GET / HTTP/1.1\r\nHost: x\r\nX: "
WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = WHOLE.replace(b"/", b"/slow", 1)
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\n%sTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with times so short that a test can wait for them."""
    folder = tmp_path_factory.mktemp("quick")
    with served(folder, head_s=1, idle_s=1.5, body_s=2, write_s=1, drain_s=1, look_s=0.1) as door:
        yield door


def _went(caller: socket.socket, data: bytes) -> bool:
    """Whether the connection still takes something."""
    try:
        caller.sendall(data)
    except ConnectionError:
        return False
    return True


def being_answered(caller: socket.socket) -> None:
    """Have a caller get the first half of an answer that takes two seconds."""
    caller.sendall(SLOW)
    assert caller.recv(15) == b"HTTP/1.1 200 OK"


def until_here(caller: socket.socket) -> bool:
    """Whether an answer comes to its end."""
    received = b""
    while not received.endswith(b"here"):
        part = caller.recv(4096)
        if not part:
            return False
        received += part
    return True


@pytest.mark.parametrize("sent", [b"", HALF], ids=["idle", "half"])
def test_many_who_wait_keep_nobody_out(tmp_path: Path, sent: bytes) -> None:
    """400 connections without a complete request, under 200 descriptors and the shipped limits: new callers are answered, the log is empty."""
    with served(tmp_path, descriptors=200) as door, contextlib.ExitStack() as open_ones:
        for number in range(400):
            caller = open_ones.enter_context(door.connect())
            caller.sendall(sent)
            if number % 50 == 49:
                assert door.works()
        assert [door.works() for _ in range(20)] == [True] * 20
        assert door.log.stat().st_size < 10_000


def test_who_is_answered_makes_no_room(tmp_path: Path) -> None:
    """Callers who wait for us stay when others come for whom we wait; of those the oldest go."""
    with served(tmp_path, connections=8, per_peer=8) as door, contextlib.ExitStack() as open_ones:
        busy = [open_ones.enter_context(door.connect()) for _ in range(4)]
        for caller in busy:
            being_answered(caller)
        waiting = [open_ones.enter_context(door.connect()) for _ in range(8)]
        assert [closed_after_s(caller) < 5 for caller in waiting[:4]] == [True] * 4
        for caller in waiting[4:]:
            caller.sendall(WHOLE)
        assert [until_here(caller) for caller in (*waiting[4:], *busy)] == [True] * 8


def test_where_all_are_answered_a_new_one_is_turned_away(tmp_path: Path) -> None:
    """With no room and nobody for whom we wait the newcomer is closed at once, and gets in when there is room again."""
    with served(tmp_path, connections=2, per_peer=2) as door, door.connect() as one, door.connect() as other:
        being_answered(one)
        being_answered(other)
        with door.connect() as third:
            assert everything(third) == (b"", True)
        assert until_here(one)
        assert door.works()


def test_who_does_not_read_makes_room(tmp_path: Path) -> None:
    """Callers who ask for much and do not read it take no place from one who comes."""
    with served(tmp_path, connections=8, per_peer=8) as door, contextlib.ExitStack() as open_ones:
        for _ in range(8):
            open_ones.enter_context(door.connect()).sendall(WHOLE.replace(b"/", b"/large", 1))
        time.sleep(0.2)
        assert [door.works() for _ in range(3)] == [True] * 3


def test_a_process_that_ends_answers_first(tmp_path: Path) -> None:
    """SIGTERM closes those who are idle at once and those who are answered after that; it ends in seconds."""
    with served(tmp_path) as door, contextlib.ExitStack() as open_ones:
        busy = open_ones.enter_context(door.connect())
        idle = [open_ones.enter_context(door.connect()) for _ in range(20)]
        being_answered(busy)
        door.process.terminate()
        assert [closed_after_s(caller) < 5 for caller in idle] == [True] * 20
        answer, closed = everything(busy)
        assert (answer[-4:], closed) == (b"here", True)
        door.process.wait(10)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_who_counts_as_one(one: str, other: str, same: bool) -> None:
    """An address of IPv4, however it is written, and a /64 of IPv6."""
    assert (peer_of(one) == peer_of(other)) == same


def test_a_head_has_to_come_in_time(quick: Served) -> None:
    """A byte now and then does not buy time, neither at the first request nor at a later one."""
    with quick.connect() as first, quick.connect() as later:
        later.sendall(WHOLE)
        assert later.recv(8) == b"HTTP/1.1"
        began_s = time.monotonic()
        while time.monotonic() - began_s < 4:
            if not (_went(first, b"G") and _went(later, b"G")):
                break
            time.sleep(0.1)
        assert time.monotonic() - began_s < 3.9
        assert closed_after_s(later) < 1


def test_idle_connections_end(quick: Served) -> None:
    """One that is not used again is closed after its time, one that never said anything too."""
    with quick.connect() as silent, quick.connect() as used:
        used.sendall(WHOLE)
        assert 0.5 < closed_after_s(silent) < 6
        assert closed_after_s(used) < 6


@pytest.mark.parametrize("more", [b"a", b"1\r\na\r\n"], ids=["length", "chunked"])
def test_a_body_has_to_come_in_time(quick: Served, more: bytes) -> None:
    """Who sends a byte now and then is closed after the time for a body, though he has a token."""
    length = b"Content-Length: 1000" if more == b"a" else b"Transfer-Encoding: chunked"
    with quick.connect() as caller:
        caller.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\n" + length + b"\r\n\r\n")
        began_s = time.monotonic()
        while _went(caller, more) and time.monotonic() - began_s < 6:
            time.sleep(0.1)
        assert 1.5 < time.monotonic() - began_s < 5.9


def test_who_does_not_read_is_closed(quick: Served) -> None:
    """An answer of eight megabytes waits for its reader for a limited time."""
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.connect(("127.0.0.1", quick.port))
        caller.sendall(WHOLE.replace(b"/", b"/large", 1))
        time.sleep(2)
        caller.settimeout(1)
        received, closed = everything(caller)
        assert (closed, len(received) < 8_000_000) == (True, True)


def test_an_early_answer_is_the_last_one(quick: Served) -> None:
    """Who has no token is answered before the body, which is told; he may go on for half a megabyte, then it ends."""
    with quick.connect() as caller:
        caller.sendall(CHUNKED % b"" + CHUNK)
        answer = caller.recv(4096)
        assert answer.startswith(b"HTTP/1.1 401")
        assert b"connection: close" in answer
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        sent_bytes = 0
        while sent_bytes < 50_000_000 and _went(caller, CHUNK):
            sent_bytes += len(CHUNK)
        assert sent_bytes < 2_000_000  # half a megabyte is read, the rest is what both kernels hold


def test_the_answer_before_the_body_arrives(quick: Served) -> None:
    """It is not lost to a caller who sends everything before he reads; a connection whose body came along goes on."""
    with quick.connect() as caller:
        caller.sendall(CHUNKED % b"")
        time.sleep(0.2)
        for _ in range(20):
            caller.sendall(CHUNK)
        caller.sendall(b"0\r\n\r\n")
        received, closed = everything(caller)
        assert (received[:12], closed) == (b"HTTP/1.1 401", True)
    answers, closed = quick.ask((CHUNKED % b"" + CHUNK + b"0\r\n\r\n") * 2)
    assert (answers.count(b"HTTP/1.1 401"), closed) == (2, False)


@pytest.mark.parametrize(
    "endless",
    [
        HALF + b"x" * 60_000,
        b"GET /" + b"a" * 60_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 10_000,
        CHUNKED % b"Authorization: a\r\n" + b"1;" + b"x" * 200_000,
        CHUNKED % b"Authorization: a\r\n" + b"0\r\nX: " + b"x" * 200_000,
    ],
    ids=["header", "address", "headers", "chunk extension", "trailer"],
)
def test_what_does_not_end_is_cut_off(quick: Served, endless: bytes) -> None:
    """Heads, chunk extensions and trailers without end are answered after some kilobytes, and the connection is closed."""
    with quick.connect() as caller:
        for place in range(0, len(endless), 4096):
            with contextlib.suppress(ConnectionError):
                caller.sendall(endless[place : place + 4096])
            time.sleep(0.002)
        received, closed = everything(caller)
    assert received[9:12] in (b"400", b"414", b"431")
    assert closed


def test_a_large_head_in_one_piece_is_cut_off(quick: Served) -> None:
    """It does not stay in memory until its time is over."""
    with quick.connect() as caller:
        caller.sendall(HALF + b"x" * 200_000)
        received, closed = everything(caller)
    assert (received[9:12], closed) == (b"431", True)


def test_one_address_cannot_take_all(tmp_path: Path) -> None:
    """Who fills his share makes room for himself, not at the cost of another address."""
    with served(tmp_path, connections=8, per_peer=4) as door, contextlib.ExitStack() as open_ones:
        other = open_ones.enter_context(socket.create_connection(("127.0.0.1", door.port), 3, ("127.0.0.2", 0)))
        mine = [open_ones.enter_context(door.connect()) for _ in range(12)]
        other.sendall(WHOLE)
        assert other.recv(8) == b"HTTP/1.1"
        assert [closed_after_s(caller) < 1 for caller in mine[:8]] == [True] * 8


def test_too_few_descriptors_are_told_at_start(tmp_path: Path) -> None:
    """A process that could not keep its promise does not start: a code, and what to raise."""
    with pytest.raises(AssertionError), served(tmp_path, descriptors=100):
        pass
    assert "descriptors-few" in (tmp_path / "log").read_text()
