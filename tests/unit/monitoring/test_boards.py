"""The boards and rules ask for what is exported, by names and labels; what Prometheus is told to scrape is where processes serve it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from consumers.watch import measures
from infra import metrics
from infra.monitoring import boards
from infra.monitoring.panels import Board
from stadtbus.ports import operator_ports
from stadtbus.settings import Settings
from tests import monitoring

BY_PROMETHEUS: Final = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate"}}
SCRAPED: Final = {"job", "instance"}
RULES: Final = [
    rule["expr"] for group in yaml.safe_load((monitoring.FOLDER / "rules.yml").read_text())["groups"] for rule in group["rules"]
]
QUERIES: Final = [query for board in boards.BOARDS for panel in board.panels for query in panel.queries.values()]
VARIABLES: Final = [query for board in boards.BOARDS for query in board.variables.values()]


def exported() -> dict[str, set[str]]:
    """Every metric of our processes, with its labels."""
    families = (value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase))
    found = {name: {*one._labelnames} for one in families for name in _series(one)}
    buckets = {name: labels | {"le"} if name.endswith("_bucket") else labels for name, labels in found.items()}
    return buckets | {family.name: {*family.labels} for family in measures.FAMILIES} | BY_PROMETHEUS


def _series(metric: MetricWrapperBase) -> Iterator[str]:
    for family in metric.describe():
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        yield from (family.name + ending for ending in endings)


def asked(query: str) -> tuple[dict[str, set[str]], set[str]]:
    """The metrics that a query names, each with the labels that it chooses by, and the labels that are left in the result."""
    chosen: dict[str, set[str]] = {}
    for name, braces in re.findall(r"\b((?:stadtbus|kafka)_[a-z0-9_]+|up(?=[{)]))(?:\{([^}]*)\})?", query):
        chosen.setdefault(name, set()).update(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", braces))
    left = {label.strip() for inner in re.findall(r"\bby \(([^)]*)\)", query) for label in inner.split(",")}
    return chosen, left


@pytest.mark.parametrize("query", [*RULES, *QUERIES])
def test_what_is_asked_for_is_exported(query: str) -> None:
    """Each query asks for metrics that we have, by labels that they have."""
    there, (chosen, left) = exported(), asked(query)
    assert chosen
    assert chosen.keys() <= there.keys()
    assert {name: labels - there[name] - SCRAPED for name, labels in chosen.items()} == {name: set() for name in chosen}
    assert all(left <= there[name] for name in chosen)


def test_a_wrong_name_is_noticed() -> None:
    """The test above is none that cannot fail."""
    chosen, left = asked('sum by (office, le) (rate(stadtbus_no_such_total{portal=~"x"}[5m])) / up{job="a"}')
    assert (chosen, left) == ({"stadtbus_no_such_total": {"portal"}, "up": {"job"}}, {"office", "le"})
    assert "stadtbus_no_such_total" not in exported()


@pytest.mark.parametrize("variable", VARIABLES)
def test_what_is_chosen_from_is_exported(variable: str) -> None:
    """The list that a person chooses from comes from a metric and a label that there are."""
    found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable)
    assert found is not None
    assert found[2] in exported()[found[1]]


def test_prometheus_reads_each_query(tmp_path: Path) -> None:
    """Promtool takes each query of the boards for one."""
    queries = [query.replace("$office", "x") for query in QUERIES]
    rules = [{"record": f"board:query:{number}".replace(":", "_"), "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "boards", "rules": rules}]}))
    assert f"{len(rules)} rules found" in monitoring.run("promtool", "check", "rules", tmp_path / "rules.yml")


@pytest.mark.parametrize("board", boards.BOARDS, ids=lambda board: board.name)
def test_files_are_what_the_code_makes(board: Board) -> None:
    """`make docs` would change nothing."""
    assert (monitoring.FOLDER / f"grafana/{board.name}.json").read_text(encoding="utf-8") == boards.page(board)


@pytest.mark.parametrize("board", boards.BOARDS, ids=lambda board: board.name)
def test_panels_have_their_places(board: Board) -> None:
    """No two panels of a board lie on each other, none is wider than the page, and each has its own number."""
    placed: list[dict[str, Any]] = json.loads(boards.page(board))["panels"]
    cells = [
        (x, panel["gridPos"]["y"]) for panel in placed for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in placed}) == len(placed)


def test_each_process_is_scraped_where_it_serves() -> None:
    """Prometheus is pointed at the operator port of every process there is, and at nothing else."""
    page = yaml.safe_load((monitoring.FOLDER / "prometheus.yml").read_text())
    targets = {
        config["job_name"]: [one for group in config["static_configs"] for one in group["targets"]] for config in page["scrape_configs"]
    }
    ports = operator_ports(Settings())
    offices = [f"127.0.0.1:{port}" for process, port in ports.items() if "." in process]
    alone = {f"stadtbus-{process}": [f"127.0.0.1:{port}"] for process, port in ports.items() if "." not in process}
    assert targets == alone | {"stadtbus-adapters": offices}
    assert "SUCCESS" in monitoring.run("promtool", "check", "config", monitoring.FOLDER / "prometheus.yml")
