"""XPaths of a mapping, compiled. The simplest kinds, which most are, go without libxml2, which makes documents twice as fast.

They are literals, one call of `feld` or `meta`, and paths of names (`familienname/name`), also inside `normalize-space`. A test compares
them with XPath.
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
_STEPS: Final = re.compile(r"[A-Za-z_][\w.-]*(?:/[A-Za-z_][\w.-]*)*")
_NORMALIZED: Final = re.compile(rf"normalize-space\(({_STEPS.pattern})\)")
_WORDS: Final = re.compile(r"[^ \t\r\n]+")
_NONE: Final[Sequence[etree._Element]] = ()

_Wanted = dict[Any, tuple[str, "_Wanted"]]
"""Names of children, each with its path and what is wanted below it."""

Failed = (UnfitError, etree.XPathError, AttributeError, KeyError, TypeError)
"""What reading can raise; beside the first two it is a function that got other arguments than it takes."""


class ContextNode:
    """The element that XPaths start from (their context node), with what the paths of names among them lead to."""

    __slots__ = ("element", "found")

    def __init__(self, element: etree._Element) -> None:
        self.element = element
        self.found: dict[str, list[etree._Element]] = {}


class Paths:
    """The paths of names that are read at one kind of context node. One walk over an element finds what all of them lead to."""

    def __init__(self) -> None:
        self._wanted: _Wanted = {}

    def add(self, path: str) -> None:
        """Have one more path read."""
        wanted, names = self._wanted, path.split("/")
        for end, name in enumerate(names, start=1):
            _, wanted = wanted.setdefault(name, ("/".join(names[:end]), {}))

    def context(self, element: etree._Element) -> ContextNode:
        """The element as a context node for these paths."""
        context = ContextNode(element)
        _find(element, self._wanted, context.found)
        return context


def _find(element: etree._Element, wanted: _Wanted, found: dict[str, list[etree._Element]]) -> None:
    for child in element:
        step = wanted.get(child.tag)
        if step is not None:
            path, below = step
            found.setdefault(path, []).append(child)
            if below:
                _find(child, below, found)


class CompiledXPath(Protocol):
    """One XPath of a mapping, compiled once. All methods are called for each message, and raise one of `Failed` where it cannot be
    evaluated or a function cannot take a value.
    """

    def select(self, context: ContextNode) -> Any:
        """What it selects at a context node: elements and attributes, or one value."""

    def elements(self, context: ContextNode) -> Sequence[etree._Element]:
        """The elements that it selects.

        Raises:
            UnfitError: it selects something else.
        """

    def values(self, context: ContextNode) -> Sequence[Value]:
        """The values of what it selects, without blank ones.

        Raises:
            UnfitError: a number that cannot be read.
        """


def compile_xpath(text: str, paths: Paths, prefixes: Mapping[str, str], extensions: Mapping[Any, Callable[..., Any]]) -> CompiledXPath:
    """Compile an XPath without flaws, for the context nodes of these paths: as one of the simple kinds, where it is one."""
    if literal := _LITERAL.fullmatch(text):
        return _Constant(literal.group(1))
    if call := _CALL.fullmatch(text):
        return _Field(call.group(2)) if call.group(1) == "feld" else _Meta(call.group(2))
    if _STEPS.fullmatch(text):
        paths.add(text)
        return _Steps(text)
    if normalized := _NORMALIZED.fullmatch(text):
        paths.add(normalized.group(1))
        return _Normalized(normalized.group(1))
    return _General(etree.XPath(text, namespaces=dict(prefixes), extensions=dict(extensions), smart_strings=False))


class _Constant:
    def __init__(self, text: str) -> None:
        self._text = text
        self._values = functions.texts(text)

    def select(self, _: ContextNode) -> Selected:
        return self._text

    def elements(self, _: ContextNode) -> Sequence[etree._Element]:
        return _only_elements(self._text)

    def values(self, _: ContextNode) -> Sequence[Value]:
        return self._values


class _Field:
    def __init__(self, field_id: str) -> None:
        self._id = field_id

    def select(self, _: ContextNode) -> Sequence[etree._Element]:
        return functions.feld(None, self._id)

    elements = select

    def values(self, _: ContextNode) -> Sequence[Value]:
        return [value.text or "" for value in functions.feld(None, self._id)]


class _Meta:
    def __init__(self, name: str) -> None:
        self._name = name

    def select(self, _: ContextNode) -> Selected:
        return functions.meta(None, self._name)

    def elements(self, context: ContextNode) -> Sequence[etree._Element]:
        return _only_elements(self.select(context))

    def values(self, _: ContextNode) -> Sequence[Value]:
        return [functions.meta(None, self._name)]


class _Steps:
    def __init__(self, path: str) -> None:
        self._path = path

    def select(self, context: ContextNode) -> Sequence[etree._Element]:
        return context.found.get(self._path, _NONE)

    elements = select

    def values(self, context: ContextNode) -> Sequence[Value]:
        found = context.found.get(self._path)
        if found is None:
            return ()
        return [text for one in found if (text := functions.text_of(one) if len(one) else one.text) and not text.isspace()]


class _Normalized:
    def __init__(self, path: str) -> None:
        self._path = path

    def select(self, context: ContextNode) -> Selected:
        found = context.found.get(self._path)
        return " ".join(_WORDS.findall(functions.text_of(found[0]))) if found else ""

    def elements(self, context: ContextNode) -> Sequence[etree._Element]:
        return _only_elements(self.select(context))

    def values(self, context: ContextNode) -> Sequence[Value]:
        return functions.texts(self.select(context))


class _General:
    def __init__(self, xpath: etree.XPath) -> None:
        self._xpath = xpath

    def select(self, context: ContextNode) -> Any:
        return self._xpath(context.element)

    def elements(self, context: ContextNode) -> Sequence[etree._Element]:
        return _only_elements(self.select(context))

    def values(self, context: ContextNode) -> Sequence[Value]:
        return functions.texts(self.select(context))


def _only_elements(selected: Any) -> Sequence[etree._Element]:
    if not isinstance(selected, list) or any(isinstance(one, str) for one in selected):
        raise UnfitError("its XPath selects no elements")
    return selected
