"""Ports of processes: each follows from a name or is set, and stays when an office is added."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from schemas import problems
from schemas.errors import StadtbusError
from stadtbus.ports import FIRST_OFFICE_PORT, OFFICE_PORTS, operator_ports, port_of, shared, usual_port_of_office
from stadtbus.settings import Settings

SHIPPED = Path("schemas/cities")


def with_more_offices(folder: Path) -> Path:
    """The shipped catalogue, where München has an office more whose name comes first of all."""
    for page in SHIPPED.glob("*.yaml"):
        content = yaml.safe_load(page.read_text(encoding="utf-8"))
        if page.stem == "augsburg":
            content["offices"].insert(0, dict(content["offices"][0], id="aaa", services=[dict(content["offices"][0]["services"][0])]))
            content["offices"][1]["services"][0]["valid_to"] = "2030-01-01"
            content["offices"][0]["services"][0]["valid_from"] = "2030-01-02"
        (folder / page.name).write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def test_a_new_office_moves_nobody(tmp_path: Path) -> None:
    """An office that is added, first in the alphabet, leaves the port of every other process where it is."""
    before, after = operator_ports(Settings()), operator_ports(Settings(catalogue=with_more_offices(tmp_path)))
    assert set(after) - set(before) == {"augsburg.aaa"}
    assert {process: after[process] for process in before} == before


def test_usual_ports() -> None:
    """The ports that scrape configurations name are these; whoever changes them has to tell operators."""
    assert operator_ports(Settings()) == {
        "gateway": 9108,
        "watch": 8081,
        "audit": 8082,
        "statistics": 8083,
        "augsburg.gewerbe": 12552,
        "muenchen.gewerbe": 13722,
        "muenchen.meldewesen": 13881,
        "nuernberg.bau": 10925,
        "nuernberg.meldewesen": 13613,
    }


@pytest.mark.parametrize("number", range(50))
def test_usual_ports_of_offices_have_their_range(number: int) -> None:
    """Whatever the name, the port is in the range that stands in the pages, and moved by the greatest offset there is one."""
    port = usual_port_of_office(f"city-{number}.office")
    assert FIRST_OFFICE_PORT <= port < FIRST_OFFICE_PORT + OFFICE_PORTS
    assert port + 50_000 <= 65_535


def test_set_ports_win_and_are_moved() -> None:
    """A port that is set is taken, moved as all are; the others keep theirs."""
    settings = Settings.model_validate({"http": {"port_offset": 100, "ports": {"muenchen.gewerbe": 8085, "watch": 8081}}})
    assert (port_of(settings, "muenchen.gewerbe"), port_of(settings, "watch"), port_of(settings, "audit")) == (8185, 8181, 8182)


@pytest.mark.parametrize(
    ("http", "where"),
    [
        ({"ports": {"muenchen.gewerbee": 8085}}, "http.ports.muenchen.gewerbee"),
        ({"ports": {"audit": 65_000}, "port_offset": 1_000}, "http.port_offset"),
    ],
    ids=["of nobody", "beyond the last"],
)
def test_ports_that_cannot_be(http: dict[str, object], where: str) -> None:
    """A port of a process that there is not, and one beyond the last, are refused with the place."""
    with pytest.raises(StadtbusError) as error:
        operator_ports(Settings.model_validate({"http": http}))
    assert (error.value.problem, error.value.where) == (problems.SETTINGS, where)


def test_shared_ports_are_found() -> None:
    """Two processes with one port are named together."""
    assert shared([("audit", 8082), ("a.b", 10_001), ("c.d", 10_001)]) == {10_001: ["a.b", "c.d"]}
