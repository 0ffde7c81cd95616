"""What docs/security.md says is tested: each test that it names is there, and each finding has a row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("|") and not line.startswith(("| edge", "|---"))
]
MENDED = {f"S{number}" for number in (1, 2, 3, 4, 6, 7, 8, 9, 10, 12, *range(15, 27))} | {"F25", "F26", "K12", "M18"}
EDGES = {
    "stranger → gateway", "portal → gateway", "gateway → Kafka", "Kafka → adapters", "adapter → back office", "back office → adapter",
    "operator → desk", "local user → files", "neighbour city", "parser worker → process",
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2][:60])
def test_a_row_names_tests_that_are_there(row: list[str]) -> None:
    """Edge, kind of threat, threat, defence, tests that exist, findings."""
    _, kind, threat, defence, tests, _ = row
    assert kind in set("STRIDE")
    assert threat
    assert defence
    named = re.findall(r"`([^`]+)::(\w+)`", tests)
    assert named != []
    assert [name for path, name in named if name not in _functions(ROOT / "tests" / path)] == []


def test_each_finding_has_a_row() -> None:
    """Whatever was mended is in the table, at each edge there is something, and what is not mended is said below."""
    assert MENDED - set(re.findall(r"[SFKM]\d+", " ".join(row[-1] for row in ROWS))) == set()
    assert {row[0] for row in ROWS} == EDGES
    open_ones = PAGE.partition("## What is not defended yet")[2]
    assert all(f"(S{number}" in open_ones for number in (5, 11, 13, 14))


def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_bytes())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
