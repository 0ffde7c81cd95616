"""The list of refusals is true: it is compared with what the modules say, and with the steps of intake."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from producers.intake import intake
from producers.intake.refusals import REFUSERS
from schemas import problems
from schemas.problems import Problem

ROOT: Final = Path(__file__).parents[2]
ANSWERS_ONLY: Final = {"producers/gateway/routes.py"}
"""Answers questions about what was taken; nothing that comes in is refused there."""
OTHERWISE: Final = {"UsageError", "CannotTell", "replace"}
"""Calls whose problem refuses no message."""


def refusals_in(source: str) -> set[Problem]:
    """The problems that a module names, where it refuses at all: not those of warnings, comparisons, codes and other errors."""
    tree = ast.parse(source)
    if not {"Rejected", "Finding", "Rule"} & {name_of(call) for call in ast.walk(tree) if isinstance(call, ast.Call)}:
        return set()
    return {getattr(problems, name) for name in refusing_names(tree)}


def refusing_names(node: ast.AST) -> Iterator[str]:
    """Names `problems.X` below a node, but for what refuses nothing."""
    if isinstance(node, ast.Compare) or (isinstance(node, ast.Call) and (name_of(node) in OTHERWISE or warns(node))):
        return
    if isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id == "problems":
            yield node.attr
        return  # an attribute of a problem is its code
    for child in ast.iter_child_nodes(node):
        yield from refusing_names(child)


def name_of(call: ast.Call) -> str:
    """The name of the function that is called."""
    return call.func.id if isinstance(call.func, ast.Name) else ""


def warns(call: ast.Call) -> bool:
    """Whether a call makes a finding, or a rule for messages of our own, that is a warning."""
    return any(word.arg in ("severity", "own") and ast.unparse(word.value) == "Severity.WARNING" for word in call.keywords)


def modules() -> list[str]:
    """Every module that could refuse on the way in."""
    found = [path for folder in ("producers", "infra", "schemas") for path in (ROOT / folder).rglob("*.py")]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def test_every_refusal_is_in_the_list() -> None:
    """Whatever refuses on the way in stands in the list, with the module it is in, and nothing stands there that no module says."""
    said = {name: found for name in modules() if name not in ANSWERS_ONLY and (found := refusals_in((ROOT / name).read_text("utf-8")))}
    listed: dict[str, set[Problem]] = {}
    for refuser in REFUSERS:
        listed.setdefault(refuser.module, set()).update(refuser.problems)
    assert said == listed


def test_steps_are_those_of_intake() -> None:
    """The list is in the order of the numbered steps in the docstring of intake, and each of them refuses; 0 is around them."""
    numbers = sorted({int(number) for number in re.findall(r"(?:^| )(\d)\. ", intake.__doc__ or "", re.MULTILINE)})
    steps = [refuser.step for refuser in REFUSERS]
    assert list(dict.fromkeys(steps)) == [*numbers, 0]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("raise Rejected(problems.DOCTYPE)", {problems.DOCTYPE}),
        ("Finding(problems.CODE, 'x')\nFinding(problems.NOT_CHECKED, 'x', severity=Severity.WARNING)", {problems.CODE}),
        ("Rejected(problems.CODE)\nraise UsageError(problems.SETTINGS)", {problems.CODE}),
        ("raise UsageError(problems.SETTINGS)", set()),
        ("Rejected(one)\nproblems.CODE.code\nother == problems.DOCTYPE", set()),
    ],
    ids=["raised", "warning", "other error too", "other error", "named only"],
)
def test_reading_of_modules_can_tell(source: str, expected: set[Problem]) -> None:
    """The test above sees what refuses, and does not take for it what only names a problem."""
    assert refusals_in(source) == expected
