"""Documentation that cannot drift from the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stadtbus import reference

ROOT = Path(__file__).parents[2]
PAGES = sorted(page for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
DECISIONS = sorted(ROOT.glob("docs/decisions/*.md"))


@pytest.mark.parametrize("name", reference.PAGES)
def test_reference_page_is_what_the_code_says(name: str) -> None:
    """`make docs` would change nothing."""
    assert (ROOT / "docs/reference" / name).read_text(encoding="utf-8") == reference.page(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link in a page names a file that is there."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_decisions_have_one_shape(page: Path) -> None:
    """A decision record has 30 to 100 lines and says context, choice, what was rejected and the consequences."""
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Choice", "Rejected", "Consequences"]
    assert 30 <= len(text.splitlines()) <= 100


def test_readme_commands_exist() -> None:
    """Every make target that the README names is in the Makefile."""
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= known


def _defined(body: list[ast.stmt], inside: str = "") -> Iterator[str]:
    """Names of classes, functions and methods, a method after its class and a dot."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{inside}{node.name}"
            yield from _defined(node.body, f"{node.name}.") if isinstance(node, ast.ClassDef) else ()


def test_architecture_names_what_is_there() -> None:
    """Every file that the walks name exists, and so does every class, function and method that they name in it."""
    named = re.findall(
        r"([a-z_]+(?:/[a-z_0-9]+)+\.py)(?::(?:<br>|\s)+([A-Za-z_]\w*(?:\.\w+)?))?",
        (ROOT / "docs/architecture.md").read_text(encoding="utf-8"),
    )
    assert len({path for path, _ in named}) > 20
    wrong = [(path, name) for path, name in named if not (ROOT / path).is_file()]
    wrong += [
        (path, name)
        for path, name in named
        if name and (ROOT / path).is_file() and name not in _defined(ast.parse((ROOT / path).read_text(encoding="utf-8")).body)
    ]
    assert wrong == []
