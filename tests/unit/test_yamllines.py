"""YAML with lines: values as PyYAML has them, the line of each entry, and nothing lost without a word."""

from __future__ import annotations

import pytest

from schemas import yamllines
from schemas.yamllines import NotYaml, PathStep

PAGE = """\
# a comment
name: Altstadt

offices:
  - id: bau
    keys: [a,
           b]
  -
    id: park
shared: &shared {x: 1}
other:
  <<: *shared
  y: 2
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        pytest.param((), 1, id="the page"),
        pytest.param(("name",), 2, id="key"),
        pytest.param(("offices",), 4, id="key of a list"),
        pytest.param(("offices", 0), 5, id="item"),
        pytest.param(("offices", 0, "keys", 1), 7, id="item on a line of its own"),
        pytest.param(("offices", 1, "id"), 9, id="key of the second item"),
        pytest.param(("offices", 1, "missing"), 9, id="missing key: where the item begins"),
        pytest.param(("offices", 7, "id"), 4, id="missing item: where the list begins"),
        pytest.param(("offices", "id"), 4, id="a key where a list is"),
        pytest.param(("name", "deeper"), 2, id="inside a text"),
        pytest.param(("missing",), 1, id="missing key of the page"),
        pytest.param(("other", "y"), 13, id="beside a merge key"),
        pytest.param(("other", "x"), 10, id="merged: where it is written"),
    ],
)
def test_lines(path: tuple[PathStep, ...], line: int) -> None:
    """Each entry has the line where it begins; what is missing has that of what is around it."""
    assert yamllines.load(PAGE).line_of(path) == line


def test_empty_page() -> None:
    """A page without content has the value None, and everything on it is on line 1."""
    page = yamllines.load("# nothing\n")
    assert (page.value, page.line_of(("a", 0))) == (None, 1)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param("a: 1\nb: 2\na: 3", 3, "the key 'a' occurs twice", id="key twice"),
        pytest.param("b:\n  - {x: 1,\n     x: 2}", 3, "the key 'x' occurs twice", id="key twice inside"),
        pytest.param("a: 1\nb: [", 2, "expected", id="list without end"),
        pytest.param("a: \x00", 1, "unacceptable character", id="control character"),
        pytest.param('a: 1\nb: "\\ud800"', 2, "are no characters", id="half a character"),
        pytest.param("a: 2026-02-31", 1, "day is out of range", id="no such day"),
        pytest.param("a: 1\nb: !!python/object:os.system {}", 2, "could not determine a constructor", id="object of Python"),
        pytest.param("? [a]\n: 1", 1, "unhashable", id="a list as key"),
        pytest.param("[" * 5_000, 1, "nested deeper than 50", id="too deep"),
        pytest.param("a:\n" + "- " * 60 + "x", 2, "nested deeper than 50", id="too deep in blocks"),
    ],
)
def test_refused(text: str, line: int, problem: str) -> None:
    """What is no YAML, or loses an entry, is refused with the line."""
    with pytest.raises(NotYaml, match=problem) as refused:
        yamllines.load(text)
    assert refused.value.line == line
