"""All twins together, for tests and for a process of the demo."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from adapters.augsburg.gewerbe.twin import AugsburgTwin
from adapters.muenchen.meldewesen.twin import MuenchenTwin
from adapters.nuernberg.meldewesen.twin import NuernbergTwin
from adapters.twins import control
from adapters.twins.book import Book, Mood, Temper
from adapters.twins.http import HttpListener
from adapters.twins.settings import TwinsSettings
from schemas import errors
from schemas.errors import UsageError


class Twin(Protocol):
    """One simulated back office. `open` and `close` concern its protocol port; the book outlives both."""

    book: Book

    async def open(self) -> None:
        """Listen; OSError where the port is taken."""

    async def close(self) -> None:
        """Close port and connections; nothing happens where they are closed already."""

    def office_settings(self) -> dict[str, object]:
        """What the adapter needs to reach this twin, ready for JSON or TOML."""


class Twins:
    """The back offices of the demo. Start and stop once."""

    def __init__(self, settings: TwinsSettings) -> None:
        self._cleanup = ExitStack()
        folder = settings.folder or Path(self._cleanup.enter_context(TemporaryDirectory(prefix="stadtbus-twins-")))
        login = (settings.user, settings.password)
        self.twins: dict[str, Twin] = {
            "muenchen.meldewesen": MuenchenTwin(settings.host, settings.soap_port, *login),
            "augsburg.gewerbe": AugsburgTwin(settings.host, settings.sftp_port, *login, folder),
            "nuernberg.meldewesen": NuernbergTwin(settings.host, settings.rest_port, *login),
        }
        app = control.app({office: twin.book for office, twin in self.twins.items()}, self.set_temper)
        self._control = HttpListener(app, settings.host, settings.control_port)
        self._mood_lock = asyncio.Lock()

    @property
    def control_url(self) -> str:
        """Where the control port is."""
        return f"http://{self._control.host}:{self._control.port}"

    def office_settings(self) -> dict[str, dict[str, object]]:
        """Settings of the adapters that reach these twins, by office. Ports are known from `start` on, fixed ones before."""
        return {office: twin.office_settings() for office, twin in self.twins.items()}

    async def start(self) -> None:
        """Open all ports, the control port last.

        Raises:
            UsageError: port-taken; what was open is closed again.
        """
        try:
            for twin in self.twins.values():
                await twin.open()
            await self._control.open()
        except OSError as error:
            await self.stop()
            raise UsageError(errors.PORT_TAKEN, f"the twins cannot listen: {error.strerror}") from None

    async def stop(self) -> None:
        """Close all ports and remove the temporary folder."""
        await asyncio.gather(self._control.close(), *(twin.close() for twin in self.twins.values()))
        self._cleanup.close()

    async def set_mood(self, office: str, mood: Mood, delay_s: float = 0) -> None:
        """Change the mood of a twin towards everybody."""
        await self.set_temper(office, Temper(mood, delay_s))

    async def set_temper(self, office: str, temper: Temper) -> None:
        """Change how a twin behaves from now on; returns when its port is open or closed accordingly."""
        twin = self.twins[office]
        async with self._mood_lock:
            was_away = twin.book.mood is Mood.AWAY
            twin.book.set(temper)
            if temper.mood is Mood.AWAY:
                await twin.close()
            elif was_away:
                await twin.open()
