"""`stadtbus adapter try`: a message beside what the adapter makes of it, value by value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lxml import etree

from adapters import conformance
from adapters.conformance.read import charset_of
from adapters.interface import Adapter, Document, Submission
from adapters.mapping import Mapping, lint, variants, view
from adapters.mapping.view import as_json
from adapters.protocols import mapped
from schemas.errors import DeliveryFailure
from stadtbus.adapter_tools.translation import readable, submission_from

_HEAD: Final = "nachrichtenkopf"


@dataclass(frozen=True, slots=True)
class MessageValue:
    """A value of the message; `read` says whether the document depends on it, `ignored` whether the mapping says that it need not.

    Where there is no document, every value counts as read. `path` is as in a mapping: `feld('F99000101')` for a field of the form.
    `targets` are the places of the document that change with it.
    """

    path: str
    value: str
    read: bool
    ignored: bool
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """A message beside what the adapter makes of it, which is nothing where it refuses it for a reason.

    `written` is what stands where in the document.
    """

    message: dict[str, Any]
    values: tuple[MessageValue, ...]
    document: Document | None
    written: dict[str, str]
    refused: str = ""

    @property
    def unmapped(self) -> list[str]:
        """Paths of values that do not get into the document, and nobody said that they need not."""
        return [one.path for one in self.values if not (one.read or one.ignored)]

    @property
    def added(self) -> dict[str, str]:
        """What stands in the document and is of no value of the message: it is the bus's, or the mapping's own."""
        known = {target for one in self.values for target in one.targets}
        return {place: value for place, value in self.written.items() if place not in known and value.strip()}

    @property
    def text(self) -> str:
        """The document as text."""
        return "" if self.document is None else readable(self.document)

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "message": self.message,
            "values": [{"path": one.path, "value": one.value, "targets": list(one.targets)} for one in self.values],
            "unmapped": self.unmapped,
            "ignored": [one.path for one in self.values if one.ignored and not one.read],
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
    submission = submission_from(file, office)
    path = mapped.page_of(office)
    mapping = Mapping.load(path) if path else None
    async with conformance.Bench.of(office) as at_work:
        probe = _Probe(at_work.adapter, mapping, submission)
        values = tuple(probe.values())
    return Trial(as_json(submission.root), values, probe.document, probe.written, probe.refused)


class _Probe:
    """An adapter at work on one message, and on what becomes of it with another value in one place."""

    def __init__(self, adapter: Adapter, mapping: Mapping | None, submission: Submission) -> None:
        self._adapter = adapter
        self._mapping = mapping
        self._submission = submission
        self._ignored = lint.ignored_paths(mapping, submission.root) if mapping else set()
        self.document, self.refused = self._outcome(submission)
        self.written = self._written(self.document)

    def _outcome(self, submission: Submission) -> tuple[Document | None, str]:
        try:
            return self._adapter.translate(submission), ""
        except DeliveryFailure as failure:
            return None, failure.reason

    def _written(self, document: Document | None) -> dict[str, str]:
        if document is None:
            return {}
        try:
            return self._mapping.values(document) if self._mapping else view.values(document.content, document.content_type)
        except (ValueError, IndexError):  # an adapter may write something else than its mapping
            return view.line_values(document.content, charset_of(document.content_type))

    def values(self) -> Iterator[MessageValue]:
        """Each value below the header: texts of elements, and attributes but for the ids of fields."""
        tree = self._submission.root.getroottree()
        for element in self._submission.root.iter("*"):
            path = tree.getelementpath(element)
            if path.startswith(_HEAD):
                continue
            for name, value in element.attrib.items():
                if element.tag != "feld":
                    yield self._value(path, str(name), str(value), _attribute(element, path, str(name)))
            if not len(element) and (element.text or "").strip():
                yield self._value(path, None, element.text or "", _named(element, path))

    def _value(self, path: str, attribute: str | None, value: str, name: str) -> MessageValue:
        place = path if attribute is None else (f"@{attribute}" if path == "." else f"{path}/@{attribute}")
        read, targets = self.document is None, tuple[str, ...]()
        for other in self._others(value, attribute) if self.document else ():
            document, _ = self._outcome(_changed(self._submission, path, attribute, other))
            read = read or document != self.document
            if document is not None and (targets := self._differing(document)):
                break
        return MessageValue(name, value, read, lint.is_ignored(place, self._ignored), targets)

    def _others(self, value: str, attribute: str | None) -> Iterable[str | None]:
        """What may stand there instead; None is no attribute at all, as of some only the presence counts."""
        yield from lint.others(self._mapping, value) if self._mapping else variants.other_texts(value, {}, ())
        if attribute is not None:
            yield None

    def _differing(self, document: Document) -> tuple[str, ...]:
        """Where two documents differ."""
        other = self._written(document)
        return tuple(place for place in {**self.written, **other} if self.written.get(place) != other.get(place))


def _changed(submission: Submission, path: str, attribute: str | None, other: str | None) -> Submission:
    """With another value in one place: where that is read, it makes another document, or none."""
    root = deepcopy(submission.root)
    element = root if path == "." else root.find(path)
    if element is not None and attribute is not None:
        element.attrib.pop(attribute)
        element.attrib.update({} if other is None else {attribute: other})
    elif element is not None:
        element.text = other
    return replace(submission, body=etree.tostring(root), root=root)


def _named(element: etree._Element, path: str) -> str:
    field = element.getparent()
    if field is None or field.tag != "feld":
        return view.plain(path)
    values = field.findall("wert")
    return f"feld('{field.get('id')}')" + (f"[{values.index(element) + 1}]" if len(values) > 1 else "")


def _attribute(element: etree._Element, path: str, name: str) -> str:
    return view.plain(f"@{name}" if element.getparent() is None else f"{path}/@{name}")
