"""What can be wrong with a mapping that loads, found by trying it on exemplars.

- never: an XPath finds nothing in any message, so a field, a condition or a reason is dead
- refused: a message that has everything is refused, for example because a code table lacks a code of the service
- lost: a value of the message changes and the document does not; `ignored` says where that is meant
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from lxml import etree

from adapters.interface import Document, Submission
from adapters.mapping import entries, functions, page
from adapters.mapping.entries import XPATHS, Entry
from adapters.mapping.exemplars import exemplars
from adapters.mapping.mapping import Mapping
from adapters.mapping.reading import Failed, Place, Read
from schemas.catalogue import Service
from schemas.catalogue.pages import Flaw
from schemas.errors import Refused
from schemas.yamllines import Step

_HINT: Final = "docs/mappings.md explains what is found, and how to mend it."
_SWAPPED: Final = str.maketrans("0123456789", "1032547698")
_INDEX: Final = re.compile(r"\[\d+\]")
_KEY_OF_FIELD: Final = "inhalt/formular/feld/@id"


def check(path: Path, services: Sequence[Service]) -> list[Flaw]:
    """Everything that is wrong with the mapping in a file, for the services that its office takes."""
    draft = page.read(path)
    if draft.spec is None:
        return draft.flaws
    mapping = Mapping(draft)
    return draft.flaws or flaws(mapping, services)


def flaws(mapping: Mapping, services: Sequence[Service]) -> list[Flaw]:
    """What is wrong with a mapping that loads, each thing once."""
    groups = [group for service in services for kind in mapping.spec.messages for group in exemplars(kind, service)]
    found = [*_never(mapping, chain.from_iterable(groups)), *chain.from_iterable(_on(mapping, group) for group in groups)]
    return list(dict.fromkeys(found))


def _flaw(mapping: Mapping, rule: str, detail: str, *path: Step) -> Flaw:
    return Flaw(rule, mapping.draft.spot(*path), detail, _HINT)


# --- never


def _never(mapping: Mapping, roots: Iterable[etree._Element]) -> Iterator[Flaw]:
    found, dead = set[tuple[Step, ...]](), set[tuple[Step, ...]]()
    for root in roots:
        with functions.translating(_submission(root)):
            found.update(_found(mapping, root))
    for place, text in _written(mapping):
        around = (place[:end] for end in range(len(place)))
        if place not in found and not any((*one, key) in dead for one in around for key in ("each", "at")):
            dead.add(place)
            yield _flaw(mapping, "never", f"{text} finds nothing in any message", *place)


def _found(mapping: Mapping, root: etree._Element) -> Iterator[tuple[Step, ...]]:
    """The places of XPaths that find something in a message."""
    place = mapping.paths.place(root)
    yield from (("refuse", reason) for reason, read in mapping.refused.items() if read.select(place))
    yield from _found_below(mapping.entries, place)


def _found_below(below: tuple[Entry, ...], at: Place) -> Iterator[tuple[Step, ...]]:
    for entry in below:
        for key in XPATHS:
            if (read := getattr(entry, key)) is not None and _finds(read, at):
                yield (*entry.place, key)
        inner = entry.each or entry.at
        for one in [at] if inner is None else map(entry.paths.place, _selected(inner, at)):
            yield from _found_below(entry.below, one)


def _finds(read: Read, at: Place) -> bool:
    try:
        found = read.select(at)
    except Failed:  # something is there, but not what is wanted; that is told otherwise
        return True
    return bool(found.strip() if isinstance(found, str) else found)


def _selected(read: Read, at: Place) -> Sequence[etree._Element]:
    try:
        return entries.elements(read, at, "")
    except Refused:
        return ()


def _written(mapping: Mapping) -> Iterator[tuple[tuple[Step, ...], str]]:
    """Every XPath of a mapping but those of `ignored`: where it stands, and what it says."""
    yield from ((("refuse", reason), text) for reason, text in mapping.spec.refuse.items())
    for entry in entries.every(mapping.entries):
        for key in XPATHS:
            if isinstance(text := getattr(entry.spec, key), str):
                yield (*entry.place, key), text


# --- refused and lost


def _on(mapping: Mapping, group: Iterable[etree._Element]) -> Iterator[Flaw]:
    """What is wrong with a mapping on messages that are the same but for their codes. Lost is what no one of them shows: tables may join codes."""
    lost: list[dict[str, str]] = []
    for root in group:
        place = mapping.paths.place(root)
        if any(read.select(place) for read in mapping.refused.values()):
            return
        submission = _submission(root)
        try:
            lost.append(dict(_unread(mapping, submission, mapping.document(submission))))
        except Refused as refusal:
            yield _flaw(mapping, "refused", f"a message that has everything is refused: {refusal.reason}", "document")
    for path in lost[0] if lost else ():
        if all(path in one for one in lost):
            yield _flaw(mapping, "lost", f"nobody reads {lost[0][path]}: read it, or give a reason under 'ignored'", "document")


def _unread(mapping: Mapping, submission: Submission, document: Document) -> Iterator[tuple[str, str]]:
    """Path of each element or attribute without which, or with another text in which, the document is the same; and what people call it."""
    root = submission.root
    tree, ignored = root.getroottree(), ignored_paths(mapping, root)
    for element in list(root.iter("*")):
        path = tree.getelementpath(element)
        if is_ignored(path, ignored):
            continue
        for name in list(map(str, element.attrib)):
            attribute = f"@{name}" if element is root else f"{path}/@{name}"
            called = _INDEX.sub("", attribute)
            with _without(element, name):
                if attribute not in ignored and called != _KEY_OF_FIELD and _outcome(mapping, submission) == document:
                    yield attribute, called
        with _changed(element):
            if not len(element) and _outcome(mapping, submission) == document:
                yield path, _named(element, path)


def is_ignored(path: str, ignored: Iterable[str]) -> bool:
    """Whether a path is one of these, or below one."""
    return any(path == one or path.startswith(f"{one}/") for one in ignored)


def ignored_paths(mapping: Mapping, root: etree._Element) -> set[str]:
    """Paths of what the mapping names under `ignored`, attributes with their element's."""
    paths: set[str] = set()
    with functions.translating(_submission(root)):
        for xpath in mapping.ignored:
            found: Any = xpath(root)
            paths.update(_path(root, one) for one in found)
    return paths


