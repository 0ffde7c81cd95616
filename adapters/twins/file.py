"""A drop in a folder. The twin looks for new files; its moods are what a clerk's machine does to a shared folder."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Final

from adapters.protocols.drop import MAX_ACK_BYTES
from adapters.twins.book import Mood
from adapters.twins.drop import GARBAGE, DropTwin
from adapters.twins.twin import Site

LOOK_S: Final = 0.02
"""Pause between two looks into the inbox."""
MENDED_AFTER_S: Final = 0.2
_SPOILT: Final = {Mood.GARBAGE: GARBAGE, Mood.ENDLESS: b"?" * (2 * MAX_ACK_BYTES), Mood.FAIL_AFTER: GARBAGE}
"""What is in an acknowledgement first."""


class FileTwin(DropTwin):
    """`folder` of the settings is there while the twin is open and able to work."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._away = self.root.with_name("ablage-fort")
        self._looking: asyncio.Task[None] | None = None
        self._spoilt: dict[str, str] = {}
        self._due: set[Path] = set()
        self._mood = Mood.OK
        self.book.changed = self._arrange

    def office_settings(self) -> dict[str, object]:
        """Settings of the adapter that reaches this twin."""
        return {"folder": str(self.root), "ack_poll_s": LOOK_S}

    async def open(self) -> None:
        """Bring the folder back, take up what lies in the inbox, then look for more."""
        self._arrange()
        self.prepare()
        self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Move the folder away: to the adapter it is a share that is not mounted."""
        if self._looking is None:
            return
        self._looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._looking
        self._looking = None
        self.forget_plans()
        self._due.clear()
        _move(self.root, self._away)

    def _arrange(self) -> None:
        """Move the folder to where the mood wants it: away is how a drop is out of order. In a good mood spoilt acknowledgements are written anew."""
        mood = self.book.mood
        working = mood not in (Mood.FAIL, Mood.AWAY)
        _move(*((self._away, self.root) if working else (self.root, self._away)))
        if working:
            inbox = self.root / self.drop.inbox
            locked = inbox.with_name(f"{inbox.name}-gesperrt")
            _move(*((inbox, locked) if mood is Mood.BUSY else (locked, inbox)))
        if mood is Mood.OK:
            for submission_id in list(self._spoilt):
                self._mend(submission_id)

    async def _look(self) -> None:
        while True:
            for path in sorted((self.root / self.drop.inbox).glob(f"*{self.drop.suffix}")):
                if path not in self._due:
                    self._handed_over(path, self.book.mood_towards(path.stem))
            await asyncio.sleep(LOOK_S)

    def _handed_over(self, path: Path, mood: Mood) -> None:
        if mood in (Mood.SLOW, Mood.FAIL):  # a folder cannot refuse one file with an error; it comes late
            self._due.add(path)
            self.after(self.book.temper.delay_s, lambda: self._take_up_late(path))
            return
        self.take_up(path, mood)

    def _take_up_late(self, path: Path) -> None:
        self._due.discard(path)
        if path.exists():
            self.take_up(path, Mood.OK)

    def take_up(self, path: Path, mood: Mood) -> None:
        """Take up a file in this mood, which decides what its acknowledgement is at first."""
        self._mood = mood
        super().take_up(path, mood)

    def acknowledge(self, submission_id: str, line: str) -> None:
        """Write an acknowledgement, as the mood has it."""
        if self._mood not in _SPOILT:
            super().acknowledge(submission_id, line)
            return
        (self.root / self.drop.answers / f"{submission_id}.ack").write_bytes(_SPOILT[self._mood])
        self._spoilt[submission_id] = line
        if self._mood is Mood.FAIL_AFTER:
            self.after(MENDED_AFTER_S, lambda: self._mend(submission_id))

    def _mend(self, submission_id: str) -> None:
        if line := self._spoilt.pop(submission_id, None):
            super().acknowledge(submission_id, line)


def _move(folder: Path, target: Path) -> None:
    if folder.exists():
        folder.rename(target)
