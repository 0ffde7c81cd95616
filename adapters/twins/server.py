"""All twins together, for tests and for a process of the demo. They come from the entry-point group `stadtbus.twins`."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters import registry
from adapters.twins import control
from adapters.twins.book import Mood, Temper
from adapters.twins.http import HttpListener
from adapters.twins.settings import TwinsSettings
from adapters.twins.twin import Site, Twin, make_twin
from schemas import problems
from schemas.errors import UsageError


class Twins:
    """The back offices of the demo. Start and stop once."""

    def __init__(self, settings: TwinsSettings) -> None:
        self._cleanup = ExitStack()
        folder = settings.folder or Path(self._cleanup.enter_context(TemporaryDirectory(prefix="stadtbus-twins-")))
        self.twins: dict[str, Twin] = {
            office: make_twin(office, Site(settings.host, port, settings.user, settings.password, folder / office))
            for office, port in ports(settings).items()
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
            raise UsageError(problems.PORT_TAKEN, f"the twins cannot listen: {error.strerror}") from None

    async def stop(self) -> None:
        """Close all ports and remove the temporary folder."""
        await asyncio.gather(self._control.close(), *(twin.close() for twin in self.twins.values()))
        self._cleanup.close()

    async def set_mood(self, office: str, mood: Mood, delay_s: float = 0) -> None:
        """Change the mood of a twin towards everybody."""
        await self.set_temper(office, Temper(mood, delay_s))

    async def set_temper(self, office: str, temper: Temper) -> None:
        """Change how a twin behaves from now on; returns when its port is open or closed accordingly."""
        async with self._mood_lock:
            await change(self.twins[office], temper)


async def change(twin: Twin, temper: Temper) -> None:
    """Give one twin another temper; returns when its port is open or closed accordingly."""
    was_away = twin.book.mood is Mood.AWAY
    twin.book.set(temper)
    if temper.mood is Mood.AWAY:
        await twin.close()
    elif was_away:
        await twin.open()


def ports(settings: TwinsSettings) -> dict[str, int]:
    """The protocol port of each twin by office, one after the other; 0 stands for any free one."""
    offices = registry.names(registry.TWINS)
    return {office: settings.first_port and settings.first_port + number for number, office in enumerate(offices)}