def _path(root: etree._Element, found: Any) -> str:
    """Of an element, or of an attribute as smart strings know it."""
    if not isinstance(found, str):
        return root.getroottree().getelementpath(found)
    owner = found.getparent()  # type: ignore[attr-defined] # a smart string
    name = f"@{found.attrname}"  # type: ignore[attr-defined]
    return name if owner is root else f"{_path(root, owner)}/{name}"


def _named(element: etree._Element, path: str) -> str:
    field = element.getparent()
    return f"feld('{field.get('id')}')" if field is not None and field.tag == "feld" else _INDEX.sub("", path)


@contextmanager
def _without(element: etree._Element, name: str) -> Iterator[None]:
    value = element.attrib.pop(name)
    yield
    element.set(name, value)


@contextmanager
def _changed(element: etree._Element) -> Iterator[None]:
    """With another text of the same shape, so that dates stay dates."""
    text = element.text or ""
    swapped = text.translate(_SWAPPED)
    element.text = swapped if swapped != text else f"{text}x"
    yield
    element.text = text


def _outcome(mapping: Mapping, submission: Submission) -> Document | None:
    try:
        return mapping.document(submission)
    except Refused:
        return None


def _submission(root: etree._Element) -> Submission:
    return Submission(UUID(int=1), UUID(int=2), "city.office", datetime(2026, 3, 1, 9, 30, tzinfo=UTC), b"", root)
