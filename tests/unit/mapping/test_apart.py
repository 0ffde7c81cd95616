"""Translation in a locked process gives what translation here gives, and what goes wrong there does no harm here."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import pytest

from adapters import registry
from adapters.conformance.bench import samples
from adapters.interface import Document, Received, Submission, TranslatesApart
from adapters.mapping import Mapping
from adapters.protocols.apart import Translator
from adapters.protocols.mapped import Mapped, page_of
from infra.process_pool import NotStarted
from infra.tasks import in_background
from infra.workers.lockdown import Measures
from schemas import message
from schemas.errors import Blip, Refused, Rejected
from tests import builders

OFFICES: Final = [office for office in registry.names() if page_of(office)]


def received(body: bytes, office: str = "muenchen.meldewesen") -> Received:
    """A record that nobody has parsed."""
    return Received(uuid4(), uuid4(), office, datetime(2026, 3, 1, 8, 30, tzinfo=UTC), body)


@asynccontextmanager
async def translator(office: str = "muenchen.meldewesen") -> AsyncIterator[tuple[Translator, Mapping]]:
    """That of an office, and its mapping here."""
    path = page_of(office)
    assert path is not None
    mapping = Mapping.load(path)
    made = Translator(mapping, path)
    yield made, mapping
    await made.close()


@pytest.mark.parametrize("office", OFFICES)
async def test_the_same_document(office: str) -> None:
    """Each sample of each office, and names with letters that its character set has not, become the same bytes under the same name."""
    bodies = [*samples(office), message.write(builders.application(applicants=(builders.person("Łukasz", "Đặng İpek"),)))]
    async with translator(office) as (apart, mapping):
        for one in (received(body, office) for body in bodies):
            try:
                expected: Document | str = mapping.document(one.parsed())
            except Refused as error:
                expected = error.reason
            try:
                found: Document | str = await apart.document(one)
            except Refused as error:
                found = error.reason
            assert found == expected


async def test_it_is_another_process_and_locked() -> None:
    """Where a record is parsed no file and no network is within reach."""
    async with translator() as (apart, _):
        await apart.document(received(message.write(builders.application())))
        measures = apart._pool.measures
        assert measures is not None
        assert {"no_new_privs", "limits"} <= set(measures.in_force)
        assert {worker.process for worker in apart._pool._idle}.isdisjoint({os.getpid()})


async def test_a_worker_is_ready_before_the_first_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter that is told to keep one ready has started it when nothing was translated yet; nobody's submission pays for that."""
    source = page_of("muenchen.meldewesen")
    monkeypatch.setattr("adapters.protocols.mapped.getfile", lambda _: str(source))

    class Plain(Mapped, Protocol):
        """Translates by the mapping alone."""

    adapter = Plain(None)
    assert isinstance(adapter, TranslatesApart)
    async with in_background(adapter.keep_ready):
        while not adapter._translator._pool._idle:
            await asyncio.sleep(0.01)
    await adapter.close_apart()


async def test_what_the_machine_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """`/readyz` of the adapter has it, as that of the gateway; nothing is said where nothing is missing."""
    async with translator() as (apart, _):
        assert apart.lacking() is None
        monkeypatch.setattr(apart._pool, "measures", Measures(in_force=("limits",), missing=("seccomp",)))
        assert "lacks seccomp" in (apart.lacking() or "")


async def test_what_cannot_be_read() -> None:
    """It is told as it was: the problem of the parser."""
    async with translator() as (apart, _):
        with pytest.raises(Rejected, match="not-well-formed"):
            await apart.document(received(b"<a"))


async def test_no_worker_is_no_fault_of_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that starts no process makes no dead letters: it is tried again."""

    async def fail(*_: Any) -> None:
        raise NotStarted("on purpose")

    async with translator() as (apart, _):
        monkeypatch.setattr(apart._pool, "run", fail)
        with pytest.raises(Blip):
            await apart.document(received(b"<a/>"))


class Protocol:
    """Connects to nothing."""

    def __init__(self, settings: Any) -> None:
        """Takes any settings."""

    async def close(self) -> None:
        """Nothing to close."""


async def test_an_adapter_with_a_translate_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code of a city that may need more than the message runs where it always ran."""
    source = page_of("muenchen.meldewesen")
    monkeypatch.setattr("adapters.protocols.mapped.getfile", lambda _: str(source))

    class Own(Mapped, Protocol):
        suffix = ".own"

        def translate(self, submission: Submission) -> Document:
            return replace(super().translate(submission), name=f"{submission.id}{self.suffix}")

    adapter = Own(None)
    assert isinstance(adapter, TranslatesApart)
    one = received(b"<a")
    with pytest.raises(Rejected):
        await adapter.translate_apart(one)
    one = received(message.write(builders.application()))
    assert (await adapter.translate_apart(one)).name == f"{one.id}.own"
    await adapter.close()
    assert (await adapter.translate_apart(one)).name == f"{one.id}.own"
    await adapter.close_apart()
