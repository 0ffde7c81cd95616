r"""YAML that knows its lines, so that what is wrong with a page can be said with the line. Keys that occur twice are refused.

>>> page = load("offices:\n  - id: bau\n    name: Bauamt")
>>> page.value
{'offices': [{'id': 'bau', 'name': 'Bauamt'}]}
>>> page.line_of(("offices", 0, "name")), page.line_of(("offices", 0, "missing"))
(3, 2)
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final

import yaml
from pydantic import BeforeValidator

PathStep = str | int
"""A key of a mapping or the index of a list, as pydantic's `loc` has them."""

_MERGE: Final = "tag:yaml.org,2002:merge"
_DAY: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DEEPEST: Final = 50
"""Levels of a page; ours have less than ten."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def _day(value: object) -> object:
    """A date, or a text that looks like one. Anything else is refused here: pydantic would take a number for a time since 1970."""
    written = isinstance(value, str) and _DAY.fullmatch(value)
    if value is None or written or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    raise ValueError("expected a day like 2026-04-01")


Day = Annotated[date, BeforeValidator(_day)]
"""A day on a page, in quotes or not."""


class NotYaml(ValueError):
    """The text is not YAML; `line` counts from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"not YAML: {problem}")
        self.line = line


class YamlPage:
    """A loaded page: its value, and the line of each of its entries."""

    def __init__(self, value: Any, root: yaml.Node | None) -> None:
        self.value = value
        self._root = root

    def has(self, path: Sequence[PathStep]) -> bool:
        """Whether there is an entry at `path`."""
        node = self._root
        for step in path:
            found = _child(node, step)
            if found is None:
                return False
            node = found[1]
        return True

    def line_of(self, path: Sequence[PathStep]) -> int:
        """The line, counted from 1, where the entry at `path` begins; of an entry that is not there the line of the one around it."""
        node, line = self._root, 1
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            begin, node = found
            line = begin.start_mark.line + 1
        return line


def load(text: str) -> YamlPage:
    """The page in a text; safe types only.

    Raises:
        NotYaml: with the line.
    """
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        return YamlPage(None if root is None else loader.construct_document(root), root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(mark.line + 1 if mark else 1, error.problem or "cannot be read") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date such as 2026-02-31 is a ValueError
        raise NotYaml(1, str(error).splitlines()[0]) from None


class _Loader(yaml.SafeLoader):
    """Refuses with the line what PyYAML would take: a key that occurs twice (it keeps the last), half a surrogate pair (which no file can
    hold), and a page nested so deeply that reading takes a time that grows with the square of the depth.
    """

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise yaml.composer.ComposerError(problem=f"nested deeper than {_DEEPEST}", problem_mark=self.peek_event().start_mark)  # type: ignore[no-untyped-call] # PyYAML has no types
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_scalar_node(self, anchor: dict[Any, yaml.Node]) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        if _SURROGATE.search(node.value):
            raise yaml.composer.ComposerError(problem="\\ud800 to \\udfff are no characters", problem_mark=node.start_mark)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(problem=f"the key '{key.value}' occurs twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _child(node: yaml.Node | None, step: PathStep) -> tuple[yaml.Node, yaml.Node] | None:
    """Where the entry begins (a key, or the item of a list), and its value."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None
