"""Every test says in one line what is true."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FILES = sorted(TESTS.rglob("test_*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_every_test_has_one_line(path: Path) -> None:
    """Each test function has a docstring of one line."""
    found = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    tests = {node.name: ast.get_docstring(node) or "" for node in found if node.name.startswith("test_")}
    assert [name for name, text in tests.items() if len(text.splitlines()) != 1] == []
