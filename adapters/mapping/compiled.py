"""A mapping compiled: every XPath once, every field of the target with what it is made of; and the target filled from a message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lxml import etree

from adapters.mapping import functions
from adapters.mapping.functions import META, UnfitError, Value
from adapters.mapping.page import Draft, Spec, TargetField
from adapters.mapping.reading import CompiledXPath, ContextNode, Failed, Paths, compile_xpath
from schemas.errors import Refused
from schemas.message import NAMESPACE

PREFIXES: Final = {"e": NAMESPACE}
"""For the root element, the only one of our messages that has a namespace."""
_RUNNING: Final = "for a running number write count(preceding-sibling::NAME) + 1, where NAME is the element that 'each' selects"
XPATHS: Final = ("value", "each", "at", "when", "required")
"""What of a field is an XPath."""


@dataclass(slots=True, eq=False)
class CompiledField:
    """A field of the target. `path` holds the keys of the mapping down to it, `name` is what the target calls it."""

    path: tuple[str, ...]
    name: str
    spec: TargetField
    paths: Paths
    """Those of the fields below."""
    below: tuple[CompiledField, ...]
    value: CompiledXPath | None = None
    each: CompiledXPath | None = None
    at: CompiledXPath | None = None
    when: CompiledXPath | None = None
    required: CompiledXPath | None = None
    fill: Fill = field(init=False)

    def is_needed(self, at: ContextNode) -> bool:
        """Whether the field must not be missing."""
        return self.spec.required is True if self.required is None else functions.holds(self.required.select(at))

    @property
    def place(self) -> tuple[str, ...]:
        """Where it stands in the page."""
        return ("document", *(step for key in self.path for step in ("fields", key)))

    def __str__(self) -> str:
        return "/".join(self.path)


Filled = tuple[CompiledField, Sequence[Value], Sequence[list[Any]]]
"""A field with its values, and a branch of `Filled` for each element it is repeated for; without repetition one or none."""


FieldFault = tuple[CompiledField, str]
"""A field, and why it cannot be filled or written; never with a value, and the same in each repetition."""
Missing = list[tuple[FieldFault, str]]
"""What is missing, and in which repetition."""
Fill = Callable[[ContextNode, str, Missing], Filled]
"""Fills a field at a context node. The text says in which repetition, the list takes what is missing."""
Branches = Callable[[ContextNode, str, Missing], list[list[Filled]]]
"""Fills what is below a field, in the same way."""


class Misfit(Refused):
    """A message that has no form for this back office; `faults` are all that were found, for who mends the mapping. Dead letters carry the
    name of this class, so it stays.
    """

    def __init__(self, reason: str, faults: Iterable[FieldFault]) -> None:
        super().__init__(reason)
        self.faults = tuple(faults)


def every(entries: Iterable[CompiledField]) -> Iterator[CompiledField]:
    """The fields with all that are below them."""
    for entry in entries:
        yield entry
        yield from every(entry.below)


class Compiler:
    """Compiles the XPaths of a mapping and notes what is wrong with them."""

    def __init__(self, draft: Draft, spec: Spec) -> None:
        self._draft = draft
        self._codes = spec.codes
        self._extensions = functions.extensions(spec.codes)

    def entries(self, fields: Mapping[str, TargetField], paths: Paths, path: tuple[str, ...] = ()) -> tuple[CompiledField, ...]:
        """The fields of the target at places of one kind, in the order in which they are written."""
        return tuple(self._entry(spec, paths, (*path, key)) for key, spec in fields.items())

    def _entry(self, spec: TargetField, paths: Paths, path: tuple[str, ...]) -> CompiledField:
        inner = Paths() if spec.each or spec.at else paths
        entry = CompiledField(path, spec.name or path[-1], spec, inner, self.entries(spec.fields, inner, path))
        for key in XPATHS:
            if isinstance(text := getattr(spec, key), str):
                setattr(entry, key, self.xpath(text, paths, *entry.place, key))
        entry.fill = _filling(entry)
        if spec.value is None and not spec.fields and spec.default is None:
            self._draft.add("unset", f"{entry} has neither value nor fields nor default", *entry.place)
        return entry

    def xpath(self, text: str, paths: Paths, *place: str) -> CompiledXPath:
        """One XPath; one that finds nothing where it cannot be used."""
        return compile_xpath("/.." if list(self._noted(text, place)) else text, paths, PREFIXES, self._extensions)

    def located(self, text: str, *place: str) -> etree.XPath:
        """The same for `ignored`: one has to know where the attributes stand that it selects."""
        usable = "/.." if list(self._noted(text, place)) else text
        return etree.XPath(usable, namespaces=PREFIXES, extensions=self._extensions)

    def _noted(self, text: str, place: Sequence[str]) -> Iterator[str]:
        for wrong in self._wrong(text):
            self._draft.add("xpath", f"{text}: {wrong}", *place)
            yield wrong

    def _wrong(self, text: str) -> Iterator[str]:
        try:
            etree.XPath(text)
        except etree.XPathSyntaxError as error:
            yield str(error)
        yield from (f"there is no function '{name}'" for name in functions.unknown(text))
        yield from (f"there is no table '{name}' in codes" for name in functions.literals(text, "code") if name not in self._codes)
        yield from (f"{name}() is there inside [...] only; {_RUNNING}" for name in functions.out_of_place(text))
        yield from (
            f"the prefix '{name}' is not known; known: {', '.join(PREFIXES)}" for name in functions.prefixes(text) if name not in PREFIXES
        )
        yield from (f"meta knows {', '.join(META)}, not '{name}'" for name in functions.literals(text, "meta") if name not in META)


# --- filling


def fill(entries: tuple[CompiledField, ...], root: ContextNode) -> list[Filled]:
    """The whole target. What is missing is collected, so that it can be told all at once.

    Raises:
        Misfit: a value does not fit, or required ones are missing; by name of the field, never by value.
    """
    missing: Missing = []
    filled = [entry.fill(root, "", missing) for entry in entries]
    if missing:
        raise Misfit(f"missing: {', '.join(told for _, told in missing)}", (fault for fault, _ in missing))
    return filled


def _filling(entry: CompiledField) -> Fill:
    """Compiled once for every field: nothing that a mapping says is looked up while a message waits."""
    values = _no_values if entry.value is None else entry.value.values
    when, default, branches = entry.when, entry.spec.default, _branches(entry)

    def filled(at: ContextNode, said: str, missing: Missing) -> Filled:
        try:
            if when is not None and not functions.holds(when.select(at)):
                return entry, (), ()
            found = values(at)
            needed = not found and entry.is_needed(at)
        except Failed as error:
            raise _refusal(entry, error) from None
        if not found and default is not None:
            found = (default,)
        below = () if branches is None else branches(at, said, missing)
        if needed and not found and not below:
            source = entry.spec.value or entry.spec.each or entry.spec.at or "no value"
            missing.append(((entry, f"missing: {entry} ({source})"), f"{entry}{said} ({source})"))
        return entry, found, below

    return filled


def _no_values(_: ContextNode) -> Sequence[Value]:
    return ()


def _branches(entry: CompiledField) -> Branches | None:
    """The fields below, once for each place that they are to be filled at."""
    if not entry.below:
        return None
    if entry.each is not None:
        return _at_each(entry, entry.each)
    return _here(entry) if entry.at is None else _at_one(entry, entry.at)


def _here(entry: CompiledField) -> Branches:
    below = [one.fill for one in entry.below]
    return lambda at, said, missing: [[one(at, said, missing) for one in below]]


def _at_one(entry: CompiledField, xpath: CompiledXPath) -> Branches:
    context, here = entry.paths.context, _here(entry)

    def branches(at: ContextNode, said: str, missing: Missing) -> list[list[Filled]]:
        found = elements(xpath, at, entry)
        if len(found) > 1:
            raise misfit(entry, "several elements where there can be one")
        return here(context(found[0]), said, missing) if found else []

    return branches


def _at_each(entry: CompiledField, xpath: CompiledXPath) -> Branches:
    context, here = entry.paths.context, _here(entry)

    def branches(at: ContextNode, _: str, missing: Missing) -> list[list[Filled]]:
        found = enumerate(elements(xpath, at, entry), start=1)
        return [branch for number, one in found for branch in here(context(one), f" of number {number}", missing)]

    return branches


def elements(xpath: CompiledXPath, at: ContextNode, entry: CompiledField | str) -> Sequence[etree._Element]:
    """The elements that an XPath selects.

    Raises:
        Refused: it selects something else, or cannot be evaluated on this message.
    """
    try:
        return xpath.elements(at)
    except Failed as error:
        raise _refusal(entry, error) from None


def misfit(entry: CompiledField | str, detail: str) -> Refused:
    """The refusal of a message for which one field of a mapping, or something else of it, is to blame."""
    reason = f"{entry}: {detail}"
    return Refused(reason) if isinstance(entry, str) else Misfit(reason, [(entry, reason)])


def _refusal(entry: CompiledField | str, error: Exception) -> Refused:
    """A refusal with our own words: texts of lxml could quote a value."""
    return misfit(entry, str(error) if isinstance(error, UnfitError) else "its XPath cannot be evaluated")
