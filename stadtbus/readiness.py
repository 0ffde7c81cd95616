"""What a process of this machine says of itself at `/readyz`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from stadtbus.ports import port_of

if TYPE_CHECKING:
    from stadtbus.settings import Settings

GATEWAY: Final = "gateway"
_LONGEST_TEXT: Final = 2_000
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where a process listens that listens everywhere


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer of one process; without a status nobody answered at its address."""

    address: str
    status: int | None = None
    text: str = ""
    """A line for each finding, `ok` where there is none; shown as it is, never interpreted."""

    @property
    def well(self) -> bool:
        """It works, and has nothing to tell."""
        return self.status == httpx.codes.OK and self.text == "ok"


def address_of(settings: Settings, process: str) -> str:
    """Host and port where this machine's `gateway`, `audit`, `statistics` or adapter of an office answers operators."""
    host = _ANYWHERE.get(settings.http.operator_host, settings.http.operator_host)
    return f"{f'[{host}]' if ':' in host else host}:{port_of(settings, process)}"


async def ask(http: httpx.AsyncClient, address: str) -> Readiness:
    """Ask the process at an address, for as long as the client waits. Raises nothing: no answer is an answer too."""
    try:
        answer = await http.get(f"http://{address}/readyz")
    except (httpx.HTTPError, OSError):
        return Readiness(address)
    return Readiness(address, answer.status_code, answer.text[:_LONGEST_TEXT].strip())
