"""compose.yaml: what runs there is what is built here, is watched, and is open to this machine only."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import yaml
from typer.testing import CliRunner

from adapters import registry
from adapters.twins.server import ports
from adapters.twins.settings import TwinsSettings
from infra.kafka.jars import kafka_version
from infra.kafka.local_settings import cluster_settings
from producers.portals.register import Register
from producers.portals.tokens import hash_of
from producers.synthetic.rights import page_of
from schemas import catalogue
from schemas.examination import schema_table
from schemas.message import Authority
from stadtbus import settings
from stadtbus.cli import app

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-(.*?)\}", r"\1", (ROOT / "compose.yaml").read_text(encoding="utf-8")))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "stadtbus:local"}
RUN_ONCE = {"topics"}


def settings_of(name: str, monkeypatch: pytest.MonkeyPatch) -> settings.Settings:
    """What a service reads from the environment that the file gives it."""
    monkeypatch.delenv(settings.CONFIG_VARIABLE, raising=False)
    for variable, value in SERVICES[name]["environment"].items():
        monkeypatch.setenv(variable, str(value))
    return settings.load()


def test_every_office_has_its_adapter() -> None:
    """Each office of the catalogue is served by one container, and there is no other adapter."""
    commands = [service["command"] for service in OURS.values()]
    assert sorted(command[2] for command in commands if command[:2] == ["run", "adapter"]) == sorted(catalogue.load().offices)


def test_gateway_knows_every_namespace(tmp_path: Path) -> None:
    """The gateway's schema table has a row for each genuine message that an office takes."""
    (tmp_path / schema_table.PAGE).write_text(COMPOSE["configs"]["schemas"]["content"], encoding="utf-8")
    taken = {namespace for route in catalogue.load().routes for namespace in route.office_entry.namespaces}
    assert {row.namespace for row in schema_table.load(tmp_path).rows if not row.own} == taken
    config = next(one for one in SERVICES["gateway"]["configs"] if one["source"] == "schemas")
    assert config["target"] == f"{SERVICES['gateway']['environment']['STADTBUS_SCHEMAS__FOLDER']}/{schema_table.PAGE}"


@pytest.mark.parametrize("name", SERVICES)
def test_open_to_this_machine_only(name: str) -> None:
    """Published ports are bound to the loopback address: the file holds passwords that everybody knows."""
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - RUN_ONCE))
def test_is_watched(name: str) -> None:
    """What runs for long has a health check, is started again, and gets time to stop."""
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert SERVICES[name]["stop_grace_period"] == "30s"


@pytest.mark.parametrize("name", SERVICES)
def test_waits_for_what_exists(name: str) -> None:
    """A service waits for services of the file, for health where they have a health check, for the end where they run once."""
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert how["condition"] == ("service_completed_successfully" if needed in RUN_ONCE else "service_healthy")
        assert needed in SERVICES


def test_one_image_of_ours() -> None:
    """The image is built once, and never taken from a registry; the others have a version."""
    assert [name for name, service in SERVICES.items() if "build" in service] == ["topics"]
    assert {service["pull_policy"] for service in OURS.values()} == {"build", "never"}
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka_version()}"
    assert all(re.search(r":\d|:local$", service["image"]) for service in SERVICES.values())
    assert (ROOT / SERVICES["topics"]["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("name", OURS)
def test_processes_can_do_little(name: str) -> None:
    """A process of ours cannot write to its image, has no capabilities and cannot gain any; its parent reaps."""
    service = OURS[name]
    assert service["read_only"]
    assert service["init"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", OURS)
def test_command_exists(name: str) -> None:
    """The command of each service is one of the command line, options included."""
    result = CliRunner().invoke(app, [*OURS[name]["command"], "--help"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", OURS)
def test_settings_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each service can read its settings; an adapter also gets everything that it asks for."""
    loaded = settings_of(name, monkeypatch)
    command = OURS[name]["command"]
    if command[:2] == ["run", "adapter"]:
        found = loaded.office(command[2])
        if command[2] == "augsburg.gewerbe":  # asked from the twin when the container starts
            found["host_key"] = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        registry.check(command[2], found)


@pytest.mark.parametrize("name", [name for name, service in OURS.items() if service["command"][:2] == ["run", "adapter"]])
def test_ports_of_the_twins(name: str) -> None:
    """Each adapter reaches the twin of its own office."""
    office = OURS[name]["command"][2]
    prefix = f"STADTBUS_OFFICES__{office.replace('.', '__').upper()}__"
    environment = {key.removeprefix(prefix): str(value) for key, value in SERVICES[name]["environment"].items()}
    port = environment.get("PORT") or re.search(r":(\d+)", environment["URL"].removeprefix("http:")).group(1)  # type: ignore[union-attr]
    assert int(port) == ports(TwinsSettings())[office]


def test_portals_and_their_tokens(tmp_path: Path) -> None:
    """Each city has a portal, which may send what its city takes and no more; its token is the one that the comment tells."""
    for config in SERVICES["gateway"]["configs"]:
        if config["source"] != "schemas":
            (tmp_path / Path(config["target"]).name).write_text(COMPOSE["configs"][config["source"]]["content"], encoding="utf-8")
            assert str(Path(config["target"]).parent) == SERVICES["gateway"]["environment"]["STADTBUS_GATEWAY__PORTALS"]
    known = catalogue.load()
    register = Register(tmp_path, known)
    register.require_right()
    assert register.pages.keys() == {f"portal-{city}" for city in known.cities}
    for name, page in register.pages.items():
        (token,) = page.settings.tokens
        routes = [route for route in known.routes if f"portal-{route.city.city}" == name]
        expected = page_of(Authority(key=f"kop:{routes[0].city.ags}", name=f"Portal {routes[0].city.name.split()[-1]}"), "", routes, known)
        assert token.sha256 == hash_of(f"demo-{name}")
        assert page.settings.model_copy(update={"tokens": ()}) == expected.model_copy(update={"tokens": (), "test": True})


def test_kafka_is_set_as_the_local_one() -> None:
    """The broker in the container and the local broker differ in addresses and folders only."""
    environment = SERVICES["kafka"]["environment"]
    for name, value in cluster_settings(1).items():
        assert str(environment["KAFKA_" + name.upper().replace(".", "_")]) == str(value)


def test_compose_reads_it() -> None:
    """Docker Compose itself takes the file. It needs no engine for that."""
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    done = subprocess.run([docker, "compose", "-f", ROOT / "compose.yaml", "config", "-q"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
