"""What every twin is made with, and what it can do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from adapters import registry
from adapters.twins.book import Book


@dataclass(frozen=True, slots=True)
class Site:
    """Where a twin is, and who may come. Port 0 stands for any free one; `folder` is the twin's own."""

    host: str
    port: int
    user: str
    password: SecretStr
    folder: Path


class Twin(Protocol):
    """One simulated back office, made with a `Site`. `open` and `close` concern its protocol port; the book outlives both."""

    book: Book
    """What it got, and its mood, which may change at any moment: the protocol looks before each answer."""

    async def open(self) -> None:
        """Listen. Called at the start, and when the mood is `away` no longer.

        Raises:
            OSError: the port is taken.
        """

    async def close(self) -> None:
        """Close port and connections, so that a client notices at once. Called at the end and for the mood `away`, also twice."""

    def office_settings(self) -> dict[str, object]:
        """What the adapter needs to reach this twin, ready for JSON or TOML. A free port is known from `open` on."""


def make_twin(office: str, site: Site) -> Twin:
    """The twin of an office, not open yet.

    Raises:
        UsageError: office-unknown, plug-in-broken.

    """
    made: Twin = registry.load(registry.TWINS, office)(site)
    return made
