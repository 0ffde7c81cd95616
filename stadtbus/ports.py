"""At which port of its machine each process answers operators. A port follows from the process's name, or is set: nobody's moves when an
office is added (docs/decisions/0034).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from schemas import problems
from schemas.errors import UsageError

if TYPE_CHECKING:
    from stadtbus.settings import Settings

WATCH_PORT: Final = 8081
AUDIT_PORT: Final = 8082
STATISTICS_PORT: Final = 8083
FIRST_OFFICE_PORT: Final = 10_000
OFFICE_PORTS: Final = 5_000
"""So many from the first one on: below those that machines give to outgoing connections, also with the greatest offset."""
LAST_PORT: Final = 65_535


def usual_port_of_office(office: str) -> int:
    """The port of an office's adapter where none is set: it follows from the name of the office, and from nothing else."""
    return FIRST_OFFICE_PORT + int.from_bytes(hashlib.sha256(office.encode()).digest()[:4]) % OFFICE_PORTS


def port_of(settings: Settings, process: str) -> int:
    """The port where a process (`gateway`, `watch`, `audit`, `statistics` or an office) answers operators, moved by the port offset; an office
    of nobody is a `KeyError`.

    Raises:
        UsageError: settings-invalid, where `http.ports` names a process that there is not; catalogue-invalid.
    """
    return operator_ports(settings)[process]


def operator_ports(settings: Settings) -> dict[str, int]:
    """The port of every process, by its name: gateway, watch, audit, statistics, then the offices. Raises what `port_of` raises."""
    usual = {"watch": WATCH_PORT, "audit": AUDIT_PORT, "statistics": STATISTICS_PORT}
    usual |= {office: usual_port_of_office(office) for office in settings.load_catalogue().offices}
    for name in settings.http.ports:
        if name not in usual:
            detail = f"there is no such process; ports can be set for {', '.join(usual)}"
            raise UsageError(problems.SETTINGS, detail, where=f"http.ports.{name}")
    every = {"gateway": settings.gateway.operator_port} | usual | settings.http.ports
    return {process: _moved(settings, process, port) for process, port in every.items()}


def _moved(settings: Settings, process: str, port: int) -> int:
    moved = port + settings.http.port_offset
    if moved > LAST_PORT:
        raise UsageError(
            problems.SETTINGS, f"the port of {process} would be {moved}, and there is none above {LAST_PORT}", where="http.port_offset"
        )
    return moved


def api_port_of(settings: Settings) -> int:
    """The port where the gateway serves portals, moved by the port offset."""
    return settings.gateway.port + settings.http.port_offset


def shared(ports: Iterable[tuple[str, int]]) -> dict[int, list[str]]:
    """The ports that more than one of these processes would have, with their names. On machines of their own that does no harm."""
    by_port: defaultdict[int, list[str]] = defaultdict(list)
    for process, port in ports:
        by_port[port].append(process)
    return {port: names for port, names in by_port.items() if len(names) > 1}
