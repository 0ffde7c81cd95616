"""The example for Alertmanager, in a real one: of what has one cause, one alarm is told."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests import monitoring

RULES = {
    rule["alert"]: rule["labels"]
    for group in yaml.safe_load((monitoring.FOLDER / "rules.yml").read_text())["groups"]
    for rule in group["rules"]
}
GEWERBE = {"city": "muenchen", "office": "muenchen.gewerbe", "group": "muenchen.gewerbe"}
BAU = {"city": "nuernberg", "office": "nuernberg.bau", "group": "nuernberg.bau"}


def alarm(name: str, **labels: str) -> dict[str, Any]:
    """An alarm as Prometheus hands it over, with the labels of its rule."""
    return {"labels": {"alertname": name, **RULES[name], **labels}}


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of an Alertmanager that runs with the example."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("alertmanager")
    command = [
        monitoring.program("alertmanager"),
        f"--config.file={monitoring.FOLDER / 'alertmanager.yml'}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--storage.path={folder}",
        "--cluster.listen-address=",
    ]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                wait_until_ready(client, process)
                yield client
        except ChildProcessError:
            if ".tmpl: no such file" not in (folder / "log").read_text():
                raise
            pytest.skip("Debian's Alertmanager misses its templates: `make monitoring-tools` by root puts them where it looks")
        finally:
            process.kill()


def wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    """It answers that it has read its configuration.

    Raises:
        ChildProcessError: it ended instead.
    """
    while process.poll() is None:
        try:
            if client.get("/-/ready").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise ChildProcessError("Alertmanager did not start")


def told(client: httpx.Client, *alarms: dict[str, Any], silent: int) -> set[str]:
    """The alarms that are told of these, once so many are kept back by others."""
    client.post("/api/v2/alerts", json=alarms).raise_for_status()
    wanted = {(one["labels"]["alertname"], one["labels"].get("office")) for one in alarms}
    for _ in range(100):
        here = client.get("/api/v2/alerts").json()
        those = [one for one in here if (one["labels"]["alertname"], one["labels"].get("office")) in wanted]
        kept_back = [one for one in those if one["status"]["inhibitedBy"]]
        if (len(those), len(kept_back)) == (len(alarms), silent):
            return {f"{one['labels']['alertname']} {one['labels'].get('office', '')}".strip() for one in those if one not in kept_back}
        time.sleep(0.1)
    raise AssertionError(f"{len(kept_back)} of {len(those)} are kept back, expected {silent} of {len(alarms)}")


def over(client: httpx.Client, *alarms: dict[str, Any]) -> None:
    """These have ended."""
    client.post("/api/v2/alerts", json=[one | {"endsAt": "2020-01-01T00:00:00Z"} for one in alarms]).raise_for_status()


def test_what_has_one_cause_is_one_alarm(manager: httpx.Client) -> None:
    """A bus that is down silences back offices and consumers, a back office its own consumers alone; what is lost is told in any case."""
    bus, back_office = alarm("StadtbusKafkaAway"), alarm("StadtbusBackOfficeDown", office="muenchen.gewerbe")
    stuck, late = alarm("StadtbusStuck", **GEWERBE), alarm("StadtbusLate", **GEWERBE)
    elsewhere, lost = alarm("StadtbusStuck", **BAU), alarm("StadtbusLost", **BAU)
    everything = (back_office, stuck, late, elsewhere, lost)
    assert told(manager, bus, *everything, silent=4) == {"StadtbusKafkaAway", "StadtbusLost nuernberg.bau"}
    over(manager, bus)
    expected = {"StadtbusBackOfficeDown muenchen.gewerbe", "StadtbusStuck nuernberg.bau", "StadtbusLost nuernberg.bau"}
    assert told(manager, *everything, silent=2) == expected
    over(manager, *everything)


def test_the_gravest_of_one_consumer_is_told(manager: httpx.Client) -> None:
    """Down before stuck before late, of the same consumer."""
    down, stuck, late = (alarm(f"Stadtbus{name}", **BAU) for name in ("Down", "Stuck", "Late"))
    audit = alarm("StadtbusLate", group="audit")
    assert told(manager, down, stuck, late, audit, silent=2) == {"StadtbusDown nuernberg.bau", "StadtbusLate"}
    over(manager, down, stuck, late, audit)


def test_who_is_told(tmp_path: Path) -> None:
    """What is critical goes to who is on call, at night too; the rest in working hours."""
    example = monitoring.FOLDER / "alertmanager.yml"
    monitoring.run("amtool", "check-config", example)
    for name, labels in RULES.items():
        arguments = [f"{key}={value}" for key, value in ({"alertname": name} | labels).items()]
        said = monitoring.run("amtool", "config", "routes", "test", f"--config.file={example}", *arguments)
        assert said.strip() == {"critical": "on-call", "warning": "working-hours"}[labels["severity"]], name
