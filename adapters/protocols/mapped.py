"""Translation by the `mapping.yaml` that lies beside the adapter."""

from __future__ import annotations

import asyncio
from inspect import getfile
from pathlib import Path
from typing import Any, Final

from adapters import registry
from adapters.interface import Document, Received, Submission
from adapters.mapping import Mapping
from adapters.protocols.apart import Translator

MAPPING: Final = "mapping.yaml"


def page_of(office: str) -> Path | None:
    """The mapping of an office, or None where its adapter has none.

    Raises:
        UsageError: office-unknown, plug-in-broken.
    """
    path = registry.folder(office) / MAPPING
    return path if path.exists() else None


class Mapped:
    """What an adapter hands over stands in its mapping. To be named before the protocol: `class Ours(Mapped, RestAdapter)`.

    The mapping lies beside the class that names this one; what derives from that class has the same.
    """

    def __init__(self, settings: Any) -> None:
        """The mapping is loaded before anything is connected.

        Raises:
            UsageError: mapping-invalid, with file and line.
        """
        path = mapping_of(type(self))
        self._mapping = Mapping.load(path)
        self._translator = Translator(self._mapping, path)
        super().__init__(settings)  # type: ignore[call-arg] # the protocol's

    def translate(self, submission: Submission) -> Document:
        """The document that the mapping makes of it.

        Raises:
            Refused: the message has no form that the back office takes.
        """
        return self._mapping.document(submission)

    async def translate_apart(self, received: Received) -> Document:
        """The same by a locked process, which loads the mapping; one that has a `translate` of its own translates here.

        Raises:
            Rejected, Refused, Blip: as `Translator.document`.
        """
        if type(self).translate is Mapped.translate:
            return await self._translator.document(received)
        return self.translate(await asyncio.to_thread(received.parsed))

    async def keep_ready(self) -> None:
        """Have a worker ready before the first record; one that has a `translate` of its own needs none."""
        if type(self).translate is Mapped.translate:
            await self._translator.keep_ready()
        await asyncio.Event().wait()

    def lacking(self) -> str | None:
        """What they do without because this machine has not got it."""
        return self._translator.lacking()

    async def close_apart(self) -> None:
        """End the workers."""
        await self._translator.close()


def mapping_of(adapter: type[Mapped]) -> Path:
    """The mapping of an adapter: it lies beside the class that names `Mapped`."""
    named_by = next(one for one in adapter.__mro__ if Mapped in one.__bases__)
    return Path(getfile(named_by)).with_name(MAPPING)
