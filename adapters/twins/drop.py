"""The part of a twin that all drops share: it takes up every complete file and acknowledges it."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final

from adapters.protocols.drop import ACCEPTED, REFUSED, Drop
from adapters.twins.book import REFUSAL, Book, Mood
from adapters.twins.twin import Site

GARBAGE: Final = b"\x00\xff;;?\n"
"""A line, but not even ASCII."""
BETWEEN_PIECES_S: Final = 0.2
TURNED_AWAY: Final = "abgewiesen"
"""Where refused files go: not to the folder of those taken up, which says that the office has them."""


class DropTwin:
    """A book behind folders; the drop is below `root`. A subclass says `drop`, `prefix`, and how files come in."""

    drop: ClassVar[Drop]
    prefix: ClassVar[str]
    """Of the references."""

    def __init__(self, site: Site) -> None:
        self.book = Book(self.prefix)
        self.root = site.folder / "ablage"
        self._later: list[asyncio.TimerHandle] = []

    def prepare(self) -> None:
        """Make the folders, and take up what lies in the inbox."""
        for name in (self.drop.inbox, self.drop.taken_up, self.drop.answers, TURNED_AWAY):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for path in sorted((self.root / self.drop.inbox).glob(f"*{self.drop.suffix}")):
            self.take_up(path, Mood.OK)

    def forget_plans(self) -> None:
        """Drop what `after` has planned: files that were to be taken up later stay in the inbox until the next `prepare`."""
        for handle in self._later:
            handle.cancel()
        self._later.clear()

    def after(self, delay_s: float, action: Callable[[], object]) -> None:
        """Call `action` after this time, unless `forget_plans` is called before."""
        self._later.append(asyncio.get_running_loop().call_later(delay_s, action))

    def take_up(self, path: Path, mood: Mood) -> None:
        """Move a complete file out of the inbox, and answer it."""
        if mood is Mood.REFUSE:
            path.replace(self.root / TURNED_AWAY / path.name)
            self.acknowledge(path.stem, f"{REFUSED};{REFUSAL}")
            return
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        entry = self.book.enter(path.stem, path.read_bytes(), content_type, datetime.now(UTC))
        path.replace(self.root / self.drop.taken_up / path.name)
        self.acknowledge(path.stem, f"{ACCEPTED};{entry.reference}")

    def acknowledge(self, submission_id: str, line: str) -> None:
        """Write an acknowledgement; it is there as a whole or not at all, but for the mood `odd`."""
        if self.book.mood is Mood.ODD:
            self._acknowledge_in_pieces(self.root / self.drop.answers / f"{submission_id}.ack", line)
            return
        unfinished = self.root / self.drop.answers / f"{submission_id}.part"
        unfinished.write_text(line + "\n", encoding="ascii")
        unfinished.replace(unfinished.with_suffix(".ack"))

    def _acknowledge_in_pieces(self, path: Path, line: str) -> None:
        """The first piece looks like an acknowledgement, but for its line end."""
        verdict, _, value = line.partition(";")
        odd = f" {verdict.title()} ; {value} ;für Köln\r\n".encode("iso-8859-1")
        first = odd.index(value.encode()) + len(value) // 2
        path.write_bytes(odd[:first])
        self.after(BETWEEN_PIECES_S, lambda: path.write_bytes(odd))
