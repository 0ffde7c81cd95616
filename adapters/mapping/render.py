"""From the filled target to bytes: XML, JSON, CSV, fixed width.

All formats are written in the order of the mapping, but JSON, whose members are sorted. A field that takes one value is refused when it
gets several; nothing is cut off and nothing left out in silence.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

from adapters.mapping import charsets
from adapters.mapping.entries import Entry, Filled, every
from adapters.mapping.functions import Value, as_text
from adapters.mapping.page import CsvTarget, Draft, FixedTarget, JsonTarget, Spec, Unrepresentable, XmlTarget
from schemas.errors import Refused

_XML_NAME: Final = re.compile(r"(@)?(?:([A-Za-z_][\w.-]*):)?([A-Za-z_][\w.-]*)")
_IN_TEXT: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord("\r"): "&#13;"}
_IN_ATTRIBUTES: Final = _IN_TEXT | {ord('"'): "&quot;", ord("\t"): "&#9;", ord("\n"): "&#10;"}
"""What has to be written as a reference (XML 1.0, sections 2.4, 2.11 and 3.3.3)."""
_SPECIAL: Final = re.compile(r"[&<>\"\r\n\t]")
_LINE_END: Final = "\r\n"


class Renderer(Protocol):
    """A format with its settings."""

    media_type: str
    suffix: str

    def render(self, filled: list[Filled]) -> bytes:
        """The document.

        Raises:
            Refused: a value does not fit, by name of the field.
        """


def renderer(draft: Draft, spec: Spec, entries: tuple[Entry, ...]) -> Renderer:
    """The renderer of a mapping; what the format cannot have is noted in the draft."""
    target = spec.target
    if isinstance(target, XmlTarget):
        return _Xml(draft, target, entries)
    if isinstance(target, JsonTarget):
        return _Json(draft, entries)
    return _Csv(draft, target, entries) if isinstance(target, CsvTarget) else _Fixed(draft, target, entries)


def _one(entry: Entry, values: Sequence[Value]) -> Value | None:
    if len(values) > 1:
        raise Refused(f"{entry}: several values, and the target takes one")
    return values[0] if values else None


def _media_type(kind: str, encoding: str) -> str:
    return kind if encoding.upper() == "UTF-8" else f"{kind}; charset={encoding}"


class _Xml:
    suffix = "xml"

    def __init__(self, draft: Draft, target: XmlTarget, entries: tuple[Entry, ...]) -> None:
        self.media_type = _media_type("application/xml", target.encoding)
        self._target = target
        self._declared = "".join(f' xmlns:{prefix}="{uri.translate(_IN_ATTRIBUTES)}"' for prefix, uri in target.namespaces.items())
        self._root = self._prefixed(draft, target.root, "", "target", "root")
        self._names = dict(self._named(draft, entries, self._root))
        self._tags = {entry: (f"<{name}>", f"</{name}>") for entry, name in self._names.items()}

    def _named(self, draft: Draft, entries: Iterable[Entry], around: str) -> Iterator[tuple[Entry, str]]:
        """Every field with its name in the document."""
        for entry in entries:
            name = self._prefixed(draft, entry.name, around, *entry.place)
            if entry.name.startswith("@") and entry.below:
                draft.add("xml-name", f"the attribute '{entry.name}' cannot have fields", *entry.place)
            yield entry, name
            yield from self._named(draft, entry.below, name)

    def _prefixed(self, draft: Draft, name: str, around: str, *place: str) -> str:
        """A name with its prefix; an element without one has that of the element around it, an attribute none."""
        found = _XML_NAME.fullmatch(name)
        if found is None:
            draft.add("xml-name", f"'{name}' is no name of an XML element or, with @, attribute", *place)
            return name
        mark, prefix, local = found.groups()
        if prefix is None:
            return local if mark or ":" not in around else f"{around.partition(':')[0]}:{local}"
        if prefix not in self._target.namespaces:
            draft.add("xml-name", f"the prefix of '{name}' is not in namespaces", *place)
        return f"{prefix}:{local}"

    def render(self, filled: list[Filled]) -> bytes:
        parts = [f'<?xml version="1.0" encoding="{self._target.encoding}"?>'.replace('"', "'"), "\n"]
        self._write(parts, self._root, self._declared, "", filled)
        return "".join(parts).encode(self._target.encoding, "xmlcharrefreplace")

    def _write(self, parts: list[str], name: str, attributes: str, text: str, filled: list[Filled]) -> None:
        """One element: its start with the attributes among the fields, text, the elements among the fields, end."""
        below: list[str] = []
        for entry, values, branches in filled:
            if entry.below:
                for branch in branches:
                    self._write_branch(below, entry, values, branch)
            elif entry.name[0] == "@":
                if (value := _one(entry, values)) is not None:
                    attributes += f' {self._names[entry]}="{self._text(entry, value, _IN_ATTRIBUTES)}"'
            else:
                start, end = self._tags[entry]
                for value in values:
                    below += (start, self._text(entry, value, _IN_TEXT), end)
        if below or text:
            parts += (f"<{name}{attributes}>", text)
            parts += below
            parts.append(f"</{name}>")
        else:
            parts.append(f"<{name}{attributes}/>")

    def _write_branch(self, parts: list[str], entry: Entry, values: Sequence[Value], branch: list[Filled]) -> None:
        value = _one(entry, values)
        if value is None and entry.value is not None and not _has_values(branch):
            return
        text = "" if value is None else self._text(entry, value, _IN_TEXT)
        self._write(parts, self._names[entry], "", text, branch)

    def _text(self, entry: Entry, value: Value, escapes: dict[int, str]) -> str:
        text = value if isinstance(value, str) else as_text(value)
        if self._target.unrepresentable is not None:
            text = self._fitted(entry, text, self._target.unrepresentable)
        return text.translate(escapes) if _SPECIAL.search(text) else text

    def _fitted(self, entry: Entry, text: str, rule: Unrepresentable) -> str:
        fitted = charsets.fit(text, self._target.encoding, rule)
        if fitted is None:
            raise Refused(f"{entry} has a character that {self._target.encoding} cannot represent")
        return fitted


def _has_values(branch: list[Filled]) -> bool:
    return any(values or any(map(_has_values, branches)) for _, values, branches in branch)


class _Json:
    media_type = "application/json"
    suffix = "json"

    def __init__(self, draft: Draft, entries: tuple[Entry, ...]) -> None:
        for entry in every(entries):
            if entry.spec.value and entry.below:
                draft.add("shape", f"{entry}: only XML has text and fields in one", *entry.place)
        for level in (entries, *(entry.below for entry in every(entries))):
            for entry in _repeated(level):
                draft.add("repeated-name", f"{entry}: another field has the name '{entry.name}' too", *entry.place)

    def render(self, filled: list[Filled]) -> bytes:
        return json.dumps(self._object(filled), ensure_ascii=False, sort_keys=True).encode()

    def _object(self, filled: list[Filled]) -> dict[str, Any]:
        return {entry.name: self._value(entry, values, branches) for entry, values, branches in filled}

    def _value(self, entry: Entry, values: Sequence[Value], branches: Sequence[list[Filled]]) -> Any:
        if entry.each is not None:
            return [self._object(branch) for branch in branches]
        if entry.below:
            return self._object(branches[0]) if branches else None
        return list(values) if entry.spec.many else _one(entry, values)


def _repeated(entries: Iterable[Entry]) -> Iterator[Entry]:
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            yield entry
        seen.add(entry.name)


class _Table:
    """Rows with one cell per field: fields outside of the one `each` are the same in every row."""

    def __init__(self, draft: Draft, target: CsvTarget | FixedTarget, entries: tuple[Entry, ...]) -> None:
        self._target = target
        self._entries = {entry.name: entry for entry in every(entries) if not entry.below}
        self._columns = target.columns or tuple(self._entries)
        self._check(draft, entries)

    def _check(self, draft: Draft, entries: tuple[Entry, ...]) -> None:
        for entry in _repeated(entry for entry in every(entries) if not entry.below):
            draft.add("repeated-name", f"{entry}: another field is the column '{entry.name}' too; give it a name", *entry.place)
        for entry in [entry for entry in every(entries) if entry.each][1:]:
            draft.add("shape", f"{entry}: a table has one 'each', its rows", *entry.place)
        named = {*self._entries, *([self._target.mark.column] if self._target.mark else [])}
        if self._target.columns and (set(self._columns) != named or len(self._columns) != len(named)):
            wrong = ", ".join(sorted(set(self._columns) ^ named)) or "one column twice"
            draft.add("columns", f"columns and fields are not the same: {wrong}", "target", "columns")

    def _rows(self, filled: list[Filled]) -> list[list[str]]:
        rows = self._cells(filled)
        everything = "".join(text for cells in rows for text in cells.values())
        fits = charsets.has(everything, self._target.encoding)  # of most documents; then there is no need to look at each cell
        return [self._row(cells, cells if fits else self._fitted(cells, number)) for number, cells in enumerate(rows, start=1)]

    def _row(self, cells: dict[str, str], fitted: dict[str, str]) -> list[str]:
        if mark := self._target.mark:
            fitted = fitted | {mark.column: mark.unchanged if fitted == cells else mark.changed}
        return [fitted.get(column, "") for column in self._columns]

    def _cells(self, filled: list[Filled]) -> list[dict[str, str]]:
        common: dict[str, str] = {}
        rows = None
        for entry, values, branches in filled:
            below = [row for branch in branches for row in self._cells(branch)]
            if entry.each is not None:
                rows = below
            elif entry.below:
                common |= below[0] if below else {}
            else:
                common[entry.name] = self._cell(entry, values)
        return [common] if rows is None else [common | row for row in rows]

    def _cell(self, entry: Entry, values: Sequence[Value]) -> str:
        if self._target.join is not None:
            return self._target.join.join(map(as_text, values))
        value = _one(entry, values)
        return "" if value is None else as_text(value)

    def _fitted(self, cells: dict[str, str], number: int) -> dict[str, str]:
        fitted = {name: charsets.fit(text, self._target.encoding, self._target.unrepresentable) for name, text in cells.items()}
        for name, text in fitted.items():
            if text is None:
                raise Refused(f"column {name} of row {number} has a character that {self._target.encoding} cannot represent")
        return {name: text for name, text in fitted.items() if text is not None}


class _Csv(_Table):
    suffix = "csv"

    def __init__(self, draft: Draft, target: CsvTarget, entries: tuple[Entry, ...]) -> None:
        super().__init__(draft, target, entries)
        self.media_type = _media_type("text/csv", target.encoding)
        self._separator = target.separator

    def render(self, filled: list[Filled]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self._separator, lineterminator=_LINE_END).writerows([self._columns, *self._rows(filled)])
        return text.getvalue().encode(self._target.encoding)


class _Fixed(_Table):
    suffix = "txt"

    def __init__(self, draft: Draft, target: FixedTarget, entries: tuple[Entry, ...]) -> None:
        super().__init__(draft, target, entries)
        self.media_type = _media_type("text/plain", target.encoding)
        for entry in self._entries.values():
            if entry.spec.width is None:
                draft.add("width", f"{entry} has no width", *entry.place)

    def render(self, filled: list[Filled]) -> bytes:
        lines = ("".join(self._padded(row, number)) + _LINE_END for number, row in enumerate(self._rows(filled), start=1))
        return "".join(lines).encode(self._target.encoding)

    def _padded(self, row: Sequence[str], number: int) -> Iterator[str]:
        for name, text in zip(self._columns, row, strict=True):
            spec = self._entries[name].spec
            if len(text) > (spec.width or 0) or not text.isprintable():
                raise Refused(f"column {name} of row {number} is longer than {spec.width}, or more than one line")
            yield text.rjust(spec.width or 0, spec.fill) if spec.align == "right" else text.ljust(spec.width or 0, spec.fill)
