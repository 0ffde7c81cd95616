"""XPaths of a mapping, compiled. The simplest kinds, which most are, go without libxml2, which makes documents twice as fast.

They are literals, one call of `feld` or `meta`, and paths of names (`familienname/name`). A test compares them with XPath.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from lxml import etree

from adapters.mapping import functions
from adapters.mapping.functions import Selected, UnfitError, Value

_LITERAL: Final = re.compile(r"'([^']*)'")
_CALL: Final = re.compile(r"(feld|meta)\('([^']*)'\)")
_STEPS: Final = re.compile(r"[A-Za-z_][\w.-]*(/[A-Za-z_][\w.-]*)*")
_NONE: Final[Sequence[etree._Element]] = ()

Failed = (UnfitError, etree.XPathError, AttributeError, KeyError, TypeError)
"""What reading can raise; beside the first two it is a function that got other arguments than it takes."""


class Place:
    """An element that XPaths start from. Its children are sorted by name once, for all paths that begin with them."""

    __slots__ = ("_children", "element")

    def __init__(self, element: etree._Element) -> None:
        self.element = element
        self._children: dict[Any, list[etree._Element]] | None = None

    def children(self) -> Mapping[Any, Sequence[etree._Element]]:
        """By their names, those of one name in their order."""
        if self._children is None:
            self._children = {}
            for child in self.element:
                self._children.setdefault(child.tag, []).append(child)
        return self._children


class Read(Protocol):
    """A compiled XPath. All of its methods raise one of `Failed` where it cannot be evaluated or a function cannot take a value."""

    def select(self, place: Place) -> Any:
        """What it gives: elements and attributes, or one value."""

    def elements(self, place: Place) -> Sequence[etree._Element]:
        """The same, where it has to be elements.

        Raises:
            UnfitError: it is not.
        """

    def values(self, place: Place) -> Sequence[Value]:
        """The values in that, without blank ones.

        Raises:
            UnfitError: a number that cannot be read.
        """


def compile_xpath(text: str, prefixes: Mapping[str, str], extensions: Mapping[Any, Callable[..., Any]]) -> Read:
    """Compile an XPath that has no flaws."""
    if literal := _LITERAL.fullmatch(text):
        return _Constant(literal.group(1))
    if call := _CALL.fullmatch(text):
        return _Field(call.group(2)) if call.group(1) == "feld" else _Meta(call.group(2))
    if _STEPS.fullmatch(text):
        return _Steps(text.split("/"))
    return _General(etree.XPath(text, namespaces=dict(prefixes), extensions=dict(extensions), smart_strings=False))


class _Constant:
    def __init__(self, text: str) -> None:
        self._text = text
        self._values = functions.texts(text)

    def select(self, _: Place) -> Selected:
        return self._text

    def elements(self, _: Place) -> Sequence[etree._Element]:
        return _only_elements(self._text)

    def values(self, _: Place) -> Sequence[Value]:
        return self._values


class _Field:
    def __init__(self, field_id: str) -> None:
        self._id = field_id

    def select(self, _: Place) -> Sequence[etree._Element]:
        return functions.feld(None, self._id)

    elements = select

    def values(self, _: Place) -> Sequence[Value]:
        return [value.text or "" for value in functions.feld(None, self._id)]


class _Meta:
    def __init__(self, name: str) -> None:
        self._name = name

    def select(self, _: Place) -> Selected:
        return functions.meta(None, self._name)

    def elements(self, place: Place) -> Sequence[etree._Element]:
        return _only_elements(self.select(place))

    def values(self, _: Place) -> Sequence[Value]:
        return [functions.meta(None, self._name)]


class _Steps:
    def __init__(self, names: list[str]) -> None:
        self._first, *self._others = names

    def select(self, place: Place) -> Sequence[etree._Element]:
        found = place.children().get(self._first, _NONE)
        for name in self._others:
            found = [child for one in found for child in one.iterchildren(name)]
        return found

    elements = select

    def values(self, place: Place) -> Sequence[Value]:
        found = self.select(place)
        if not found:
            return ()
        return [text for one in found if (text := functions.text_of(one) if len(one) else one.text) and not text.isspace()]


class _General:
    def __init__(self, xpath: etree.XPath) -> None:
        self._xpath = xpath

    def select(self, place: Place) -> Any:
        return self._xpath(place.element)

    def elements(self, place: Place) -> Sequence[etree._Element]:
        return _only_elements(self.select(place))

    def values(self, place: Place) -> Sequence[Value]:
        return functions.texts(self.select(place))


def _only_elements(selected: Any) -> Sequence[etree._Element]:
    if not isinstance(selected, list) or any(isinstance(one, str) for one in selected):
        raise UnfitError("its XPath selects no elements")
    return selected
