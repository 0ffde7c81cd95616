"""Requests that two readers could understand differently are answered with 400, and the connection is closed (RFC 9112)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.http_door import Served, everything, served

ANSWER = rb"HTTP/1\.1 (\d{3}) "
GET = b"GET / HTTP/1.1\r\n"
HOST = b"Host: x\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\n"
UPGRADE = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
BEHIND = b"GET /behind HTTP/1.1\r\nHost: x\r\n\r\n"

BROKEN = {
    "length with chunked": POST + b"Content-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked with length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 40\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "other lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "list of lengths": POST + b"Content-Length: 1, 1\r\n\r\na",
    "length with sign": POST + b"Content-Length: +1\r\n\r\na",
    "negative length": POST + b"Content-Length: -1\r\n\r\na",
    "hexadecimal length": POST + b"Content-Length: 0x1\r\n\r\na",
    "empty length": POST + b"Content-Length: \r\n\r\na",
    "length beyond numbers": POST + b"Content-Length: 99999999999999999999999\r\n\r\na",
    "other coding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding behind chunked": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding with control": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked of 1.0": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "signed chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
    "chunk with space": POST + b"Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n",
    "chunk without end": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n",
    "chunks with bare LF": POST + b"Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n",
    "login behind the body": POST.replace(b"Authorization: a\r\n", b"")
    + b"Transfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: a\r\n\r\n",
    "bare LF everywhere": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare LF in a header": GET + b"Host: x\nA: b\r\n\r\n",
    "bare LF at the end": GET + HOST + b"\n",
    "bare LF before": b"\n\n" + GET + HOST + b"\r\n",
    "bare CR": GET + b"Host: x\rA: b\r\n\r\n",
    "folded login": GET + HOST + b"Authorization: Bearer\r\n  token\r\n\r\n",
    "folded with tab": GET + HOST + b"A: b\r\n\ttoken\r\n\r\n",
    "two logins": GET + HOST + b"Authorization: a\r\nauthorization: b\r\n\r\n",
    "two types": POST + b"Content-Type: application/json\r\nContent-Type: application/xml\r\nContent-Length: 1\r\n\r\na",
    "two of ours": GET + HOST + b"Stadtbus-Service: 1\r\nStadtbus-Service: 2\r\n\r\n",
    "two hosts": GET + HOST + HOST + b"\r\n",
    "no host": GET + b"\r\n",
    "odd host": GET + b"Host: a b/c\r\n\r\n",
    "space before colon": GET + HOST + b"Authorization : a\r\n\r\n",
    "header before headers": GET + b" Host: x\r\n\r\n",
    "NUL in a value": GET + HOST + b"A: b\x00c\r\n\r\n",
    "odd name": GET + HOST + b"A(b: c\r\n\r\n",
    "version 0.9": b"GET /\r\n\r\n",
    "version 2.0": b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no such method": b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tunnel": b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    "control in the address": b"GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
}

TAKEN = {
    "plain": (GET + HOST + b"\r\n", 1),
    "empty line before": (b"\r\n" + GET + HOST + b"\r\n", 1),
    "absolute address": (b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 1),
    "one after the other": ((GET + HOST + b"\r\n") * 3, 3),
    "body of a GET": (GET + HOST + b"Content-Length: 3\r\n\r\nabc" + GET + HOST + b"\r\n", 2),
    "chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n1;a=b\r\na\r\n0\r\n\r\n", 1),
    "upgrade that is not done": (UPGRADE + b"Content-Length: 5\r\n\r\nabcde" + GET + HOST + b"\r\n", 2),
    "chunked upgrade": (UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n" + GET + HOST + b"\r\n", 2),
    "upgrade without a body": (GET + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + GET + HOST + b"\r\n", 2),
    "two Accept": (GET + HOST + b"Accept: a/b\r\nAccept: c/d\r\n\r\n", 1),
}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the shipped limits."""
    with served(tmp_path_factory.mktemp("strict")) as one:
        yield one


@pytest.mark.parametrize("name", BROKEN)
def test_broken_requests_are_refused(door: Served, name: str) -> None:
    """One answer, 400 with a code; the connection is closed, and what stands behind is no request."""
    answer, closed = door.ask(BROKEN[name] + BEHIND)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert (head[:12], len(re.findall(ANSWER, answer)), closed) == (b"HTTP/1.1 400", 1, True)
    assert json.loads(body)["code"] == "request-malformed"
    assert b"application/problem+json" in head


@pytest.mark.parametrize("name", TAKEN)
def test_whole_requests_are_taken(door: Served, name: str) -> None:
    """What HTTP allows is answered, as often as it is asked, and the connection stays."""
    request, answers = TAKEN[name]
    answer, closed = door.ask(request)
    assert (re.findall(ANSWER, answer), closed) == ([b"200"] * answers, False)


def test_a_body_with_an_upgrade_is_whole(door: Served) -> None:
    """It comes in pieces, and the one who answers gets all of it."""
    with door.connect() as caller:
        for piece in (UPGRADE[:30], UPGRADE[30:] + b"Content-Length: 5\r\n", b"\r\nab", b"cde" + GET, HOST + b"\r\n"):
            caller.sendall(piece)
            time.sleep(0.02)
        caller.settimeout(0.3)
        answers, _ = everything(caller)
    assert re.findall(rb"\r\n\r\n(\w+?)(?:HTTP|$)", answers) == [b"5", b"here"]


def test_few_requests_wait_for_their_answers(door: Served) -> None:
    """Of thousands that come at once as many are answered as may wait, in their order, and the connection is closed: each costs memory."""
    answer, closed = door.ask((GET + HOST + b"\r\n") * 5_000)
    assert (re.findall(ANSWER, answer), closed) == ([b"200"] * 9, True)


def test_broken_requests_leave_no_lines(door: Served) -> None:
    """Whoever sends them cannot fill the log."""
    for request in BROKEN.values():
        door.ask(request)
    assert door.log.stat().st_size < 10_000
