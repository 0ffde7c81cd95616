"""Adapter to the building office of Nürnberg: REST and HTTP Basic; it takes genuine XBau messages, byte for byte as the portal sent them.

Paths and answers are plausible inventions, not those of a real product; the messages are XBau's own.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final
from uuid import UUID

from adapters.interface import Document, Received, Submission
from adapters.logins import BasicSettings
from adapters.protocols.rest import Rest, RestAdapter

REST: Final = Rest(collection="xbau/nachrichten", state="xbau/stand", id_header="Nachrichten-UUID", used="UUID_VERWENDET")


class NuernbergBau(RestAdapter):
    """Hands building applications to Nürnberg. A message is found by its UUID, which is the submission id."""

    rest = REST
    Settings: ClassVar = BasicSettings

    @staticmethod
    def translate(submission: Submission) -> Document:
        """The message itself: what the office gets has the hash of what the portal sent."""
        return _as_it_is(submission.id, submission.body)

    @staticmethod
    async def translate_apart(received: Received) -> Document:
        """The same of a message that nobody parses: it passed the gateway, and nothing of it is looked at here."""
        return _as_it_is(received.id, received.body)

    @staticmethod
    async def keep_ready() -> None:
        """There is none to have ready."""
        await asyncio.Event().wait()

    @staticmethod
    def lacking() -> None:
        """Nothing: there is no process to be isolated."""

    @staticmethod
    async def close_apart() -> None:
        """There is none to end."""


def _as_it_is(number: UUID, body: bytes) -> Document:
    return Document(number, f"{number}.xml", "application/xml", body)
