"""What a check works with: the adapter, the twin of its back office, and submissions made from the recorded samples."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import UUID, uuid4

from lxml import etree
from pydantic import SecretStr

from adapters import registry
from adapters.interface import Adapter, Document, Submission
from adapters.mapping import samples as recordings
from adapters.twins.book import BookEntry, Mood, Temper
from adapters.twins.server import change
from adapters.twins.twin import Site, Twin, make_twin
from schemas import problems, xml
from schemas.errors import UsageError
from schemas.message.header import read_header

IMPATIENT_S: Final = 0.3
"""How long the impatient adapter waits for an answer."""


class Bench:
    """One office with its twin, which is open and in the mood `ok`."""

    def __init__(self, office: str, twin: Twin, closing: AsyncExitStack) -> None:
        self.office = office
        self.twin = twin
        self._closing = closing
        self.adapter = self.connect()

    @classmethod
    @asynccontextmanager
    async def of(cls, office: str) -> AsyncIterator[Bench]:
        """A twin on a free port of the loopback address, gone afterwards.

        Raises:
            UsageError: office-unknown, plug-in-broken.
        """
        async with AsyncExitStack() as closing:
            folder = closing.enter_context(TemporaryDirectory(prefix="stadtbus-conformance-"))
            twin = make_twin(office, Site("127.0.0.1", 0, "stadtbus", SecretStr("only-for-twins"), Path(folder)))
            await twin.open()
            closing.push_async_callback(twin.close)
            yield cls(office, twin, closing)

    def connect(self, **settings: object) -> Adapter:
        """Another adapter for the same back office, as after a restart."""
        adapter = registry.connect(self.office, self.twin.office_settings() | settings)
        self._closing.push_async_callback(adapter.close)
        return adapter

    def impatient(self) -> Adapter:
        """An adapter that soon gives up waiting for an answer."""
        return self.connect(answer_limit_s=IMPATIENT_S)

    def submission(self) -> Submission:
        """A new submission: the samples in turn, each under a new id.

        Raises:
            UsageError: samples-missing, sample-unreadable.
        """
        return renewed(self.office, next(self._in_turn))

    @cached_property
    def _in_turn(self) -> Iterator[bytes]:
        return cycle(samples(self.office))

    def document(self) -> Document:
        """A new submission in the form of the back office."""
        return self.adapter.translate(self.submission())

    async def mood(self, mood: Mood, delay_s: float = 0, share: float = 1) -> None:
        """Have the twin behave like this from now on."""
        await change(self.twin, Temper(mood, delay_s, share, seed=1))

    def held(self, submission_id: UUID) -> list[BookEntry]:
        """What the back office holds of a submission: one entry per effect."""
        return self.twin.book.entries_of(str(submission_id))


def samples(office: str) -> list[bytes]:
    """The recorded messages beside the adapter, but for those that it refuses on purpose.

    Raises:
        UsageError: samples-missing, sample-unreadable, plug-in-broken.
    """
    found = [recordings.read(path) for path in sample_paths(office) if not recordings.refused_on_purpose(path)]
    if not found:
        raise UsageError(problems.SAMPLES_MISSING, f"{office} has no samples/*.xml", where=str(registry.folder(office)))
    return found


def sample_paths(office: str) -> list[Path]:
    """Where they are."""
    return recordings.messages(registry.folder(office) / "samples")


def renewed(office: str, body: bytes) -> Submission:
    """The message under a new id, in a new case."""
    head, submission_id = read_header(xml.parse(body)), uuid4()
    if head is not None:
        body = body.replace(head.message_id.encode(), str(submission_id).encode())
    return as_submission(office, body, submission_id, uuid4())


def as_submission(office: str, body: bytes, submission_id: UUID, case_id: UUID) -> Submission:
    """What an adapter gets, accepted at a moment that is always the same."""
    return Submission(submission_id, case_id, office, recordings.ACCEPTED_AT, body, xml.parse(body))


def texts(root: etree._Element) -> set[str]:
    """What a message says that could be about a person: the texts of elements, codes and other short ones left out."""
    found = {(element.text or "").strip() for element in root.iter("*") if len(element) == 0}
    return {text for text in found if len(text) > _SHORT and any(map(str.isalpha, text)) and not _is_technical(text)}


_SHORT: Final = 4


def _is_technical(text: str) -> bool:
    return text.startswith(("urn:", "http:", "https:")) or any(map(str.isdigit, text))
