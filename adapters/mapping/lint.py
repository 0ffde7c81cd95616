"""What can be wrong with a mapping that loads, found by trying it on exemplars, and on what becomes of them where parts are missing.

- never: an XPath finds nothing in any message, so a field, a condition or a reason is dead
- refused: a message that has everything is refused, for example because a code table lacks a code of the service
- lost: a value of the message changes and the document does not; `ignored` says where that is meant

And by reading it, where a mistake is certain:

- field: `feld` asks for a field that no form of the office has
- code: a table has a code that the field which it translates cannot have
- date: a pattern has letters that are no part of a date
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from lxml import etree

from adapters.interface import Document, Submission
from adapters.mapping import compiled, functions, page, proofread, variants
from adapters.mapping.compiled import XPATHS, CompiledField, Misfit
from adapters.mapping.exemplars import exemplars
from adapters.mapping.mapping import Mapping
from adapters.mapping.proofread import Steps, flaw, written
from adapters.mapping.reading import CompiledXPath, ContextNode, Failed
from schemas.catalogue import Service
from schemas.errors import Refused
from schemas.findings import Flaw

_DOCUMENT: Final = ("document",)
_FIELD_ID: Final = re.compile(r"[A-Z][0-9]{8,11}")
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
    sets = [Exemplars(service, list(exemplars(kind, service))) for service in services for kind in mapping.spec.messages]
    never = list(_never(mapping, sets))
    known = {one.spot for one in never}
    found = [*never, *(one for one in proofread.flaws(mapping, services) if one.spot not in known)]
    found += chain.from_iterable(_on(mapping, group) for one in sets for group in one.groups)
    return list(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class Exemplars:
    """The exemplars of one kind of message for one service, in groups that differ in their applicants."""

    service: Service
    groups: list[list[etree._Element]]

    @property
    def firsts(self) -> list[etree._Element]:
        """One message of each group."""
        return [group[0] for group in self.groups]


# --- never


def _never(mapping: Mapping, sets: Sequence[Exemplars]) -> Iterator[Flaw]:
    dead = set[Steps]()
    pending = _pending(mapping, sets)
    for place, text in written(mapping):
        around = (place[:end] for end in range(len(place)))
        if place in pending and not any((*one, key) in dead for one in around for key in ("each", "at")):
            dead.add(place)
            yield flaw(mapping, "never", f"{text} finds nothing in any message", *place)


def _pending(mapping: Mapping, sets: Sequence[Exemplars]) -> set[Steps]:
    """The places of XPaths that find nothing: in no complete message, in none that lacks a part, in none that is filled in otherwise."""
    pending = dict(written(mapping))
    for root in _tried(pending, sets):
        with functions.translating(_submission(root)):
            for place in _found(mapping, root):
                pending.pop(place, None)
    return set(pending)


def _tried(pending: dict[Steps, str], sets: Sequence[Exemplars]) -> Iterator[etree._Element]:
    """Messages, as long as there are XPaths that have found nothing."""
    yield from (root for one in sets for group in one.groups for root in group)
    firsts = [(root, one.service) for one in sets for root in one.firsts]
    for root, service in firsts:
        if pending:
            yield from variants.incomplete(root, service)
    for place, text in list(pending.items()):
        for root, service in firsts:
            for filled in variants.filled_otherwise(root, service, text):
                if place not in pending:
                    break
                yield filled


def _found(mapping: Mapping, root: etree._Element) -> Iterator[Steps]:
    """The places of XPaths that find something in a message."""
    context = mapping.paths.context(root)
    yield from (("refuse", reason) for reason, read in mapping.refused.items() if _finds(read, context))
    yield from _found_below(mapping.entries, context)


def _found_below(below: tuple[CompiledField, ...], at: ContextNode) -> Iterator[Steps]:
    for entry in below:
        for key in XPATHS:
            if (read := getattr(entry, key)) is not None and _finds(read, at):
                yield (*entry.place, key)
        inner = entry.each or entry.at
        for one in [at] if inner is None else map(entry.paths.context, _selected(inner, at)):
            yield from _found_below(entry.below, one)


def _finds(xpath: CompiledXPath, at: ContextNode) -> bool:
    try:
        found = xpath.select(at)
    except Failed:  # something is there, but not what is wanted; that is told otherwise
        return True
    return functions.holds(found)


def _selected(xpath: CompiledXPath, at: ContextNode) -> Sequence[etree._Element]:
    try:
        return compiled.elements(xpath, at, "")
    except Refused:
        return ()


# --- refused and lost


def _on(mapping: Mapping, group: Iterable[etree._Element]) -> Iterator[Flaw]:
    """What is wrong with a mapping on messages that are the same but for their codes. Lost is what no one of them shows: tables may join codes."""
    lost: list[dict[str, str]] = []
    for root in group:
        context = mapping.paths.context(root)
        submission = _submission(root)
        with functions.translating(submission):
            if any(_finds(read, context) for read in mapping.refused.values()):
                return
        try:
            lost.append(dict(_unread(mapping, submission, mapping.document(submission))))
        except Refused as refusal:
            yield from _refused(mapping, refusal)
    for path in lost[0] if lost else ():
        if all(path in one for one in lost):
            yield flaw(mapping, "lost", f"{lost[0][path]}: read it, or give a reason under 'ignored'", *_speaks_of(mapping, lost[0][path]))


def _refused(mapping: Mapping, refusal: Refused) -> Iterator[Flaw]:
    """Each field that is to blame, at its own line."""
    faults = [(detail, entry.place) for entry, detail in refusal.faults] if isinstance(refusal, Misfit) else [(refusal.reason, _DOCUMENT)]
    for detail, place in faults:
        yield flaw(mapping, "refused", f"a message that has everything is refused: {detail}", *place)


def _speaks_of(mapping: Mapping, what: str) -> Steps:
    """Where a field asks for something and still does not read it; the document where none does."""
    field = _FIELD_ID.search(what)
    places = (place for place, text in written(mapping) if field and field.group() in text)
    return next(places, _DOCUMENT)


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
                    yield attribute, f"nobody reads {called}"
        if not len(element) and _changes_nothing(mapping, submission, document, element):
            yield path, _unread_text(mapping, submission, document, element)


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


def others(mapping: Mapping, text: str) -> Iterator[str]:
    """Other texts for the place of one, at least one of which changes the document where the mapping reads that place."""
    return variants.other_texts(text, mapping.spec.codes, (xpath for _, xpath in written(mapping)))


def _changes_nothing(mapping: Mapping, submission: Submission, document: Document, element: etree._Element) -> bool:
    """Whether the document is the same, whatever the text of an element."""
    text = element.text or ""
    try:
        for other in others(mapping, text):
            element.text = other
            if _outcome(mapping, submission) != document:
                return False
    finally:
        element.text = text
    return True


def _unread_text(mapping: Mapping, submission: Submission, document: Document, element: etree._Element) -> str:
    """What is true of a text that does not get into the document: a condition may still ask whether it is there."""
    name = _named(element, submission.root.getroottree().getelementpath(element))
    parent = element.getparent()
    if parent is None:
        return f"nobody reads {name}"
    at = parent.index(element)
    parent.remove(element)
    asked_for = _outcome(mapping, submission) != document
    parent.insert(at, element)
    return f"only whether there is {name} is asked for, and nobody reads it" if asked_for else f"nobody reads {name}"


def _outcome(mapping: Mapping, submission: Submission) -> Document | None:
    try:
        return mapping.document(submission)
    except Refused:
        return None


def _submission(root: etree._Element) -> Submission:
    return Submission(UUID(int=1), UUID(int=2), "city.office", datetime(2026, 3, 1, 9, 30, tzinfo=UTC), b"", root)
