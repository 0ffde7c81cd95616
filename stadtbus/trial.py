"""`stadtbus adapter try` and `diff`: what an adapter makes of a message, and what another mapping would make of it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from lxml import etree

from adapters import conformance
from adapters.conformance import bench
from adapters.conformance.read import charset_of
from adapters.interface import Adapter, Document, Submission
from adapters.mapping import Mapping, lint
from adapters.mapping.view import as_json
from adapters.protocols import mapped
from schemas import errors, heads, xml
from schemas.errors import DeliveryFailure, UsageError

_HEAD: Final = "nachrichtenkopf"
_CASE: Final = "antragsidentifikation"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value of the message; `read` says whether the document depends on it, `ignored` whether the mapping says that it need not.

    Where there is no document, every value counts as read. `path` is as in a mapping: `feld('F99000101')` for a field of the form.
    """

    path: str
    value: str
    read: bool
    ignored: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """A message beside what the adapter makes of it, which is nothing where it refuses it for a reason."""

    message: dict[str, Any]
    leaves: tuple[Leaf, ...]
    document: Document | None
    refused: str = ""

    @property
    def unmapped(self) -> list[str]:
        """Paths of values that do not get into the document, and nobody said that they need not."""
        return [leaf.path for leaf in self.leaves if not (leaf.read or leaf.ignored)]

    @property
    def text(self) -> str:
        """The document as text."""
        return "" if self.document is None else readable(self.document)

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "message": self.message,
            "unmapped": self.unmapped,
            "ignored": [leaf.path for leaf in self.leaves if leaf.ignored and not leaf.read],
            "content_type": self.document.content_type if self.document else None,
            "document": self.text,
            "refused": self.refused,
        }


async def translate(office: str, file: Path) -> Trial:
    """Translate a message from a file.

    Raises:
        UsageError: office-unknown, plug-in-broken, file-unreadable.
        Rejected: the file holds no message.
    """
    submission = _read(office, file)
    async with conformance.Bench.of(office) as at_work:
        document, refused = _outcome(at_work.adapter, submission)
        leaves = tuple(_leaves(at_work.adapter, submission, document, _ignored(office, submission)))
    return Trial(as_json(submission.root), leaves, document, refused)


def _read(office: str, file: Path) -> Submission:
    """The message with its own ids, as the bus takes them from it; new ones where it has none, as genuine messages have no case."""
    try:
        body = file.read_bytes()
    except OSError as error:
        raise UsageError(errors.FILE_UNREADABLE, error.strerror or "", where=str(file)) from None
    root = xml.parse(body)
    head = heads.read(root)
    message_id = _id(head.message_id if head else "") or uuid4()
    return bench.as_submission(office, body, message_id, _id(root.findtext(_CASE, "")) or message_id)


def _id(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def _outcome(adapter: Adapter, submission: Submission) -> tuple[Document | None, str]:
    try:
        return adapter.translate(submission), ""
    except DeliveryFailure as failure:
        return None, failure.reason


def _ignored(office: str, submission: Submission) -> set[str]:
    """What the mapping of the office says nobody needs; nothing where it has none."""
    path = mapped.page_of(office)
    return lint.ignored_paths(Mapping.load(path), submission.root) if path else set()


def _leaves(adapter: Adapter, submission: Submission, document: Document | None, ignored: set[str]) -> Iterator[Leaf]:
    """Each value below the header."""
    tree = submission.root.getroottree()
    for element in submission.root.iter("*"):
        path = tree.getelementpath(element)
        if len(element) or not (element.text or "").strip() or path.startswith(_HEAD):
            continue
        read = document is None or _outcome(adapter, _changed(submission, path))[0] != document
        yield Leaf(_named(element, path), element.text or "", read, lint.is_ignored(path, ignored))


def _changed(submission: Submission, path: str) -> Submission:
    """With another value in one place: where that is read, it makes another document, or none."""
    root = deepcopy(submission.root)
    element = root.find(path)
    if element is not None:
        element.text = _other(element.text or "")
    return replace(submission, body=etree.tostring(root), root=root)


def _named(element: etree._Element, path: str) -> str:
    field = element.getparent()
    return f"feld('{field.get('id')}')" if field is not None and field.tag == "feld" else path


def _other(text: str) -> str:
    """Of the same shape: other digits and letters."""
    swapped = text.translate(str.maketrans("0123456789", "1032547698"))
    return swapped if swapped != text else f"{text}x"


def readable(document: Document) -> str:
    """The document as text that people can read: XML and JSON with a line per value; as it is where it is not what it says."""
    charset = charset_of(document.content_type)
    try:
        if "xml" in document.content_type:
            return etree.tostring(xml.parse_declared(document.content, charset), pretty_print=True, encoding="unicode")
        text = document.content.decode(charset)
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2) if "json" in document.content_type else text
    except (ValueError, LookupError):
        return document.content.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Difference:
    """What a changed mapping changes on one sample, a file name: lines of a unified diff, none where nothing changes."""

    sample: str
    lines: tuple[str, ...]


def mapping_of(office: str) -> Mapping:
    """The mapping of an office.

    Raises:
        UsageError: office-unknown, mapping-missing where its adapter has none, or one that cannot be loaded.
    """
    path = mapped.page_of(office)
    if path is None:
        raise UsageError(errors.MAPPING_MISSING, "its adapter translates by itself, or not at all", where=office)
    return Mapping.load(path)


def differences(office: str, old: Path) -> list[Difference]:
    """Every recorded sample, translated by an old mapping and by the adapter's own.

    Raises:
        UsageError: office-unknown, samples-missing, mapping-missing, or a mapping that cannot be loaded.
    """
    before, after = Mapping.load(old), mapping_of(office)
    return [_difference(before, after, path.name, _read(office, path)) for path in bench.sample_paths(office)]


def _difference(before: Mapping, after: Mapping, sample: str, submission: Submission) -> Difference:
    old, new = _text(before, submission), _text(after, submission)
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "before", "after", lineterm="")
    return Difference(sample, tuple(lines))


def _text(mapping: Mapping, submission: Submission) -> str:
    try:
        return readable(mapping.document(submission))
    except DeliveryFailure as failure:
        return f"refused: {failure.reason}"
