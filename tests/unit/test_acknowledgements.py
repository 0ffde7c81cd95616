"""Acknowledgements of drops: read while they are being written, and never in part."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import ClassVar
from uuid import UUID, uuid4

import pytest

from adapters import kit
from adapters.interface import Delivered, Document
from adapters.protocols import drop
from adapters.protocols.drop import Drop
from adapters.protocols.file import FileAdapter, FileSettings
from schemas.errors import Refused

POLL_S = 0.01


class Office(FileAdapter):
    """An office with folders."""

    drop: ClassVar = Drop(suffix=".csv")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folders that are there."""
    for name in ("eingang", "verarbeitet", "quittung"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def office(folder: Path) -> Office:
    """Its adapter, which looks often."""
    return Office(FileSettings(folder=folder, ack_poll_s=POLL_S, answer_limit_s=5))


def handed_over(folder: Path) -> UUID:
    """A submission that the office has taken up."""
    number = uuid4()
    (folder / "verarbeitet" / f"{number}.csv").write_bytes(b"a;b\n")
    return number


def acknowledge(folder: Path, number: UUID, content: bytes) -> None:
    """What its acknowledgement holds now; not written by renaming."""
    (folder / "quittung" / f"{number}.ack").write_bytes(content)


@pytest.mark.parametrize(
    ("first", "rest", "expected"),
    [
        (b"ANGENOMMEN;A-90", b"0002\n", "A-900002"),
        (b"ANGENOMMEN;A-90", b"0002\r\n", "A-900002"),
        (b"ANGEN", b"OMMEN;A-1\r", "A-1"),
        (b"", b"ANGENOMMEN;A-1\n", "A-1"),
        (b"\xef\xbb\xbf", b"ANGENOMMEN;A-1\n", "A-1"),
        (b"\r\n", b"ANGENOMMEN;A-1\n", "A-1"),
        ("ANGENOMMEN;A-1".encode("utf-16"), "2\r\n".encode("utf-16-le"), "A-12"),
    ],
)
async def test_acknowledgement_in_two_writes(folder: Path, office: Office, first: bytes, rest: bytes, expected: str) -> None:
    """A line counts when it has its line end: a part of a reference is never taken for one."""
    number = handed_over(folder)
    acknowledge(folder, number, first)
    finding = asyncio.create_task(office.find(number))
    await asyncio.sleep(20 * POLL_S)
    assert not finding.done()
    acknowledge(folder, number, first + rest)
    assert await finding == Delivered(expected)


async def test_refusal_in_two_writes(folder: Path, office: Office) -> None:
    """Nor is a part of a code."""
    number = handed_over(folder)
    acknowledge(folder, number, b"ABGEWIESEN;PLZ")
    finding = asyncio.create_task(office.find(number))
    await asyncio.sleep(20 * POLL_S)
    acknowledge(folder, number, b"ABGEWIESEN;PLZ_UNGUELTIG\n")
    with pytest.raises(Refused, match=r"^PLZ_UNGUELTIG$"):
        await finding


async def test_earlier_acknowledgement_in_two_writes(folder: Path, office: Office) -> None:
    """One that is there before a hand-over is read whole as well, and nothing is handed over."""
    number = uuid4()
    acknowledge(folder, number, b"ANGENOMMEN;A-90")
    delivering = asyncio.create_task(office.deliver(Document(number, "x.csv", "text/csv", b"a"), 1))
    await asyncio.sleep(20 * POLL_S)
    acknowledge(folder, number, b"ANGENOMMEN;A-900002\n")
    assert await delivering == Delivered("A-900002")
    assert list((folder / "eingang").iterdir()) == []


async def test_no_line_end_at_all(folder: Path, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a line end the file has to stand still for a while; each change begins it anew."""
    monkeypatch.setattr(drop, "STILL_S", 0.3)
    number, began = handed_over(folder), time.monotonic()
    acknowledge(folder, number, b"ANGENOMMEN;A-9")
    finding = asyncio.create_task(office.find(number))
    await asyncio.sleep(0.1)
    acknowledge(folder, number, b"ANGENOMMEN;A-900002")
    assert await finding == Delivered("A-900002")
    assert time.monotonic() - began >= 0.4


async def test_an_impatient_adapter_still_reads_it(folder: Path) -> None:
    """Who waits less long for answers than a file has to stand still gets it all the same."""
    office, number = Office(FileSettings(folder=folder, ack_poll_s=POLL_S, answer_limit_s=0.4)), handed_over(folder)
    acknowledge(folder, number, b"ANGENOMMEN;A-1")
    assert await office.find(number) == Delivered("A-1")


@pytest.mark.parametrize(
    "content",
    [
        b"ANGENOMMEN;A-1\n",
        b"  angenommen ; A-1 \n",
        b"Angenommen;A-1;f\xfcr M\xfcnchen\n",
        b"ANGENOMMEN;A-1;2026-03-01;Sachbearbeiter\r\n",
        b"\xef\xbb\xbfANGENOMMEN;A-1\r\n",
        b"ANGENOMMEN;A-1\0\0\0\0\n",
        b"\0\0ANGENOMMEN;A-1\n\0\0\0",
        b"\n\n ANGENOMMEN;A-1\nABGEWIESEN;X\n",
        b"ANGENOMMEN;A-1\t\r",
        "ANGENOMMEN;A-1\n".encode("utf-16"),
        b"ANGENOMMEN;A-1;" + b"x" * 2000,
    ],
)
async def test_what_stands_round_it_does_not_count(folder: Path, office: Office, content: bytes) -> None:
    """Blanks, zero bytes, byte order mark, further fields and lines, letters of other sets: none is part of the reference."""
    number = handed_over(folder)
    acknowledge(folder, number, content)
    assert await office.find(number) == Delivered("A-1")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"VIELLEICHT;A-1\n", "neither ANGENOMMEN nor ABGEWIESEN"),
        (b"ANGENOMMEN A-1\n", "neither ANGENOMMEN nor ABGEWIESEN"),
        (b"ANGENOMMEN\n", "has no reference"),
        (b"ANGENOMMEN; ;A-1\n", "has no reference"),
        (b"ANGENOMMEN;\xc4-1\n", "is no reference"),
        (b"ANGENOMMEN;A\0B\n", "is no reference"),
        (b"ANGENOMMEN;" + b"9" * 2000, "is no reference"),
        (b"?" * 2000, "neither ANGENOMMEN nor ABGEWIESEN"),
    ],
)
async def test_what_is_no_acknowledgement(folder: Path, office: Office, content: bytes, said: str) -> None:
    """Anything else leaves it unclear, in a sentence."""
    number = handed_over(folder)
    acknowledge(folder, number, content)
    with pytest.raises(kit.UnclearAnswer, match=said):
        await office.find(number)


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0", b" \r\n"])
async def test_an_empty_file_is_not_there_yet(folder: Path, content: bytes) -> None:
    """The adapter waits for more, as long as it waits for the file."""
    office, number = Office(FileSettings(folder=folder, ack_poll_s=POLL_S, answer_limit_s=0.3)), handed_over(folder)
    acknowledge(folder, number, content)
    with pytest.raises(TimeoutError):
        await office.find(number)
