"""A mapping compiled: every XPath once, every field of the target with what it is made of; and the target filled from a message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from adapters.mapping import functions
from adapters.mapping.functions import META, UnfitError, Value
from adapters.mapping.page import Draft, Spec, TargetField
from adapters.mapping.reading import Failed, Paths, Place, Read, compile_xpath
from schemas.errors import Refused
from schemas.message import NAMESPACE

PREFIXES: Final = {"e": NAMESPACE}
"""For the root element, the only one of our messages that has a namespace."""
XPATHS: Final = ("value", "each", "at", "when", "required")
"""What of a field is an XPath."""


@dataclass(slots=True, eq=False)
class Entry:
    """A field of the target. `path` holds the keys of the mapping down to it, `name` is what the target calls it."""

    path: tuple[str, ...]
    name: str
    spec: TargetField
    paths: Paths
    """Those of the fields below."""
    below: tuple[Entry, ...]
    value: Read | None = None
    each: Read | None = None
    at: Read | None = None
    when: Read | None = None
    required: Read | None = None
    plain: Callable[[Place], Sequence[Value]] | None = None
    """The values of a field that has nothing else to it, as most have; raises one of `Failed` where one has to look closer."""

    def is_needed(self, at: Place) -> bool:
        """Whether the field must not be missing."""
        return self.spec.required is True if self.required is None else bool(self.required.select(at))

    @property
    def place(self) -> tuple[str, ...]:
        """Where it stands in the page."""
        return ("document", *(step for key in self.path for step in ("fields", key)))

    def __str__(self) -> str:
        return "/".join(self.path)


Filled = tuple[Entry, Sequence[Value], Sequence[list[Any]]]
"""A field with its values, and a branch of `Filled` for each element it is repeated for; without repetition one or none."""


def every(entries: Iterable[Entry]) -> Iterator[Entry]:
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

    def entries(self, fields: Mapping[str, TargetField], paths: Paths, path: tuple[str, ...] = ()) -> tuple[Entry, ...]:
        """The fields of the target at places of one kind, in the order in which they are written."""
        return tuple(self._entry(spec, paths, (*path, key)) for key, spec in fields.items())

    def _entry(self, spec: TargetField, paths: Paths, path: tuple[str, ...]) -> Entry:
        inner = Paths() if spec.each or spec.at else paths
        entry = Entry(path, spec.name or path[-1], spec, inner, self.entries(spec.fields, inner, path))
        for key in XPATHS:
            if isinstance(text := getattr(spec, key), str):
                setattr(entry, key, self.xpath(text, paths, *entry.place, key))
        if entry.value and not (spec.fields or spec.when or isinstance(spec.required, str) or spec.default is not None):
            entry.plain = _required(entry.value) if spec.required else entry.value.values
        if spec.value is None and not spec.fields and spec.default is None:
            self._draft.add("unset", f"{entry} has neither value nor fields nor default", *entry.place)
        return entry

    def xpath(self, text: str, paths: Paths, *place: str) -> Read:
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
        yield from (
            f"the prefix '{name}' is not known; known: {', '.join(PREFIXES)}" for name in functions.prefixes(text) if name not in PREFIXES
        )
        yield from (f"meta knows {', '.join(META)}, not '{name}'" for name in functions.literals(text, "meta") if name not in META)


def _required(read: Read) -> Callable[[Place], Sequence[Value]]:
    def values(at: Place) -> Sequence[Value]:
        found = read.values(at)
        if not found:
            raise UnfitError("missing")
        return found

    return values


class Filling:
    """Fills the target from one message. What is missing is collected, so that it can be told all at once."""

    def __init__(self) -> None:
        self._missing: list[str] = []

    def fill(self, entries: tuple[Entry, ...], root: Place) -> list[Filled]:
        """The whole target.

        Raises:
            Refused: a value does not fit, or required ones are missing; by name of the field, never by value.
        """
        filled = self._fill(entries, root, "")
        if self._missing:
            raise Refused(f"missing: {', '.join(self._missing)}")
        return filled

    def _fill(self, entries: tuple[Entry, ...], at: Place, said: str) -> list[Filled]:
        known = len(self._missing)
        try:
            return [(entry, entry.plain(at), ()) if entry.plain else self._one(entry, at, said) for entry in entries]
        except Failed:  # of a plain field: look which
            del self._missing[known:]
            return [self._one(entry, at, said) for entry in entries]

    def _one(self, entry: Entry, at: Place, said: str) -> Filled:
        try:
            if entry.when is not None and not entry.when.select(at):
                return entry, (), ()
            found = () if entry.value is None else entry.value.values(at)
            needed = not found and entry.is_needed(at)
        except Failed as error:
            raise _refusal(entry, error) from None
        if not found and entry.spec.default is not None:
            found = (entry.spec.default,)
        branches = self._branches(entry, at, said) if entry.below else ()
        if needed and not found and not branches:
            self._missing.append(f"{entry}{said} ({entry.spec.value or entry.spec.each or entry.spec.at or 'no value'})")
        return entry, found, branches

    def _branches(self, entry: Entry, at: Place, said: str) -> list[list[Filled]]:
        if entry.each is not None:
            found = elements(entry.each, at, entry)
            return [self._fill(entry.below, entry.paths.place(one), f" of number {number}") for number, one in enumerate(found, start=1)]
        if entry.at is None:
            return [self._fill(entry.below, at, said)]
        found = elements(entry.at, at, entry)
        if len(found) > 1:
            raise Refused(f"{entry}: several elements where there can be one")
        return [self._fill(entry.below, entry.paths.place(one), said) for one in found]


def elements(read: Read, at: Place, entry: object) -> Sequence[etree._Element]:
    """The elements that an XPath selects.

    Raises:
        Refused: it selects something else, or cannot be evaluated on this message.
    """
    try:
        return read.elements(at)
    except Failed as error:
        raise _refusal(entry, error) from None


def _refusal(entry: object, error: Exception) -> Refused:
    """Texts of lxml could quote a value."""
    return Refused(f"{entry}: {error if isinstance(error, UnfitError) else 'its XPath cannot be evaluated'}")
