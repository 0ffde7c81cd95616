"""Answers are unpacked no further than they may be long, in one chunk or many."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http import MAX_ANSWER_BYTES, HttpOffice, HttpSettings
from adapters.kit import UnclearAnswer
from adapters.unpacking import TooLong, Unpacking
from schemas.errors import DestinationDown


def headless(body: bytes) -> bytes:
    """Deflate without the head of zlib, as some servers write it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACKERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("", bytes), ("identity", bytes), ("gzip", gzip.compress), ("X-GZip", gzip.compress), ("deflate", zlib.compress), ("deflate", headless),
]  # fmt: skip


@given(body=st.binary(max_size=300), packer=st.sampled_from(PACKERS), step=st.integers(1, 100))
def test_bodies_come_back(body: bytes, packer: tuple[str, Callable[[bytes], bytes]], step: int) -> None:
    """However it is packed and cut into parts, the body is what it was, up to the limit; beyond it is an error."""
    encoding, pack = packer
    for limit in (300, 100):
        unpacking, packed = Unpacking(encoding, limit), pack(body)
        parts = [packed[at : at + step] for at in range(0, len(packed), step)]
        if len(body) > limit:
            with pytest.raises(TooLong):
                list(map(unpacking.add, parts))
        else:
            list(map(unpacking.add, parts))
            assert unpacking.body() == body


def office(encoding: str, content: bytes, monkeypatch: pytest.MonkeyPatch) -> HttpOffice:
    """A back office that answers everything with this body."""
    answered = lambda _: httpx.Response(200, headers={"Content-Encoding": encoding}, stream=httpx.ByteStream(content))  # noqa: E731
    monkeypatch.setattr(httpx.AsyncClient, "_init_transport", lambda *_, **__: httpx.MockTransport(answered))
    return HttpOffice(HttpSettings.model_validate({"url": "https://office.example"}))


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_one_chunk_is_capped(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """A chunk of 200 KB that would unpack to 200 MB takes little more memory than an answer may have, and the outcome is unclear."""
    bomb = (gzip.compress if encoding == "gzip" else zlib.compress)(bytes(200_000_000))
    asked = office(encoding, bomb, monkeypatch)
    tracemalloc.start()
    try:
        with pytest.raises(UnclearAnswer, match="more than"):
            await asked.deliver("", b"", {})
        assert tracemalloc.get_traced_memory()[1] < 8 * MAX_ANSWER_BYTES
    finally:
        tracemalloc.stop()
        await asked.close()


async def test_what_is_packed_otherwise_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question has no answer then; of a hand-over the outcome is unclear."""
    asked = office("gzip", b"not packed", monkeypatch)
    with pytest.raises(DestinationDown, match="DecodingError"):
        await asked.ask("GET", "")
    with pytest.raises(httpx.DecodingError):
        await asked.deliver("", b"", {})
    await asked.close()
