"""`stadtbus processes`: who runs where and whether it works, by what answers here and by what the heartbeats say."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from infra.kafka import last_said as reading
from infra.settings import KafkaSettings
from schemas import problems
from schemas.errors import CannotTell
from schemas.heartbeats import Heartbeat, ProcessKind
from stadtbus import readiness
from stadtbus.ports import operator_ports
from stadtbus.readiness import Readiness
from stadtbus.settings import Settings
from tests.command_line import Command

NAMES = list(operator_ports(Settings()))
OFFICE = "muenchen.meldewesen"


def said(office: str, *, age_s: float = 1, host: str = "elsewhere") -> Heartbeat:
    """An adapter that runs on another machine, as it said so long ago."""
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    return Heartbeat(
        at=at, instance=f"{office}@{host}:8080", process=ProcessKind.ADAPTER, office=office, version="0.1.0", started_at=at - timedelta(hours=2)
    )  # fmt: skip


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> dict[str, Readiness | Heartbeat | CannotTell]:
    """What each process answers here, `ok` unless it is put here, and under `heard` what the heartbeats say."""
    told: dict[str, Readiness | Heartbeat | CannotTell] = {}
    ports = {port: name for name, port in operator_ports(Settings()).items()}

    async def ask(_: object, address: str) -> Readiness:
        answer = told.get(ports[int(address.rpartition(":")[2])], Readiness(address, 200, "ok"))
        assert isinstance(answer, Readiness)
        return answer

    async def last_said(_: KafkaSettings) -> list[Heartbeat]:
        heard = told.get("heard")
        if isinstance(heard, CannotTell):
            raise heard
        return [heard] if isinstance(heard, Heartbeat) else []

    monkeypatch.setattr(readiness, "ask", ask)
    monkeypatch.setattr(reading, "last_said", last_said)
    return told


AWAY = Readiness("127.0.0.1:1")
DOWN = Readiness("127.0.0.1:1", 503, "office: the back office is down")
TOLD = Readiness("127.0.0.1:1", 200, "office: paused until noon")
NO_KAFKA = CannotTell(problems.KAFKA_UNREACHABLE, "refused")

SITUATIONS = [
    pytest.param(None, None, 0, "works", id="all work"),
    pytest.param(TOLD, None, 0, "works, but", id="one has something to say"),
    pytest.param(DOWN, None, 1, "not ready", id="one does not work"),
    pytest.param(AWAY, None, 1, "not found", id="one is nowhere"),
    pytest.param(AWAY, 1, 0, "runs elsewhere", id="one runs on another machine"),
    pytest.param(AWAY, 60, 1, "not found", id="one has not been heard for a minute"),
    pytest.param(AWAY, NO_KAFKA, 3, "not found", id="one is not here and nobody says whether it is elsewhere"),
    pytest.param(DOWN, NO_KAFKA, 1, "not ready", id="one does not work, whatever Kafka says"),
]


@pytest.mark.parametrize(("answer", "heard", "code", "state"), SITUATIONS)
def test_what_each_process_does(
    stadtbus: Command, bus: dict[str, object], answer: Readiness | None, heard: object, code: int, state: str
) -> None:
    """The state of one process, and the exit code; the others work."""
    bus |= {OFFICE: answer} if answer else {}
    bus |= {"heard": said(OFFICE, age_s=heard) if isinstance(heard, int) else heard}
    assert stadtbus("processes")[0] == code
    shown = {one["process"]: one for one in json.loads(stadtbus("processes", "--json")[1])}
    assert {name: one["state"] for name, one in shown.items()} == dict.fromkeys(NAMES, "works") | {OFFICE: state}
    assert {name: one["port"] for name, one in shown.items()} == operator_ports(Settings())


def test_page_fits_the_terminal(stadtbus: Command, bus: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """At 80 columns nothing is cut, and what a process says of itself stands below."""
    monkeypatch.setattr("stadtbus.commands.terminal.console.width", 80)
    bus |= {OFFICE: DOWN, "heard": said(OFFICE, host="machine-7.muenchen.example")}
    _, text, _ = stadtbus("processes")
    assert (max(map(len, text.splitlines())) <= 80, "…" in text, "the back office is down" in text) == (True, False, True)
    assert "machine-7.muenchen.example:8080" in "".join(text.split())


def test_shared_port_is_told(stadtbus: Command, bus: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes of one machine with one port are a finding, with the setting to change."""
    monkeypatch.setenv("STADTBUS_HTTP__PORTS", json.dumps({OFFICE: operator_ports(Settings())["nuernberg.bau"]}))
    code, _, error = stadtbus("processes")
    assert (code, f"{OFFICE}, nuernberg.bau have the same port" in error, "http.ports.nuernberg.bau" in error) == (1, True, True)
